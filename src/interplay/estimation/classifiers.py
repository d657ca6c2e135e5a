"""The estimators "classifiers" and "batch": pointwise information of held-out rows, split sample by sample."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.cluster import KMeans

from interplay.data import MultimodalDataset
from interplay.estimation.counts import count_table, pairwise_maximum_entropy
from interplay.estimation.discrete import part_names
from interplay.estimation.discretise import rows_of
from interplay.estimation.measurement import Measurement
from interplay.estimation.posteriors import Posteriors, cross_fit
from interplay.estimation.resample import Track, from_model, parts_of, permute_target
from interplay.estimation.scaling import couple, rake
from interplay.estimation.settings import Settings
from interplay.estimation.table import estimate_and_intervals
from interplay.information.broja import solve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Split", "by_batches", "by_cells", "measure_batch", "measure_classifiers"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_MAX_CELLS = 20
_BATCH = 512


@dataclass(frozen=True)
class Split:
    """How the information of rows is split.

    Attributes:
        parts: classes ``(n,)`` -> parts of each row ``(5, n)`` in bits: redundancy, unique 1, unique 2, synergy, total.
        bias: of the means, ``(5,)``.
        gap: of the convex programme, in bits.
    """

    parts: Callable[[Codes], Array]
    bias: Array
    gap: float


def _from_dual(log1: Array, log2: Array, prior: Array, dual: Array, total: Array) -> Array:
    """Parts of rows by the dual a + b of the convex programme, all at the row's own class and in bits.

    ``r = log p(y|x1) p(y|x2) / p(y) - a - b``, ``u1 = a + b - log p(y|x2)``, ``s = log p(y|x1, x2) - a - b``.
    """
    return np.stack([log1 + log2 - prior - dual, dual - log2, dual - log1, total + prior - dual, total])


def _group_alike(log: Array, n_cells: int, seed: int) -> Codes:
    """Group rows of like class probabilities; the distance of square roots treats small probabilities fairly."""
    points = np.exp(log / 2)
    n_cells = min(n_cells, len(np.unique(points.round(9), axis=0)))
    return np.unique(KMeans(n_cells, n_init=2, random_state=seed).fit_predict(points), return_inverse=True)[1]


def by_cells(found: Posteriors, y: Codes, settings: Settings, seed: int) -> Split:
    """Split by definition; for "broja" on cells of like class probabilities.

    That programme depends on p(x1, y) and p(x2, y) only, and these only on how often each vector of class
    probabilities occurs: cells of like vectors lose little, and labels can be counted in them. Counting biases R and U,
    which is estimated on tables of the pairwise maximum-entropy model; the total is on held-out labels.
    "pointwise_min": ``r = max(0, min(i1, i2))``; "mmi": ``r`` is the information of the modality that tells less in
    the mean; then ``u_m = i_m - r`` and ``s = i_12 - i_1 - i_2 + r``.
    """
    if settings.redundancy in ("pointwise_min", "mmi"):
        return Split(partial(_direct, found, settings.redundancy), np.zeros(5), 0.0)
    if settings.redundancy != "broja":
        raise ValueError(
            f"estimator 'classifiers' has no redundancy {settings.redundancy!r}, which needs the distribution of the "
            "inputs; choose 'broja', 'mmi' or 'pointwise_min', or estimator 'discrete'."
        )
    n, k = found.both.shape
    n_cells = int(np.clip(n / (10 * k), 2, _MAX_CELLS))
    cells = (_group_alike(found.first, n_cells, seed), _group_alike(found.second, n_cells, seed))
    shape = (int(cells[0].max()) + 1, int(cells[1].max()) + 1, k)
    model = pairwise_maximum_entropy(count_table(*cells, y, shape=shape))
    drawn = parts_of(from_model(model, n)(np.random.default_rng(seed), settings.n_bootstrap), "broja")
    bias = (drawn.mean(axis=0) - parts_of(model[None], "broja")[0])[:3]

    def parts(labels: Codes) -> Array:
        table = count_table(*cells, labels, shape=shape) / n
        solution = solve(table)
        dual = (solution.a[cells[0], labels] + solution.b[cells[1], labels]) / np.log(2)
        with np.errstate(divide="ignore", invalid="ignore"):
            log1, log2 = (np.log2(t / t.sum(axis=1, keepdims=True)) for t in (table.sum(axis=1), table.sum(axis=0)))
        prior = np.log2(table.sum(axis=(0, 1)))[labels]
        total = found.information(labels)[2]
        return _from_dual(log1[cells[0], labels], log2[cells[1], labels], prior, dual, total)

    # I* = R + U1 + U2 is what the synergy subtracts.
    gap = solve(count_table(*cells, y, shape=shape) / n).gap
    return Split(parts, np.array([*bias, -bias.sum(), 0.0]), gap)


def _direct(found: Posteriors, redundancy: str, y: Codes) -> Array:
    first, second, total = found.information(y)
    if redundancy == "pointwise_min":
        shared = np.maximum(0.0, np.minimum(first, second))
    else:
        shared = first if first.mean() <= second.mean() else second
    return np.stack([shared, first - shared, second - shared, total - first - second + shared, total])


def by_batches(found: Posteriors, y: Codes, settings: Settings, seed: int) -> Split:
    """Split by the dual of the convex programme on the samples themselves, in batches of about 512 rows.

    The margins of a batch's coupling are the held-out class probabilities, moved least to agree on the classes' shares.
    No label enters the dual; labels only evaluate it, so counting does not bias it.
    """
    if settings.redundancy != "broja":
        raise ValueError(
            f"estimator 'batch' is for redundancy 'broja', not {settings.redundancy!r}; use 'classifiers'."
        )
    n, k = found.both.shape
    prior = np.bincount(y, minlength=k) / n
    first, second = rake(np.exp(found.first), prior), rake(np.exp(found.second), prior)
    dual, gaps = np.empty((n, k)), []
    order = np.random.default_rng(seed).permutation(n)
    for rows in np.array_split(order, max(1, round(n / _BATCH))):
        share = first[rows].mean(axis=0)
        solved = couple(rake(first[rows], share), rake(second[rows], share))
        dual[rows] = (solved.first + solved.second) / np.log(2)
        gaps.append(solved.gap)
    logs = [np.log2(p) for p in (first, second)]

    def parts(labels: Codes) -> Array:
        at = (np.arange(n), labels)
        total = found.information(labels)[2]
        return _from_dual(logs[0][at], logs[1][at], np.log2(prior)[labels], dual[at], total)

    return Split(parts, np.zeros(5), float(np.mean(gaps)))


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
        found = cross_fit(x, y, groups, n_splits=settings.n_splits, seed=seed)
        splits.append(split(found, y, settings, seed))
        track((settings.n_bootstrap + settings.n_permutations) // settings.n_repeats)
    runs = [each.parts(y) for each in splits]
    mean = np.mean(runs, axis=0)
    plugin, error = mean.mean(axis=1), standard_error(mean, groups)
    if settings.n_repeats > 1:  # other folds, other networks
        error = np.sqrt(error**2 + np.var([run.mean(axis=1) for run in runs], axis=0, ddof=1) / settings.n_repeats)
    corrected = plugin - np.mean([each.bias for each in splits], axis=0)
    estimate, intervals = estimate_and_intervals(corrected, error, settings.redundancy, settings.confidence)
    rng = np.random.default_rng([settings.seed, settings.n_repeats])
    shuffles = (permute_target(y, groups, rng) for _ in range(settings.n_permutations))
    null = np.array([splits[-1].parts(labels).mean(axis=1) for labels in shuffles])
    p_values = (1 + (null >= runs[-1].mean(axis=1) - 1e-9).sum(axis=0)) / (1 + settings.n_permutations)
    # Synergy has no permutation null where one modality alone tells something: its mean over held-out rows against 0.
    p_values[3] = norm.sf(corrected[3] / error[3]) if error[3] > 0 else float(corrected[3] <= 1e-9)
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
        warnings=[],
        gap=max(each.gap for each in splits),
        definition=settings.redundancy,
        estimator=estimator,
        confidence=settings.confidence,
        n_samples=len(y),
        n_bins={},
        plugin=dict(zip(parts, plugin.tolist(), strict=True)),
        samples=_samples(runs, parts, dataset.ids),
    )


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
