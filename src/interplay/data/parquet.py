"""``.parquet`` files: a group of columns ``<modality>.<feature>`` or a column of lists for each modality."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.data.dataset import MultimodalDataset
from interplay.data.validation import Array, is_column, problem

_METADATA = b"interplay"
_MOST_COLUMNS = 1024  # wider vectors become one column of lists: a file of many columns is slow to open


def write_parquet(dataset: MultimodalDataset, path: Path) -> None:
    """Write one row for each sample; shapes and class names go to the metadata of the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: list[tuple[str, Any]] = []
    for name, x in dataset.modalities.items():
        columns += _columns(name, x)
        columns.append((f"present.{name}", pa.array(dataset.present[name])))
    columns += [(f"lengths.{name}", pa.array(length)) for name, length in dataset.lengths.items()]
    optional = {"target": dataset.target, "ids": dataset.ids, "groups": dataset.groups}
    columns += [(name, pa.array(_native(x))) for name, x in optional.items() if x is not None]
    names = [name for name, _ in columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise problem(f"file {path.name!r}", "different column names", f"{twice} twice", "rename a modality")
    metadata: dict[str, Any] = {"shapes": {name: x.shape[1:] for name, x in dataset.modalities.items()}}
    if dataset.class_names is not None:
        metadata["class_names"] = dataset.class_names
    table = pa.table([column for _, column in columns], names)
    pq.write_table(table.replace_schema_metadata({_METADATA: json.dumps(metadata)}), path)


def open_parquet(path: Path, whole: Collection[str]) -> dict[str, Callable[[], Array]]:
    """Return what the file holds, name -> reader; columns named in ``whole`` join no modality.

    For a modality without a column ``present.<modality>`` that name reads where not all its columns are null.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise problem(f"file {path.name!r}", "a .parquet file", str(error), "write it anew") from error
    metadata = json.loads((schema.metadata or {}).get(_METADATA, b"{}"))
    shapes = metadata.get("shapes", {})
    readers: dict[str, Callable[[], Array]] = {}
    for name, columns in _group(schema, whole).items():
        single = columns == [name]
        readers[name] = partial(_read, path, columns, single, shapes.get(name))
        is_modality = not single or _is_list(schema.field(name).type)
        if is_modality and f"present.{name}" not in schema.names:
            readers[f"present.{name}"] = partial(_read_present, path, columns)
    if "class_names" in metadata:
        readers["class_names"] = lambda: np.array(metadata["class_names"])
    return readers


def _columns(name: str, x: Array) -> list[tuple[str, Any]]:
    import pyarrow as pa

    x = _native(x)
    width = math.prod(x.shape[1:])
    if x.ndim > 2 or width > _MOST_COLUMNS:
        return [(name, pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), width))]
    return [(f"{name}.{i}", pa.array(column)) for i, column in enumerate(x.reshape(len(x), width).T)]


def _native(x: Array) -> Array:
    """Return ``x`` in the machine's byte order, the only one Arrow takes."""
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _group(schema: Any, whole: Collection[str]) -> dict[str, list[str]]:
    """Return name -> its columns; ``audio.0``, ``audio.1`` make ``audio``, numbered features in order."""
    groups: dict[str, list[str]] = {}
    for field in schema:
        if field.name.startswith("__index_level_"):  # the row labels of a pandas.DataFrame
            continue
        single = field.name in whole or is_column(field.name) or _is_list(field.type) or "." not in field.name
        groups.setdefault(field.name if single else field.name.rpartition(".")[0], []).append(field.name)
    for name, columns in groups.items():
        features = [column.removeprefix(f"{name}.") for column in columns]
        if all(feature.isdecimal() for feature in features):
            groups[name] = [columns[i] for i in np.argsort([int(feature) for feature in features])]
    return groups


def _read(path: Path, columns: list[str], single: bool, shape: list[int] | None) -> Array:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=columns)
    arrays = [_dense(column, table[column].combine_chunks()) for column in columns]
    x = arrays[0] if single else np.stack(arrays, axis=1)
    if shape is not None and math.prod(shape) == x.size // max(len(x), 1):
        x = x.reshape(len(x), *shape)
    return np.require(x, requirements="W")  # views of Arrow's memory cannot become tensors


def _read_present(path: Path, columns: list[str]) -> NDArray[np.bool_]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=columns)
    return np.any([table[column].is_valid().to_numpy() for column in columns], axis=0)


def _dense(column: str, array: Any) -> Array:
    """Return an Arrow array as (n, ...); rows of lists that are null become zeros, null numbers NaN."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not _is_list(array.type):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    lists = array.drop_null()
    sizes = np.unique(lists.value_lengths().to_numpy())
    if len(sizes) > 1:
        remedy = "pad the lists to one length and keep the lengths in a column 'lengths.<modality>'"
        raise problem(f"column {column!r}", "lists of one length", f"lengths {sizes[0]} to {sizes[-1]}", remedy)
    inner = _dense(column, lists.flatten())
    inner = inner.reshape(len(lists), sizes[0] if len(sizes) else 1, *inner.shape[1:])
    dense = np.zeros((len(array), *inner.shape[1:]), inner.dtype)
    dense[valid] = inner
    return dense


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
