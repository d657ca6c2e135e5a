"""Arrow tables: a group of columns ``<modality>.<feature>`` or a column of lists for each modality.

What files, data frames and Hugging Face data sets share; how a modality lies in columns is said here and nowhere else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.data.dataset import MultimodalDataset
from interplay.data.validation import Array, is_column, problem

Readers = dict[str, Callable[[], Array]]  # what a file or table holds, read when asked for
Fetch = Callable[[list[str]], Any]  # from names of columns to the Arrow table of these

METADATA = b"interplay"
_MOST_COLUMNS = 1024  # wider vectors become one column of lists: a file of many columns is slow to open


def to_table(dataset: MultimodalDataset, where: str) -> Any:
    """One row for each sample; shapes and class names go to the metadata of the schema.

    Larger samples are lists within lists, so that their shape survives tools that drop the metadata.

    Args:
        dataset: what to write.
        where: what errors call the table.
    """
    import pyarrow as pa

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
        raise problem(where, "different column names", f"{twice} twice", "rename a modality")
    metadata: dict[str, Any] = {"shapes": {name: x.shape[1:] for name, x in dataset.modalities.items()}}
    if dataset.class_names is not None:
        metadata["class_names"] = dataset.class_names
    return pa.table([column for _, column in columns], names).replace_schema_metadata({METADATA: json.dumps(metadata)})


def table_readers(
    schema: Any, fetch: Fetch, whole: Collection[str], modalities: Mapping[str, list[str]] | None = None
) -> Readers:
    """What a table holds, name -> reader; columns named in ``whole`` join no modality.

    For a modality without a column ``present.<modality>`` that name reads where not all its columns are null.

    Args:
        schema: of the table.
        fetch: gives columns when they are asked for.
        whole: columns that stand for themselves.
        modalities: modality -> its columns; None finds them by their names.
    """
    metadata = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
    shapes = metadata.get("shapes", {})
    if modalities is None:
        groups = find_groups(schema, whole)
    else:
        groups = {**{name: [name] for name in schema.names}, **modalities}
    readers: Readers = {}
    for name, columns in groups.items():
        asked = modalities is not None and name in modalities
        single = len(columns) == 1 and (is_list(schema, columns[0]) or not (asked or columns != [name]))
        readers[name] = partial(_read, fetch, columns, single, shapes.get(name))
        if (asked or not single or is_list(schema, columns[0])) and f"present.{name}" not in schema.names:
            readers[f"present.{name}"] = partial(_read_present, fetch, columns)
    if "class_names" in metadata:
        readers["class_names"] = lambda: np.array(metadata["class_names"])
    return readers


def assemble(
    where: str,
    readers: Readers,
    roles: Mapping[str, str | None],
    modalities: Sequence[str] | None = None,
    ignore: Collection[str] = (),
) -> MultimodalDataset:
    """Make a dataset of what readers give.

    Args:
        where: what errors call the source.
        readers: name -> reader.
        roles: ``target``, ``ids``, ``groups``, ``class_names`` -> the name that has this role; None takes the one of
            the role's own name where there is one.
        modalities: names to take; None takes all that is not named otherwise.
        ignore: names that are not read.
    """
    given = dict(roles)
    for role, name in given.items():
        if name is not None:
            _require(where, role, name, readers)
        # Class names of the source belong to its own target, unless they are asked for.
        elif role in readers and role not in ignore and (role != "class_names" or roles["target"] in (None, "target")):
            given[role] = role
    beside: dict[str, Any] = {role: readers[name]() for role, name in given.items() if name is not None}
    chosen = [modalities] if isinstance(modalities, str) else modalities
    for name in chosen or []:
        _require(where, "modality", name, readers)
    if chosen is None:
        taken = {*given.values(), *ignore}
        chosen = [name for name in readers if name not in taken and not is_column(name)]
    arrays = {name: readers[name]() for name in chosen}
    for name, array in arrays.items():
        # Ours say of every modality where it is present; elsewhere it may be a split, a weight or another
        # label.
        if modalities is None and array.ndim < 2 and f"present.{name}" not in readers:
            remedy = f"choose with modalities=[...] among {list(arrays)}, and target, ids and groups likewise"
            found = f"shape {array.shape}, which may be no modality"
            raise problem(f"{where}, {name!r}", "an array (n, features)", found, remedy)
    names = beside.pop("class_names", None)
    return MultimodalDataset(
        arrays,
        **beside,
        class_names=None if names is None else names.tolist(),
        present={name: readers[f"present.{name}"]() for name in arrays if f"present.{name}" in readers},
        lengths={name: readers[f"lengths.{name}"]() for name in arrays if f"lengths.{name}" in readers},
    )


def _require(where: str, role: str, name: str, readers: Readers) -> None:
    if name not in readers:
        known = [key for key in readers if not key.startswith(("present.", "lengths."))]
        raise problem(f"{where}, {role}", f"one of {known}", repr(name), "correct the name")


def find_groups(schema: Any, whole: Collection[str]) -> dict[str, list[str]]:
    """Name -> its columns; ``audio.0``, ``audio.1`` make ``audio``, numbered features in order."""
    groups: dict[str, list[str]] = {}
    for name in schema.names:
        if name.startswith("__index_level_"):  # the row labels of a pandas.DataFrame
            continue
        single = name in whole or is_column(name) or is_list(schema, name) or "." not in name
        groups.setdefault(name if single else name.rpartition(".")[0], []).append(name)
    for name, columns in groups.items():
        features = [column.removeprefix(f"{name}.") for column in columns]
        if all(feature.isdecimal() for feature in features):
            groups[name] = [columns[i] for i in np.argsort([int(feature) for feature in features])]
    return groups


def is_list(schema: Any, name: str) -> bool:
    """Whether a column holds lists."""
    return _is_list(schema.field(name).type)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind  # arrays of Hugging Face data sets
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _columns(name: str, x: Array) -> list[tuple[str, Any]]:
    import pyarrow as pa

    x = _native(x)
    width = math.prod(x.shape[1:])
    if x.ndim <= 2 and width <= _MOST_COLUMNS:
        return [(f"{name}.{i}", pa.array(column)) for i, column in enumerate(x.reshape(len(x), width).T)]
    values = pa.array(x.reshape(-1))
    for size in reversed(x.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return [(name, values)]


def _native(x: Array) -> Array:
    """Return ``x`` in the machine's byte order, the only one Arrow takes."""
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _read(fetch: Fetch, columns: list[str], single: bool, shape: list[int] | None) -> Array:
    table = fetch(columns)
    arrays = [_dense(column, table[column].combine_chunks()) for column in columns]
    x = arrays[0] if single else np.stack(arrays, axis=1)
    if shape is not None and math.prod(shape) == x.size // max(len(x), 1):
        x = x.reshape(len(x), *shape)
    return np.require(x, requirements="W")  # views of Arrow's memory cannot become tensors


def _read_present(fetch: Fetch, columns: list[str]) -> NDArray[np.bool_]:
    table = fetch(columns)
    return np.any([table[column].is_valid().to_numpy() for column in columns], axis=0)


def _dense(column: str, array: Any) -> Array:
    """Return an Arrow array as (n, ...); rows of lists that are null become zeros, null numbers NaN."""
    import pyarrow as pa

    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
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
