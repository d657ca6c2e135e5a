"""The estimators "classifiers" and "batch": pointwise information of held-out rows, split sample by sample."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from interplay.data import MultimodalDataset
from interplay.estimation.discrete import part_names
from interplay.estimation.discretise import rows_of
from interplay.estimation.measurement import Measurement
from interplay.estimation.pooling import group_alike, pool
from interplay.estimation.posteriors import Posteriors, cross_fit
from interplay.estimation.resample import Track, permute_target
from interplay.estimation.scaling import Potentials, couple, rake
from interplay.estimation.settings import Settings
from interplay.estimation.table import NON_NEGATIVE, estimate_and_intervals

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Split", "by_batches", "by_cells", "measure_batch", "measure_classifiers"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_MAX_CELLS = 256
_BATCH = 512


@dataclass(frozen=True)
class Split:
    """How the information of rows is split.

    Attributes:
        parts: classes ``(n,)`` -> parts of each row ``(5, n)`` in bits: redundancy, unique 1, unique 2, synergy, total.
        gap: by how much I* = R + U1 + U2 may be too small in the mean, in bits: that of the convex programme, and what
            grouping rows loses.
    """

    parts: Callable[[Codes], Array]
    gap: float


def by_cells(found: Posteriors, y: Codes, settings: Settings, seed: int) -> Split:
    """Split by definition; for "broja" on at most 256 cells of rows with like class probabilities a modality.

    "pointwise_min": ``r = max(0, min(i1, i2))``; "mmi": ``r`` is the information of the modality that tells less in
    the mean; then ``u_m = i_m - r`` and ``s = i_12 - i_1 - i_2 + r``.
    """
    if settings.redundancy in ("pointwise_min", "mmi"):
        return Split(partial(_direct, found, settings.redundancy), 0.0)
    if settings.redundancy != "broja":
        raise ValueError(
            f"estimator 'classifiers' has no redundancy {settings.redundancy!r}, which needs the distribution of the "
            "inputs; choose 'broja', 'mmi' or 'pointwise_min', or estimator 'discrete'."
        )
    first, second, prior = _raked(found, y)
    solved, loss = _by_groups(first, second, _MAX_CELLS, seed)
    dual = (solved.first + solved.second) / np.log(2)
    return Split(_evaluator(found, first, second, prior, dual), solved.gap + loss)


def by_batches(found: Posteriors, y: Codes, settings: Settings, seed: int) -> Split:
    """Split by the dual of the convex programme on the rows themselves, in batches of about 512.

    Every batch has the same share of each class: without it the two modalities of a batch would ask for different
    shares, and what moves them to agree would distort what they tell.
    """
    if settings.redundancy != "broja":
        raise ValueError(
            f"estimator 'batch' is for redundancy 'broja', not {settings.redundancy!r}; use 'classifiers'."
        )
    first, second, prior = _raked(found, y)
    dual, gaps = np.empty(first.shape), []
    order, n_batches = np.lexsort((np.random.default_rng(seed).random(len(y)), y)), max(1, round(len(y) / _BATCH))
    for rows in (order[start::n_batches] for start in range(n_batches)):
        solved = couple(rake(first[rows], prior), rake(second[rows], prior))
        dual[rows] = (solved.first + solved.second) / np.log(2)
        gaps.append(solved.gap)
    return Split(_evaluator(found, first, second, prior, dual), float(np.mean(gaps)))


def _raked(found: Posteriors, y: Codes) -> tuple[Array, Array, Array]:
    """Class probabilities of the two modalities, moved to agree on the shares of the classes, and these."""
    prior = np.bincount(y, minlength=found.both.shape[1]) / len(y)
    return rake(np.exp(found.first), prior), rake(np.exp(found.second), prior), prior


def _by_groups(first: Array, second: Array, n_cells: int, seed: int) -> tuple[Potentials, float]:
    """Duals of each row from the programme on cells of like rows; and the most by which the cells lower I*, in bits.

    That is what the cells lose of I(X1;Y) and of I(X2;Y): a coupling of cells becomes one of rows by drawing the row
    given its cell and the class, which adds at most ``I(X1;Y|C1) + I(X2;Y|C2)``.
    """
    sides, loss = [], 0.0
    for p in (first, second):
        cells = group_alike(p, n_cells, seed)
        sums = np.zeros((int(cells.max()) + 1, p.shape[1]))
        np.add.at(sums, cells, p)
        size = np.bincount(cells)
        mean = sums / size[:, None]
        loss += float((p * np.log2(p / mean[cells])).sum() / len(p))
        sides.append((cells, mean, size / len(p)))
    (cells1, mean1, weight1), (cells2, mean2, weight2) = sides
    solved = couple(mean1, mean2, (weight1, weight2))
    return Potentials(solved.first[cells1], solved.second[cells2], solved.gap), loss


def _evaluator(found: Posteriors, first: Array, second: Array, prior: Array, dual: Array) -> Callable[[Codes], Array]:
    """Parts of rows by the dual a + b ``(n, k)`` of the convex programme, all at the row's own class and in bits.

    ``r = log p(y|x1) p(y|x2) / p(y) - a - b``, ``u1 = a + b - log p(y|x2)``, ``s = log p(y|x1, x2) - a - b``. No label
    enters the dual. It is feasible for all pairs of rows, so the mean of a + b over labels, on which it was not fitted,
    is at most -H_q(Y|X1,X2): noise of the class probabilities can only take from I*.
    """
    log1, log2, log_prior = np.log2(first), np.log2(second), np.log2(prior)

    def parts(labels: Codes) -> Array:
        at = (np.arange(len(labels)), labels)
        one, two, told, label = log1[at], log2[at], dual[at], log_prior[labels]
        total = found.information(labels)[2]
        return np.stack([one + two - label - told, told - two, told - one, total + label - told, total])

    return parts


def _direct(found: Posteriors, redundancy: str, y: Codes) -> Array:
    first, second, total = found.information(y)
    if redundancy == "pointwise_min":
        shared = np.maximum(0.0, np.minimum(first, second))
    else:
        shared = first if first.mean() <= second.mean() else second
    return np.stack([shared, first - shared, second - shared, total - first - second + shared, total])


def standard_error(values: Array, groups: Codes | None) -> Array:
    """Return the standard error of the means of ``(5, n)``, with whole groups as the independent units."""
    n = values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True)
    if groups is not None:
        centred = np.stack([np.bincount(groups, weights=row) for row in centred])
    units = centred.shape[1]
    return np.sqrt((centred**2).sum(axis=1) * units / max(units - 1, 1)) / n


def _measure(
    dataset: MultimodalDataset,
    y: Codes,
    groups: Codes | None,
    settings: Settings,
    track: Track,
    *,
    estimator: str,
    split: Callable[[Posteriors, Codes, Settings, int], Split],
) -> Measurement:
    """Measure the two modalities of a dataset that has both in every row."""
    names = (dataset.names[0], dataset.names[1])
    x = (rows_of(dataset, names[0]), rows_of(dataset, names[1]))
    splits = []
    for repeat in range(settings.n_repeats):
        seed = int(np.random.SeedSequence([settings.seed, repeat]).generate_state(1)[0] % 2**31)
        found = _posteriors(x, y, groups, settings.n_splits, seed)
        splits.append(split(found, y, settings, seed))
        track((settings.n_bootstrap + settings.n_permutations) // settings.n_repeats)
    runs = [each.parts(y) for each in splits]
    mean = np.mean(runs, axis=0)
    plugin, error = mean.mean(axis=1), standard_error(mean, groups)
    if settings.n_repeats > 1:  # other folds, other networks
        error = np.sqrt(error**2 + np.var([run.mean(axis=1) for run in runs], axis=0, ddof=1) / settings.n_repeats)
    gap = max(each.gap for each in splits)
    estimate, intervals = estimate_and_intervals(plugin, error, settings.redundancy, settings.confidence, above=gap)
    lacking, warnings = _still_learning(x, y, groups, settings, split, mean, error)
    intervals += np.column_stack([np.minimum(lacking, 0.0), np.maximum(lacking, 0.0)])
    if settings.redundancy in NON_NEGATIVE:
        intervals = np.maximum(intervals, 0.0)
    rng = np.random.default_rng([settings.seed, settings.n_repeats])
    shuffles = (permute_target(y, groups, rng) for _ in range(settings.n_permutations))
    null = np.array([splits[-1].parts(labels).mean(axis=1) for labels in shuffles])
    p_values = (1 + (null >= runs[-1].mean(axis=1) - 1e-9).sum(axis=0)) / (1 + settings.n_permutations)
    # Synergy has no permutation null where one modality alone tells something: its mean over held-out rows against 0.
    sure = plugin[3] - gap + min(lacking[3], 0.0)
    p_values[3] = norm.sf(sure / error[3]) if error[3] > 0 else float(sure <= 1e-9)
    track(settings.n_bootstrap + settings.n_permutations)
    parts = part_names(names)
    return Measurement(
        names=names,
        redundancy=float(estimate[0]),
        unique={names[0]: float(estimate[1]), names[1]: float(estimate[2])},
        synergy=float(estimate[3]),
        total=float(estimate[4]),
        intervals={part: (float(low), float(high)) for part, (low, high) in zip(parts, intervals, strict=True)},
        p_values=dict(zip(parts, p_values.tolist(), strict=True)),
        warnings=warnings,
        gap=gap,
        definition=settings.redundancy,
        estimator=estimator,
        confidence=settings.confidence,
        n_samples=len(y),
        n_bins={},
        plugin=dict(zip(parts, plugin.tolist(), strict=True)),
        samples=_samples(runs, parts, dataset.ids),
    )


def _posteriors(x: tuple[Array, Array], y: Codes, groups: Codes | None, n_splits: int, seed: int) -> Posteriors:
    return pool(cross_fit(x, y, groups, n_splits=n_splits, seed=seed), y, groups, n_splits=n_splits, seed=seed)


def _still_learning(
    x: tuple[Array, Array],
    y: Codes,
    groups: Codes | None,
    settings: Settings,
    split: Callable[[Posteriors, Codes, Settings, int], Split],
    parts: Array,
    error: Array,
) -> tuple[Array, list[str]]:
    """Return by how much the mean parts ``(5,)`` would still change with more rows to learn from, and a warning.

    What a fit of n rows lacks falls about like 1/n: the change from fits of half the rows to fits of the share
    a = 1 - 1/n_splits, times (1/2) / (a - 1/2), is what is left. Warns where the total lacks more than its error.
    """
    share = 1 - 1 / settings.n_splits
    if share <= 0.5:
        return np.zeros(5), []
    seed = int(np.random.SeedSequence([settings.seed, settings.n_repeats]).generate_state(1)[0] % 2**31)
    half = split(_posteriors(x, y, groups, 2, seed), y, settings, seed).parts(y)
    change = parts - half
    rise = change.mean(axis=1)
    lacking = rise * 0.5 / (share - 0.5)
    if lacking[4] <= error[4] or rise[4] <= norm.ppf(0.95) * standard_error(change, groups)[4]:
        return lacking, []
    return lacking, [
        f"the joint classifier still improves with more rows (by {rise[4]:.3f} bits from 50 % to {share:.0%} of "
        f"them): total and synergy may be too small by up to about {lacking[4]:.2f} bits; give more rows or fewer "
        "features."
    ]


measure_classifiers = partial(_measure, estimator="classifiers", split=by_cells)
measure_batch = partial(_measure, estimator="batch", split=by_batches)


def _samples(runs: list[Array], parts: tuple[str, ...], ids: NDArray[np.generic]) -> "pd.DataFrame":
    """Mean over the repeats of cross-fitting, and their standard deviation where there are several."""
    import pandas as pd

    columns = dict(zip(parts, np.mean(runs, axis=0), strict=True))
    if len(runs) > 1:
        spread = np.std(runs, axis=0, ddof=1)
        columns |= {f"{part}:sd": values for part, values in zip(parts, spread, strict=True)}
    return pd.DataFrame(columns, index=pd.Index(ids, name="id"))
