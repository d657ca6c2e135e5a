"""Hugging Face data sets (``datasets.Dataset``), to and from, through their Arrow tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interplay.data.dataset import MultimodalDataset
from interplay.data.extras import require
from interplay.data.frames import Columns, columns_of
from interplay.data.tables import Readers, assemble, table_readers, to_table
from interplay.data.validation import Array, problem


def from_hf(
    dataset: Any,
    *,
    modalities: Columns | None = None,
    target: str | None = None,
    ids: str | None = None,
    groups: str | None = None,
    class_names: Sequence[str] | None = None,
) -> MultimodalDataset:
    """Make a dataset of one split of a Hugging Face data set.

    Columns of numbers, lists and arrays are modalities as in `interplay.data.frames.from_frame`. A column of images
    becomes ``(n, channels, height, width)`` integers; all must have one size. A target of type ``ClassLabel`` brings
    its class names. Text is turned into tokens first, by `interplay.data.tokenize`.

    Args:
        dataset: a ``datasets.Dataset``; choose the split of a ``DatasetDict`` first.
        modalities: name -> its columns; see `interplay.data.frames.from_frame`.
        target: column of the target; default ``target`` where there is one.
        ids: column of the ids; default ``ids`` where there is one.
        groups: column of the subjects; default ``groups`` where there is one.
        class_names: display names of the sorted classes.

    Raises:
        ValueError: naming the column or modality, what was expected, what was found and what to do.
    """
    hf = require("datasets", "hf", "from_hf")
    if not isinstance(dataset, hf.Dataset):
        remedy = "choose a split, for example data['train']; load without streaming"
        raise problem("from_hf", "a datasets.Dataset", type(dataset).__name__, remedy)
    roles = {"target": target, "ids": ids, "groups": groups, "class_names": None}
    named = {name for name in roles.values() if name is not None}
    chosen = None if modalities is None else columns_of(dataset.column_names, modalities, named)

    def fetch(columns: list[str]) -> Any:
        return dataset.select_columns(columns).with_format("arrow")[:]

    schema = dataset.features.arrow_schema.remove_metadata()
    readers = table_readers(schema, fetch, named, chosen)
    where = chosen or {name: [name] for name in dataset.column_names}
    for name, columns in where.items():
        if len(columns) == 1 and isinstance(dataset.features[columns[0]], hf.Image):
            readers |= _image_readers(dataset, name, columns[0])
    labels = dataset.features.get(target or "target")
    if class_names is None and isinstance(labels, hf.ClassLabel):
        class_names = labels.names
    if class_names is not None:
        readers["class_names"] = lambda: np.array(class_names)
        roles["class_names"] = "class_names"
    return assemble("Hugging Face data set", readers, roles, None if chosen is None else list(chosen))


def _image_readers(dataset: Any, name: str, column: str) -> Readers:
    def pictures() -> Array:
        images = [None if image is None else np.asarray(image) for image in dataset[column]]
        sizes = sorted({image.shape for image in images if image is not None})
        if len(sizes) != 1:
            remedy = "resize them first: dataset.map(lambda row: {...: row[...].convert('RGB').resize((64, 64))})"
            raise problem(f"modality {name!r}", "images of one size and mode", f"sizes {sizes[:3]}", remedy)
        first = next(image for image in images if image is not None)
        stacked = np.stack([np.zeros_like(first) if image is None else image for image in images])
        return np.moveaxis(stacked, -1, 1) if stacked.ndim == 4 else stacked

    def present() -> Array:
        table = dataset.select_columns([column]).with_format("arrow")[:]
        return np.asarray(table[column].combine_chunks().is_valid())

    return {name: pictures, f"present.{name}": present}


def to_hf(dataset: MultimodalDataset) -> Any:
    """Return a ``datasets.Dataset`` with the columns of a ``.parquet`` file.

    Class names travel as ``ClassLabel`` where the labels are 0, 1, ...

    Raises:
        ImportError: the extra ``hf`` is not installed.
        ValueError: column names would collide.
    """
    hf = require("datasets", "hf", "to_hf")
    made = hf.Dataset(to_table(dataset, "Hugging Face data set").replace_schema_metadata(None))
    names, target = dataset.class_names, dataset.target
    if names is None or target is None or dataset.classes.tolist() != list(range(len(names))):
        return made
    return made.cast_column("target", hf.ClassLabel(names=list(names)))
