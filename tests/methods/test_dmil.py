import copy
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest
import torch

import interplay as ip
from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.data.datasets import make_interactions
from interplay.information import entropy, mutual_information
from interplay.methods import Batch, Stage, _dmil_diagnostics
from interplay.methods.dmil import DMIL
from interplay.nn import MaskedEncoder, Standardize
from interplay.training import Settings, train

Built = Callable[..., DMIL]
Rows = Callable[..., Batch]


# --- limits and twins


def frozen_state(method: DMIL, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    state = method.state_dict()
    return {k: v.clone() for k, v in state.items() if k.split(".")[0] in names}


@pytest.mark.parametrize("preset", ["supervised", "published"])
def test_second_stage_changes_nothing_of_the_first_level(
    preset: str, monkeypatch: pytest.MonkeyPatch, rows: Rows, with_composition: Rows
) -> None:
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


def test_cached_encodings_give_the_same_output(built: Built, rows: Rows) -> None:
    method = built(DMIL()).eval()
    batch = rows(gaps=True)
    cached = method.cache_encodings(batch, size=7)
    torch.testing.assert_close(method(cached).logits, method(batch).logits)
    blind = Batch({k: x * 0 for k, x in cached.modalities.items()}, cached.present, extra=cached.extra)
    torch.testing.assert_close(method(blind).logits, method(batch).logits)


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
        ({"preset": "best"}, "preset must be one of 'supervised', "),
        ({"levels": "all"}, "levels must be one of 'both', "),
        ({"modality_dropout": 1.0}, "modality_dropout must be a number in"),
        ({"stage_epochs": (3, 1)}, "stage_epochs must be three integers"),
        ({"stage_epochs": (3, 0, 3)}, "stage_epochs must be three integers"),
        ({"stage_epochs": 3}, "stage_epochs must be three integers"),
        ({"stage_epochs": (3, True, 3)}, "stage_epochs must be three integers"),
        ({"n_folds": 1}, "n_folds must be an integer >= 2"),
        ({"width": 0}, "width must be an integer >= 1, found 0"),
        ({"variational": "no"}, "variational must be one of True, False, found 'no'"),
        ({"bottleneck": -1}, "bottleneck must be a number >= 0, found -1"),
        *(({"preset": "paper", name: -1}, f"{name} must be a number >= 0") for name in ("alpha", "beta", "gamma")),
    ],
)
def test_parameters_are_checked(params: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DMIL(**params).check(("a", "b"), "classification")


@pytest.mark.parametrize(("preset", "shares"), [("supervised", (70, 23, 70)), ("published", (10, 5, 55))])
def test_lengths_of_stages(preset: str, shares: tuple[int, ...], data: MultimodalDataset, built: Built) -> None:
    assert tuple(stage.epochs for stage in built(DMIL(preset)).stages(70)) == shares
    assert [stage.epochs for stage in built(DMIL(preset, stage_epochs=(4, 2, 9))).stages(70)] == [4, 2, 9]
    method = DMIL(preset, stage_epochs=(2, 1, 3), n_folds=2)
    model = MultimodalClassifier(method, batch_size=64, width=8, random_state=0).fit(data)
    assert [r["stage"] for r in model.history_.records] == ["intra"] * 2 + ["consistency"] + ["joint"] * 3


def test_synergy_that_says_almost_nothing_says_nothing(built: Built) -> None:
    method = built(DMIL()).eval()
    prior = method.log_prior
    trace, loud = prior + torch.tensor([0.05, 0.0, 0.0]), prior + torch.tensor([-3.0, 0.0, 3.0])
    heard = method._silence(torch.stack([trace, loud]))
    torch.testing.assert_close(heard[0], prior)
    torch.testing.assert_close(heard[1], loud)


def test_only_evaluation_silences_what_synergy_hardly_says(built: Built, rows: Rows) -> None:
    """In training it must go on learning; the mixture is made of what is left."""
    method, batch = built(DMIL()), rows()
    method.begin_stage(Stage("joint", 1))
    prior = method.log_prior
    head = method.component_heads["synergy"]
    for said, silenced in (([0.05, 0.0, 0.0], True), ([-3.0, 0.0, 3.0], False)):
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(prior + torch.tensor(said))
        training, evaluation = method.train()(batch), method.eval()(batch)
        torch.testing.assert_close(training.components["synergy"], head.bias.expand(40, 3))
        torch.testing.assert_close(evaluation.components["synergy"], (prior if silenced else head.bias).expand(40, 3))
        mixed = sum(evaluation.gate[part][:, None] * logits for part, logits in evaluation.components.items())
        torch.testing.assert_close(evaluation.logits, mixed)


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


def test_gate_entropy_of_an_even_gate_is_two_bits(built: Built, rows: Rows) -> None:
    method = built(DMIL()).eval()
    output = method(rows())
    even = {part: torch.full((40,), 0.25) for part in output.gate}
    output.gate = even
    assert _dmil_diagnostics.diagnostics(method, output, rows())["gate_entropy"] == pytest.approx(2)


def test_a_collapsed_block_raises_the_alarm(built: Built, rows: Rows) -> None:
    method = built(DMIL()).eval()
    with torch.no_grad():
        method.relevant["b"].linear.weight.zero_()
    with pytest.warns(UserWarning, match="M:b collapsed to their prior"):
        method.after_fit(method(rows()), rows())


def test_synergy_without_material_raises_the_alarm(built: Built, rows: Rows) -> None:
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


@pytest.mark.parametrize("kind", [0, 3])
def test_a_gate_that_gives_all_to_one_part_raises_the_alarm_unless_data_are_so(
    kind: int, built: Built, rows: Rows, with_composition: Rows
) -> None:
    method, batch = built(DMIL()), rows()
    one_kind = torch.nn.functional.one_hot(torch.full((40,), kind), 4).float()
    several = with_composition(batch, 4)
    with torch.no_grad():
        method.gate[2].weight.zero_()
        method.gate[2].bias.copy_(20.0 * one_kind[0])
    method.eval().prepare(batch.attach(composition=one_kind), lambda *_: None)
    method.after_fit(method(batch), batch)
    method.prepare(several, lambda *_: None)
    assert sum(method.told.values()) == pytest.approx(1)
    with pytest.warns(UserWarning, match=f"gate gives 100% to {method.parts[kind]}, of which .* show [1-4].%"):
        method.after_fit(method(batch), batch)


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


# --- precision


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
