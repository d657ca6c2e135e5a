"""DMIL with parts of pairs, for three and more modalities."""

from itertools import combinations

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.data.datasets import make_interactions
from interplay.evaluation import faithfulness
from interplay.methods import Batch
from interplay.methods._composition import PosteriorTowers, composition, pair_numbers
from interplay.methods.dmil import DMIL
from interplay.nn import MaskedEncoder, Standardize, build_encoder
from interplay.training import to_batch

NAMES = ("a", "b", "c")
PAIRS = [f"{one}+{two}" for one, two in combinations(NAMES, 2)]
PARTS = [
    "redundancy",
    *(f"redundancy:{pair}" for pair in PAIRS),
    *(f"unique:{name}" for name in NAMES),
    *(f"synergy:{pair}" for pair in PAIRS),
    "synergy",
]


def built(method: DMIL) -> DMIL:
    torch.manual_seed(0)
    encoders = {
        name: MaskedEncoder(
            Standardize(torch.zeros(6), torch.ones(6)), build_encoder("mlp", (6,), width=16, dropout=0.0), name
        )
        for name in NAMES
    }
    method.check(NAMES, "classification")
    method.build(encoders, torch.tensor([0.5, 0.3, 0.2]))
    return method


def rows(n: int = 40) -> Batch:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n)
    return to_batch(MultimodalDataset({name: rng.normal(size=(n, 6)) for name in NAMES}, y), y.astype(np.int64))


def without(batch: Batch, *names: str) -> Batch:
    return batch.with_present({n: p & (n not in names) for n, p in batch.present.items()})


# --- targets


def slow_composition(single: list[float], pairs: list[float], together: float) -> list[float]:
    """The definition, one sample at a time, by modality numbers instead of sorting."""
    i = [max(0.0, x) for x in single]
    best = max(range(3), key=i.__getitem__)
    second = max((m for m in range(3) if m != best), key=i.__getitem__)
    third = 3 - best - second
    numbers = list(combinations(range(3), 2))
    redundant = [0.0] * 3
    redundant[numbers.index((min(best, second), max(best, second)))] = i[second] - i[third]
    unique = [max(0.0, x - i[second]) for x in single]
    synergistic = [0.0] * 3
    top = max(range(3), key=pairs.__getitem__)
    synergistic[top] = max(0.0, max(0.0, pairs[top]) - i[best])
    rest = max(0.0, together - max(i[best], pairs[top]))
    atoms = [i[third], *redundant, *unique, *synergistic, rest]
    return [atom / (sum(atoms) + 1e-3) for atom in atoms]


def test_composition_of_pairs_equals_its_slow_twin() -> None:
    torch.manual_seed(0)
    single, pairs = torch.randn(300, 3, dtype=torch.float64), torch.randn(300, 3, dtype=torch.float64)
    together = torch.randn(300, dtype=torch.float64)
    expected = [
        slow_composition(*sample) for sample in zip(single.tolist(), pairs.tolist(), together.tolist(), strict=True)
    ]
    found = composition(single, together, pairs, "both")
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("split", ["redundancy", "synergy", "both"])
def test_splitting_keeps_the_sum(split: str) -> None:
    """Where more modalities know more, pairs only divide redundancy and synergy; the rest stays."""
    torch.manual_seed(0)
    single = torch.rand(200, 3, dtype=torch.float64)
    pairs = torch.stack([single[:, list(p)].amax(-1) for p in combinations(range(3), 2)], -1) + torch.rand(200, 3)
    together = pairs.amax(-1) + torch.rand(200)
    whole, parted = composition(single, together), composition(single, together, pairs, split)
    families = {"redundancy": [0], "unique": [1, 2, 3], "synergy": [4]}
    columns = {"redundancy": [0, 1, 2, 3], "none": [0]}["redundancy" if split in ("redundancy", "both") else "none"]
    start = len(columns)
    torch.testing.assert_close(parted[:, columns].sum(-1), whole[:, families["redundancy"]].sum(-1))
    torch.testing.assert_close(parted[:, start : start + 3], whole[:, families["unique"]])
    torch.testing.assert_close(parted[:, start + 3 :].sum(-1), whole[:, families["synergy"]].sum(-1))


def test_pairs_are_numbered_in_either_order() -> None:
    numbers = pair_numbers(4)
    for k, (i, j) in enumerate(combinations(range(4), 2)):
        assert numbers[i, j] == numbers[j, i] == k


def test_towers_have_a_classifier_a_pair() -> None:
    towers = PosteriorTowers(pairs=True)
    towers.build(dict(built(DMIL()).encoders.items()), torch.tensor([0.5, 0.3, 0.2]))
    batch = rows()
    towers.eval()
    with torch.no_grad():
        towers.after_epoch(batch, batch, towers.stages(1)[0])
    assert batch.target is not None
    assert towers.information(batch.target).shape == (40, 7)
    # The classifier of a and b looks at neither c nor its gaps.
    both, blind = towers(batch).components, towers(without(batch, "c")).components
    torch.testing.assert_close(both["pair:a+b"], blind["pair:a+b"])
    assert not torch.allclose(both["pair:a+c"], blind["pair:a+c"])


