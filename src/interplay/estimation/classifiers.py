"""The "classifiers" estimator: pointwise information of held-out rows, split sample by sample."""

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
from interplay.estimation.settings import Settings
from interplay.estimation.table import estimate_and_intervals
from interplay.information.broja import solve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["measure_classifiers", "posterior_cells", "split_samples"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_MAX_CELLS = 20


def _group_alike(log: Array, n_cells: int, seed: int) -> Codes:
    """Group rows of like class probabilities; the distance of square roots treats small probabilities fairly."""
    points = np.exp(log / 2)
    n_cells = min(n_cells, len(np.unique(points.round(9), axis=0)))
    return np.unique(KMeans(n_cells, n_init=2, random_state=seed).fit_predict(points), return_inverse=True)[1]


def posterior_cells(found: Posteriors, seed: int) -> tuple[Codes, Codes]:
    """Return a cell of like class probabilities for each row, by the first and by the second modality."""
    n, k = found.both.shape
    n_cells = int(np.clip(n / (10 * k), 2, _MAX_CELLS))
    return _group_alike(found.first, n_cells, seed), _group_alike(found.second, n_cells, seed)


def _table(cells: tuple[Codes, Codes], y: Codes) -> NDArray[np.int64]:
    return count_table(*cells, y, shape=(int(cells[0].max()) + 1, int(cells[1].max()) + 1, int(y.max()) + 1))


def _broja(found: Posteriors, cells: tuple[Codes, Codes], y: Codes) -> Array:
    """Parts of each row by the dual (a, b) of the convex programme on cells of like probabilities.

    The programme depends on p(x1, y) and p(x2, y) only, and these only on how often each vector of class
    probabilities occurs: cells of like vectors lose little. With labels counted in the cells,
    ``u1 = a + b - log p(y|x2)`` and so on, and ``s = log p(y|x1, x2) - a - b`` takes the joint classifier.
    """
    table = _table(cells, y) / len(y)
    solution = solve(table)
    dual = (solution.a[cells[0], y] + solution.b[cells[1], y]) / np.log(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_cell = [np.log2(t / t.sum(axis=1, keepdims=True)) for t in (table.sum(axis=1), table.sum(axis=0))]
    log1, log2 = of_cell[0][cells[0], y], of_cell[1][cells[1], y]
    prior = np.log2(table.sum(axis=(0, 1)))[y]
    total = found.information(y)[2]
    return np.stack([log1 + log2 - prior - dual, dual - log2, dual - log1, total + prior - dual, total])


def split_samples(found: Posteriors, cells: tuple[Codes, Codes], y: Codes, redundancy: str) -> Array:
    """Return the parts ``(5, n)`` of each row in bits: redundancy, unique 1, unique 2, synergy, total.

    "pointwise_min": ``r = max(0, min(i1, i2))``; "mmi": ``r`` is the information of the modality that tells less in
    the mean; then ``u_m = i_m - r`` and ``s = i_12 - i_1 - i_2 + r``. "broja": see `_broja`.
    """
    if redundancy == "broja":
        return _broja(found, cells, y)
    first, second, total = found.information(y)
    if redundancy == "pointwise_min":
        shared = np.maximum(0.0, np.minimum(first, second))
    elif redundancy == "mmi":
        shared = first if first.mean() <= second.mean() else second
    else:
        raise ValueError(
            f"estimator 'classifiers' has no redundancy {redundancy!r}, which needs the distribution of the inputs; "
            "choose 'broja', 'mmi' or 'pointwise_min', or estimator 'discrete'."
        )
    return np.stack([shared, first - shared, second - shared, total - first - second + shared, total])


def _bias(cells: tuple[Codes, Codes], y: Codes, settings: Settings, rng: np.random.Generator) -> Array:
    """Bias ``(5,)`` of the set's parts: that of counting R, U1, U2 in cells; the total is on held-out rows."""
    if settings.redundancy != "broja":
        return np.zeros(5)
    model = pairwise_maximum_entropy(_table(cells, y))
    drawn = parts_of(from_model(model, len(y))(rng, settings.n_bootstrap), "broja")
    bias = drawn.mean(axis=0) - parts_of(model[None], "broja")[0]
    # I* = R + U1 + U2 is what the synergy subtracts.
    return np.array([*bias[:3], -bias[:3].sum(), 0.0])


def _unrelated(
    found: Posteriors,
    cells: tuple[Codes, Codes],
    y: Codes,
    groups: Codes | None,
    settings: Settings,
    rng: np.random.Generator,
) -> Array:
    """Parts ``(B, 5)`` with shuffled targets, classifiers and cells as they are."""
    null = []
    for _ in range(settings.n_permutations):
        other = permute_target(y, groups, rng)
        null.append(split_samples(found, cells, other, settings.redundancy).mean(axis=1))
    return np.array(null)


def standard_error(values: Array, groups: Codes | None) -> Array:
    """Return the standard error of the means of ``(5, n)``, with whole groups as the independent units."""
    n = values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True)
    if groups is not None:
        centred = np.stack([np.bincount(groups, weights=row) for row in centred])
    units = centred.shape[1]
    return np.sqrt((centred**2).sum(axis=1) * units / max(units - 1, 1)) / n


def measure_classifiers(
    dataset: MultimodalDataset, y: Codes, groups: Codes | None, settings: Settings, track: Track
) -> Measurement:
    """Measure the two modalities of a dataset that has both in every row."""
    names = (dataset.names[0], dataset.names[1])
    x = (rows_of(dataset, names[0]), rows_of(dataset, names[1]))
    runs = []
    for repeat in range(settings.n_repeats):
        seed = int(np.random.SeedSequence([settings.seed, repeat]).generate_state(1)[0] % 2**31)
        found = cross_fit(x, y, groups, n_splits=settings.n_splits, seed=seed)
        cells = posterior_cells(found, seed)
        runs.append(split_samples(found, cells, y, settings.redundancy))
        track((settings.n_bootstrap + settings.n_permutations) // settings.n_repeats)
    mean = np.mean(runs, axis=0)
    plugin, error = mean.mean(axis=1), standard_error(mean, groups)
    if settings.n_repeats > 1:  # other folds, other networks
        error = np.sqrt(error**2 + np.var([run.mean(axis=1) for run in runs], axis=0, ddof=1) / settings.n_repeats)
    rng = np.random.default_rng([settings.seed, settings.n_repeats])
    corrected = plugin - _bias(cells, y, settings, rng)
    estimate, intervals = estimate_and_intervals(corrected, error, settings.redundancy, settings.confidence)
    null = _unrelated(found, cells, y, groups, settings, rng)
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
        gap=solve(_table(cells, y) / len(y)).gap if settings.redundancy == "broja" else 0.0,
        definition=settings.redundancy,
        estimator="classifiers",
        confidence=settings.confidence,
        n_samples=len(y),
        n_bins={},
        plugin=dict(zip(parts, plugin.tolist(), strict=True)),
        samples=_samples(runs, parts, dataset.ids),
    )


def _samples(runs: list[Array], parts: tuple[str, ...], ids: NDArray[np.generic]) -> "pd.DataFrame":
    """Mean over the repeats of cross-fitting, and their standard deviation where there are several."""
    import pandas as pd

    columns = dict(zip(parts, np.mean(runs, axis=0), strict=True))
    if len(runs) > 1:
        spread = np.std(runs, axis=0, ddof=1)
        columns |= {f"{part}:sd": values for part, values in zip(parts, spread, strict=True)}
    return pd.DataFrame(columns, index=pd.Index(ids, name="id"))
