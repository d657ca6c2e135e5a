"""Generated data are what they claim to be."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from interplay.data.datasets import make_gates, make_interactions
from interplay.information import pointwise_composition

MIX = {"redundancy": 0.4, "unique:a": 0.3, "unique:b": 0.1, "synergy": 0.2}


def information(joint, *axes):
    """I(variables of ``axes``; last variable) in bits."""
    others = tuple(i for i in range(joint.ndim - 1) if i not in axes)
    table = joint.sum(axis=others).reshape(-1, joint.shape[-1])

    def entropy(p):
        return -sum(v * np.log2(v) for v in p.ravel() if v > 0)

    return entropy(table.sum(1)) + entropy(table.sum(0)) - entropy(table)


def slow_joint(composition, n_classes, visible):
    """Three modalities: (symbols..., class) -> probability by plain loops."""
    joint = defaultdict(float)
    kinds = [kind for kind in ("redundancy", "unique:a", "unique:b", "unique:c", "synergy") if kind in composition]
    for kind, share in composition.items():
        offset = kinds.index(kind) * n_classes if visible else 0
        for y, r, s in product(range(n_classes), repeat=3):
            for code in {
                "redundancy": [(y, y, y)],
                "unique:a": [(y, r, s)],
                "unique:b": [(r, y, s)],
                "unique:c": [(r, s, y)],
                "synergy": [(r, s, (y - r - s) % n_classes)],
            }[kind]:
                joint[(*(c + offset for c in code), y)] += share / n_classes**3
    return joint


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_joint_is_the_sum_over_kinds_classes_and_codes(visible, n_classes):
    composition = {"redundancy": 0.1, "unique:a": 0.2, "unique:c": 0.4, "synergy": 0.3}
    made = make_interactions(composition, n_modalities=3, n_classes=n_classes, type_visible=visible, random_state=0)
    slow = slow_joint(composition, n_classes, visible)
    assert made.joint.shape == ((4 if visible else 1) * n_classes,) * 3 + (n_classes,)
    assert made.joint.sum() == pytest.approx(1)
    assert np.count_nonzero(made.joint) == len(slow)
    for cell, probability in slow.items():
        assert made.joint[cell] == pytest.approx(probability)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_information_of_visible_kinds_in_closed_form(n_classes):
    """One modality knows what is redundant or its own, both together know all: shares times log2 K."""
    made = make_interactions(MIX, n_classes=n_classes, random_state=0)
    bits = np.log2(n_classes)
    assert information(made.joint, 0) == pytest.approx((0.4 + 0.3) * bits)
    assert information(made.joint, 1) == pytest.approx((0.4 + 0.1) * bits)
    assert information(made.joint, 0, 1) == pytest.approx(bits)
    assert made.expected == pytest.approx({**{kind: share * bits for kind, share in MIX.items()}, "total": bits})
    assert list(made.expected) == [*MIX, "total"]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_information_of_hidden_kinds_in_closed_form(n_classes):
    """Modality a shows y with probability w + (1 - w) / K, w the share of redundancy and unique:a."""
    made = make_interactions(MIX, n_classes=n_classes, type_visible=False, random_state=0)

    def shown(w):
        p = w + (1 - w) / n_classes
        rest = (1 - w) / n_classes
        return np.log2(n_classes) + p * np.log2(p) + (n_classes - 1) * rest * np.log2(rest)

    assert information(made.joint, 0) == pytest.approx(shown(0.7))
    assert information(made.joint, 1) == pytest.approx(shown(0.5))
    assert list(made.expected) == ["total"]
    assert made.expected["total"] == pytest.approx(information(made.joint, 0, 1))
    assert made.expected["total"] < np.log2(n_classes)


@pytest.mark.parametrize("visible", [True, False])
def test_samples_follow_the_joint_and_the_composition(visible):
    made = make_interactions(MIX, n_classes=3, n_samples=40_000, type_visible=visible, random_state=1)
    for kind, share in MIX.items():
        assert np.mean(made.kind == kind) == pytest.approx(share, abs=0.012)  # 5 standard errors of 0.4
    counts = np.zeros(made.joint.shape)
    np.add.at(counts, (*made.symbols.T, made.dataset.target), 1)
    assert not counts[made.joint == 0].any()
    expected = made.joint[made.joint > 0] * len(made.kind)
    chi_square = ((counts[made.joint > 0] - expected) ** 2 / expected).sum()
    freedom = expected.size - 1
    assert chi_square < freedom + 5 * np.sqrt(2 * freedom)


def bayes_accuracy(made, modality, kind):
    """Accuracy on one kind of guessing the class from one modality's symbol, best guess from the joint."""
    marginal = made.joint.sum(axis=1 - modality)
    chosen = made.kind == kind
    best = marginal[made.symbols[chosen, modality]]
    y = made.dataset.target[chosen]
    ties = np.isclose(best, best.max(axis=1, keepdims=True))
    return np.mean(ties[np.arange(len(y)), y] / ties.sum(axis=1))


