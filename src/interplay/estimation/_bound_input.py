"""What `bound` is given, checked at the door: two labelled samples and one sample of unlabelled pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.data import MultimodalDataset
from interplay.estimation.discretise import is_codes, rows_of

Rows = NDArray[np.float64]
Codes = NDArray[np.int64]
Labelled = MultimodalDataset | tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]
Pairs = MultimodalDataset | Mapping[str, ArrayLike]


@dataclass(frozen=True)
class Sources:
    """By modality: rows x (n, features) with codes y (n,), rows of the pairs (m, features); classes as given.

    units: for the rows of modality 1, of modality 2 and of the pairs, what was drawn independently of all else: the
    subject, by one numbering in all three, or the row. grouped: which of the three have subjects.
    """

    names: tuple[str, str]
    x: tuple[Rows, Rows]
    y: tuple[Codes, Codes]
    pairs: tuple[Rows, Rows]
    classes: NDArray[np.generic]
    are_codes: tuple[bool, bool]
    units: tuple[Codes, Codes, Codes]
    grouped: tuple[bool, bool, bool]


class _Sample(NamedTuple):
    values: NDArray[Any]
    labels: ArrayLike
    groups: ArrayLike | None


def read_sources(
    labelled: Mapping[str, Labelled], pairs: Pairs, n_splits: int, pair_groups: ArrayLike | None = None
) -> Sources:
    """Arrays of floats and class codes; ValueError names what does not fit."""
    names = tuple(labelled)
    if len(names) != 2:
        raise ValueError(f"labelled has the modalities {list(names)}, expected exactly two: bound them pair by pair")
    others, pair_groups = _pairs(pairs, names, pair_groups)
    samples = [_labelled(labelled[name], name) for name in names]
    x, y, paired, codes = [], [], [], []
    for name, sample in zip(names, samples, strict=True):
        values, other = sample.values, others[name]
        x.append(_rows(values, f"labelled[{name!r}]"))
        paired.append(_rows(other, f"pairs[{name!r}]"))
        y.append(_labels(sample.labels, name, len(values)))
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
        other_classes = np.unique(y[1]).tolist()
        raise ValueError(
            f"{names[0]} has the labels {classes.tolist()}, {names[1]} has {other_classes}: give both the same"
        )
    encoded = [np.searchsorted(classes, labels).astype(np.int64) for labels in y]
    for name, labels in zip(names, encoded, strict=True):
        if (fewest := int(np.bincount(labels).min())) < n_splits:
            raise ValueError(f"{name}: a class has {fewest} labelled samples, expected at least n_splits = {n_splits}")
    groups = (samples[0].groups, samples[1].groups, pair_groups)
    return Sources(
        (names[0], names[1]),
        (x[0], x[1]),
        (encoded[0], encoded[1]),
        (paired[0], paired[1]),
        classes,
        (codes[0], codes[1]),
        _units(groups, (len(x[0]), len(x[1]), len(paired[0])), (*names, "pairs"), n_splits),
        (groups[0] is not None, groups[1] is not None, groups[2] is not None),
    )


def _labelled(entry: Labelled, name: str) -> _Sample:
    if isinstance(entry, MultimodalDataset):
        if name not in entry.names or entry.target is None:
            raise ValueError(
                f"labelled[{name!r}] is a data set with the modalities {list(entry.names)} and "
                f"{'no' if entry.target is None else 'a'} target, expected {name!r} and labels"
            )
        here = entry.present[name]
        groups = None if entry.groups is None else entry.groups[here]
        return _Sample(_present_rows(entry, name, here), entry.target[here], groups)
    if not isinstance(entry, tuple) or len(entry) not in (2, 3):
        raise ValueError(f"labelled[{name!r}] is no tuple (values, labels) or (values, labels, groups), and no dataset")
    return _Sample(np.asarray(entry[0]), entry[1], entry[2] if len(entry) == 3 else None)


def _pairs(
    pairs: Pairs, names: tuple[str, ...], groups: ArrayLike | None
) -> tuple[dict[str, NDArray[Any]], ArrayLike | None]:
    """Values by modality and subjects; a target is never looked at."""
    if not isinstance(pairs, MultimodalDataset):
        if set(pairs) != set(names):
            raise ValueError(f"pairs has the modalities {sorted(pairs)}, expected those of labelled, {sorted(names)}")
        return {name: np.asarray(pairs[name]) for name in names}, groups
    if not set(names) <= set(pairs.names):
        raise ValueError(f"pairs has the modalities {sorted(pairs.names)}, expected those of labelled, {sorted(names)}")
    if groups is not None and pairs.groups is not None:
        raise ValueError("pairs have groups of their own: leave pair_groups out")
    here = np.logical_and.reduce([pairs.present[name] for name in names])
    found = pairs.groups if groups is None else np.asarray(groups)
    if found is not None and len(found) == len(here):
        found = found[here]
    return {name: _present_rows(pairs, name, here) for name in names}, found


def _present_rows(dataset: MultimodalDataset, name: str, here: NDArray[np.bool_]) -> NDArray[Any]:
    """Values of the rows; sequences with lengths by the mean and the deviation of the steps that count."""
    values = rows_of(dataset, name) if name in dataset.lengths else dataset.modalities[name]
    return np.asarray(values[here])


def _units(
    groups: tuple[ArrayLike | None, ...], sizes: tuple[int, ...], names: tuple[str, ...], n_splits: int
) -> tuple[Codes, Codes, Codes]:
    """One numbering of subjects over the three sources; a row without a subject is a unit of its own."""
    given = {}
    for at, (group, size, name) in enumerate(zip(groups, sizes, names, strict=True)):
        if group is None:
            continue
        array = np.asarray(group)
        if array.shape != (size,):
            raise ValueError(f"{name}: groups have shape {array.shape}, expected ({size},)")
        if array.dtype.kind not in "biuU":
            raise ValueError(f"{name}: groups have values of type {array.dtype}, expected integers or strings")
        if (found := len(np.unique(array))) < 2 * n_splits:
            raise ValueError(
                f"{name}: {found} subjects in groups, expected at least 2 n_splits = {2 * n_splits}: from one "
                "subject in a fold no error can be estimated"
            )
        given[at] = array
    if len({array.dtype.kind == "U" for array in given.values()}) > 1:
        raise ValueError("groups are numbers in one source and strings in another: give subjects alike in all")
    subjects = np.unique(np.concatenate(list(given.values()))) if given else np.zeros(0, dtype=np.int64)
    units, following = [], len(subjects)
    for at, size in enumerate(sizes):
        if at in given:
            units.append(np.searchsorted(subjects, given[at]).astype(np.int64))
        else:
            units.append(np.arange(following, following + size))
            following += size
    return units[0], units[1], units[2]


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
