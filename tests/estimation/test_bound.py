"""Bounds from three separate samples."""

import inspect
import json

import numpy as np
import pytest

from interplay.estimation._bound_codes import code_sources
from interplay.estimation._bound_input import read_sources
from interplay.estimation.bound import bound
from interplay.estimation.discretise import DISCRETISERS
from interplay.estimation.promises import honest_promises
from interplay.information import entropy
from interplay.information.bounds import synergy_bounds


def sample(p, n, rng):
    return np.array(np.unravel_index(rng.choice(p.size, size=n, p=p.ravel()), p.shape)).T


def separate(p, n, seed):
    """Three independent samples of a joint as `bound` takes them."""
    rng = np.random.default_rng(seed)
    one, two, pairs = (sample(p, n, rng) for _ in range(3))
    return {"a": (one[:, 0], one[:, 2]), "b": (two[:, 1], two[:, 2])}, {"a": pairs[:, 0], "b": pairs[:, 1]}


def gate(f):
    p = np.zeros((2, 2, 2))
    for i, j in np.ndindex(2, 2):
        p[i, j, f(i, j)] = 0.25
    return p


def gaussians(n, seed, shift=1.5):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    a, b = (shift * np.eye(3)[y] + rng.normal(size=(n, 3)) for _ in range(2))
    return a, b, y


@pytest.fixture(scope="module")
def continuous():
    a, _, ya = gaussians(600, 1)
    _, b, yb = gaussians(700, 2)
    pa, pb, _ = gaussians(1500, 3)
    return {"a": (a, ya), "b": (b, yb)}, {"a": pa, "b": pb}


def test_codes_approach_the_exact_bounds():
    p = np.random.default_rng(0).dirichlet(np.full(18, 0.5)).reshape(3, 3, 2)
    exact = synergy_bounds(p.sum(1), p.sum(0), p.sum(2))
    found = bound(*separate(p, 100_000, 0), random_state=0, n_bootstrap=20)
    assert found.synergy == pytest.approx((exact.lower, exact.upper), abs=0.02)
    assert found.redundancy == pytest.approx(exact.redundancy, abs=0.01)
    assert tuple(found.unique.values()) == pytest.approx(exact.unique, abs=0.01)
    assert found.accuracy == pytest.approx((exact.accuracy_lower, exact.accuracy_upper), abs=0.01)
    assert tuple(found.single.values()) == pytest.approx(exact.accuracy_unimodal, abs=0.01)
    assert found.disagreement is None


def test_xor_guarantees_nothing_and_says_so():
    found = bound(*separate(gate(lambda i, j: i ^ j), 2000, 1), random_state=0)
    assert found.synergy[0] < 0.01
    # Chance differences between the tables narrow what is feasible, at n = 2000 by about 0.07 bits; the end makes up.
    assert found.synergy[1] > 0.88
    assert found.synergy_interval[1] > 0.97
    assert found.gain[0] < 0.01
    assert found.fusion == "interactive"
    assert "Nothing is guaranteed" in found.advice


def test_and_guarantees_additive_fusion():
    found = bound(*separate(gate(lambda i, j: i & j), 5000, 2), random_state=0)
    assert found.synergy_interval[0] > 0.35
    assert found.gain[0] > 0.15
    assert found.fusion == "additive"
    assert found.advice.endswith("is enough.")
    assert "guaranteed by an additive fusion rule" in found.advice


def test_useless_modality_is_not_worth_it():
    """b is a copy of a: pairs show that nothing can be gained."""
    p = np.zeros((2, 2, 2))
    for i in range(2):
        p[i, i] = (0.4, 0.1) if i == 0 else (0.1, 0.4)
    found = bound(*separate(p, 5000, 3), random_state=0)
    assert found.fusion == "none"
    assert "not worth pairing" in found.advice


