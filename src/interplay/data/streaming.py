"""Rows of a file a batch at a time, for prediction: what is in memory is a batch, not the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from interplay.data.dataset import MultimodalDataset
from interplay.data.files import contents, load
from interplay.data.parquet import count_rows, read_schema, tables_of
from interplay.data.tables import Readers, find_groups, table_readers
from interplay.data.validation import check_ids, problem

# A file to be predicted may hold them, of any kind and with gaps; they are not looked at.
_UNUSED = ("target", "groups", "class_names")


@dataclass(frozen=True)
class Rows:
    """A file's rows for a model that knows the modalities ``names``.

    Attributes:
        path: the file.
        names: modalities of the model; each is in every batch.
        absent: those that the file lacks; absent in all rows.
        count: number of rows.
        whole: all rows, of files that are read whole.
    """

    path: Path
    names: tuple[str, ...]
    absent: tuple[str, ...]
    count: int
    whole: MultimodalDataset | None = None

    def batches(self, size: int) -> Iterator[MultimodalDataset]:
        """Consecutive data sets of ``size`` rows (the last may have fewer); of ``.npz``, slices of the whole.

        Raises:
            ValueError: naming the rows and the modality that cannot be used.
        """
        if self.whole is None:
            return self._parquet(size)
        whole = self.whole
        return (whole[start : start + size] for start in range(0, len(whole), size))

    def _parquet(self, size: int) -> Iterator[MultimodalDataset]:
        known = [name for name in self.names if name not in self.absent]
        schema = read_schema(self.path)
        has_ids = "ids" in schema.names
        if has_ids:  # the one column that is read whole: an id may come again anywhere
            for table in tables_of(self.path, ["ids"], max(self.count, 1)):
                check_ids(table["ids"].to_numpy(), len(table))
        groups = find_groups(schema, ())
        beside = [f"{role}.{name}" for role in ("present", "lengths") for name in known]
        columns = [column for name in known for column in groups[name]]
        columns += [name for name in [*beside, "ids"] if name in schema.names]
        start = 0
        for table in tables_of(self.path, columns, size):
            readers = table_readers(schema, table.select, ())
            try:
                yield self._assemble(readers, known, start, has_ids)
            except ValueError as error:
                raise ValueError(f"rows {start} to {start + len(table) - 1} of {self.path.name!r}: {error}") from error
            start += len(table)
        if start == 0:
            raise problem(f"file {self.path.name!r}", "at least 1 row", "none", "check how it was written")

    def _assemble(self, readers: Readers, known: list[str], first_row: int, has_ids: bool) -> MultimodalDataset:
        def beside(role: str) -> dict[str, object]:
            return {name: readers[key]() for name in known if (key := f"{role}.{name}") in readers}

        return MultimodalDataset._checked(
            {name: readers[name]() if name in known else None for name in self.names},
            present=beside("present"),
            lengths=beside("lengths"),
            ids=readers["ids"]() if has_ids else None,
            first_row=first_row,
        )


def open_rows(path: str | Path, names: Sequence[str]) -> Rows:
    """Look at a file's names, not yet at its rows.

    Args:
        path: a ``.npz`` or ``.parquet`` file.
        names: the modalities of the model; the file may lack some.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another suffix, or none of the modalities is there.
    """
    path = Path(path)
    held = contents(path)
    absent = tuple(name for name in names if name not in held)
    if len(absent) == len(names):
        raise ValueError(f"{path.name!r} has none of the model's modalities {list(names)}, found {held}; rename them")
    if path.suffix.lower() == ".parquet":
        return Rows(path, tuple(names), absent, count_rows(path))
    found = load(path, modalities=[name for name in names if name in held], ignore=_UNUSED)
    whole = MultimodalDataset(
        {name: found.modalities.get(name) for name in names},
        present=found.present,
        lengths=found.lengths,
        ids=found.ids,
    )
    return Rows(path, tuple(names), absent, len(whole), whole)
