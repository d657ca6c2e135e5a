"""Folds and draws of the three sources that keep every subject together."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from interplay.estimation._bound_input import Codes, Sources

Array = NDArray[np.float64]
TRIES = 20
FEWEST = 2  # subjects counted in a fold: from one alone no error can be estimated


@dataclass(frozen=True)
class Fold:
    """Labelled rows of modality 1 and 2 to fit on, those to count, and the pairs to count.

    No subject is both fitted on and counted, whichever of the three sources it is in.
    """

    fit: tuple[Codes, Codes]
    counted: tuple[Codes, Codes]
    pairs: Codes


def cut(sources: Sources, n_splits: int, seed: int) -> list[Fold]:
    """Stratified folds of the labelled samples; every labelled row is counted once."""
    if not any(sources.grouped):
        parts = [
            list(StratifiedKFold(n_splits, shuffle=True, random_state=seed + m).split(y, y))
            for m, y in enumerate(sources.y)
        ]
        every = np.arange(len(sources.pairs[0]))
        return [Fold((a[0], b[0]), (a[1], b[1]), every) for a, b in zip(*parts, strict=True)]
    for attempt in range(TRIES):
        folds = _cut_by_subject(sources, n_splits, seed + attempt)
        if all(_complete(sources, fold) for fold in folds):
            return folds
    raise ValueError(
        f"in {TRIES} tries no {n_splits} folds by subject had every class and two subjects in each source: give "
        "every class from more subjects"
    )


def _cut_by_subject(sources: Sources, n_splits: int, seed: int) -> list[Fold]:
    sizes = len(sources.y[0]), len(sources.y[1])
    units = np.concatenate(sources.units[:2])
    strata = np.concatenate([sources.y[0], sources.y[1] + len(sources.classes)])
    kfold = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed % 2**31)
    folds = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # `_complete` looks
        for fit, counted in kfold.split(strata, strata, units):
            pairs = np.flatnonzero(~np.isin(sources.units[2], units[fit]))
            folds.append(Fold(_apart(fit, sizes[0]), _apart(counted, sizes[0]), pairs))
    return folds


def _apart(rows: Codes, first: int) -> tuple[Codes, Codes]:
    return rows[rows < first], rows[rows >= first] - first


def _complete(sources: Sources, fold: Fold) -> bool:
    k = len(sources.classes)
    seen = all(len(np.unique(y[rows])) == k for y, rows in zip(sources.y, fold.fit, strict=True))
    counted = zip(sources.units, (*fold.counted, fold.pairs), strict=True)
    return seen and all(len(np.unique(units[rows])) >= FEWEST for units, rows in counted)


def fold_of_units(units: tuple[Codes, Codes, Codes], n_folds: int, seed: int) -> tuple[Codes, Codes, Codes]:
    """Fold of every row of the three sources: units at random, those of each source spread evenly."""
    found = np.zeros(1 + max(int(u.max()) for u in units), dtype=np.int64)
    kind = membership(units, len(found))
    order = np.lexsort((np.random.default_rng(seed).random(len(found)), kind))
    order = order[kind[order] > 0]
    found[order] = np.arange(len(order)) % n_folds
    return found[units[0]], found[units[1]], found[units[2]]


def membership(units: tuple[Codes, ...], n_units: int) -> Codes:
    """Which sources every unit is in, as bits; 0 for none."""
    return sum((1 << at) * (np.bincount(u, minlength=n_units) > 0) for at, u in enumerate(units))  # type: ignore[return-value]


def clustered_error(pieces: list[tuple[Array, Codes]]) -> float:
    """Standard error of a sum of sample means, from what every row adds to the deviation of its mean.

    Rows of a unit are added first, whichever source they are in; G / (G - 1) for the G units of a source.
    """
    n_units = 1 + max(int(units.max()) for _, units in pieces)
    totals = np.zeros(n_units)
    for added, units in pieces:
        seen = len(np.unique(units))
        totals += np.bincount(units, weights=added, minlength=n_units) * np.sqrt(seen / max(seen - 1, 1))
    return float(np.sqrt(np.square(totals).sum()))