def test_ends_are_outside_the_estimate(continuous):
    found = bound(*continuous, random_state=0, n_bootstrap=30)
    assert found.synergy_interval[0] <= found.synergy[0] <= found.synergy[1] <= found.synergy_interval[1]
    assert found.accuracy_interval[0] <= found.accuracy[0] <= found.accuracy[1] <= found.accuracy_interval[1]
    assert found.disagreement is not None
    assert found.disagreement.bound >= 0
    assert found.disagreement.union >= max(found.disagreement.information) - 1e-9
    a, b, y = gaussians(4000, 9)
    both = np.hstack([a, b])  # Bayes rule of the mixture: the nearest mean
    best = (both.reshape(-1, 2, 3).sum(1).argmax(1) == y).mean()
    assert found.accuracy_interval[0] <= best <= found.accuracy_interval[1]


def test_same_seed_same_result_and_names_do_not_matter(continuous):
    labelled, pairs = continuous
    one = bound(labelled, pairs, random_state=3, n_bootstrap=20)
    other = bound(
        {"sound": labelled["a"], "image": labelled["b"]},
        {"image": pairs["b"], "sound": pairs["a"]},
        random_state=3,
        n_bootstrap=20,
    )
    assert one.synergy_interval == other.synergy_interval
    assert one.accuracy_interval == other.accuracy_interval


def test_labels_of_any_type(continuous):
    labelled, pairs = continuous
    words = np.array(["ape", "bee", "cat"])
    named = {name: (x, words[y]) for name, (x, y) in labelled.items()}
    one, other = (bound(each, pairs, random_state=0, n_bootstrap=20) for each in (labelled, named))
    assert one.synergy == other.synergy


def test_a_partition_never_counts_the_rows_it_was_fitted_on(continuous, monkeypatch):
    seen = []

    def spy(x, y, n_bins, seed):
        seen.append(len(x))
        return lambda rows: (rows[:, 0] > 0).astype(np.int64)

    monkeypatch.setitem(DISCRETISERS, "spy", spy)
    sources = read_sources(*continuous, 2)
    parts = code_sources(sources, 2, "spy", 2, 0)
    for m, name in enumerate(("a", "b")):
        counted = np.concatenate([part.rows1 if m == 0 else part.rows2 for part in parts])
        assert sorted(counted) == list(range(len(continuous[0][name][1])))
    assert seen == [300, 350, 300, 350]


def test_honest_accuracy_is_not_fooled_by_noise():
    """Labels unrelated to anything: in-sample rules look better than chance, rules on other samples do not."""
    rng = np.random.default_rng(5)
    labelled = {n: (rng.integers(8, size=200), rng.integers(2, size=200)) for n in "ab"}
    pairs = {n: rng.integers(8, size=400) for n in "ab"}
    sources = read_sources(labelled, pairs, 2)
    values = [honest_promises(code_sources(sources, 2, "kmeans", 2, s), s)["joint"] for s in range(3)]
    for value, error in values:
        assert value - 1.645 * error < 0.55


def test_different_populations_are_noticed():
    p = np.random.default_rng(6).dirichlet(np.ones(18)).reshape(3, 3, 2)
    labelled, pairs = separate(p, 2000, 0)
    assert not any("populations" in w for w in bound(labelled, pairs, random_state=0, n_bootstrap=20).warnings)
    labelled["b"] = (labelled["b"][0], labelled["b"][1] * (np.arange(2000) % 2))
    found = bound(labelled, pairs, random_state=0, n_bootstrap=20)
    assert found.p_value < 0.001
    assert any("different populations" in w for w in found.warnings)


def test_accuracies_stay_accuracies_when_the_sources_differ():
    """Promises are sums of three means, and could exceed 1 where the sources contradict each other."""
    rng = np.random.default_rng(8)
    y = rng.integers(3, size=300)
    labelled = {"a": (y, y), "b": ((y + (rng.random(300) < 0.3)) % 3, y)}
    pairs = {"a": rng.integers(3, size=300), "b": rng.integers(3, size=300)}
    found = bound(labelled, pairs, random_state=0, n_bootstrap=20)
    assert 0 <= found.accuracy_interval[0] <= found.accuracy[0] <= found.accuracy[1] <= found.accuracy_interval[1] <= 1


