"""The three samples as symbols: partitions fitted on some rows, counted on others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.estimation._bound_folds import Fold, cut
from interplay.estimation._bound_input import Sources
from interplay.estimation.counts import count_table
from interplay.estimation.discretise import DISCRETISERS

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
MAX_BINS = 12
MAX_CLASS_BINS = 20
MAX_UNKNOWNS = 800  # 2 K k: the bootstrap solves hundreds of dense systems of this size


@dataclass(frozen=True)
class Coded:
    """Symbols of the rows counted in one split: codes of modality 1 and 2 with labels, codes of the pairs.

    rows1, rows2, rows12: which labelled samples and pairs are counted; units1, units2, units12: their subjects or
    rows, by one numbering. grouped: which of the three have subjects. shape: (K1, K2, k).
    """

    codes1: Codes
    codes2: Codes
    rows1: Codes
    rows2: Codes
    rows12: Codes
    y1: Codes
    y2: Codes
    pair1: Codes
    pair2: Codes
    units1: Codes
    units2: Codes
    units12: Codes
    grouped: tuple[bool, bool, bool]
    shape: tuple[int, int, int]

    @property
    def cells(self) -> tuple[Codes, Codes, Codes]:
        """Flat index of every row's cell in the tables (K1, k), (K2, k), (K1, K2)."""
        _, k2, k = self.shape
        return self.codes1 * k + self.y1, self.codes2 * k + self.y2, self.pair1 * k2 + self.pair2

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

    Never fewer than classes (up to 20): with fewer, a symbol cannot stand for a class. With more than 20 classes fewer
    again, for the sake of time.
    """
    counted = min(map(len, sources.y)) / 2
    labels = counted / (10 * len(sources.classes))
    affordable = int(np.clip(min(labels, np.sqrt(len(sources.pairs[0]) / 10)), 2, MAX_BINS))
    largest = MAX_UNKNOWNS // (2 * len(sources.classes))
    return max(2, min(max(affordable, min(len(sources.classes), MAX_CLASS_BINS)), largest))


def code_sources(sources: Sources, n_bins: int, discretiser: str, n_splits: int, seed: int) -> list[Coded]:
    """The samples as symbols, once a split; a partition never counts the subjects that it was fitted on."""
    if all(sources.are_codes):
        every = [np.arange(len(rows)) for rows in (*sources.y, sources.pairs[0])]
        nothing = np.zeros(0, dtype=np.int64)
        everything = Fold((nothing, nothing), (every[0], every[1]), every[2])
        return [_coded(sources, everything, n_bins, discretiser, seed)]
    folds = cut(sources, n_splits, seed)
    return [_coded(sources, fold, n_bins, discretiser, seed + split) for split, fold in enumerate(folds)]


def _coded(sources: Sources, fold: Fold, n_bins: int, discretiser: str, seed: int) -> Coded:
    codes, pair_codes, sizes = [], [], []
    for m in (0, 1):
        x, y, fit, counted = sources.x[m], sources.y[m], fold.fit[m], fold.counted[m]
        if sources.are_codes[m]:
            alphabet = np.unique(np.concatenate([x[:, 0], sources.pairs[m][:, 0]]))
            codes.append(np.searchsorted(alphabet, x[counted, 0]))
            pair_codes.append(np.searchsorted(alphabet, sources.pairs[m][fold.pairs, 0]))
            sizes.append(len(alphabet))
            continue
        partition = DISCRETISERS[discretiser](x[fit], y[fit], n_bins, seed)
        codes.append(partition(x[counted]))
        pair_codes.append(partition(sources.pairs[m][fold.pairs]))
        sizes.append(int(max(codes[-1].max(), pair_codes[-1].max())) + 1)
    first, second = fold.counted
    return Coded(
        codes1=codes[0],
        codes2=codes[1],
        rows1=first,
        rows2=second,
        rows12=fold.pairs,
        y1=sources.y[0][first],
        y2=sources.y[1][second],
        pair1=pair_codes[0],
        pair2=pair_codes[1],
        units1=sources.units[0][first],
        units2=sources.units[1][second],
        units12=sources.units[2][fold.pairs],
        grouped=sources.grouped,
        shape=(sizes[0], sizes[1], len(sources.classes)),
    )
