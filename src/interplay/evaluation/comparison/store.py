"""The folder of a comparison: a file a finished cell, nothing half-written, no cell twice.

    methods/<method>.json                      what the method was, and with which settings
    data/<data set>/<seed>.json                fingerprint and sizes of the parts
    cells/<data set>/<method>/<seed>.parquet   every number of a finished cell
    cells/.../<seed>.predictions.parquet       its answers on the test part, written first
    cells/.../<seed>.failed.json               why it failed, until it succeeds
    cells/.../<seed>.trials.json               settings that were tried, and what they scored, where they are searched

A process that works on a cell holds the lock of ``<seed>.lock``, which the system releases when the process ends in
whatever way.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from interplay.data.files import replacing

KEY = b"interplay"
# Files of one folder may hold either kind of string.
ROWS = pa.schema([("condition", pa.string()), ("rate", pa.float64()), ("metric", pa.string()), ("value", pa.float64())])


@dataclass(frozen=True)
class Cell:
    """One training and test: a data set, a method, a seed, and a fold under cross-validation."""

    dataset: str
    method: str
    seed: int
    fold: int | None = None

    def __str__(self) -> str:
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.dataset}, {self.method}, seed {self.seed}{fold}"

    @property
    def part(self) -> str:
        """Seed and fold as they stand in file names."""
        return str(self.seed) if self.fold is None else f"{self.seed}.{self.fold}"


class ConfigurationError(ValueError):
    """The folder holds results of something else under the same name."""


class Store:
    """Reads and writes the folder; see the module."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, cell: Cell, kind: str = "parquet") -> Path:
        """The file of a cell."""
        return self.folder / "cells" / _name(cell.dataset) / _name(cell.method) / f"{cell.part}.{kind}"

    def done(self, cell: Cell) -> bool:
        """The cell is finished."""
        return self.path(cell).is_file()

    def failure(self, cell: Cell) -> Mapping[str, Any] | None:
        """What went wrong when the cell was last tried, or None."""
        path = self.path(cell, "failed.json")
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    @contextmanager
    def claim(self, cell: Cell) -> Iterator[bool]:
        """Hold the cell's lock; gives False where another process holds it."""
        path = self.path(cell, "lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def write(self, cell: Cell, rows: pd.DataFrame, predictions: pd.DataFrame, notes: Mapping[str, Any]) -> None:
        """Keep a finished cell; it counts as finished from the moment that its last file is in place."""
        path = self.path(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(self.path(cell, "predictions.parquet"), predictions, {})
        _write(path, rows, {**asdict(cell), **notes})
        self.path(cell, "failed.json").unlink(missing_ok=True)

    def write_failure(self, cell: Cell, content: Mapping[str, Any]) -> None:
        """Keep why a cell failed."""
        path = self.path(cell, "failed.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_json(path, {**asdict(cell), **content})

    def agree(self, kind: str, name: str, content: Mapping[str, Any], part: str | None = None) -> None:
        """Keep a description, or compare it with the one kept before.

        Raises:
            ConfigurationError: they differ; the message says in what.
        """
        path = self._description(kind, name, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            if not path.exists():
                _write_json(path, content)
        self.check(kind, name, content, part)

    def check(self, kind: str, name: str, content: Mapping[str, Any], part: str | None = None) -> None:
        """As `agree`, but nothing is written; where no description is kept, all is well."""
        kept, now = self.kept(kind, name, part), json.loads(json.dumps(content))
        if kept is not None and kept != now:
            raise self.conflict(kind, name, kept, now)

    def kept(self, kind: str, name: str, part: str | None = None) -> Mapping[str, Any] | None:
        """The description that is kept, or None."""
        path = self._description(kind, name, part)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def conflict(self, kind: str, name: str, kept: Mapping[str, Any], now: Mapping[str, Any]) -> ConfigurationError:
        """What to raise where two descriptions differ."""
        what = {"methods": "method", "data": "data set"}[kind]
        return ConfigurationError(
            f"{str(self.folder)!r} holds results of another {what} {name!r}: {_difference(kept, now)}; "
            "give it another name, or choose another folder"
        )

    def _description(self, kind: str, name: str, part: str | None) -> Path:
        whole = self.folder / kind / _name(name)
        return whole.with_name(f"{whole.name}.json") if part is None else whole / f"{part}.json"

    def cells(self) -> list[Cell]:
        """All finished cells, by data set, method and seed."""
        found = []
        for path in sorted(self.folder.glob("cells/*/*/*.parquet")):
            if path.name.endswith(".predictions.parquet") or path.name.startswith("."):
                continue
            seed, _, fold = path.name.removesuffix(".parquet").partition(".")
            dataset, method = unquote(path.parent.parent.name), unquote(path.parent.name)
            found.append(Cell(dataset, method, int(seed), int(fold) if fold else None))
        return found

    def read(self, cell: Cell) -> tuple[pa.Table, dict[str, Any]]:
        """Numbers and notes of a finished cell."""
        table = pq.read_table(self.path(cell), partitioning=None)
        notes = json.loads(table.schema.metadata[KEY])
        table = table.select(ROWS.names).cast(ROWS)
        key = {"dataset": cell.dataset, "method": cell.method, "seed": cell.seed, "fold": cell.fold}
        for name, value in key.items():
            kind = pa.int64() if name in ("seed", "fold") else pa.string()
            table = table.append_column(name, pa.array([value] * len(table), kind))
        return table, notes

    def notes(self, cell: Cell) -> dict[str, Any]:
        """Notes of a finished cell, without its numbers."""
        return json.loads(pq.read_schema(self.path(cell)).metadata[KEY])

    def read_predictions(self, cell: Cell) -> pd.DataFrame:
        """Answers of a finished cell on its complete test part."""
        return pq.read_table(self.path(cell, "predictions.parquet")).to_pandas()


def _write(path: Path, frame: pd.DataFrame, notes: Mapping[str, Any]) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: json.dumps(notes).encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _difference(old: Any, new: Any, where: str = "") -> str:
    """The first place in which two descriptions differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            if old.get(key) != new.get(key):
                return _difference(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
    return f"{where} was {old!r} there and is {new!r} now"


def _name(text: str) -> str:
    """A file name that any text comes back from."""
    return quote(text, safe=" +(),=").replace(".", "%2E")
