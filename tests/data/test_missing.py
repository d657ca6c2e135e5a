"""Patterns of missing modalities: what they promise, as statistics and as invariances."""

import json
from itertools import combinations

import numpy as np
import pytest

from interplay.data import MultimodalDataset, missing
from interplay.data.missing import Dependent, Independent, Instance, Observed, Pattern, Rate, Subset

N = 20_000


def full(m: int, n: int = N) -> dict[str, np.ndarray]:
    return {name: np.ones(n, bool) for name in "abcdefgh"[:m]}


def draw(pattern: Pattern, present: dict[str, np.ndarray], seed: int = 0, **given: object) -> np.ndarray:
    left = pattern.draw(present, np.random.default_rng(seed), **given)
    assert list(left) == list(present)
    return np.stack(list(left.values()), 1)


GAPPY = {name: np.random.default_rng(i).random(N) < 0.7 for i, name in enumerate("abc")}
LABELS = np.random.default_rng(9).choice(["x", "y", "z"], N)
EVERY = [
    Subset(("a", "c")),
    Rate(0.4),
    Rate(0.4, exact=True),
    Instance(0.6),
    Instance(0.6, (("a",), ("b", "c"))),
    Independent({"a": 0.5}),
    Independent(0.5, keep_one=True),
    Dependent("a", {"x": 0.9, "y": 0.1}),
    Dependent("a", 0.3, on="b"),
    Observed((("a",), ("a", "b", "c")), (0.25, 0.75)),
]
VALUES = {name: np.random.default_rng(i).normal(size=(N, 2)) for i, name in enumerate("abc")}


@pytest.mark.parametrize("pattern", EVERY, ids=str)
def test_takes_only_away_and_the_same_seed_takes_the_same(pattern):
    given = {"target": LABELS, "modalities": VALUES}
    before = np.stack(list(GAPPY.values()), 1)
    left = draw(pattern, GAPPY, **given)
    assert not (left & ~before).any()
    assert (left != before).any()
    np.testing.assert_array_equal(left, draw(pattern, GAPPY, **given))
    if not isinstance(pattern, Subset):
        assert (left != draw(pattern, GAPPY, seed=1, **given)).any()


OVER_ALL_ROWS = (Rate(0.4, exact=True), Dependent("a", 0.3, on="b"))


@pytest.mark.parametrize("pattern", [p for p in EVERY if p not in OVER_ALL_ROWS], ids=str)
def test_first_rows_do_not_depend_on_how_many_are_drawn(pattern):
    some = {name: mask[:100] for name, mask in GAPPY.items()}
    np.testing.assert_array_equal(draw(pattern, some, target=LABELS[:100]), draw(pattern, GAPPY, target=LABELS)[:100])


@pytest.mark.parametrize("pattern", EVERY, ids=str)
def test_survives_a_file(pattern):
    again = missing.pattern_from(json.loads(json.dumps(pattern.to_dict())))
    assert again == pattern
    given = {"target": LABELS, "modalities": VALUES}
    np.testing.assert_array_equal(draw(again, GAPPY, **given), draw(pattern, GAPPY, **given))


def test_labels_keep_their_type_in_a_file():
    pattern = Dependent("a", {1: 0.5, 2: 0.25})
    assert missing.pattern_from(json.loads(json.dumps(pattern.to_dict()))).rate == {1: 0.5, 2: 0.25}


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_rate_holds_in_expectation_alike_for_all_and_every_row_keeps_one(m, share):
    rate = share * (1 - 1 / m)
    left = draw(Rate(rate), full(m))
    sd = np.sqrt(rate * (1 - rate) / N)
    np.testing.assert_allclose(1 - left.mean(0), rate, atol=5 * sd + 1e-9)
    assert (left.sum(1) >= 1).all()


def test_rate_has_the_distribution_of_its_definition():
    """Spare one, keep others with probability (M (1 - r) - 1) / (M - 1): chances of every subset in closed form."""
    m, rate = 3, 0.3
    p = (m * (1 - rate) - 1) / (m - 1)
    left = draw(Rate(rate), full(m))
    for size in (1, 2, 3):
        chance = p ** (size - 1) * (1 - p) ** (m - size) * size / m
        for kept in combinations(range(m), size):
            found = (left == np.isin(np.arange(m), kept)).all(1).mean()
            assert found == pytest.approx(chance, abs=5 * np.sqrt(chance / N))


