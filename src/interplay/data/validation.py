"""The one door through which data enter: every complaint about data is raised here.

A complaint is a ``ValueError`` that says where, what was expected, what was found and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from interplay.data.dataset import MultimodalDataset

Array = NDArray[Any]
Task = Literal["classification", "regression"]

_COLUMNS = frozenset({"target", "ids", "groups", "class_names", "present", "lengths"})
_BLOCK = 1 << 24  # elements looked at together, so that the check of a memory map stays small


@dataclass(frozen=True)
class Columns:
    """Checked data of ``n`` samples; every array has ``n`` rows."""

    modalities: dict[str, Array]
    present: dict[str, NDArray[np.bool_]]
    lengths: dict[str, NDArray[np.int64]]
    target: Array | None
    ids: Array
    groups: Array | None
    label_names: dict[Any, str] | None  # display name of each label


def is_column(name: str) -> bool:
    """Return whether files use this name for something beside the modalities."""
    return name in _COLUMNS or name.startswith(("present.", "lengths."))


def problem(where: str, expected: str, found: str, remedy: str) -> ValueError:
    """Return the error for one complaint, in the wording all of them share."""
    return ValueError(f"{where}: expected {expected}, found {found}; {remedy}")


def check_columns(
    modalities: Mapping[str, ArrayLike | None],
    target: ArrayLike | None = None,
    *,
    present: Mapping[str, ArrayLike] | None = None,
    lengths: Mapping[str, ArrayLike] | None = None,
    ids: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    first_row: int = 0,
) -> Columns:
    """Check everything a dataset is made of; see `MultimodalDataset` for the meaning of each part.

    ``first_row`` is the number of the first row, for a part of a larger whole: complaints and ids count from there.
    """
    _check_names(modalities)
    given = {name: check_modality(name, x) for name, x in modalities.items() if x is not None}
    n = _check_rows(given)
    # An absent modality has no shape to keep, one column of zeros stands for it.
    arrays = {name: given.get(name, np.zeros((n, 1), np.float32)) for name in modalities}
    masks = _check_present(present or {}, arrays, n, absent=set(arrays) - set(given))
    steps = _check_lengths(lengths or {}, arrays, masks, n, first_row)
    for name in given:
        _check_finite(name, arrays[name], masks[name], steps.get(name), first_row)
    labels = None if target is None else check_labels(target, n)
    return Columns(
        modalities=arrays,
        present=masks,
        lengths=steps,
        target=labels,
        ids=np.arange(first_row, first_row + n) if ids is None else check_ids(ids, n),
        groups=None if groups is None else check_group_labels(groups, n),
        label_names=None if class_names is None else _check_class_names(class_names, labels),
    )


def check_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise unless every one of ``names`` is a modality of the dataset."""
    unknown = [name for name in names if name not in set(known)]
    if unknown:
        raise problem(where, f"names among {sorted(known)}", f"{unknown}", "correct or remove these names")


def check_target(dataset: MultimodalDataset, task: Task) -> Array:
    """Return what a learner of ``task`` learns from.

    Args:
        dataset: the data.
        task: ``"classification"`` needs labels of at least two classes, ``"regression"`` needs numbers.

    Returns:
        ``dataset.codes`` (int64) for classification, the target as float64 for regression.

    Raises:
        ValueError: the target is absent, of the wrong kind, or has one class only.
    """
    target = dataset.target
    if target is None:
        raise problem("target", f"one value a sample for {task}", "none", "give it with dataset.with_target(y)")
    if task == "regression":
        if target.dtype.kind == "U":
            raise problem("target", "numbers for regression", "strings", "use a classifier or give numbers")
        return target.astype(np.float64)
    if dataset.task != "classification":
        raise problem(
            "target",
            "class labels (integers, strings or booleans)",
            f"{target.dtype} values",
            "use a regressor, or turn the target into labels, for example y.astype(int)",
        )
    if len(dataset.classes) < 2:
        raise problem(
            "target", "at least 2 classes", f"only {dataset.classes.tolist()}", "add samples of another class"
        )
    return dataset.codes


