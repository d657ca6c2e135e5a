"""Rows of a training and a test part: by class, by subject, or both."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.data.validation import Array, check_group_labels, problem

if TYPE_CHECKING:
    from interplay.data.dataset import MultimodalDataset

Parts = tuple[NDArray[np.intp], NDArray[np.intp]]
RandomState = int | np.random.RandomState | None


def split_rows(
    dataset: MultimodalDataset,
    test_size: float,
    stratify: bool,
    groups: ArrayLike | None,
    random_state: RandomState,
) -> Parts:
    """Return sorted row numbers ``(train, test)``; see `MultimodalDataset.split`."""
    share = _check_share(test_size, len(dataset))
    codes = dataset.codes if stratify and dataset.task == "classification" else None
    subjects = dataset.groups if groups is None else check_group_labels(groups, len(dataset))
    if subjects is None:
        train, test = _ungrouped(share, codes, dataset, random_state)
    else:
        train, test = _grouped(share, codes, dataset, subjects, random_state)
    return np.sort(train), np.sort(test)


def _check_share(test_size: float, n: int) -> float:
    share = test_size / n if isinstance(test_size, int | np.integer) else test_size
    if not 0 < share < 1:
        expected = f"a share between 0 and 1 or a number of samples from 1 to {n - 1}"
        raise problem("test_size", expected, f"{test_size}", "choose another size")
    return float(share)


def _ungrouped(share: float, codes: Array | None, dataset: MultimodalDataset, random_state: RandomState) -> Parts:
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    n = len(dataset)
    n_test = min(max(round(share * n), 1), n - 1)
    rows = np.zeros(n)
    if codes is None:
        if n < 2:
            raise problem("split", "at least 2 samples", f"{n}", "add samples")
        return next(ShuffleSplit(1, test_size=n_test, random_state=random_state).split(rows))
    counts = np.bincount(codes)
    _check_smallest(counts, dataset, "samples")
    if min(n_test, n - n_test) < len(counts):
        found = f"parts of {n - n_test} and {n_test}"
        remedy = "choose another test_size or stratify=False"
        raise problem("split", f"a sample of each of {len(counts)} classes in both parts", found, remedy)
    return next(StratifiedShuffleSplit(1, test_size=n_test, random_state=random_state).split(rows, codes))


def _grouped(
    share: float,
    codes: Array | None,
    dataset: MultimodalDataset,
    subjects: Array,
    random_state: RandomState,
) -> Parts:
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    rows = np.zeros(len(dataset))
    distinct, subject = np.unique(subjects, return_inverse=True)
    if len(distinct) < 2:
        raise problem("groups", "at least 2 groups", f"only {distinct.tolist()}", "add subjects or leave groups out")
    if codes is None:
        n_test = min(max(round(share * len(distinct)), 1), len(distinct) - 1)
        splitter = GroupShuffleSplit(1, test_size=n_test, random_state=random_state)
        return next(splitter.split(rows, groups=subject))
    pairs = np.unique(codes * len(distinct) + subject) // len(distinct)  # each (class, group) once
    _check_smallest(np.bincount(pairs), dataset, "groups")
    # k of m stratified folds together are the test part, k / m as near to the share as few folds allow.
    most = min(10, len(distinct))
    nearest = Fraction(share).limit_denominator(most)
    part = min(max(nearest, Fraction(1, most)), Fraction(most - 1, most))
    folds = StratifiedGroupKFold(part.denominator, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        # A class with fewer samples than folds is fine: it needs two groups, which was checked.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        chosen = [test for _, test in folds.split(rows, codes, subject)][: part.numerator]
    test = np.concatenate(chosen)
    return np.setdiff1d(np.arange(len(rows)), test), test


def _check_smallest(counts: Array, dataset: MultimodalDataset, unit: str) -> None:
    if counts.min() < 2:
        label = dataset.classes[counts.argmin()].item()
        remedy = "add to this class, leave it out, or split with stratify=False"
        raise problem(f"class {label!r}", f"at least 2 {unit} to be in both parts", f"{counts.min()}", remedy)