def test_real_votes_with_hidden_labels(real_data):
    """CREMA-D, labels of the pairs hidden: the gain of logistic regression on both channels lies in the interval."""
    sample = real_data("crema_d_votes")
    votes, y = sample.modalities, sample.target
    rng = np.random.default_rng(0)
    one, two, pairs = np.array_split(rng.permutation(np.flatnonzero(~sample.is_test)), 3)
    labelled = {"voice": (votes["voice"][one], y[one]), "face": (votes["face"][two], y[two])}
    unlabelled = {name: x[pairs] for name, x in votes.items()}
    found = bound(labelled, unlabelled, random_state=0, n_bootstrap=20, n_bins=6)
    assert found.p_value > 0.001
    assert found.gain[0] <= 0.801 - 0.737 <= found.gain[1]  # logistic regression on the official split
    assert found.single["face"] > found.single["voice"]


def test_plain_dictionary_and_text(continuous):
    found = bound(*continuous, random_state=0, n_bootstrap=20)
    again = json.loads(json.dumps(found.to_dict()))
    assert again["synergy"] == list(found.synergy)
    assert again["advice"] == found.advice
    assert max(map(len, str(found).splitlines())) <= 100
    assert "pairs 1500" in str(found)


def test_one_sided_ends_hold_in_most_of_twenty_draws():
    rng = np.random.default_rng(7)
    held = []
    for at in range(20):
        p = rng.dirichlet(np.ones(12)).reshape(3, 2, 2)
        exact = synergy_bounds(p.sum(1), p.sum(0), p.sum(2), starts=0)
        synergy = entropy(p.sum(2)) + entropy(p.sum((0, 1))) - entropy(p) - exact.information[0] - exact.unique[1]
        found = bound(*separate(p, 400, at), random_state=at, n_bootstrap=40)
        held.append(
            (
                found.synergy_interval[0] <= synergy,
                found.synergy_interval[1] >= synergy,
                found.accuracy_interval[0] <= p.max(-1).sum(),
                found.accuracy_interval[1] >= p.max(-1).sum(),
            )
        )
    assert (np.mean(held, axis=0) >= 0.85).all()


def test_no_way_to_pass_labelled_pairs():
    assert list(inspect.signature(bound).parameters)[:2] == ["labelled", "pairs"]
    with pytest.raises(ValueError, match="pairs has the modalities"):
        bound({"a": ([0, 1], [0, 1]), "b": ([0, 1], [0, 1])}, {"a": [0], "b": [0], "y": [0]})


X, Y = np.tile([0, 1], 10), np.tile([0, 0, 1, 1], 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": {"a": (X, Y)}}, "expected exactly two"),
        ({"labelled": {"a": (X, Y), "b": (X, Y[:-1])}}, r"b: labels have shape \(19,\), expected \(20,\)"),
        ({"labelled": {"a": (X, Y), "b": (X, Y + 1)}}, "a has the labels"),
        ({"labelled": {"a": (X, Y), "b": (X, Y + 0.5)}}, "not whole numbers"),
        ({"labelled": {"a": (X, Y * 0), "b": (X, Y)}}, "a: only one class"),
        ({"labelled": {"a": X, "b": (X, Y)}}, "is no tuple"),
        ({"labelled": {"a": (np.where(X, np.nan, 0.0), Y), "b": (X, Y)}}, "has NaN"),
        ({"labelled": {"a": (np.array(["x", "y"] * 10), Y), "b": (X, Y)}}, "expected numbers"),
        ({"pairs": {"a": X, "b": X[:-1]}}, "20 rows of a and 19 of b"),
        ({"pairs": {"a": X[:, None] * np.ones(3), "b": X}}, "a: labelled samples have shape"),
        ({"confidence": 0.4}, "confidence"),
        ({"n_bins": 1}, "n_bins"),
        ({"discretiser": "magic"}, "magic"),
        ({"n_bootstrap": 2}, "n_bootstrap"),
        ({"labelled": {"a": (X, np.r_[1, Y[1:] * 0]), "b": (X, Y)}}, "a class has 1 labelled"),
    ],
)
def test_bad_input_is_named(change, message):
    good = {"labelled": {"a": (X, Y), "b": (X, Y)}, "pairs": {"a": X, "b": X}}
    with pytest.raises(ValueError, match=message):
        bound(**(good | change))