def check_modality(name: str, value: ArrayLike) -> Array:
    """Return ``value`` as a real-valued array with one row a sample, never a copy of an array."""
    where = f"modality {name!r}"
    array = _as_array(where, value)
    if array.dtype.kind not in "biuf":
        remedy = "encode text first, or turn it into numbers"
        raise problem(where, "real numbers", f"values of type {array.dtype}", remedy)
    if array.ndim == 0:
        raise problem(where, "an array (n_samples, ...)", "a single value", "give one row a sample")
    if len(array) == 0:
        raise problem(where, "at least 1 sample", "0 rows", "check how the data were chosen")
    if array.size == 0:
        raise problem(where, "at least 1 feature", f"shape {array.shape}", "leave this modality out")
    return array


def check_labels(target: ArrayLike, n: int) -> Array:
    """Return the target as (n,) integers, booleans, strings or finite floats."""
    labels = _one_dimensional("target", target, n)
    if labels.dtype.kind not in "biufU":
        remedy = "give integers, booleans or strings for classes, floats for regression, nothing missing"
        raise problem("target", "labels or numbers", f"values of type {labels.dtype}", remedy)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        bad = np.flatnonzero(~np.isfinite(labels))
        found = f"{len(bad)} rows with NaN or infinity, the first is row {bad[0]}"
        raise problem("target", "finite numbers", found, "leave these rows out")
    return labels


def _check_names(modalities: object) -> None:
    if not isinstance(modalities, Mapping):
        found = type(modalities).__name__
        remedy = "for example {'audio': audio, 'face': face}"
        raise problem("modalities", "a mapping from name to array", found, remedy)
    if not modalities:
        raise problem("modalities", "at least 1 modality", "none", "give a mapping from name to array")
    for name in modalities:
        if not isinstance(name, str) or not name:
            raise problem("modalities", "names that are non-empty strings", repr(name), "rename it")
        if is_column(name):
            raise problem("modalities", "names that files do not use otherwise", repr(name), "rename it")


def _check_rows(given: Mapping[str, Array]) -> int:
    if not given:
        raise problem("modalities", "at least 1 array", "only None", "give at least one modality's values")
    first, n = next((name, len(x)) for name, x in given.items())
    for name, x in given.items():
        if len(x) != n:
            remedy = "give one row a sample in each modality, any values where it is absent"
            raise problem(f"modality {name!r}", f"{n} rows like modality {first!r}", f"{len(x)}", remedy)
    return n


def _check_present(
    present: Mapping[str, ArrayLike], arrays: Mapping[str, Array], n: int, absent: set[str]
) -> dict[str, NDArray[np.bool_]]:
    check_known(present, arrays, "present")
    masks = {}
    for name in arrays:
        if name not in present:
            masks[name] = np.full(n, name not in absent)
            continue
        where = f"present[{name!r}]"
        mask = _one_dimensional(where, present[name], n)
        if mask.dtype != np.bool_:
            raise problem(where, "booleans", f"values of type {mask.dtype}", "use mask.astype(bool)")
        if name in absent and mask.any():
            remedy = "give the modality's values, or leave it out of present"
            raise problem(where, "False everywhere, as its values are None", f"{mask.sum()} True", remedy)
        masks[name] = mask
    return masks


def _check_lengths(
    lengths: Mapping[str, ArrayLike],
    arrays: Mapping[str, Array],
    masks: dict[str, NDArray[np.bool_]],
    n: int,
    first_row: int,
) -> dict[str, NDArray[np.int64]]:
    """Check lengths; after it a length is 0 exactly where the modality is absent (``masks`` is updated)."""
    check_known(lengths, arrays, "lengths")
    steps = {}
    for name, given in lengths.items():
        where, shape = f"lengths[{name!r}]", arrays[name].shape
        if len(shape) < 3:
            remedy = "leave its lengths out, or give a sequence"
            raise problem(where, "a modality (n_samples, length, features)", f"shape {shape}", remedy)
        length = _one_dimensional(where, given, n)
        if length.dtype.kind not in "iu":
            raise problem(where, "integers", f"values of type {length.dtype}", "use lengths.astype(int)")
        outside = np.flatnonzero(masks[name] & ((length < 0) | (length > shape[1])))
        if outside.size:
            row = outside[0]
            found = f"{outside.size} rows outside, the first is row {first_row + row} with {length[row]}"
            raise problem(where, f"lengths from 0 to {shape[1]}", found, "correct them or pad further")
        steps[name] = np.where(masks[name], length, 0).astype(np.int64)
        masks[name] = steps[name] > 0
    return steps


