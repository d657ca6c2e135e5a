"""Ranks, corrections and tests against slow twins, published tables and others' code."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interplay.evaluation.comparison.statistics import (
    cliques,
    friedman,
    holm,
    mean_ranks,
    paired_bootstrap,
    wilcoxon,
)

tables = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, 4).map(float))
)


@given(tables)
@settings(max_examples=60, deadline=None)
def test_ranks_of_a_slow_twin(scores):
    expected = [
        np.mean([1 + sum(other > row[j] for other in row) + (list(row).count(row[j]) - 1) / 2 for row in scores])
        for j in range(scores.shape[1])
    ]
    np.testing.assert_allclose(mean_ranks(scores), expected)
    assert np.isclose(mean_ranks(scores).sum(), scores.shape[1] * (scores.shape[1] + 1) / 2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_holm_rejects_what_the_step_down_procedure_rejects(p):
    """Reject from the smallest p on while it is at most level / (number left)."""
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        order = np.argsort(p, kind="stable")
        for step, i in enumerate(order):
            if p[i] * (len(p) - step) > level:
                break
            rejected.add(int(i))
        assert {int(i) for i in np.flatnonzero(adjusted <= level)} == rejected


def test_holm_of_another_library():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed")
    p = np.random.default_rng(0).random(20) ** 3
    np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1])


def test_holm_leaves_out_what_could_not_be_tested():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.02]), [0.02, np.nan, 0.02])


# Demšar 2006, table 5: critical values of the two-tailed Nemenyi test at 0.05.
Q = {3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}


@pytest.mark.parametrize("k", Q)
def test_critical_difference_of_the_published_table(k):
    found = friedman(np.random.default_rng(0).random((12, k)))
    assert found.critical_difference == pytest.approx(Q[k] * np.sqrt(k * (k + 1) / (6 * 12)), rel=4e-4)


def test_friedman_of_its_formula():
    scores = np.random.default_rng(0).random((9, 5))  # no ties
    n, k = scores.shape
    ranks = mean_ranks(scores)
    statistic = 12 * n / (k * (k + 1)) * (np.sum(ranks**2) - k * (k + 1) ** 2 / 4)
    assert friedman(scores).statistic == pytest.approx(statistic)
    assert friedman(np.ones((4, 3))).p_value == 1
    with pytest.raises(ValueError, match="at least 3 methods on 2 data sets, found 2 on 5"):
        friedman(np.ones((5, 2)))


@given(st.lists(st.integers(0, 30).map(float), min_size=2, max_size=7), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_cliques_are_all_maximal_runs(ranks, difference):
    ranks = sorted(ranks)
    spans = [(i, j) for i, j in itertools.combinations(range(len(ranks)), 2) if ranks[j] - ranks[i] < difference]
    maximal = [s for s in spans if not any(o != s and o[0] <= s[0] and s[1] <= o[1] for o in spans)]
    assert cliques(ranks, difference) == maximal


def test_wilcoxon_exact_by_enumeration():
    difference = np.array([1.0, -2.0, 3.0, 4.0, 5.0, 6.5])
    ranks = np.arange(1, 7)
    observed = ranks[difference > 0].sum()
    sums = [sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product((0, 1), repeat=6)]
    tail = min(np.mean(np.array(sums) >= observed), np.mean(np.array(sums) <= observed))
    assert wilcoxon(difference, np.zeros(6)) == pytest.approx(min(1, 2 * tail))
    assert wilcoxon([1, 2], [1, 2]) == 1
    assert np.isnan(wilcoxon([1], [2]))


def test_bootstrap_of_a_slow_twin():
    rng = np.random.default_rng(3)
    d = rng.normal(0.1, 1, (4, 30))
    d[1, :7] = np.nan
    subject = np.repeat(np.arange(10), 3)
    found = paired_bootstrap(d, subject, n_bootstrap=4000)
    means = []
    for _ in range(4000):
        seeds, subjects = rng.integers(4, size=4), rng.integers(10, size=10)
        rows = np.concatenate([np.flatnonzero(subject == s) for s in subjects])
        means.append(np.nanmean(d[np.ix_(seeds, rows)]))
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.value == pytest.approx(np.nanmean(d))
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_bootstrap_knows_chance_from_difference():
    """Under the null, with seeds and samples both random, p below 0.05 in about 1 of 20; with a difference always."""
    rng = np.random.default_rng(0)
    p = []
    for _ in range(120):
        d = rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 1, 60) + rng.normal(0, 0.5, (5, 60))
        p.append(paired_bootstrap(d, n_bootstrap=300).p_value)
    assert np.mean(np.array(p) < 0.05) < 0.12
    assert paired_bootstrap(d + 1.0, n_bootstrap=300).p_value < 0.01
    assert paired_bootstrap(np.zeros((3, 9))).p_value == 1


def test_bootstrap_draws_whole_subjects():
    """Forty copies of each of six samples tell no more than the six."""
    d = np.random.default_rng(1).normal(0.3, 1, (1, 6))
    once = paired_bootstrap(d)
    copies = paired_bootstrap(np.repeat(d, 40, axis=1), np.repeat(np.arange(6), 40))
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high))
    assert paired_bootstrap(np.repeat(d, 40, axis=1)).low > once.low + 0.1


def test_one_subject_or_sample_has_no_interval():
    """Drawn with replacement it is always itself: the spread over seeds alone would pass for certainty."""
    d = np.random.default_rng(0).normal(size=(3, 20)) + 0.2
    for differences, subjects in ((d, np.zeros(20)), (d[:, :1], None)):
        found = paired_bootstrap(differences, subjects)
        assert found.value == pytest.approx(differences.mean())
        assert np.isnan([found.low, found.high, found.p_value]).all()
