"""``.parquet`` files: whole, or a batch of rows at a time; the columns are those of `interplay.data.tables`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from interplay.data.dataset import MultimodalDataset
from interplay.data.tables import Readers, table_readers, to_table
from interplay.data.validation import problem

_BUFFER = 1 << 16  # bytes read ahead of each column; without it Arrow reads whole columns of a row group


def write_parquet(dataset: MultimodalDataset, path: Path) -> None:
    """Write one row for each sample."""
    import pyarrow.parquet as pq

    pq.write_table(to_table(dataset, f"file {path.name!r}"), path)


def open_parquet(path: Path, whole: Collection[str]) -> Readers:
    """Return what the file holds, name -> reader; see `interplay.data.tables.table_readers`."""
    import pyarrow.parquet as pq

    return table_readers(read_schema(path), lambda columns: pq.read_table(path, columns=columns), whole)


def read_schema(path: Path) -> Any:
    """Columns and metadata of a file.

    Raises:
        ValueError: it is no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise problem(f"file {path.name!r}", "a .parquet file", str(error), "write it anew") from error


def count_rows(path: Path) -> int:
    """Rows of a file, from its footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def tables_of(path: Path, columns: list[str], size: int) -> Iterator[Any]:
    """Consecutive Arrow tables of exactly ``size`` rows (the last may have fewer), whatever the row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=_BUFFER) as file:
        kept, rows = [], 0
        for batch in file.iter_batches(batch_size=size, columns=columns):
            kept.append(batch)
            rows += len(batch)
            if rows >= size:
                table = pa.Table.from_batches(kept)
                yield table[:size]
                kept, rows = table[size:].to_batches(), rows - size
        if rows:
            yield pa.Table.from_batches(kept)