def test_each_modality_alone_knows_its_kinds_and_guesses_the_others():
    made = make_interactions(n_classes=4, n_samples=4000, random_state=0)
    knows = {"redundancy": (1, 1), "unique:a": (1, 0.25), "unique:b": (0.25, 1), "synergy": (0.25, 0.25)}
    for kind, accuracies in knows.items():
        assert (bayes_accuracy(made, 0, kind), bayes_accuracy(made, 1, kind)) == pytest.approx(accuracies)


@pytest.mark.parametrize("nonlinear", [False, True])
@pytest.mark.parametrize("visible", [True, False])
def test_noiseless_features_are_one_vector_for_each_symbol(visible, nonlinear):
    made = make_interactions(
        n_classes=3, n_samples=2000, noise=0.0, type_visible=visible, nonlinear=nonlinear, random_state=0
    )
    for m, x in enumerate(made.dataset.modalities.values()):
        assert x.dtype == np.float32
        assert x.shape == (2000, 16)
        _, first, vector = np.unique(x, axis=0, return_index=True, return_inverse=True)
        assert len(first) == made.joint.shape[m] == (12 if visible else 3)
        np.testing.assert_array_equal(made.symbols[first, m][vector], made.symbols[:, m])
        if nonlinear:
            assert abs(x).max() < 1


def test_code_vectors_and_noise_have_the_sizes_promised():
    quiet = make_interactions(n_classes=50, n_features=64, noise=0.0, random_state=0, n_samples=2000)
    loud = make_interactions(n_classes=50, n_features=64, noise=0.3, random_state=0, n_samples=2000)
    x, y = quiet.dataset.modalities["a"], loud.dataset.modalities["a"]
    assert np.unique(x, axis=0).std() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(quiet.symbols, loud.symbols)
    assert (y - x).std() == pytest.approx(0.3, abs=0.01)


def test_seeds():
    def draw(**seeds):
        return make_interactions(n_samples=500, noise=0.0, **seeds)

    def vectors(made):
        return {tuple(row) for row in made.dataset.modalities["b"]}

    one, again, other = draw(random_state=0), draw(random_state=0), draw(random_state=1)
    np.testing.assert_array_equal(one.dataset.modalities["a"], again.dataset.modalities["a"])
    assert not vectors(one) & vectors(other)
    first, second = draw(random_state=0, structure_state=7), draw(random_state=1, structure_state=7)
    assert vectors(first) == vectors(second)
    assert not np.array_equal(first.dataset.target, second.dataset.target)
    part = make_interactions({"synergy": 1.0}, n_samples=500, noise=0.0, random_state=2, structure_state=7)
    assert vectors(part) < vectors(first)


def test_a_joint_too_large_is_left_out():
    made = make_interactions(n_classes=10, n_modalities=5, n_samples=10, random_state=0)
    assert made.joint is None
    assert made.expected["total"] == pytest.approx(np.log2(10))
    codes = made.symbols % 10
    y = made.dataset.target
    assert (codes[made.kind == "synergy"].sum(axis=1) % 10 == y[made.kind == "synergy"]).all()


