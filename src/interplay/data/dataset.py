"""`MultimodalDataset`: named arrays with explicit presence masks, indexed by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import EllipsisType, MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.data.validation import Array, Columns, Task, check_columns, check_known, check_labels, problem

if TYPE_CHECKING:
    import pandas as pd

    from interplay.data.missing import Pattern

Rows = int | np.integer[Any] | slice | ArrayLike


class MultimodalDataset:
    """Samples seen through several modalities, some of which may be absent.

    Rows are indexed as in an array (integer, slice, booleans, integers) and a dataset comes back: it serves
    as ``X`` in scikit-learn's `train_test_split`, `cross_val_score`, `GridSearchCV` and splitters. It is
    read-only; it refers to the arrays it was given and never changes them.

    **What stands under a false mask is arbitrary** (NaN, 1e9) and is never looked at.

    Args:
        modalities: name -> array ``(n,)``, ``(n, features)`` or ``(n, ...)`` of real numbers; ``None`` for
            one that is absent for all samples. Sequences are ``(n, length, features)``.
        target: ``(n,)`` integers, booleans or strings (classes), floats (regression), or None.
        present: name -> bool ``(n,)``; a modality that is left out is present for all samples.
        lengths: name -> int ``(n,)``, the number of steps that count in each sequence; what follows is
            padding, treated like a value under a false mask. A sequence of length 0 is absent.
        ids: ``(n,)`` different integers or strings, default 0, 1, ...
        class_names: display names of the sorted classes (of the labels 0, 1, ... where some do not occur).
        groups: ``(n,)`` subjects; samples of one subject are never split over training and test part.

    Raises:
        ValueError: naming the modality, what was expected, what was found and what to do.

    Example:
        >>> import numpy as np
        >>> audio, face = np.ones((4, 3)), np.zeros((4, 2))
        >>> seen = np.array([True, True, False, True])
        >>> target = ["no", "yes", "no", "yes"]
        >>> dataset = MultimodalDataset({"audio": audio, "face": face}, target, present={"face": seen})
        >>> dataset
        MultimodalDataset(4 samples, classification with 2 classes, audio (3,), face (2,) 75% present)
        >>> dataset[dataset.target == "yes"].ids
        array([1, 3])
    """

    _columns: Columns

    def __init__(
        self,
        modalities: Mapping[str, ArrayLike | None],
        target: ArrayLike | None = None,
        *,
        present: Mapping[str, ArrayLike] | None = None,
        lengths: Mapping[str, ArrayLike] | None = None,
        ids: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        self._columns = check_columns(
            modalities,
            target,
            present=present,
            lengths=lengths,
            ids=ids,
            class_names=class_names,
            groups=groups,
        )

    @classmethod
    def _checked(cls, modalities: Mapping[str, ArrayLike | None], **parts: Any) -> MultimodalDataset:
        """Part of a larger whole: as the constructor, with ``first_row`` of `check_columns`."""
        return cls._of(check_columns(modalities, **parts))

    @classmethod
    def _of(cls, columns: Columns) -> MultimodalDataset:
        """Wrap columns that were checked before."""
        dataset = object.__new__(cls)
        dataset._columns = columns
        return dataset

    @property
    def modalities(self) -> Mapping[str, Array]:
        """Name -> array ``(n, ...)``, as given; rows under a false mask are arbitrary."""
        return MappingProxyType(self._columns.modalities)

    @property
    def present(self) -> Mapping[str, NDArray[np.bool_]]:
        """Name -> bool ``(n,)``, for every modality."""
        return MappingProxyType(self._columns.present)

    @property
    def lengths(self) -> Mapping[str, NDArray[np.int64]]:
        """Name -> int ``(n,)`` for the sequences that have them; 0 exactly where the modality is absent."""
        return MappingProxyType(self._columns.lengths)

    @property
    def target(self) -> Array | None:
        """Labels or numbers ``(n,)`` as given, or None."""
        return self._columns.target

    @property
    def ids(self) -> Array:
        """Integers or strings ``(n,)``."""
        return self._columns.ids

    @property
    def groups(self) -> Array | None:
        """Subjects ``(n,)``, or None."""
        return self._columns.groups

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities, in the order given."""
        return tuple(self._columns.modalities)

    @property
    def task(self) -> Task | None:
        """``"regression"`` for a target of floats, ``"classification"`` for others, None without a target."""
        if self.target is None:
            return None
        return "regression" if self.target.dtype.kind == "f" else "classification"

    @cached_property
    def _encoded(self) -> tuple[Array, NDArray[np.int64]]:
        if self.target is None or self.task != "classification":
            raise problem("target", "class labels", self.task or "no target", "give labels by with_target(y)")
        classes, codes = np.unique(self.target, return_inverse=True)
        return classes, codes.astype(np.int64, copy=False)

    @property
    def classes(self) -> Array:
        """Sorted labels that occur in this dataset."""
        return self._encoded[0]

    @property
    def codes(self) -> NDArray[np.int64]:
        """Index ``(n,)`` of each label in `classes` of *this* dataset; across datasets compare labels."""
        return self._encoded[1]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Display names of `classes`, or None."""
        known = self._columns.label_names
        return None if known is None else tuple(known[label] for label in self.classes.tolist())

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_samples, n_modalities)``."""
        return len(self), len(self._columns.modalities)

    def __len__(self) -> int:
        return len(self._columns.ids)

    def __getitem__(self, rows: Rows | tuple[Rows, EllipsisType]) -> MultimodalDataset:
        index = _row_index(rows, len(self))
        columns = self._columns
        return self._of(
            replace(
                columns,
                modalities={name: x[index] for name, x in columns.modalities.items()},
                present={name: mask[index] for name, mask in columns.present.items()},
                lengths={name: length[index] for name, length in columns.lengths.items()},
                target=None if columns.target is None else columns.target[index],
                ids=columns.ids[index],
                groups=None if columns.groups is None else columns.groups[index],
            )
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise TypeError("a MultimodalDataset is several arrays, not one: use dataset.modalities[name]")

    def __repr__(self) -> str:
        task: str = self.task or "no target"
        if task == "classification":
            task = f"classification with {len(self.classes)} classes"
        return f"MultimodalDataset({len(self)} samples, {task}, {', '.join(map(self._describe, self.names))})"

    def _describe(self, name: str) -> str:
        mask = self.present[name]
        shape = f"{name} {self.modalities[name].shape[1:]}"
        if mask.all():
            return shape
        # 0% and 100% are kept for none and all.
        percent = min(max(round(100 * mask.mean()), 1), 99) if mask.any() else 0
        return f"{shape} {percent}% present"

    def summary(self) -> pd.DataFrame:
        """Return a row for each modality: shape of a sample, type, samples present and absent, length."""
        import pandas as pd

        rows = {}
        for name, x in self.modalities.items():
            here = self.present[name]
            length = self.lengths[name][here].mean() if name in self.lengths and here.any() else np.nan
            seen = int(here.sum())
            rows[name] = (x.shape[1:], str(x.dtype), seen, len(self) - seen, length)
        columns = ["shape", "dtype", "present", "absent", "mean_length"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("modality")

    def select(self, names: Sequence[str]) -> MultimodalDataset:
        """Return the dataset with these modalities only, in this order."""
        names = [names] if isinstance(names, str) else list(names)
        check_known(names, self.names, "select")
        if not names or len(set(names)) < len(names):
            raise problem("select", "different names, at least 1", f"{names}", "name each modality once")
        columns = self._columns
        return self._of(
            replace(
                columns,
                modalities={name: columns.modalities[name] for name in names},
                present={name: columns.present[name] for name in names},
                lengths={name: columns.lengths[name] for name in names if name in columns.lengths},
            )
        )

    def without(self, *names: str) -> MultimodalDataset:
        """Return the dataset with these modalities marked absent for all samples; their names stay."""
        check_known(names, self.names, "without")
        return self._with_present({**self.present, **{name: np.zeros(len(self), np.bool_) for name in names}})

    def with_missing(
        self, pattern: Pattern | float, random_state: int | np.random.Generator | None = None
    ) -> MultimodalDataset:
        """Return the dataset with modalities taken away by a pattern of `interplay.data.missing`.

        Args:
            pattern: a pattern, or a number for that missing rate, ``Rate(number)``.
            random_state: seed, or a generator that goes on.

        Raises:
            ValueError: the pattern does not fit these data.

        Example:
            >>> dataset = MultimodalDataset({"audio": np.ones((40, 3)), "face": np.ones((40, 2))})
            >>> dataset.with_missing(0.25, random_state=0)
            MultimodalDataset(40 samples, no target, audio (3,) 62% present, face (2,) 85% present)
        """
        from interplay.data.missing import as_pattern

        chosen = as_pattern(pattern)
        if chosen is None:
            return self
        rng = np.random.default_rng(random_state)
        return self._with_present(
            chosen.draw(self.present, rng, target=self.target, modalities=self._columns.modalities)
        )

    def _with_present(self, masks: Mapping[str, NDArray[np.bool_]]) -> MultimodalDataset:
        """The dataset with these masks, none of which is true where the old one is false."""
        lengths = {name: np.where(masks[name], steps, 0) for name, steps in self._columns.lengths.items()}
        return self._of(replace(self._columns, present=dict(masks), lengths=lengths))

    def with_target(self, target: ArrayLike | None) -> MultimodalDataset:
        """Return the dataset with another target; class names stay where they name all its labels."""
        labels = None if target is None else check_labels(target, len(self))
        known = self._columns.label_names
        if known is not None and (labels is None or not set(np.unique(labels).tolist()) <= set(known)):
            known = None
        return self._of(replace(self._columns, target=labels, label_names=known))

    def split(
        self,
        test_size: float = 0.25,
        *,
        stratify: bool = True,
        groups: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> tuple[MultimodalDataset, MultimodalDataset]:
        """Split into a training and a test part.

        Args:
            test_size: share (float) or number (int) of samples for the test part; with groups as near as
                whole groups allow.
            stratify: keep the shares of the classes alike; a target that is not classes is never stratified.
            groups: ``(n,)`` subjects, no subject is in both parts; default `groups` of the dataset.
            random_state: seed of the shuffling.

        Returns:
            ``(train, test)``, rows in their original order.

        Raises:
            ValueError: a class is too small to be in both parts, or there are fewer than two groups.
        """
        from interplay.data.splitting import split_rows

        train, test = split_rows(self, test_size, stratify, groups, random_state)
        return self[train], self[test]

    def save(self, path: str | Path) -> None:
        """Write a ``.npz`` or ``.parquet`` file; see `interplay.data.save`."""
        from interplay.data.files import save

        save(self, path)

    @staticmethod
    def load(path: str | Path, **keys: Any) -> MultimodalDataset:
        """Read a ``.npz`` or ``.parquet`` file; see `interplay.data.load`."""
        from interplay.data.files import load

        return load(path, **keys)

    @staticmethod
    def from_frame(frame: pd.DataFrame, **keys: Any) -> MultimodalDataset:
        """Read a table of pandas; see `interplay.data.frames.from_frame`."""
        from interplay.data.frames import from_frame

        return from_frame(frame, **keys)

    def to_frame(self) -> pd.DataFrame:
        """Return a table of pandas; see `interplay.data.frames.to_frame`."""
        from interplay.data.frames import to_frame

        return to_frame(self)

    @staticmethod
    def from_hf(dataset: Any, **keys: Any) -> MultimodalDataset:
        """Read a Hugging Face ``datasets.Dataset``; see `interplay.data.hf.from_hf`."""
        from interplay.data.hf import from_hf

        return from_hf(dataset, **keys)

    def to_hf(self) -> Any:
        """Return a Hugging Face ``datasets.Dataset``; see `interplay.data.hf.to_hf`."""
        from interplay.data.hf import to_hf

        return to_hf(self)

    @staticmethod
    def from_mudata(mdata: Any, **keys: Any) -> MultimodalDataset:
        """Read a ``mudata.MuData``; see `interplay.data.omics.from_mudata`."""
        from interplay.data.omics import from_mudata

        return from_mudata(mdata, **keys)

    def to_mudata(self) -> Any:
        """Return a ``mudata.MuData``; see `interplay.data.omics.to_mudata`."""
        from interplay.data.omics import to_mudata

        return to_mudata(self)


def as_dataset(
    X: MultimodalDataset | Mapping[str, ArrayLike | None],
    target: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
) -> MultimodalDataset:
    """Return ``X`` as a dataset.

    Args:
        X: a dataset, or a mapping name -> array, ``None`` for a modality that is absent for all samples (one
            column of zeros under a false mask stands for it).
        target: replaces the dataset's target where it is given.
        names: the modalities a model knows. ``X`` must have exactly these; they come back in this order.

    Raises:
        ValueError: as `MultimodalDataset` does, or ``X`` has other modalities than ``names``.

    Example:
        >>> as_dataset({"audio": [[0.5], [1.5]], "face": None}, names=["face", "audio"])
        MultimodalDataset(2 samples, no target, face (1,) 0% present, audio (1,))
    """
    dataset = X if isinstance(X, MultimodalDataset) else MultimodalDataset(X)
    if target is not None:
        dataset = dataset.with_target(target)
    if names is None or tuple(names) == dataset.names:
        return dataset
    check_known(dataset.names, names, "modalities")
    missing = [name for name in names if name not in dataset.names]
    if missing:
        remedy = "give None for a modality that is absent for all samples"
        raise problem("modalities", f"{list(names)}", f"no {missing}", remedy)
    return dataset.select(names)


def _row_index(rows: Any, n: int) -> slice | NDArray[Any]:
    """Return what picks rows and keeps their axis; ``(rows, ...)`` is scikit-learn's way to ask."""
    if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
        rows = rows[0]
    if isinstance(rows, slice):
        return rows
    index = np.asarray(rows)
    if index.size == 0 and index.dtype.kind == "f":  # an empty list
        index = index.astype(np.intp)
    if isinstance(rows, tuple) or index.dtype.kind not in "biu" or index.ndim > 1:
        raise IndexError(
            f"a dataset is indexed by row (integer, slice, booleans or integers), got {rows!r}; "
            "a modality is dataset.modalities[name]"
        )
    if index.dtype.kind == "b" and index.shape != (n,):
        raise IndexError(f"expected one boolean for each of {n} rows, got shape {index.shape}")
    return np.atleast_1d(index)
