import copy
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

import interplay as ip
from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.data.datasets import make_interactions
from interplay.information import entropy, mutual_information
from interplay.methods import Batch, Output, Stage, _dmil_diagnostics
from interplay.methods._composition import PosteriorTowers, assign_folds, composition, gaussian_information
from interplay.methods.dmil import DMIL, hide_modalities
from interplay.nn import MaskedEncoder, Standardize, build_encoder, consensus
from interplay.training import Settings, prepare, to_batch, train

NAMES = ("a", "b", "c")


def built(method: DMIL, n_modalities: int = 2, n_classes: int = 3) -> DMIL:
    torch.manual_seed(0)
    encoders = {
        name: MaskedEncoder(
            Standardize(torch.zeros(6), torch.ones(6)), build_encoder("mlp", (6,), width=16, dropout=0.0), name
        )
        for name in NAMES[:n_modalities]
    }
    method.check(tuple(encoders), "classification")
    method.build(encoders, torch.tensor([0.5, 0.3, 0.2])[:n_classes])
    return method


def rows(n: int = 40, n_modalities: int = 2, gaps: bool = False, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = {name: rng.normal(size=(n, 6)) + y[:, None] for name in NAMES[:n_modalities]}
    present = {name: rng.random(n) < 0.7 for name in x} if gaps else None
    return to_batch(MultimodalDataset(x, y, present=present), y.astype(np.int64))


def with_composition(batch: Batch, n_parts: int) -> Batch:
    return batch.attach(composition=torch.rand(len(batch), n_parts, generator=torch.Generator().manual_seed(1)))


# --- composition targets


def slow_composition(single: list[float], together: float) -> list[float]:
    """The definition for two modalities, one sample at a time."""
    one, two = single
    r = max(0.0, min(one, two))
    atoms = [r, max(0.0, one - r), max(0.0, two - r), max(0.0, together - max(0.0, one, two))]
    return [atom / (sum(atoms) + 1e-3) for atom in atoms]


def test_composition_equals_its_slow_twin_for_two_modalities() -> None:
    single = torch.randn(200, 2, dtype=torch.float64)
    together = torch.randn(200, dtype=torch.float64)
    expected = [slow_composition(s, t) for s, t in zip(single.tolist(), together.tolist(), strict=True)]
    torch.testing.assert_close(composition(single, together), torch.tensor(expected, dtype=torch.float64))


def test_composition_of_three_counts_nothing_twice() -> None:
    """Where all together know most, the unnormalised parts sum to what they know."""
    single = torch.rand(100, 3, dtype=torch.float64)
    together = single.amax(-1) + torch.rand(100, dtype=torch.float64)
    shares = composition(single, together)
    # shares = atoms / (sum + 1e-3), so the sum of the atoms follows from the sum of the shares.
    total = shares.sum(-1)
    torch.testing.assert_close(1e-3 * total / (1 - total), together)
    two_of_three = composition(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([1.0]))
    assert two_of_three.round(decimals=2).tolist() == [[1, 0, 0, 0, 0]]


def test_composition_does_not_depend_on_the_order_of_modalities() -> None:
    single, together = torch.randn(50, 3), torch.randn(50)
    shares = composition(single, together)
    turned = composition(single[:, [2, 0, 1]], together)
    torch.testing.assert_close(turned, shares[:, [0, 3, 1, 2, 4]])


def test_folds_are_even_within_classes_and_keep_groups_whole() -> None:
    target = torch.arange(60) % 3
    x = {"a": torch.zeros(60, 1)}
    batch = Batch(x, {"a": torch.ones(60, dtype=torch.bool)}, target=target)
    fold = assign_folds(batch, 4)
    counts = torch.stack([torch.bincount(fold[target == k], minlength=4) for k in range(3)])
    assert counts.min() >= 4
    assert counts.max() <= 6
    grouped = batch.attach(group=torch.arange(60) // 6)
    fold = assign_folds(grouped, 4)
    for group in range(10):
        assert len(fold[grouped.extra["group"] == group].unique()) == 1
    assert set(fold.tolist()) == {0, 1, 2, 3}


def test_each_tower_keeps_its_own_best_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    towers = PosteriorTowers()
    towers.build(dict(built(DMIL()).encoders.items()), torch.tensor([0.5, 0.3, 0.2]))
    batch = rows()
    assert batch.target is not None
    good = torch.nn.functional.one_hot(batch.target, 3) * 5.0
    for a, b in ((good, -good), (-good, good)):
        monkeypatch.setattr(towers, "forward", lambda _, a=a, b=b: Output(a, {"a": a, "b": b}))
        towers.after_epoch(batch, batch, Stage("fit", 1))
    # All remember the good one, though it came at different epochs; information is log p - log prior at the label.
    information = towers.information(batch.target)
    expected = good.log_softmax(-1).gather(1, batch.target[:, None])[:, 0] - towers.log_prior[batch.target]
    torch.testing.assert_close(information, expected[:, None].expand(-1, 3))


def test_composition_targets_find_the_kind_of_each_sample() -> None:
    made = make_interactions(n_classes=3, n_samples=1200, n_features=6, noise=0.1, random_state=0)
    method = built(DMIL())
    batch = to_batch(made.dataset, made.dataset.codes)
    ready = prepare(method, batch, Settings(max_epochs=15, batch_size=64, learning_rate=5e-3), seed=0)
    kinds = np.array(["redundancy", "unique:a", "unique:b", "synergy"])
    found = kinds[ready.extra["composition"].argmax(-1).numpy()]
    assert (found == made.kind).mean() > 0.9


# --- limits and twins


def test_without_bottlenecks_it_is_a_gated_mixture() -> None:
    """Points for distributions and all variational and alignment weights zero: experts, gate, cross-entropies."""
    method = built(DMIL("corrected", variational=False, bottleneck=0.0, width=8)).train()
    batch = rows()
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    output = method(batch)
    z = {name: method.embed[name](x) for name, x in method.encode(batch).items()}
    m = {name: method.relevant[name].linear(x) for name, x in z.items()}
    n = [method.irrelevant[name].linear(x) for name, x in z.items()]
    inputs = {
        "redundancy": method.shared["redundancy"].together.linear(torch.cat([m["a"], m["b"]], -1)),
        "unique:a": method.unique["a"].linear(m["a"]),
        "unique:b": method.unique["b"].linear(m["b"]),
        "synergy": method.fusion["synergy"].layers(torch.cat([*n, n[0] * n[1]], -1)),
    }
    experts = {part: method.component_heads[part](x) for part, x in inputs.items()}
    weights = method.gate(torch.cat([inputs[p] for p in ("redundancy", "unique:a", "unique:b", "synergy")], -1))
    logits = (weights.softmax(-1)[..., None] * torch.stack(list(experts.values()), 1)).sum(1)
    torch.testing.assert_close(output.logits, logits)
    assert batch.target is not None
    expected = cross_entropy(logits, batch.target)
    expected = expected + 0.5 * sum(cross_entropy(method.heads[name](m[name]), batch.target) for name in m)
    expected = expected + 0.8 * sum(cross_entropy(expert, batch.target) for expert in experts.values())
    torch.testing.assert_close(method.loss(output, batch, stage).total, expected)


@pytest.mark.parametrize("preset", ["supervised", "corrected", "published", "paper"])
def test_divergences_equal_those_of_torch(preset: str) -> None:
    method = built(DMIL(preset, width=8)).train()
    batch = with_composition(rows(), 4)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    output = method(batch)
    parts = method.loss(output, batch, stage).parts
    h = output.latents

    def normal(posterior: tuple[torch.Tensor, torch.Tensor]) -> torch.distributions.Normal:
        return torch.distributions.Normal(posterior[0], torch.exp(posterior[1] / 2))

    prior = torch.distributions.Normal(0.0, 1.0)
    divergence = torch.distributions.kl_divergence
    expected = {
        "kl:a": divergence(normal(h["relevant"]["a"]), prior) + divergence(normal(h["irrelevant"]["a"]), prior),
        "unique_kl:b": divergence(normal(h["own"]["b"]), prior),
        "redundancy_kl": divergence(normal(h["shared"]["redundancy"]), prior),
        "alignment:b": divergence(normal(h["shared"]["redundancy"]), normal(h["single"]["redundancy"]["b"])),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value.mean())


def test_what_is_shared_is_learned_from_each_modality_alone() -> None:
    """Each modality's own posterior of the shared part answers through the same head; absent ones are left out."""
    method = built(DMIL(), n_modalities=3).eval()
    batch = with_composition(rows(n_modalities=3, gaps=True), 5)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    parts = method.loss(method(batch), batch, stage).parts
    assert batch.target is not None
    only_b = batch.with_present({name: batch.present[name] & (name == "b") for name in NAMES})
    alone = method(only_b).components["redundancy"]
    there = batch.present["b"]
    expected = cross_entropy(alone[there], batch.target[there]) * there.sum() / len(batch)
    torch.testing.assert_close(parts["single:b"], expected)


@pytest.mark.parametrize("preset", ["supervised", "corrected", "paper"])
def test_loss_of_a_batch_is_the_weighted_mean_of_its_parts(preset: str) -> None:
    method = built(DMIL(preset)).eval()
    batch = with_composition(rows(40), 4)
    for stage in method.stages(14):
        method.begin_stage(stage)
        whole = method.loss(method(batch), batch, stage).total
        halves = [method.loss(method(part), part, stage).total for part in (batch[:30], batch[30:])]
        torch.testing.assert_close(whole, 0.75 * halves[0] + 0.25 * halves[1])


def frozen_state(method: DMIL, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    state = method.state_dict()
    return {k: v.clone() for k, v in state.items() if k.split(".")[0] in names}


@pytest.mark.parametrize("preset", ["supervised", "published"])
def test_second_stage_changes_nothing_of_the_first_level(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also no buffer: an encoder with batch norm has running statistics that must stand still."""

    class WithBatchNorm(torch.nn.Module):
        out_features = 8

        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(6)
            self.linear = torch.nn.Linear(6, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.norm(x))

    method = DMIL(preset, width=8)
    scale = Standardize(torch.zeros(6), torch.ones(6))
    method.build({n: MaskedEncoder(scale, WithBatchNorm(), n) for n in ("a", "b")}, torch.tensor([0.5, 0.3, 0.2]))
    second = next(stage for stage in method.stages(14) if stage.name == "consistency")
    monkeypatch.setattr(method, "stages", lambda _: [second])
    assert {"encoders", "embed", "relevant", "irrelevant", "decoder", "heads"} == set(second.frozen)
    before, everything = frozen_state(method, second.frozen), copy.deepcopy(method.state_dict())
    assert any("running_mean" in name for name in before)
    monkeypatch.setattr(method, "prepare", lambda batch, fit: with_composition(batch, 4))
    train(method, rows(), rows(seed=1), Settings(max_epochs=14, batch_size=16), seed=0)
    after = frozen_state(method, second.frozen)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=0)
    changed = [name for name, value in method.state_dict().items() if not torch.equal(value, everything[name])]
    assert changed, "the stage trained nothing"


def test_cached_encodings_give_the_same_output() -> None:
    method = built(DMIL()).eval()
    batch = rows(gaps=True)
    cached = method.cache_encodings(batch, size=7)
    torch.testing.assert_close(method(cached).logits, method(batch).logits)
    blind = Batch({k: x * 0 for k, x in cached.modalities.items()}, cached.present, extra=cached.extra)
    torch.testing.assert_close(method(blind).logits, method(batch).logits)


# --- missing modalities


def test_posterior_of_an_absent_modality_is_its_prior() -> None:
    method = built(DMIL()).eval()
    batch = rows()
    without = batch.with_present({"a": torch.zeros(40, dtype=torch.bool), "b": batch.present["b"]})
    output = method(without)
    for block in ("relevant", "irrelevant", "own"):
        mean, log_variance = output.latents[block]["a"]
        assert not mean.any()
        assert not log_variance.any()
    assert not output.gate["unique:a"].any()
    assert not output.gate["synergy"].any()
    torch.testing.assert_close(output.gate["redundancy"] + output.gate["unique:b"], torch.ones(40))
    latents = output.latents
    # Redundancy is read from what is left, through the posterior given that modality alone.
    for found, expected in zip(latents["shared"]["redundancy"], latents["single"]["redundancy"]["b"], strict=True):
        torch.testing.assert_close(found, expected)


def test_three_modalities_keep_synergy_while_two_are_there() -> None:
    method = built(DMIL(), 3).eval()
    batch = rows(n_modalities=3)
    gone = torch.zeros(40, dtype=torch.bool)
    two = method(batch.with_present({**batch.present, "c": gone}))
    assert two.gate["synergy"].min() > 0
    assert not two.gate["unique:c"].any()
    one = method(batch.with_present({**batch.present, "c": gone, "a": gone}))
    assert not one.gate["synergy"].any()
    assert set(one.gate) == {"redundancy", "unique:a", "unique:b", "unique:c", "synergy"}


def test_consensus_is_the_geometric_mean_of_what_is_there() -> None:
    def posterior() -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(4, 2), torch.randn(4, 2)

    together, single = posterior(), [posterior() for _ in range(3)]
    present = [torch.tensor(mask) for mask in ([True, True, True, False], [True, False, True, False])]
    present.append(torch.tensor([True, False, False, False]))
    mean, log_variance = consensus(together, single, present)
    torch.testing.assert_close((mean[0], log_variance[0]), (together[0][0], together[1][0]))
    torch.testing.assert_close((mean[1], log_variance[1]), (single[0][0][1], single[0][1][1]))
    torch.testing.assert_close((mean[3], log_variance[3]), (torch.zeros(2), torch.zeros(2)))
    # Log densities average, up to a constant in x.
    x = torch.linspace(-2, 2, 9)[:, None]
    density = sum(torch.distributions.Normal(m[2], (v[2] / 2).exp()).log_prob(x) for m, v in single[:2]) / 2
    found = torch.distributions.Normal(mean[2], (log_variance[2] / 2).exp()).log_prob(x)
    difference = found - density
    torch.testing.assert_close(difference, difference[:1].expand_as(difference))


def test_hiding_keeps_one_modality_and_never_invents_one() -> None:
    batch = rows(400, n_modalities=3, gaps=True)
    before = torch.stack(list(batch.present.values()))
    hidden = hide_modalities(batch, 0.6)
    after = torch.stack(list(hidden.present.values()))
    assert not (after & ~before).any()
    assert (after.any(0) == before.any(0)).all()
    assert after.sum() < 0.7 * before.sum()
    for name, x in hidden.modalities.items():
        assert not x[~hidden.present[name]].any()


def test_modality_dropout_and_real_gaps_train(gappy: MultimodalDataset) -> None:
    params = {"max_epochs": 10, "batch_size": 32, "width": 16, "random_state": 0}
    plain = MultimodalClassifier(DMIL(), **params).fit(gappy)
    dropped = MultimodalClassifier(DMIL(modality_dropout=0.5), **params).fit(gappy)
    for model in (plain, dropped):
        assert model.score(gappy) > 0.6
    assert not np.array_equal(plain.predict_proba(gappy), dropped.predict_proba(gappy))


# --- options


@pytest.mark.parametrize(
    ("params", "parts"),
    [
        ({}, ["redundancy", "unique:a", "unique:b", "synergy"]),
        ({"variational": False}, ["redundancy", "unique:a", "unique:b", "synergy"]),
        ({"levels": "intra"}, ["unique:a", "unique:b", "synergy"]),
        ({"levels": "consistency"}, ["redundancy", "unique:a", "unique:b", "synergy"]),
        ({"preset": "paper"}, ["redundancy", "unique:a", "unique:b", "synergy"]),
        ({"preset": "corrected", "levels": "intra"}, ["unique:a", "unique:b", "synergy"]),
        ({"preset": "corrected", "levels": "consistency"}, ["redundancy", "unique:a", "unique:b", "synergy"]),
    ],
)
def test_every_option_learns(params: Mapping[str, object], parts: list[str], data: MultimodalDataset) -> None:
    model = MultimodalClassifier(DMIL(**params), max_epochs=14, batch_size=32, width=16, random_state=0).fit(data)
    assert model.score(data) > 0.6
    table = model.explain(data)
    gates = table[[f"gate:{part}" for part in parts]]
    np.testing.assert_allclose(gates.sum(axis=1), 1, atol=1e-5)
    again = MultimodalClassifier(methods.make(model.method_)).method.get_params()
    assert again == model.method_.get_params()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"preset": "best"}, "preset must be 'supervised' or"),
        ({"levels": "all"}, "levels must be 'both' or"),
        ({"modality_dropout": 1.0}, "modality_dropout must lie in"),
        ({"stage_epochs": (3, 1)}, "stage_epochs must be three integers"),
        ({"stage_epochs": (3, 0, 3)}, "stage_epochs must be three integers"),
        ({"n_folds": 1}, "n_folds must be at least 2"),
    ],
)
def test_parameters_are_checked(params: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DMIL(**params).check(("a", "b"), "classification")


@pytest.mark.parametrize(("preset", "shares"), [("supervised", (70, 23, 70)), ("published", (10, 5, 55))])
def test_lengths_of_stages(preset: str, shares: tuple[int, ...], data: MultimodalDataset) -> None:
    assert tuple(stage.epochs for stage in built(DMIL(preset)).stages(70)) == shares
    assert [stage.epochs for stage in built(DMIL(preset, stage_epochs=(4, 2, 9))).stages(70)] == [4, 2, 9]
    method = DMIL(preset, stage_epochs=(2, 1, 3), n_folds=2)
    model = MultimodalClassifier(method, batch_size=64, width=8, random_state=0).fit(data)
    assert [r["stage"] for r in model.history_.records] == ["intra"] * 2 + ["consistency"] + ["joint"] * 3


def test_synergy_that_says_almost_nothing_says_nothing() -> None:
    method = built(DMIL()).eval()
    prior = method.log_prior
    trace, loud = prior + torch.tensor([0.05, 0.0, 0.0]), prior + torch.tensor([-3.0, 0.0, 3.0])
    heard = method._silence(torch.stack([trace, loud]))
    torch.testing.assert_close(heard[0], prior)
    torch.testing.assert_close(heard[1], loud)


# --- what it tells


def test_history_shows_what_goes_on_inside(data: MultimodalDataset) -> None:
    model = MultimodalClassifier(DMIL(width=8), max_epochs=7, batch_size=32, width=16, random_state=0).fit(data)
    record = model.history_.records[-1]
    for block in ("M:a", "N:b", "U:a", "R"):
        assert 0 <= record[f"active:{block}"] <= 8
        assert record[f"kl:{block}"] >= 0
    assert sum(record[f"usage:{part}"] for part in model.method_.parts) == pytest.approx(1, abs=1e-5)
    assert 0 <= record["gate_entropy"] <= 2
    assert 0 <= record["dependence:a"] <= 1


def test_gate_entropy_of_an_even_gate_is_two_bits() -> None:
    method = built(DMIL()).eval()
    output = method(rows())
    even = {part: torch.full((40,), 0.25) for part in output.gate}
    output.gate = even
    assert _dmil_diagnostics.diagnostics(method, output, rows())["gate_entropy"] == pytest.approx(2)


def test_a_collapsed_block_raises_the_alarm() -> None:
    method = built(DMIL()).eval()
    with torch.no_grad():
        method.relevant["b"].linear.weight.zero_()
    with pytest.warns(UserWarning, match="M:b collapsed to their prior"):
        method.after_fit(method(rows()), rows())


def test_synergy_without_material_raises_the_alarm() -> None:
    method = built(DMIL(), 3).eval()
    assert not _dmil_diagnostics.collapsed(method.diagnostics(rows(n_modalities=3)))
    with torch.no_grad():
        method.irrelevant["b"].linear.weight.zero_()
    # Two others are left.
    assert not _dmil_diagnostics.collapsed(method.diagnostics(rows(n_modalities=3)))
    with torch.no_grad():
        method.irrelevant["c"].linear.weight.zero_()
    with pytest.warns(UserWarning, match="N:b, N:c collapsed"):
        method.after_fit(method(rows(n_modalities=3)), rows(n_modalities=3))


def test_uncertainty_comes_from_the_posteriors(data: MultimodalDataset) -> None:
    params = {"max_epochs": 7, "batch_size": 32, "width": 16, "random_state": 0}
    model = MultimodalClassifier(DMIL(), **params).fit(data)
    table = model.explain(data, n_draws=5)
    parts = model.method_.parts
    assert (table[[f"sd:{part}" for part in parts]].to_numpy() > 0).mean() > 0.7
    pd.testing.assert_frame_equal(model.explain(data, n_draws=5), table)
    pd.testing.assert_frame_equal(model.explain(data), table.loc[:, ~table.columns.str.startswith("sd:")])
    points = MultimodalClassifier(DMIL(variational=False), **params).fit(data)
    assert not points.explain(data, n_draws=2)[[f"sd:{part}" for part in parts]].to_numpy().any()


# --- it learns what it should


def test_xor_is_synergy() -> None:
    made = make_interactions({"synergy": 1.0}, n_samples=800, n_features=6, noise=0.2, random_state=0)
    training, test = made.dataset.split(0.25, random_state=0)
    model = MultimodalClassifier(DMIL(), max_epochs=30, batch_size=64, learning_rate=5e-3, random_state=0)
    table = model.fit(training).explain(test)
    assert (table["prediction"] == test.target).mean() > 0.97
    assert table["gate:synergy"].mean() > 0.9
    alone = model.explain(test.without("a"))
    assert (alone["prediction"] == test.target).mean() < 0.65


# --- theory


BY_CLASS = ([0.7, 0.2, 0.1], [0.1, 0.6, 0.1], [0.1, 0.2, 0.1], [0.1, 0.0, 0.7])


@pytest.mark.parametrize("shares", [(0.25,) * 4, (0.5, 0.25, 0.25, 0.0), (0.0, 0.5, 0.0, 0.5), BY_CLASS])
@pytest.mark.parametrize("visible", [True, False])
def test_theorem_1_on_known_composition(shares: tuple[float | list[float], ...], visible: bool) -> None:
    """I(Z;Y) >= E_c I(Z;Y|c) - H(C|Z) + I(Y;C), and the gap is H(C|Z,Y): zero where kinds are visible."""
    n_classes, kinds = 3, ("redundancy", "unique:a", "unique:b", "synergy")

    def enumerate_kind(kind: str) -> np.ndarray:
        made = make_interactions({kind: 1.0}, n_classes=n_classes, n_samples=1, type_visible=False, random_state=0)
        return made.joint.reshape(-1, n_classes)

    each = [enumerate_kind(kind) for kind in kinds]
    joint = np.zeros((4, *((4,) if visible else ()), *each[0].shape))  # C, (kind as seen in Z), Z, Y
    for k, (share, table) in enumerate(zip(shares, each, strict=True)):
        joint[(k, k) if visible else k] = np.asarray(share) * table
    joint = joint.reshape(4, -1, n_classes)
    without_kind = joint.sum(0)
    h_kind = entropy(joint.sum(2)) - entropy(joint.sum((0, 2)))
    bound = sum(t.sum() * mutual_information(t / t.sum()) for t in joint if t.any()) - h_kind
    told_by_kind = mutual_information(joint.sum(1))
    assert (told_by_kind > 0.01) == (shares is BY_CLASS)
    bound += told_by_kind
    gap = entropy(joint) - entropy(without_kind)
    assert mutual_information(without_kind) - bound == pytest.approx(gap, abs=1e-9)
    assert gap >= -1e-9
    assert (gap < 1e-9) == visible


def kinds_of_numbers(n: int = 1600) -> tuple[MultimodalDataset, np.ndarray]:
    """A number that both modalities show, only the first shows, or only both together make: a product."""
    rng = np.random.default_rng(0)
    own, shared, kind = rng.normal(size=(2, n)), rng.normal(size=n), rng.integers(3, size=n)
    x = {m: np.c_[own[i], shared, 2 * np.eye(3)[kind]] for i, m in enumerate("ab")}
    y = np.choose(kind, [shared, own[0], own[0] * own[1]]) + 0.2 * rng.normal(size=n)
    return MultimodalDataset(x, y), np.array(["redundancy", "unique:a", "synergy"])[kind]


@pytest.mark.bench
def test_regression_gates_follow_the_kind_of_a_number() -> None:
    data, kind = kinds_of_numbers()
    train, test = slice(0, 1200), slice(1200, None)
    model = ip.MultimodalRegressor("dmil", max_epochs=30, learning_rate=3e-3, width=32, random_state=0)
    table = model.fit(data[train]).explain(data[test])
    assert model.score(data[test]) > 0.8
    for part in ("redundancy", "unique:a", "synergy"):
        gate, own = table[f"gate:{part}"].to_numpy(), kind[test] == part
        # Synergy is the least clear: with Gaussians the joint predictor's smaller error counts as synergy everywhere.
        assert gate[own].mean() > (1.2 if part == "synergy" else 2) * gate[~own].mean(), part
    # What one modality cannot know: alone it stays at the mean of the products.
    without = model.predict(data[test].without("b"))[kind[test] == "synergy"]
    assert np.abs(without - model.target_mean_).mean() < 0.3 * model.target_scale_


def test_gaussian_information_is_that_of_gaussians() -> None:
    """Against the two densities; its mean over the samples is half the logarithm of the explained share."""
    torch.manual_seed(0)
    y = torch.randn(4000).double()
    y = (y - y.mean()) / y.std(correction=0)
    predicted = 0.64 * (y + 0.75 * torch.randn(4000))
    sd = (y - predicted).square().mean().sqrt()
    slow = torch.distributions.Normal(predicted, sd).log_prob(y) - torch.distributions.Normal(0, 1).log_prob(y)
    found = gaussian_information(predicted, y)
    torch.testing.assert_close(found, slow, rtol=1e-6, atol=1e-6)
    assert float(found.mean()) == pytest.approx(-float(sd.square().log()) / 2, abs=1e-6)
    assert float(sd.square()) == pytest.approx(0.36, abs=0.02)


# --- masks, precision, alarms


@pytest.mark.parametrize("preset", ["supervised", "published"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_also_with_gaps_the_loss_does_not_depend_on_how_rows_are_batched(preset: str, dropout: float) -> None:
    """Rows that lack a modality are unevenly spread: means over what a batch has would not average."""
    batch = with_composition(rows(40, gaps=True), 4)
    order = torch.stack(list(batch.present.values())).sum(0).argsort()
    method = built(DMIL(preset, modality_dropout=dropout)).eval()
    batch = method.prepare(batch[order], lambda *_: None)
    for stage in method.stages(14):
        method.begin_stage(stage)
        whole = method.loss(method(batch), batch, stage)
        halves = [method.loss(method(part), part, stage) for part in (batch[:10], batch[10:])]
        torch.testing.assert_close(whole.total, 0.25 * halves[0].total + 0.75 * halves[1].total)
    # Without dropout each term is the mean over the rows that have what it needs.
    if not dropout:
        losses = cross_entropy(method(batch).unimodal["a"], batch.target, reduction="none")
        torch.testing.assert_close(whole.parts["head:a"], losses[batch.present["a"]].mean())


def test_rates_are_those_of_training_with_dropout() -> None:
    method = built(DMIL("corrected", modality_dropout=0.5))
    batch = rows(4000)
    method.prepare(batch, lambda *_: None)
    first = dict(method.rates)
    # Both are drawn with 1/2 each; where both would go, one stays: 1/4 + 1/4 + 1/8 for either, 1/4 for both.
    assert first["present:a"] == pytest.approx(0.625, abs=0.03)
    assert first["available:synergy"] == pytest.approx(0.25, abs=0.03)
    assert first["available:redundancy"] == 1
    method.prepare(batch, lambda *_: None)
    assert method.rates == first


@pytest.mark.parametrize("preset", ["supervised", "published"])
def test_mixed_precision_keeps_divergences_in_full_precision(preset: str) -> None:
    method = built(DMIL(preset, width=8)).train()
    batch = with_composition(rows(gaps=True), 4)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    with torch.autocast("cpu", torch.bfloat16):
        output = method(batch)
        loss = method.loss(output, batch, stage)
    assert output.latents["relevant"]["a"][0].dtype == torch.bfloat16
    assert all(loss.parts[name].dtype == torch.float32 for name in ("kl:a", "redundancy_kl", "alignment:b", "fused"))
    q, n = (
        torch.distributions.Normal(m.double(), (v.double() / 2).exp())
        for m, v in (output.latents["relevant"]["a"], output.latents["irrelevant"]["a"])
    )
    prior = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64))
    exact = sum(torch.distributions.kl_divergence(d, prior).mean(-1) for d in (q, n)) * batch.present["a"]
    torch.testing.assert_close(loss.parts["kl:a"].double(), exact.mean(), rtol=1e-6, atol=1e-7)
    loss.total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_mixed_precision_trains(data: MultimodalDataset) -> None:
    params = {"max_epochs": 10, "batch_size": 32, "width": 16, "random_state": 0, "learning_rate": 3e-3}
    full, mixed = (
        MultimodalClassifier(DMIL(), precision=precision, **params).fit(data) for precision in ("32-true", "bf16-mixed")
    )
    assert mixed.score(data) > full.score(data) - 0.05
    assert not np.array_equal(mixed.predict_proba(data), full.predict_proba(data))
    assert {p.dtype for p in mixed.method_.parameters()} == {torch.float32}
    with pytest.raises(ValueError, match="precision must be '32-true' or"):
        MultimodalClassifier(precision="8-bit").fit(data)
