"""Where the training and test parts of a comparison come from, and a fingerprint of what they hold."""

import hashlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from interplay.data import MultimodalDataset, load

Parts = tuple[MultimodalDataset, MultimodalDataset]


@dataclass(frozen=True)
class DataFile:
    """A labelled file, read where it is needed.

    Attributes:
        path: a ``.npz`` or ``.parquet`` file.
        target: name of the array or column to predict; None takes ``target``.
        modalities: names to use; None takes all.
        groups: name of the subjects; None takes ``groups`` where there are any.
        test: name of the array or column that is true for the test rows; None splits by seed.
    """

    path: str
    target: str | None = None
    modalities: tuple[str, ...] | None = None
    groups: str | None = None
    test: str | None = None

    def __call__(self) -> MultimodalDataset | Parts:
        """Read it."""
        ignore = () if self.test is None else (self.test,)
        names = None if self.modalities is None else list(self.modalities)
        keys = {"target": self.target, "modalities": names, "groups": self.groups}
        found = load(self.path, **keys, ignore=ignore)  # type: ignore[arg-type]
        if self.test is None:
            return found
        marks = load(self.path, target=self.test, modalities=list(found.names)[:1]).target
        if marks is None or marks.dtype.kind not in "biu":
            raise ValueError(f"{self.test!r} in {self.path!r} must hold true and false (or 1 and 0) to mark test rows")
        return found[~marks.astype(bool)], found[marks.astype(bool)]

    def described(self) -> Mapping[str, Any]:
        """What is read of it, and the hash of the whole file, wherever it lies."""
        fields = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if name != "path"}
        with open(self.path, "rb") as file:
            return {**fields, "sha256": hashlib.file_digest(file, "sha256").hexdigest()[:16]}


Content = MultimodalDataset | Parts | Callable[..., Any]


@dataclass(frozen=True)
class Source:
    """A named data set of a comparison and how it is parted.

    Attributes:
        name: display name.
        content: a dataset (split by seed or in folds), a pair (train, test), or a callable that gives either and may
            take the seed.
        test_size: share of the test part of a whole dataset.
        folds: cut a whole dataset in so many folds instead, or None.
    """

    name: str
    content: Content
    test_size: float = 0.25
    folds: int | None = None

    @property
    def split(self) -> Mapping[str, Any]:
        """How it is parted; nothing of what comes as training and test part."""
        given = isinstance(self.content, tuple) or (
            isinstance(self.content, DataFile) and self.content.test is not None
        )
        return {"folds": self.folds, "test_size": None if given or self.folds else self.test_size}

    @property
    def unseen(self) -> bool:
        """What it holds is known only when a cell needs it: a callable, or a file that is not here."""
        if isinstance(self.content, DataFile):
            return not Path(self.content.path).is_file()
        return callable(self.content)

    def file(self) -> Mapping[str, Any] | None:
        """What is noted of a file; None for anything else, and for a file that is not here."""
        return self.content.described() if isinstance(self.content, DataFile) and not self.unseen else None

    def read(self) -> "Source":
        """The same with a file's content in memory."""
        return replace(self, content=self.content()) if isinstance(self.content, DataFile) else self

    def parts(self, seed: int, fold: int | None = None) -> Parts:
        """Training and test part."""
        found = self.content
        if callable(found):
            found = found(seed) if inspect.signature(found).parameters else found()
        if isinstance(found, MultimodalDataset):
            self._labelled(found)
            if fold is None:
                return found.split(self.test_size, random_state=seed)
            train, test = fold_rows(found, self.folds or 0, seed)[fold]
            return found[train], found[test]
        if not (isinstance(found, tuple) and len(found) == 2):
            raise ValueError(
                f"data set {self.name!r}: expected a MultimodalDataset or a pair (train, test), found "
                f"{type(found).__name__}; a callable must return one of these"
            )
        if fold is not None:
            raise ValueError(
                f"data set {self.name!r}: it comes as training and test part, so it cannot be cut in folds; "
                "give the whole data set, or leave folds out"
            )
        for part in found:
            self._labelled(part)
        return found

    def _labelled(self, part: Any) -> None:
        if not isinstance(part, MultimodalDataset) or part.target is None:
            what = type(part).__name__ if not isinstance(part, MultimodalDataset) else "no target"
            raise ValueError(f"data set {self.name!r}: expected a MultimodalDataset with a target, found {what}")


def source(name: str, content: Any, test_size: float, folds: int | None, *, needed: bool = True) -> Source:
    """A source from what a user gave; a file has to exist where it is ``needed``.

    Raises:
        ValueError: for anything else than a dataset, a pair, a callable or an existing file.
    """
    if isinstance(content, str | Path):
        content = DataFile(str(content))
    if isinstance(content, DataFile) and needed and not Path(content.path).is_file():
        raise ValueError(f"data set {name!r}: no file {content.path!r}; correct the path")
    found = Source(name, content, test_size, folds)
    if not callable(content):
        found.parts(0, None if folds is None else 0)
    return found


def fold_rows(dataset: MultimodalDataset, folds: int, seed: int) -> list[tuple[Any, Any]]:
    """Sorted rows (train, test) of each fold: classes stratified where there are classes, groups kept whole."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    classes = dataset.task == "classification"
    grouped = dataset.groups is not None
    splitter = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }[classes, grouped](folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        target = dataset.codes if classes else dataset.target
        found = list(splitter.split(np.zeros(len(dataset)), target, dataset.groups))
    return [(np.sort(train), np.sort(test)) for train, test in found]


def fingerprint(parts: Parts) -> str:
    """Hash of everything in two parts that can change a result; values under a false mask count for nothing."""
    digest = hashlib.sha256()
    for part in parts:
        for key, array in _arrays(part):
            value = np.ascontiguousarray(array)
            digest.update(f"{key} {value.dtype.str} {value.shape}".encode())
            digest.update(value.tobytes() if value.dtype.kind != "O" else repr(value.tolist()).encode())
    return digest.hexdigest()[:16]


def _arrays(part: MultimodalDataset) -> Iterator[tuple[str, Any]]:
    for name in part.names:
        mask = part.present[name]
        yield f"present {name}", mask
        yield f"modality {name}", part.modalities[name][mask]
    for name, length in part.lengths.items():
        yield f"length {name}", length
    for key in ("target", "groups", "ids"):
        if (array := getattr(part, key)) is not None:
            yield key, array


def held(parts: Parts) -> Mapping[str, Any]:
    """Fingerprint of the parts, and what a person wants to know of them: rows, shapes, classes."""
    train, test = parts
    return {
        "rows": {"train": len(train), "test": len(test)},
        "modalities": {name: list(x.shape[1:]) for name, x in train.modalities.items()},
        "task": train.task,
        "classes": len(train.classes) if train.task == "classification" else None,
        "fingerprint": fingerprint(parts),
    }
