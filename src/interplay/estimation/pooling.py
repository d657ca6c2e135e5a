"""Class probabilities that are averaged over rows of like probabilities where that predicts held-out labels better."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from interplay.estimation.posteriors import Posteriors, _folds

__all__ = ["group_alike", "pool"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_CELLS = (2, 4, 8, 16, 32, 64)


def group_alike(p: Array, n_cells: int, seed: int) -> Codes:
    """Group rows of like class probabilities ``(n, k)``; distances of square roots treat small ones fairly."""
    points = np.sqrt(p).round(6)
    n_cells = min(n_cells, len(np.unique(points, axis=0)))
    with warnings.catch_warnings():
        # Fewer clusters than asked for, where points all but coincide, are as good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(n_cells, n_init=2, random_state=seed).fit_predict(points)
    return np.unique(found, return_inverse=True)[1]


def pool(found: Posteriors, y: Codes, groups: Codes | None, *, n_splits: int, seed: int) -> Posteriors:
    """Calibrate class probabilities once more, by pooling rows.

    Sharpening by one number cannot mend a classifier that is right to exclude some classes and wavers without reason
    between the others: what it loses there would be missing from the unique parts and appear as synergy. So rows of
    like probabilities are put into cells, and a cell's probabilities are counted on the labels of other folds, with the
    cell's mean prediction as prior (of weight 1 or k). The number of cells, or none, is what predicts the labels of the
    other folds best; a row's own label (and group) never enters its own probabilities.
    """
    folds = _folds(y, groups, n_splits, seed)
    pooled = [_pool(np.exp(log), y, folds, seed) for log in (found.first, found.second, found.both)]
    return Posteriors(pooled[0], pooled[1], pooled[2], found.prior)


def _pool(p: Array, y: Codes, folds: list[tuple[Codes, Codes]], seed: int) -> Array:
    """Log-probabilities ``(n, k)``: the candidate that does best on the other folds."""
    k, rows = p.shape[1], np.arange(len(y))
    candidates = [p]
    for n_cells in _CELLS:
        cells = group_alike(p, n_cells, seed)
        candidates += [_counted(p, cells, y, folds, weight) for weight in (1.0, float(k))]
        if cells.max() + 1 < n_cells:  # there are no more distinct rows
            break
    scores = np.log([candidate[rows, y] for candidate in candidates])
    best = np.empty_like(p)
    for others, fold in folds:
        best[fold] = candidates[int(np.argmax(scores[:, others].mean(axis=1)))][fold]
    logged: Array = np.log(best)
    return logged


def _counted(p: Array, cells: Codes, y: Codes, folds: list[tuple[Codes, Codes]], weight: float) -> Array:
    """Probabilities of each row's cell: labels of the other folds, beside ``weight`` labels as the cell predicts."""
    n_cells, k = int(cells.max()) + 1, p.shape[1]
    sums = np.zeros((n_cells, k))
    np.add.at(sums, cells, p)
    predicted = sums / np.bincount(cells)[:, None]
    found = np.empty_like(p)
    for others, fold in folds:
        counts = np.bincount(cells[others] * k + y[others], minlength=n_cells * k).reshape(n_cells, k)
        posterior = (counts + weight * predicted) / (counts.sum(axis=1, keepdims=True) + weight)
        found[fold] = posterior[cells[fold]]
    return found
