"""The three samples as symbols: partitions fitted on some rows, counted on others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from interplay.estimation._bound_input import Sources
from interplay.estimation.counts import count_table
from interplay.estimation.discretise import DISCRETISERS

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
MAX_BINS = 12
MAX_CLASS_BINS = 20
MAX_CELLS = 8_000  # of (K, K, k): the bootstrap solves hundreds of problems of this size


@dataclass(frozen=True)
class Coded:
    """Symbols of the rows counted in one split: codes of modality 1 and 2 with labels, codes of the pairs.

    rows1, rows2: which labelled samples are counted. shape: (K1, K2, k).
    """

    codes1: Codes
    codes2: Codes
    rows1: Codes
    rows2: Codes
    y1: Codes
    y2: Codes
    pair1: Codes
    pair2: Codes
    shape: tuple[int, int, int]

    def counts(self, keep: tuple[Any, Any, Any] = (slice(None),) * 3) -> tuple[Array, Array, Array]:
        """Counts of the three tables over the chosen rows."""
        k1, k2, k = self.shape
        return (
            count_table(self.codes1[keep[0]], self.y1[keep[0]], shape=(k1, k)).astype(float),
            count_table(self.codes2[keep[1]], self.y2[keep[1]], shape=(k2, k)).astype(float),
            count_table(self.pair1[keep[2]], self.pair2[keep[2]], shape=(k1, k2)).astype(float),
        )


def choose_pair_bins(sources: Sources) -> int:
    """Symbols a modality: ten counted samples a cell of (K, k) and pairs a cell of (K, K), at most 12.

    Never fewer than classes (up to 20, and 8 000 cells): with fewer, a symbol cannot stand for a class.
    """
    counted = min(map(len, sources.y)) / 2
    labels = counted / (10 * len(sources.classes))
    affordable = int(np.clip(min(labels, np.sqrt(len(sources.pairs[0]) / 10)), 2, MAX_BINS))
    largest = int(np.sqrt(MAX_CELLS / len(sources.classes)))
    return max(2, min(max(affordable, min(len(sources.classes), MAX_CLASS_BINS)), largest))


def code_sources(sources: Sources, n_bins: int, discretiser: str, n_splits: int, seed: int) -> list[Coded]:
    """The samples as symbols, once a split; a partition never counts the labelled rows that it was fitted on."""
    folds = [
        list(StratifiedKFold(n_splits, shuffle=True, random_state=seed + m).split(sources.y[m], sources.y[m]))
        for m in (0, 1)
    ]
    if all(sources.are_codes):
        everything = np.arange(len(sources.y[0])), np.arange(len(sources.y[1]))
        return [_coded(sources, (everything[0], everything[1]), (None, None), n_bins, discretiser, seed)]
    parts = []
    for split in range(n_splits):
        counted = (folds[0][split][1], folds[1][split][1])
        fitted = (folds[0][split][0], folds[1][split][0])
        parts.append(_coded(sources, counted, fitted, n_bins, discretiser, seed + split))
    return parts


def _coded(
    sources: Sources,
    counted: tuple[Codes, Codes],
    fitted: tuple[Codes | None, Codes | None],
    n_bins: int,
    discretiser: str,
    seed: int,
) -> Coded:
    codes, pair_codes, sizes = [], [], []
    for m in (0, 1):
        fit_rows = fitted[m]
        if sources.are_codes[m] or fit_rows is None:
            alphabet = np.unique(np.concatenate([sources.x[m][:, 0], sources.pairs[m][:, 0]]))
            codes.append(np.searchsorted(alphabet, sources.x[m][counted[m], 0]))
            pair_codes.append(np.searchsorted(alphabet, sources.pairs[m][:, 0]))
            sizes.append(len(alphabet))
            continue
        partition = DISCRETISERS[discretiser](sources.x[m][fit_rows], sources.y[m][fit_rows], n_bins, seed)
        codes.append(partition(sources.x[m][counted[m]]))
        pair_codes.append(partition(sources.pairs[m]))
        sizes.append(int(max(codes[-1].max(), pair_codes[-1].max())) + 1)
    y1, y2 = sources.y[0][counted[0]], sources.y[1][counted[1]]
    shape = (sizes[0], sizes[1], len(sources.classes))
    return Coded(codes[0], codes[1], counted[0], counted[1], y1, y2, pair_codes[0], pair_codes[1], shape)
