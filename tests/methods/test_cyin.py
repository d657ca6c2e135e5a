"""CyIN: its loss against the released code's written out, gaps, ablations, imputation."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset, MultimodalRegressor, methods
from interplay.data.missing import Dependent, Rate, Subset
from interplay.methods import Batch, CyIN
from interplay.methods._cyin_loss import mixed, shift
from interplay.methods._cyin_presets import ABLATIONS, PRESETS

Build = Callable[[methods.Method, MultimodalDataset], tuple[methods.Method, Batch]]
SMALL: dict[str, Any] = {"width": 8, "hidden": 8, "tokens": 4}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The benchmark that holds the released code's form."""
    path = Path(__file__).parents[2] / "benchmarks" / "cyin_throughput.py"
    spec = importlib.util.spec_from_file_location("cyin_throughput", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def mixture(n: int = 60, seed: int = 0) -> MultimodalDataset:
    """A sequence with padding, a vector and an image; all carry the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = {
        "walk": rng.normal(size=(n, 10, 3)) + y[:, None, None],
        "blood": rng.normal(size=(n, 4)) + y[:, None],
        "scan": rng.normal(size=(n, 1, 6, 6)) + y[:, None, None, None],
    }
    present = {"walk": rng.random(n) > 0.2, "blood": rng.random(n) > 0.2}
    return MultimodalDataset(x, y, present=present, lengths={"walk": rng.integers(3, 11, n)})


def factor(n: int, seed: int) -> tuple[MultimodalDataset, np.ndarray]:
    """Noisy linear images of a common Gaussian; also the covariance of the two modalities together."""
    maps = np.random.default_rng(7).normal(size=(3, 6)) * np.array([3, 3, 3, 0.1, 0.1, 0.1])
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 3))
    noise = 0.5 * np.array([3, 3, 3, 0.1, 0.1, 0.1])
    x = common @ maps + noise * rng.normal(size=(n, 6)) + 5
    data = MultimodalDataset({"a": x[:, :3], "b": x[:, 3:]}, (common[:, 0] > 0).astype(int))
    return data, maps.T @ maps + np.diag(noise**2)


# --- the published form


@pytest.mark.parametrize("stage", [0, 1])
def test_published_loss_and_gradients_equal_the_released_code_written_out(
    stage: int, benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise off: the released code draws it three times for each modality, ours once; both have the same mean."""
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    batch = benchmark.rows(12, 10, 3)
    found = []
    for kind in (CyIN, benchmark.PublishedTwin):
        method = benchmark.build(kind("published", **SMALL), batch, 8)
        for module in method.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if hasattr(module, "attention_dropout"):
                module.attention_dropout = 0.0
            if isinstance(module, torch.nn.MultiheadAttention):
                module.dropout = 0.0
        method.begin_stage(method.stages(10)[stage])
        torch.manual_seed(1)
        loss = method.loss(method(batch), batch, method.stages(10)[stage]).total
        loss.backward()
        found.append((loss.detach(), {n: p.grad for n, p in method.named_parameters() if p.grad is not None}))
    (ours, our_gradients), (theirs, their_gradients) = found
    torch.testing.assert_close(ours, theirs)
    assert our_gradients.keys() == their_gradients.keys()
    for name, gradient in our_gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], rtol=1e-3, atol=1e-5, msg=name)


def test_published_prediction_with_a_gap_is_the_sum_of_translations(benchmark: ModuleType) -> None:
    batch = benchmark.rows(5, 8, 3)
    method = benchmark.build(CyIN("published", **SMALL), batch, 8).eval()
    gap = batch.with_present({**batch.present, "text": torch.zeros(5, dtype=torch.bool)})
    with torch.no_grad():
        means = {name: q[0] for name, q in method.posteriors(gap).items()}
        length = means["text"].shape[1]
        each = [method.translators.singly(means, {s: ("text", length)})[s][0] for s in ("audio", "video")]
        expected = method.fusion(method.attention(means | {"text": each[0] + each[1]}))
        torch.testing.assert_close(method(gap).logits, expected)