def _check_finite(
    name: str, x: Array, present: NDArray[np.bool_], length: NDArray[np.int64] | None, first_row: int
) -> None:
    if x.dtype.kind != "f":
        return
    block = max(1, _BLOCK // (x.size // len(x)))
    bad = [
        start + _bad_rows(x[rows], present[rows], None if length is None else length[rows])
        for start in range(0, len(x), block)
        for rows in [slice(start, start + block)]
    ]
    rows = np.concatenate(bad)
    if rows.size:
        axes = "" if x.ndim == 1 else f".all(axis={tuple(range(1, x.ndim)) if x.ndim > 2 else 1})"
        raise problem(
            f"modality {name!r}",
            "finite numbers wherever it is present",
            f"{rows.size} rows with NaN or infinity, the first is row {first_row + rows[0]}",
            f"mark them absent with present={{{name!r}: np.isfinite(x){axes}}}, or fill them in",
        )


def _bad_rows(x: Array, present: NDArray[np.bool_], length: NDArray[np.int64] | None) -> NDArray[np.intp]:
    finite = np.isfinite(x)
    if finite.all():
        return np.empty(0, np.intp)
    steps = x.shape[1] if x.ndim > 1 else 1
    bad = np.logical_not(finite.reshape(len(x), steps, -1).all(axis=2))
    if length is not None:
        bad &= np.arange(steps) < length[:, None]
    return np.flatnonzero(bad.any(axis=1) & present)


def check_ids(ids: ArrayLike, n: int) -> Array:
    """Return ids as (n,) different integers or strings."""
    array = _one_dimensional("ids", ids, n)
    if array.dtype.kind not in "iuU":
        raise problem("ids", "integers or strings", f"values of type {array.dtype}", "use ids.astype(str)")
    return check_unique_ids(array)


def check_unique_ids(ids: Array) -> Array:
    """Return ``ids`` or raise if one occurs twice."""
    values, counts = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        twice = values[counts > 1]
        found = f"{len(twice)} ids that occur more than once, the first is {twice[0].item()!r}"
        raise problem("ids", "a different id for each sample", found, "make them unique or leave ids out")
    return ids


def check_group_labels(groups: ArrayLike, n: int) -> Array:
    """Return the subject of each sample as (n,) integers or strings."""
    array = _one_dimensional("groups", groups, n)
    if array.dtype.kind not in "biuU":
        remedy = "give each sample's subject as an integer or a string, nothing missing"
        raise problem("groups", "integers or strings", f"values of type {array.dtype}", remedy)
    return array


def _check_class_names(class_names: Sequence[str], labels: Array | None) -> dict[Any, str]:
    names = [str(name) if isinstance(name, str) else name for name in class_names]
    if labels is None or labels.dtype.kind == "f":
        found = "no target" if labels is None else "floats"
        raise problem("class_names", "class labels to name", found, "give labels or leave class_names out")
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise problem("class_names", "different strings", f"{names}", "give each class a name of its own")
    classes = np.unique(labels)
    if len(names) == len(classes):
        return dict(zip(classes.tolist(), names, strict=True))
    # Labels 0..K-1 of which some do not occur: the label says which name is meant.
    if labels.dtype.kind in "iu" and classes[0] >= 0 and classes[-1] < len(names):
        return dict(enumerate(names))
    expected = f"{len(classes)} names, one for each of the sorted classes {classes[:10].tolist()}"
    raise problem("class_names", expected, f"{len(names)}", "name each class once")


def _one_dimensional(where: str, value: ArrayLike, n: int) -> Array:
    array = _as_array(where, value)
    if array.shape != (n,):
        remedy = "give one value a sample"
        raise problem(where, f"shape ({n},), one value for each sample", f"shape {array.shape}", remedy)
    return array


def _as_array(where: str, value: ArrayLike) -> Array:
    """Return ``value`` as an array; strings kept as Python objects (as pandas does) become a string array."""
    if hasattr(value, "toarray"):
        raise problem(where, "a dense array", "a sparse matrix", "use .toarray()")
    if isinstance(value, np.ma.MaskedArray):
        raise problem(where, "a plain array", "a masked array", "give .data, and the rows it hides by present")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        remedy = "pad sequences to one length and give lengths; move tensors to the CPU"
        raise problem(where, "an array", f"what NumPy cannot convert ({error})", remedy) from error
    if array.dtype.kind in "OT" and array.size and all(isinstance(v, str) for v in array.flat):
        return array.astype(str)
    return array