@pytest.mark.parametrize("rate", [0.1, 0.37, 2 / 3])
def test_exact_rate_is_exact_whatever_the_seed_and_alike_for_all(rate):
    totals = {int(draw(Rate(rate, exact=True), full(3, 101), seed).sum()) for seed in range(5)}
    assert totals == {303 - round(rate * 303)}
    left = draw(Rate(rate, exact=True), full(3))
    assert (left.sum(1) >= 1).all()
    np.testing.assert_allclose(1 - left.mean(0), rate, atol=0.02)


def test_rate_in_data_with_gaps_takes_that_share_of_what_is_there():
    had = np.stack(list(GAPPY.values()), 1)
    for pattern in (Rate(0.25), Rate(0.25, exact=True)):
        left = draw(pattern, GAPPY)
        np.testing.assert_array_equal(left.any(1), had.any(1))
    assert int(left.sum()) == int(had.sum()) - round(0.25 * had.sum())
    several = had.sum(1) > 1
    assert 1 - draw(Rate(0.25), GAPPY)[several].sum() / had[several].sum() == pytest.approx(0.25, abs=0.01)


def test_instance_hits_the_share_and_keeps_each_proper_subset_alike():
    left = draw(Instance(0.6), full(3))
    hit = ~left.all(1)
    assert hit.mean() == pytest.approx(0.6, abs=0.02)
    assert 1 - left.mean() == pytest.approx(0.3, abs=0.01)  # half the probability
    _, counts = np.unique(left[hit], axis=0, return_counts=True)
    assert len(counts) == 6
    np.testing.assert_allclose(counts / hit.sum(), 1 / 6, atol=0.02)


def test_instance_counts_subsets_of_what_the_row_has():
    left = draw(Instance(1.0), GAPPY)
    had = np.stack(list(GAPPY.values()), 1)
    one = had.sum(1) == 1
    np.testing.assert_array_equal(left[one], had[one])
    two = (had == [True, False, True]).all(1)
    assert left[two][:, 0].mean() == pytest.approx(0.5, abs=0.03)
    assert (left[two].sum(1) == 1).all()


def test_instance_with_given_subsets():
    left = draw(Instance(1.0, (("a",), ("b", "c"))), full(3))
    kept, counts = np.unique(left, axis=0, return_counts=True)
    assert kept.tolist() == [[False, True, True], [True, False, False]]
    np.testing.assert_allclose(counts / N, 0.5, atol=0.02)


def test_independent_has_its_rates_and_no_correlation():
    left = draw(Independent({"a": 0.2, "c": 0.6}), full(3))
    np.testing.assert_allclose(1 - left.mean(0), [0.2, 0, 0.6], atol=0.02)
    assert abs(np.corrcoef(left[:, 0], left[:, 2])[0, 1]) < 0.03


def test_keep_one_spares_one_of_what_was_there_each_as_likely():
    left = draw(Independent(1.0, keep_one=True), full(3))
    assert (left.sum(1) == 1).all()
    np.testing.assert_allclose(left.mean(0), 1 / 3, atol=0.02)
    assert not draw(Independent(1.0), full(3)).any()


def test_dependent_on_labels_has_each_labels_rate_and_touches_nothing_else():
    left = draw(Dependent("b", {"x": 0.8, "z": 0.1}), full(3), target=LABELS)
    for label, rate in {"x": 0.8, "y": 0.0, "z": 0.1}.items():
        assert 1 - left[label == LABELS, 1].mean() == pytest.approx(rate, abs=0.03)
    assert left[:, [0, 2]].all()


@pytest.mark.parametrize("slope", [3.0, -3.0, 0.0])
@pytest.mark.parametrize("on", [None, "a", "b"])
def test_dependent_on_numbers_has_the_mean_rate_and_the_direction(slope, on):
    x = {"a": np.random.default_rng(3).exponential(size=(N, 1)), "b": np.random.default_rng(4).normal(size=N)}
    decides = x["a"][:, 0] if on == "a" else x["b"]
    left = draw(Dependent("b", 0.3, on=on, slope=slope), full(2), target=x["b"] if on is None else None, modalities=x)
    assert 1 - left[:, 1].mean() == pytest.approx(0.3, abs=0.02)
    correlation = np.corrcoef(decides, ~left[:, 1])[0, 1]
    assert np.sign(slope) * correlation > 0.3 if slope else abs(correlation) < 0.03