# --- parts and gaps


@pytest.mark.parametrize(
    ("pairs", "parts"),
    [
        ("none", ["redundancy", *PARTS[4:7], "synergy"]),
        ("redundancy", [*PARTS[:7], "synergy"]),
        ("synergy", ["redundancy", *PARTS[4:]]),
        ("both", PARTS),
    ],
)
def test_parts_and_their_order(pairs: str, parts: list[str]) -> None:
    method = built(DMIL(pairs=pairs)).eval()
    assert method.parts == parts
    output = method(rows())
    assert list(output.gate) == list(output.components) == parts
    torch.testing.assert_close(torch.stack(list(output.gate.values())).sum(0), torch.ones(40))


def test_parts_that_need_an_absent_modality_are_silent() -> None:
    method = built(DMIL(pairs="both")).eval()
    batch = rows()
    two, one = method(without(batch, "c")).gate, method(without(batch, "b", "c")).gate
    assert {part for part, weight in two.items() if weight.any()} == {*PARTS} - {
        "unique:c", "synergy:a+c", "synergy:b+c", "synergy",
    }  # fmt: skip
    assert {part for part, weight in one.items() if weight.any()} == {
        "redundancy", "redundancy:a+b", "redundancy:a+c", "unique:a",
    }  # fmt: skip
    # What a pair shares is read from the one that is left, and never from a third.
    full, left = method(batch).latents, method(without(batch, "c")).latents
    torch.testing.assert_close(left["shared"]["redundancy:a+b"], full["shared"]["redundancy:a+b"])
    torch.testing.assert_close(left["shared"]["redundancy:a+c"], full["single"]["redundancy:a+c"]["a"])
    nothing = method(without(batch, *NAMES))
    torch.testing.assert_close(nothing.logits, method.log_prior.expand(40, -1))


@pytest.mark.parametrize("pairs", ["redundancy", "synergy", "both"])
def test_loss_of_a_batch_is_the_weighted_mean_of_its_parts(pairs: str) -> None:
    method = built(DMIL(pairs=pairs)).eval()
    batch = rows()
    shares = torch.rand(40, len(method.parts), generator=torch.Generator().manual_seed(1))
    ready = method.prepare(batch.attach(composition=shares), lambda *_: None)
    for stage in method.stages(14):
        method.begin_stage(stage)
        whole = method.loss(method(ready), ready, stage).total
        halves = [method.loss(method(part), part, stage).total for part in (ready[:30], ready[30:])]
        torch.testing.assert_close(whole, 0.75 * halves[0] + 0.25 * halves[1])


def test_each_synergy_is_trained_by_its_own_share() -> None:
    method = built(DMIL(pairs="both")).train()
    batch = rows()
    shares = torch.zeros(40, len(PARTS))
    shares[:, PARTS.index("synergy:a+b")] = 1
    ready = method.prepare(batch.attach(composition=shares), lambda *_: None)
    stage = method.stages(14)[0]
    method.begin_stage(stage)
    parts = method.loss(method(ready), ready, stage).parts
    assert parts["blindness:a+b"] == 0
    assert parts["synergy:a+c"] == parts["synergy"] == 0
    assert parts["synergy:a+b"] > 0.5
    assert parts["blindness:a+c"] > 0


@pytest.mark.parametrize(
    ("params", "names", "message"),
    [
        ({"pairs": "all"}, NAMES, "pairs must be one of 'none', "),
        ({"pairs": "both"}, ("a", "b"), "needs three modalities"),
        ({"pairs": "both", "levels": "intra"}, NAMES, "levels='intra' has no redundancy"),
    ],
)
def test_parameters_are_checked(params: dict[str, str], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DMIL(**params).check(names, "classification")


@pytest.mark.parametrize("params", [{"preset": "corrected"}, {"levels": "intra", "pairs": "synergy"}])
def test_other_options_take_pairs(params: dict[str, str], tmp_path) -> None:
    made = make_interactions(n_modalities=3, n_classes=2, n_samples=150, n_features=4, random_state=0)
    method = DMIL(**{"pairs": "both", **params})
    model = MultimodalClassifier(method, max_epochs=3, width=8, random_state=0).fit(made.dataset)
    table = model.explain(made.dataset)
    assert {"synergy:a+b", "gate:synergy:b+c", "prediction:synergy:a+c"} <= set(table)
    model.save(tmp_path)
    again = MultimodalClassifier.load(tmp_path).explain(made.dataset)
    np.testing.assert_array_equal(again["synergy:a+b"], table["synergy:a+b"])


# --- it learns what it should


def test_pairs_are_told_apart() -> None:
    kinds = ["redundancy", "redundancy:a+b", "synergy:b+c", "synergy"]
    found = faithfulness(
        methods.DMIL(pairs="both"), composition=dict.fromkeys(kinds, 0.25), n_modalities=3, n_classes=2, noise=0.1,
        n_samples=600, n_test=400, n_features=6, max_epochs=14, batch_size=64, learning_rate=5e-3,
    )  # fmt: skip
    assert found.accuracy > 0.97
    assert found.routing > 0.95
    assert found.confusion is not None
    assert list(found.confusion.index) == kinds
