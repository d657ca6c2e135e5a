"""Read and write datasets: ``.npz`` and ``.parquet``, by suffix. Nothing is ever unpickled.

A file is written beside its destination and moved there when complete, so an interrupted save changes
nothing.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from interplay.data.dataset import MultimodalDataset
from interplay.data.npz import open_npz, write_npz
from interplay.data.parquet import open_parquet, write_parquet
from interplay.data.tables import Readers, assemble
from interplay.data.validation import check_unique_ids, is_column, problem

_OPEN: dict[str, Callable[[Path, Collection[str]], Readers]] = {".npz": open_npz, ".parquet": open_parquet}
_WRITE = {".npz": write_npz, ".parquet": write_parquet}


def save(dataset: MultimodalDataset, path: str | Path) -> None:
    """Write a dataset to ``path``, whose suffix ``.npz`` or ``.parquet`` says how.

    A ``.npz`` holds one array for each modality and ``target``, ``ids``, ``groups``, ``class_names``,
    ``present.<modality>``, ``lengths.<modality>``. A ``.parquet`` holds columns ``<modality>.<i>`` for
    vectors, one column of lists for larger samples, and the same names beside them.

    Raises:
        ValueError: another suffix, ids that occur twice, column names that would collide.
        FileNotFoundError: the folder does not exist.

    Example:
        >>> import tempfile
        >>> dataset = MultimodalDataset({"audio": [[0.5], [1.5]], "face": [[1], [2]]}, ["no", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(dataset, f"{folder}/data.parquet")
        ...     load(f"{folder}/data.parquet")
        MultimodalDataset(2 samples, classification with 2 classes, audio (1,), face (1,))
    """
    path = Path(path)
    write = _WRITE[_suffix(path)]
    check_unique_ids(dataset.ids)
    with replacing(path) as temporary:
        write(dataset, temporary)


def load(
    path: str | Path,
    *,
    target: str | None = None,
    modalities: Sequence[str] | None = None,
    ids: str | None = None,
    groups: str | None = None,
    class_names: str | None = None,
    ignore: Collection[str] = (),
) -> MultimodalDataset:
    """Read a dataset from a ``.npz`` or ``.parquet`` file, written by `save` or by anything else.

    In a ``.parquet`` of other origin, columns ``audio.0, audio.1, ...`` (or ``audio.pitch, ...``) are the
    modality ``audio`` and so is a column of lists; rows in which all columns of a modality are null are
    absent, unless a column ``present.<modality>`` says it.

    Args:
        path: the file.
        target: name of the array or column that is the target; default ``target`` where there is one.
        modalities: names of the modalities to read; default all that is not named otherwise.
        ids: name of the ids; default ``ids`` where there are any.
        groups: name of the subjects; default ``groups`` where there are any.
        class_names: name of the class names (``.npz``); default ``class_names`` with the default target.
        ignore: names that are not read, such as a column that marks the test part.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another suffix, a name that is not there (the error lists those that are), Python objects
            in the file, or data that `MultimodalDataset` does not accept.
    """
    path = Path(path)
    given = {"target": target, "ids": ids, "groups": groups, "class_names": class_names}
    readers = _open(path, {name for name in given.values() if name is not None} | set(ignore))
    return assemble(f"file {path.name!r}", readers, given, modalities, ignore)


def contents(path: str | Path, *, labels: Collection[str] = ()) -> list[str]:
    """Names of what a file holds that could be a modality; ``labels`` names columns that stand for themselves.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another suffix, or not such a file.
    """
    return [name for name in _open(Path(path), labels) if name not in labels and not is_column(name)]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place if the block succeeds and vanishes if not."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r}; make it first")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _open(path: Path, whole: Collection[str]) -> Readers:
    suffix = _suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; expected a .npz or .parquet file")
    return _OPEN[suffix](path, whole)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _OPEN:
        raise problem(f"file {path.name!r}", f"a suffix among {list(_OPEN)}", repr(suffix), "convert the data")
    return suffix