def test_mixing_feeds_translations_of_whole_batches(build: Build, data: MultimodalDataset) -> None:
    method, _ = build(CyIN("published", **SMALL), data)
    own = {name: torch.randn(3, 1, 8) for name in "ab"}
    torch.manual_seed(0)
    kept = sum(torch.equal(mixed(method.translators, own)["a"], own["a"]) for _ in range(600)) / 600
    assert kept == pytest.approx(1 / 3, abs=0.06)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_learns(preset: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    data = MultimodalDataset({m: rng.normal(size=(200, 3)) + 2.5 * y[:, None] for m in "ab"}, y)
    model = MultimodalClassifier(CyIN(preset, width=8, hidden=16), width=16, max_epochs=15, random_state=0)
    model.set_params(learning_rate=3e-3, batch_size=32)
    assert model.fit(data).score(data) > 0.85


# --- training


def test_half_of_the_rows_keep_everything_and_nobody_loses_all(build: Build, gappy: MultimodalDataset) -> None:
    method, batch = build(CyIN(**SMALL), gappy)
    present = torch.stack(list(batch.present.values()))
    torch.manual_seed(0)
    whole = torch.zeros(())
    for _ in range(50):
        out = method.augment(batch)
        kept = torch.stack([out.extra[f"kept:{name}"] for name in batch.present])
        assert (kept <= present).all()
        assert torch.equal(kept.any(0), present.any(0))
        whole += (kept == present)[:, present.all(0)].all(0).float().mean() / 50
    assert float(whole) == pytest.approx(0.5, abs=0.03)


def test_what_is_hidden_in_training_does_not_reach_the_prediction(build: Build, data: MultimodalDataset) -> None:
    method, batch = build(CyIN(**SMALL), data)
    kept = {"kept:a": torch.zeros(len(batch), dtype=torch.bool), "kept:b": torch.ones(len(batch), dtype=torch.bool)}
    other = replace(batch, modalities={**batch.modalities, "a": batch.modalities["a"] + 50})
    logits = []
    for rows in (batch, other):
        torch.manual_seed(0)
        logits.append(method(rows.attach(**kept)).logits)
    assert torch.equal(logits[0], logits[1])


def test_epochs_are_compared_with_and_without_gaps(build: Build, gappy: MultimodalDataset) -> None:
    method, batch = build(CyIN(**SMALL), gappy)
    scored = method.scored(batch)
    n = len(batch)
    assert len(scored) == 2 * n
    assert torch.equal(scored.target, torch.cat([batch.target, batch.target]))
    for name, mask in batch.present.items():
        assert torch.equal(scored.present[name][:n], mask)
        assert (scored.present[name][n:] <= mask).all()
    # A rate of one half leaves one of two modalities.
    assert (sum(mask[n:] for mask in scored.present.values()) <= 1).all()
    assert len(CyIN(pattern=None).scored(batch)) == n


def test_translation_sets_in_by_ramp_or_by_stage(build: Build, data: MultimodalDataset) -> None:
    method, batch = build(CyIN(gamma=2.0, **SMALL), data)
    stages = method.stages(20)
    assert [stage.epochs for stage in stages] == [20]
    method.begin_stage(stages[0])
    weights = []
    for _ in range(4):
        weights.append(float(method.translation_weight))
        method.after_epoch(batch, batch, stages[0])
    assert weights == [1.0, 2.0, 2.0, 2.0]
    published, _ = build(CyIN("published", **SMALL), data)
    stages = published.stages(20)
    assert [(stage.name, stage.epochs) for stage in stages] == [("bottleneck", 6), ("translation", 14)]
    for stage, weight in zip(stages, (0.0, 10.0), strict=True):
        published.begin_stage(stage)
        assert float(published.translation_weight) == weight


def test_cycle_visits_every_other_modality_alike() -> None:
    torch.manual_seed(0)
    counts = np.bincount([shift(4) for _ in range(900)], minlength=4)
    assert counts[0] == 0
    assert counts[1:].min() > 250
    assert shift(2) == 1


@pytest.mark.parametrize("without", ABLATIONS)
def test_ablations_take_away_what_they_name(without: str, build: Build, data: MultimodalDataset) -> None:
    gone = {
        "token": {"divergence", "reconstruction"},
        "label": {"label"},
        "translation": {"forward", "reverse"},
        "space": {"divergence", "reconstruction", "label"},
    }.get(without, set())
    full, batch = build(CyIN(**SMALL), data)
    method, _ = build(CyIN(without=without, **SMALL), data)
    stage = method.stages(4)[0]
    every, left = (set(m.loss(m(m.augment(batch)), batch, stage).parts) for m in (full, method))
    assert every - left == gone
    if without == "translated":
        gap = batch.with_present({**batch.present, "a": torch.zeros(len(batch), dtype=torch.bool)})
        method.eval()
        own = method.posteriors(gap)["b"][0]
        expected = method.fusion([torch.zeros_like(own[:, 0]), own[:, 0]]) + method.heads["b"](own[:, 0])
        torch.testing.assert_close(method(gap).logits, expected)
    if without == "space":
        assert method.posteriors(batch)["a"][1] is None


def test_rows_that_lack_a_target_take_no_part_in_its_terms(build: Build, gappy: MultimodalDataset) -> None:
    """Reconstruction and translation equal those of the rows that have both, alone."""
    method, batch = build(CyIN(**SMALL), gappy)
    method.eval()
    both = torch.stack(list(batch.present.values())).all(0)
    stage = method.stages(4)[0]
    one_sided = batch.with_present({"a": both, "b": torch.ones_like(both) & batch.present["b"]})
    method.train()
    for module in method.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    found = []
    for rows in (one_sided, one_sided[both]):
        with torch.no_grad():
            output = method(rows)
            means = {name: q[0] for name, q in output.latents["posteriors"].items()}
            output.latents["own"] = means
            output.latents["translated"] = method.translators(means, rows.present)
            found.append(method.loss(output, rows, stage).parts["forward"])
    # Rows with b alone cannot be translated to a (absent) nor from a: they add nothing.
    torch.testing.assert_close(found[0], found[1])


# --- any kind of modality


@pytest.mark.parametrize("without", [None, "space"])
def test_sequences_vectors_and_images_together(without: str | None) -> None:
    data = mixture()
    dirty = {name: x.copy() for name, x in data.modalities.items()}
    dirty["walk"][np.arange(10)[None] >= data.lengths["walk"][:, None]] = np.nan
    for name in ("walk", "blood"):
        dirty[name][~data.present[name]] = 1e9
    other = MultimodalDataset(dirty, data.target, present=data.present, lengths=data.lengths)
    params: dict[str, Any] = {"width": 16, "max_epochs": 3, "random_state": 0}
    one, two = (MultimodalClassifier(CyIN(without=without, **SMALL), **params).fit(d) for d in (data, other))
    np.testing.assert_array_equal(one.predict_proba(data), two.predict_proba(other))
    for name in data.names:
        assert np.isfinite(one.predict_proba(data.without(*(set(data.names) - {name})))).all()


def test_imputed_shapes_by_kind() -> None:
    data = mixture()
    model = MultimodalClassifier(CyIN(**SMALL), width=16, max_epochs=2, random_state=0).fit(data)
    found = model.impute(data.without("walk"))
    assert found.features["walk"].shape == (60, 4, 3)
    assert found.features["blood"].shape == (60, 4)
    assert "scan" not in found.features
    assert found.latents["scan"].shape == (60, 8)
    assert found.latents["walk"].shape == found.latents_sd["walk"].shape == (60, 4, 8)


def test_regression() -> None:
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(300, 3)), "b": rng.normal(size=(300, 3))}
    y = 10 + 4 * x["a"][:, 0] - 4 * x["b"][:, 1] + rng.normal(size=300)
    model = MultimodalRegressor("cyin", max_epochs=20, width=16, learning_rate=3e-3, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.8
    alone = model.score({"a": x["a"], "b": None}, y)
    assert 0.2 < alone < 0.6


# --- imputation


@pytest.fixture(scope="module")
def imputer() -> MultimodalClassifier:
    model = MultimodalClassifier(CyIN(reconstruction=1.0), max_epochs=25, learning_rate=3e-3, random_state=0)
    return model.fit(factor(1200, 0)[0])


def test_imputed_features_are_near_the_best_and_their_spread_is_honest(imputer: MultimodalClassifier) -> None:
    test, covariance = factor(2000, 1)
    found = imputer.impute(test.without("a"))
    error = found.features["a"] - test.modalities["a"]
    best = covariance[:3, :3] - covariance[:3, 3:] @ np.linalg.solve(covariance[3:, 3:], covariance[3:, :3])
    assert (error**2).mean() < 1.35 * np.trace(best) / 3
    assert np.mean(np.abs(error) < 1.96 * found.sd["a"]) == pytest.approx(0.95, abs=0.04)
    np.testing.assert_allclose((found.sd["a"] ** 2).mean(0) / (error**2).mean(0), 1, atol=0.35)


def test_imputation_keeps_what_is_there_and_says_where_it_was_not(imputer: MultimodalClassifier) -> None:
    test, _ = factor(50, 2)
    here = np.arange(50) % 2 == 0
    gappy = MultimodalDataset(test.modalities, test.target, present={"a": here})
    found = imputer.impute(gappy)
    np.testing.assert_array_equal(found.features["a"][here], test.modalities["a"][here])
    assert (found.sd["a"][here] == 0).all()
    assert (found.sd["a"][~here] > 0).all()
    np.testing.assert_array_equal(found.imputed["a"], ~here)
    assert np.isnan(found.certainty["a"][here]).all()
    table = found.table()
    assert len(table) == 25
    assert set(table["modality"]) == {"a"}
    assert "a: 25 of 50 samples imputed" in str(found)
    explained = imputer.explain(gappy)
    np.testing.assert_allclose(explained["imputed:a"], found.certainty["a"])
    assert explained["imputed:b"].isna().all()


def test_certainty_falls_with_what_is_known(imputer: MultimodalClassifier) -> None:
    test, _ = factor(200, 3)
    some = imputer.impute(test.without("a")).certainty["a"].mean()
    nothing = imputer.impute(test.without("a", "b")).certainty["a"].mean()
    assert 0 <= nothing < some - 0.05
    assert some <= 1


def test_imputation_follows_the_units() -> None:
    data, _ = factor(200, 0)
    larger = MultimodalDataset({"a": data.modalities["a"] * 1000, "b": data.modalities["b"]}, data.target)
    fitted = [MultimodalClassifier("cyin", max_epochs=3, random_state=0, width=16).fit(d) for d in (data, larger)]
    one, two = (model.impute(d.without("a")) for model, d in zip(fitted, (data, larger), strict=True))
    np.testing.assert_allclose(two.features["a"], 1000 * one.features["a"], rtol=2e-3)
    np.testing.assert_allclose(two.sd["a"], 1000 * one.sd["a"], rtol=2e-3)


def test_methods_that_do_not_impute_say_so(data: MultimodalDataset) -> None:
    model = MultimodalClassifier("ensemble", max_epochs=1, random_state=0).fit(data)
    with pytest.raises(ValueError, match="Ensemble does not impute; use method='cyin'"):
        model.impute(data)


# --- parameters


def test_prediction_is_deterministic_and_can_be_sampled(build: Build, data: MultimodalDataset) -> None:
    method, batch = build(CyIN(**SMALL), data)
    method.eval()
    assert torch.equal(method(batch).logits, method(batch).logits)
    method.sampling = True
    assert not torch.equal(method(batch).logits, method(batch).logits)


def test_patterns_that_depend_on_labels_go_to_the_estimator(data: MultimodalDataset) -> None:
    """What the message sends one to."""
    pattern = Dependent("a", {data.classes[0]: 0.9})
    MultimodalClassifier(CyIN(**SMALL), missing=pattern, max_epochs=1, random_state=0).fit(data)


def test_an_exact_rate_is_exact_in_each_draw(build: Build, data: MultimodalDataset) -> None:
    method, batch = build(CyIN(pattern=Rate(0.25, exact=True), **SMALL), data)
    for seed in range(3):
        kept = method._draw_pattern(batch, seed, 0.0)
        assert sum(int(mask.sum()) for mask in kept.values()) == round(0.75 * 2 * len(batch))


def test_a_pattern_is_saved_with_the_model(data: MultimodalDataset, tmp_path: Path) -> None:
    pattern = Subset(("a",))
    model = MultimodalClassifier(CyIN(pattern=pattern, **SMALL), max_epochs=1, random_state=0).fit(data)
    model.save(tmp_path)
    again = MultimodalClassifier.load(tmp_path)
    assert again.method.pattern == pattern
    np.testing.assert_array_equal(again.impute(data.without("a")).sd["a"], model.impute(data.without("a")).sd["a"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"preset": "best"}, "preset must be one of 'mended', "),
        ({"translator": "none"}, "translator must be one of 'hub', "),
        ({"without": "everything"}, "without must be one of 'token', "),
        ({"width": 0}, "width must be an integer >= 1, found 0"),
        ({"hidden": 10}, "multiple of 4"),
        ({"beta": 0.0}, "beta must be a number > 0 or None, found 0.0"),
        ({"pattern": "half"}, "missing"),
        ({"pattern": Dependent("a", {0: 0.5})}, "neither labels nor data.*missing=Dependent"),
        ({"pattern": Dependent("a", 0.5, on="b")}, "neither labels nor data.*missing=Dependent"),
    ],
)
def test_bad_parameters(params: dict[str, Any], message: str, data: MultimodalDataset) -> None:
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(CyIN(**params), max_epochs=1).fit(data)