def test_dependent_never_reads_under_a_false_mask():
    present = {"a": np.ones(N, bool), "b": np.arange(N) % 3 > 0}
    x = {"a": VALUES["a"], "b": VALUES["b"].copy()}
    clean = draw(Dependent("a", 0.3, on="b"), present, modalities=x)
    x["b"][~present["b"]] = np.nan
    np.testing.assert_array_equal(draw(Dependent("a", 0.3, on="b"), present, modalities=x), clean)


def test_observed_draws_the_shares_of_the_data():
    pattern = Observed.from_data(GAPPY)
    left, before = draw(pattern, full(3)), np.stack(list(GAPPY.values()), 1)
    for kept in np.unique(before, axis=0):
        assert (left == kept).all(1).mean() == pytest.approx((before == kept).all(1).mean(), abs=0.02)
    data = MultimodalDataset({"a": np.ones(4), "b": np.ones(4)}, present={"b": np.array([True, False, False, False])})
    assert Observed.from_data(data) == Observed((("a",), ("a", "b")), (0.75, 0.25))


def test_grids():
    assert len(missing.subsets("abcdef")) == 2**6 - 1
    assert len(missing.subsets("abcdefg")) == 1 + 7 + 7
    assert missing.rates(2) == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert missing.rates(4)[-2:] == [0.6, 0.7]
    for m in (2, 3, 6):
        for pattern in missing.grid("abcdef"[:m]).values():
            assert draw(pattern, full(m, 50)).any(1).all()


def test_with_missing_changes_masks_and_lengths_and_nothing_else():
    x = {"a": np.ones((50, 4, 2)), "b": np.ones(50)}
    data = MultimodalDataset(x, np.arange(50.0), lengths={"a": np.full(50, 3)}, present={"b": np.arange(50) > 4})
    hidden = data.with_missing(Rate(0.3), random_state=1)
    assert 0 < hidden.present["a"].sum() < 50
    assert not hidden.present["b"][:5].any()
    np.testing.assert_array_equal(hidden.lengths["a"], np.where(hidden.present["a"], 3, 0))
    assert hidden.modalities["a"] is data.modalities["a"]
    np.testing.assert_array_equal(hidden.target, data.target)
    again = data.with_missing(0.3, random_state=1)
    np.testing.assert_array_equal(again.present["a"], hidden.present["a"])
    assert data.with_missing(0.0) is data
    low = data.with_missing(Dependent("a", 0.5, slope=5.0), random_state=0)
    assert low.present["a"][:10].mean() > 0.8 > 0.2 > low.present["a"][-10:].mean()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: draw(Rate(0.6), full(2)), "at most 0.5 with 2 modalities.*found 0.6"),
        (lambda: Rate(1.2), "a number from 0 to 1, found 1.2"),
        (lambda: draw(Subset(("z",)), full(2)), r"names among \['a', 'b'\], found \['z'\]"),
        (lambda: draw(Independent({"z": 0.1}), full(2)), "Independent: expected names among"),
        (lambda: draw(Dependent("a", 0.1), full(2)), "a target to depend on, found none"),
        (lambda: draw(Dependent("a", 0.1), full(2), target=LABELS), "rates by label"),
        (lambda: draw(Dependent("a", {"w": 0.1}), full(2), target=LABELS), r"labels among \['x', 'y', 'z'\]"),
        (lambda: draw(Dependent("a", 0.1, on="b"), full(2)), "the values of 'b', found none"),
        (lambda: Dependent("a", {"x": 0.1}, on="b"), "a number where on='b'"),
        (lambda: draw(Dependent("a", 0.1, on="b"), full(2), modalities={"b": np.ones((N, 2, 2))}), "shape"),
        (lambda: Observed((("a",),), (0.5,)), "that sum to 1"),
        (lambda: missing.as_pattern("0.3"), "missing: expected None, a missing rate or a pattern, found '0.3'"),
        (lambda: missing.pattern_from({"pattern": "Rte"}), "one of .*found 'Rte'"),
    ],
)
def test_mistakes_are_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()
