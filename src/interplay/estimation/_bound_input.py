"""What `bound` is given, checked at the door: two labelled samples and one sample of unlabelled pairs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.estimation.discretise import is_codes

Rows = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Sources:
    """By modality: rows x (n, features) with codes y (n,), rows of the pairs (m, features); classes as given."""

    names: tuple[str, str]
    x: tuple[Rows, Rows]
    y: tuple[Codes, Codes]
    pairs: tuple[Rows, Rows]
    classes: NDArray[np.generic]
    are_codes: tuple[bool, bool]


def read_sources(
    labelled: Mapping[str, tuple[ArrayLike, ArrayLike]], pairs: Mapping[str, ArrayLike], n_splits: int
) -> Sources:
    """Arrays of floats and class codes; ValueError names what does not fit."""
    names = tuple(labelled)
    if len(names) != 2:
        raise ValueError(f"labelled has the modalities {list(names)}, expected exactly two: bound them pair by pair")
    if set(pairs) != set(names):
        raise ValueError(f"pairs has the modalities {sorted(pairs)}, expected those of labelled, {sorted(names)}")
    x, y, paired, codes = [], [], [], []
    for name in names:
        entry = labelled[name]
        if not isinstance(entry, tuple) or len(entry) != 2:
            raise ValueError(f"labelled[{name!r}] is no tuple (values, labels)")
        values, other = np.asarray(entry[0]), np.asarray(pairs[name])
        x.append(_rows(values, f"labelled[{name!r}]"))
        paired.append(_rows(other, f"pairs[{name!r}]"))
        y.append(_labels(entry[1], name, len(values)))
        if values.shape[1:] != other.shape[1:]:
            raise ValueError(f"{name}: labelled samples have shape {values.shape[1:]}, pairs {other.shape[1:]}")
        both = np.concatenate([values, other]) if values.dtype.kind in "iub" and other.dtype.kind in "iub" else values
        codes.append(len(both) > len(values) and is_codes(both, np.ones(len(both), dtype=bool)))
    if len(paired[0]) != len(paired[1]):
        raise ValueError(
            f"pairs have {len(paired[0])} rows of {names[0]} and {len(paired[1])} of {names[1]}: one a pair"
        )
    classes = np.unique(y[0])
    if not np.array_equal(classes, np.unique(y[1])):
        raise ValueError(
            f"{names[0]} has the labels {list(classes)}, {names[1]} has {list(np.unique(y[1]))}: give both the same"
        )
    encoded = [np.searchsorted(classes, labels).astype(np.int64) for labels in y]
    for name, labels in zip(names, encoded, strict=True):
        if (fewest := int(np.bincount(labels).min())) < n_splits:
            raise ValueError(f"{name}: a class has {fewest} labelled samples, expected at least n_splits = {n_splits}")
    return Sources(
        (names[0], names[1]),
        (x[0], x[1]),
        (encoded[0], encoded[1]),
        (paired[0], paired[1]),
        classes,
        (codes[0], codes[1]),
    )


def _rows(values: NDArray[np.generic], where: str) -> Rows:
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(f"{where} has shape {values.shape}, expected at least one row")
    if values.dtype.kind not in "iubf":
        raise ValueError(f"{where} has values of type {values.dtype}, expected numbers: encode them first")
    rows = values.reshape(len(values), -1).astype(np.float64)
    if not np.isfinite(rows).all():
        raise ValueError(f"{where} has NaN or infinite values: drop these rows, a missing modality is no sample of it")
    return rows


def _labels(labels: ArrayLike, name: str, n: int) -> NDArray[np.generic]:
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"{name}: labels have shape {array.shape}, expected ({n},)")
    if array.dtype.kind == "f" and not (array == array.round()).all():
        raise ValueError(f"{name}: labels are not whole numbers: bounds need classes, cut the target into classes")
    if len(np.unique(array)) < 2:
        raise ValueError(f"{name}: only one class among the labels, expected at least two")
    return array
