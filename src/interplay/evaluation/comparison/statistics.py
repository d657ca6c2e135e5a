"""Ranks, paired tests and corrections for many comparisons, as plain functions of arrays."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]


def mean_ranks(scores: ArrayLike) -> Array:
    """Mean rank ``(k,)`` of each method over data sets; 1 is best, ties share their ranks.

    Args:
        scores: ``(N, k)``, a row a data set, higher is better.

    >>> mean_ranks([[0.9, 0.8, 0.8], [0.7, 0.9, 0.1]]).tolist()
    [1.5, 1.75, 2.75]
    """
    return stats.rankdata(-np.asarray(scores, float), axis=1).mean(0)


def holm(p_values: ArrayLike) -> Array:
    r"""Holm's correction: the chance of a single false finding among all stays below the level.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})

    NaN stays NaN and is not counted.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    found = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = np.minimum(1, p[order] * (len(order) - np.arange(len(order))))
    found[order] = np.maximum.accumulate(steps)
    return found


@dataclass(frozen=True)
class Friedman:
    """Are the methods different at all, over data sets?

    Attributes:
        ranks: mean rank ``(k,)``, 1 is best.
        statistic: Friedman's chi-squared, corrected for ties.
        p_value: of the null that all methods rank alike.
        critical_difference: mean ranks closer than this are not told apart (Nemenyi).
        n_datasets: number of data sets.
    """

    ranks: Array
    statistic: float
    p_value: float
    critical_difference: float
    n_datasets: int


def friedman(scores: ArrayLike, level: float = 0.05) -> Friedman:
    r"""Friedman's test and Nemenyi's critical difference.

    .. math:: CD = q_\alpha \sqrt{\frac{k (k + 1)}{6 N}}

    with :math:`q_\alpha` the studentised range over infinitely many degrees of freedom, divided by :math:`\sqrt 2`.

    Args:
        scores: ``(N, k)``, a row a data set, higher is better.
        level: of the critical difference.

    Raises:
        ValueError: fewer than three methods or two data sets.

    Reference:
        Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006.

    >>> friedman([[3, 2, 1], [3, 2, 1], [3, 1, 2], [3, 2, 1]]).critical_difference
    1.657...
    """
    table = np.asarray(scores, float)
    n, k = table.shape
    if k < 3 or n < 2:
        raise ValueError(f"a critical difference needs at least 3 methods on 2 data sets, found {k} on {n}")
    # All methods equal everywhere: no statistic, and nothing to tell apart.
    constant = bool((table == table[:, :1]).all())
    statistic, p = (0.0, 1.0) if constant else stats.friedmanchisquare(*table.T)
    q = float(stats.studentized_range.ppf(1 - level, k, np.inf)) / math.sqrt(2)
    return Friedman(mean_ranks(table), float(statistic), float(p), q * math.sqrt(k * (k + 1) / (6 * n)), n)


def cliques(ranks: ArrayLike, difference: float) -> list[tuple[int, int]]:
    """Maximal runs ``(first, last)`` of sorted ranks that span less than ``difference``, of two methods or more.

    >>> cliques([1.0, 1.5, 2.5, 4.0], 1.2)
    [(0, 1), (1, 2)]
    """
    sorted_ranks = np.sort(np.asarray(ranks, float))
    ends = np.searchsorted(sorted_ranks, sorted_ranks + difference, side="left") - 1
    found: list[tuple[int, int]] = []
    for first, last in enumerate(ends.tolist()):
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def wilcoxon(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed ranks over paired numbers; 1 where all are equal, NaN for fewer than two.

    >>> round(wilcoxon([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]), 4)
    0.0312
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    if len(difference) < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    # Pratt's treatment: an equal pair speaks for equality instead of being left out.
    return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)


@dataclass(frozen=True)
class Difference:
    """Mean difference, its bootstrap interval and the two-sided bootstrap p."""

    value: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    differences: Array,
    clusters: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    random_state: int = 0,
) -> Difference:
    r"""Bootstrap of a mean paired difference over seeds and samples at once.

    Both are drawn with replacement, independently of each other, and the mean is weighted by how often each was drawn:
    :math:`\sum_{s,i} u_s v_i d_{si} / \sum_{s,i} u_s v_i` over the pairs that exist. It asks whether the difference
    would be there with other seeds and other samples. It errs on the careful side where both matter, and with few seeds
    on the bold side: five seeds say little about seeds. One subject says nothing of others: interval and p are NaN.

    Args:
        differences: ``(S, n)`` by seed and sample; NaN where a seed did not test that sample.
        clusters: ``(n,)`` subjects drawn together, or None.
        confidence: of the interval (percentiles).
        n_bootstrap: number of resamples.
        random_state: seed of the resamples.

    Reference:
        Owen, The pigeonhole bootstrap, Annals of Applied Statistics 2007.
    """
    d = np.asarray(differences, float)
    known = ~np.isnan(d)
    seeds, n = d.shape
    members = np.arange(n) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    m = int(members.max()) + 1
    # Sums by cluster: what a resample needs of the samples.
    sums = np.stack([np.bincount(members, row, m) for row in np.where(known, d, 0)])
    counts = np.stack([np.bincount(members, row_known, m) for row_known in known])
    value = float(sums.sum() / counts.sum())
    if m < 2:  # drawn with replacement it is always itself, which would pass for certainty
        return Difference(value, np.nan, np.nan, np.nan)
    rng = np.random.default_rng(random_state)
    means = np.empty(n_bootstrap)
    for start in range(0, n_bootstrap, 250):  # bounded memory
        size = min(250, n_bootstrap - start)
        u = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size).astype(float)
        v = rng.multinomial(m, np.full(m, 1 / m), size).astype(float)
        total = np.einsum("bm,bm->b", u @ counts, v)
        means[start : start + size] = np.einsum("bm,bm->b", u @ sums, v) / np.where(total > 0, total, np.nan)
    means = means[~np.isnan(means)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min((means <= 0).sum(), (means >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(means) + 1))
    return Difference(value, float(low), float(high), p)