# Williams and Beer's examples and their kin: information of a, of b and of both, in bits.
AND = 2 - 0.75 * np.log2(3)
GATES = {
    "AND": (AND - 0.5, AND - 0.5, AND),
    "OR": (AND - 0.5, AND - 0.5, AND),
    "XOR": (0, 0, 1),
    "COPY": (1, 1, 2),
    "SUM": (0.5, 0.5, 1.5),
    "UNIQUE": (1, 0, 1),
    "REDUNDANT": (1, 1, 1),
}


@pytest.mark.parametrize("gate", GATES)
def test_gates_have_their_information(gate):
    made = make_gates(gate.lower(), n_samples=3000, random_state=0)
    found = [information(made.joint, *axes) for axes in [(0,), (1,), (0, 1)]]
    assert found == pytest.approx(GATES[gate], abs=1e-12)
    assert made.expected == {"total": pytest.approx(GATES[gate][2])}
    counts = np.zeros(made.joint.shape)
    np.add.at(counts, (*made.symbols.T, made.dataset.target), 1 / 3000)
    np.testing.assert_allclose(counts, made.joint, atol=0.04)
    assert not counts[made.joint == 0].any()
    np.testing.assert_array_equal(made.dataset.modalities["a"][:, 0], made.symbols[:, 0])
    assert made.dataset.modalities["b"].dtype == np.int64
    assert set(made.kind) == {gate}


