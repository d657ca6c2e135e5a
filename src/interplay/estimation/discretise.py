"""From feature arrays to integer codes: partitions that are fitted on some rows and applied to others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from interplay.data import MultimodalDataset

__all__ = ["DISCRETISERS", "SUPERVISED", "choose_n_bins", "is_codes", "rows_of"]

Features = NDArray[np.float64]
Codes = NDArray[np.int64]
Partition = Callable[[Features], Codes]

MAX_BINS = 20
_MAX_COMPONENTS = 10


def choose_n_bins(n_samples: int, n_classes: int, *, known: tuple[int, ...] = (), n_modalities: int = 2) -> int:
    """Return the largest K from 2 to 20 that leaves two samples a cell: ``n >= 2 K^2 k`` for a ``(K, K, k)`` table.

    Args:
        n_samples: rows counted.
        n_classes: k.
        known: numbers of codes of the modalities that need no bins.
        n_modalities: all modalities of the table.

    >>> [choose_n_bins(n, 2) for n in (10, 200, 1800, 10**6)]
    [2, 7, 20, 20]
    """
    free = max(n_modalities - len(known), 1)
    cells = n_samples / (2 * n_classes * np.prod(known, dtype=float))
    return int(np.clip(cells ** (1 / free) + 1e-9, 2, MAX_BINS))


def rows_of(dataset: MultimodalDataset, name: str) -> Features:
    """One row of numbers a sample ``(n, features)``; rows under a false mask are zeros.

    Sequences with lengths become the mean and the standard deviation of the steps that count; other arrays are
    flattened.
    """
    present = dataset.present[name]
    x = dataset.modalities[name]
    if name in dataset.lengths:
        counted = np.arange(x.shape[1]) < dataset.lengths[name][:, None]
        steps = np.where(counted[..., None], x.reshape(len(x), x.shape[1], -1), 0.0).astype(np.float64)
        n = np.maximum(counted.sum(1), 1)[:, None]
        mean = steps.sum(1) / n
        variance = (np.where(counted[..., None], steps - mean[:, None], 0.0) ** 2).sum(1) / n
        rows = np.hstack([mean, np.sqrt(variance)])
    else:
        rows = x.reshape(len(x), -1)
    return np.where(present[:, None], rows, 0.0).astype(np.float64)


def is_codes(x: NDArray[Any], present: NDArray[np.bool_]) -> bool:
    """Whether a modality is a single column of integers or booleans with at most 20 values: codes as they stand."""
    if x.dtype.kind not in "iub" or int(np.prod(x.shape[1:])) != 1:
        return False
    return len(np.unique(x[present])) <= MAX_BINS


def _one_cell(rows: Features) -> Codes:
    return np.zeros(len(rows), dtype=np.int64)


def _kmeans(x: Features, y: Codes, n_bins: int, seed: int) -> Partition:
    """k-means on standardised features, reduced to at most 10 principal components."""
    if (x == x[0]).all():
        return _one_cell
    n_bins = min(n_bins, len(np.unique(x, axis=0)))
    components = min(_MAX_COMPONENTS, *x.shape)
    model = make_pipeline(
        StandardScaler(), PCA(components, random_state=seed), KMeans(n_bins, n_init=4, random_state=seed)
    ).fit(x)
    return lambda rows: model.predict(rows).astype(np.int64)


def _quantile(x: Features, y: Codes, n_bins: int, seed: int) -> Partition:
    """Equal shares of the only column, or of the first principal component of the standardised columns."""
    if (x == x[0]).all():
        return _one_cell
    line = make_pipeline(StandardScaler(), PCA(1, svd_solver="full")).fit(x)
    edges = np.quantile(line.transform(x)[:, 0], np.linspace(0, 1, n_bins + 1)[1:-1])
    return lambda rows: np.searchsorted(np.unique(edges), line.transform(rows)[:, 0]).astype(np.int64)


def _tree(x: Features, y: Codes, n_bins: int, seed: int) -> Partition:
    """Leaves of a decision tree for the target."""
    tree = DecisionTreeClassifier(max_leaf_nodes=n_bins, min_samples_leaf=5, random_state=seed).fit(x, y)
    leaves = np.flatnonzero(tree.tree_.children_left < 0)
    return lambda rows: np.searchsorted(leaves, tree.apply(rows)).astype(np.int64)


def _classifier(x: Features, y: Codes, n_bins: int, seed: int) -> Partition:
    """k-means on the class probabilities of a logistic regression."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)).fit(x, y)
    outputs = model.predict_proba(x)
    clusters = KMeans(min(n_bins, len(np.unique(outputs, axis=0))), n_init=4, random_state=seed).fit(outputs)
    return lambda rows: clusters.predict(model.predict_proba(rows)).astype(np.int64)


DISCRETISERS = {"kmeans": _kmeans, "quantile": _quantile, "tree": _tree, "classifier": _classifier}
SUPERVISED = frozenset({"tree", "classifier"})