def test_gates_with_features_and_noise():
    noisy = make_gates("XOR", noise=0.1, n_samples=2000, random_state=0)
    assert noisy.dataset.modalities["a"].shape == (2000, 1)
    residual = noisy.dataset.modalities["a"][:, 0] - noisy.symbols[:, 0]
    assert residual.std() == pytest.approx(0.1, abs=0.01)
    wide = make_gates("XOR", n_features=8, random_state=0)
    assert len(np.unique(wide.dataset.modalities["a"], axis=0)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"composition": {"redundancy": 0.5, "unique:c": 0.5}}, r"kinds among .*'unique:b'.*found \['unique:c'\]"),
        ({"composition": {"redundancy": 0.5}}, "sum to 1, .*sum 0.5"),
        ({"composition": {"redundancy": 1.5, "synergy": -0.5}}, "at least 0"),
        ({"composition": {"redundancy": np.nan}}, "at least 0"),
        ({"n_classes": 1}, "n_classes: expected an integer of at least 2"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_features": 2.5}, "n_features"),
        ({"n_modalities": 1}, "n_modalities: expected an integer of at least 2 and at most 26"),
        ({"noise": -1}, "noise"),
    ],
)
def test_complaints(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_interactions(**arguments)


@pytest.mark.parametrize("gate", ["NAND", None])
def test_unknown_gates(gate):
    with pytest.raises(ValueError, match="gate: expected one of AND, OR, XOR"):
        make_gates(gate)


# --- kinds of pairs, kinds that depend on the class


def test_kinds_of_pairs_carry_the_class_in_two_of_three():
    kinds = ["redundancy:a+c", "synergy:a+b", "synergy"]
    made = make_interactions(dict.fromkeys(kinds, 1 / 3), n_modalities=3, n_classes=5, n_samples=3000, random_state=0)
    assert list(dict.fromkeys(sorted(set(made.kind)))) == sorted(kinds)
    code, y = made.symbols % 5, made.dataset.target
    shared, pair, every = (made.kind == kind for kind in kinds)
    np.testing.assert_array_equal(code[shared][:, [0, 2]], np.repeat(y[shared][:, None], 2, axis=1))
    np.testing.assert_array_equal(code[pair][:, :2].sum(1) % 5, y[pair])
    np.testing.assert_array_equal(code[every].sum(1) % 5, y[every])
    # The other codes are random.
    for rows, m in ((shared, 1), (pair, 2)):
        assert abs((code[rows, m] == y[rows]).mean() - 0.2) < 0.05
    assert made.expected == pytest.approx({**dict.fromkeys(made.expected, 0.0), **dict.fromkeys(kinds, np.log2(5) / 3),
                                           "total": np.log2(5)})  # fmt: skip
    with pytest.raises(ValueError, match=r"kinds among .*found \['synergy:a\+b'\]"):
        make_interactions({"synergy:a+b": 1.0})


def test_compositions_without_pairs_are_the_same_data_as_before_pairs():
    """Figures that were measured stay valid: one draw, written down."""
    x = make_interactions(n_modalities=3, n_samples=2, n_features=2, random_state=0).dataset.modalities["c"]
    np.testing.assert_allclose(x, EARLIER, rtol=1e-5)


EARLIER = [[1.7916185855865479, -1.034149169921875], [-0.40033218264579773, 1.6453750133514404]]
CORRELATED = {"redundancy": [0.5, 0.2, 0.0], "unique:a": [0.5, 0.2, 0.6], "synergy": [0.0, 0.6, 0.4]}


def test_kinds_follow_their_shares_in_each_class():
    made = make_interactions(CORRELATED, n_classes=3, n_samples=20000, random_state=1)
    y = made.dataset.target
    np.testing.assert_allclose(np.bincount(y) / 20000, 1 / 3, atol=0.02)
    for kind, shares in CORRELATED.items():
        found = [(made.kind[y == k] == kind).mean() for k in range(3)]
        np.testing.assert_allclose(found, shares, atol=0.02)
        np.testing.assert_allclose(made.class_shares[kind], np.array(shares) / sum(shares))
    codes = made.symbols % 3
    rows = made.kind == "synergy"
    np.testing.assert_array_equal(codes[rows].sum(1) % 3, y[rows])


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_expected_bits_are_those_of_single_samples_on_the_exact_joint(n_modalities):
    made = make_interactions(CORRELATED, n_classes=3, n_modalities=n_modalities, random_state=0)
    joint = made.joint
    assert made.expected["total"] == pytest.approx(information(joint, *range(n_modalities)))
    cells = np.argwhere(joint > 0)
    weight = joint[tuple(cells.T)]
    prior = joint.reshape(-1, 3).sum(0)[cells[:, -1]]

    def pointwise(*axes):
        others = tuple(i for i in range(n_modalities) if i not in axes)
        table = joint.sum(axis=others)
        own = tuple(cells[:, list(axes)].T)
        return np.log2(table[(*own, cells[:, -1])] / table.sum(-1)[own] / prior)

    parts = pointwise_composition([pointwise(m) for m in range(n_modalities)], pointwise(*range(n_modalities)))
    assert made.expected["redundancy"] == pytest.approx((weight * (parts.redundancy + parts.partial)).sum())
    assert made.expected["unique:a"] == pytest.approx((weight * parts.unique[0]).sum())
    assert made.expected["unique:b"] == pytest.approx((weight * parts.unique[1]).sum()) == 0
    assert made.expected["synergy"] == pytest.approx((weight * parts.synergy).sum())
    # Seeing the kind says something about the class, to each modality.
    assert made.expected["redundancy"] > sum(CORRELATED["redundancy"]) / 3 * np.log2(3) + 0.1


@pytest.mark.parametrize(
    ("composition", "message"),
    [
        ({"synergy": [0.5, 0.5]}, "one share or 3, one a class, for 'synergy'"),
        ({"synergy": [1.0, 1.0, 0.9]}, "sum 0.9"),
        ({"synergy": [1.2, 1.0, 1.0], "redundancy": [-0.2, 0.0, 0.0]}, "at least 0"),
    ],
)
def test_shares_by_class_are_checked(composition, message):
    with pytest.raises(ValueError, match=message):
        make_interactions(composition, n_classes=3)
