"""Tables of pandas, to and from; columns as in ``.parquet`` files, or as named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interplay.data.dataset import MultimodalDataset
from interplay.data.tables import assemble, table_readers, to_table
from interplay.data.validation import problem

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, str | Sequence[str]]


def from_frame(
    frame: pd.DataFrame,
    *,
    modalities: Columns | None = None,
    target: str | None = None,
    ids: str | None = None,
    groups: str | None = None,
    class_names: Sequence[str] | None = None,
) -> MultimodalDataset:
    """Make a dataset of a table with one row a sample.

    A sample lacks a modality where all of its columns are empty (NaN, None, NA), unless a column ``present.<modality>``
    says it. Where only some of them are, that is an error: fill them in first, or drop the row.

    Args:
        frame: the table.
        modalities: name -> its columns: a list of them, one column (of numbers or of lists), or what the names of its
            columns start with. None: ``audio.0, audio.1, ...`` are ``audio``, as in files.
        target: column of the target; default ``target`` where there is one.
        ids: column of the ids; default ``ids``, else the index of the table, unless it only counts.
        groups: column of the subjects; default ``groups`` where there is one.
        class_names: display names of the sorted classes.

    Raises:
        ValueError: naming the column or modality, what was expected, what was found and what to do.

    Example:
        >>> import pandas as pd
        >>> columns = {"pitch": [110.0, None], "tempo": [2.0, None], "smile": [0.1, 0.7], "mood": ["sad", "glad"]}
        >>> table = pd.DataFrame(columns)
        >>> from_frame(table, modalities={"voice": ["pitch", "tempo"], "face": "smile"}, target="mood")
        MultimodalDataset(2 samples, classification with 2 classes, voice (2,) 50% present, face (1,))
    """
    import pandas as pd
    import pyarrow as pa

    if not all(isinstance(name, str) for name in frame.columns) or not frame.columns.is_unique:
        raise problem("frame", "different strings as column names", f"{list(frame.columns)[:10]}", "rename the columns")
    roles = {"target": target, "ids": ids, "groups": groups, "class_names": None}
    named = {name for name in roles.values() if name is not None}
    chosen = None if modalities is None else columns_of(list(frame.columns), modalities, named)
    if chosen is not None:  # other columns may hold what Arrow cannot
        beside = {
            "target",
            "ids",
            "groups",
            *named,
            *(f"{p}.{name}" for name in chosen for p in ("present", "lengths")),
        }
        frame = frame[[c for c in frame.columns if c in beside or any(c in columns for columns in chosen.values())]]
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    readers = table_readers(table.schema, table.select, named, chosen)
    if ids is None and "ids" not in readers and not isinstance(frame.index, pd.RangeIndex):
        index = frame.index
        readers["ids"] = lambda: np.asarray(index)
    if class_names is not None:
        readers["class_names"] = lambda: np.array(class_names)
        roles["class_names"] = "class_names"
    return assemble("frame", readers, roles, None if chosen is None else list(chosen))


def columns_of(known: list[str], modalities: Columns, taken: set[str]) -> dict[str, list[str]]:
    """Name -> its columns, from lists, single columns and what names start with."""
    found = {}
    for name, wanted in modalities.items():
        if not isinstance(wanted, str):
            lacking = [column for column in wanted if column not in known]
            columns = list(wanted)
        else:
            columns = [wanted] if wanted in known else [c for c in known if c.startswith(wanted) and c not in taken]
            lacking = [] if columns else [f"{wanted}..."]
        if lacking or not columns:
            shown = f"{known[:20]}{', ...' if len(known) > 20 else ''}"
            raise problem(f"modality {name!r}", f"columns among {shown}", f"{lacking or 'none'}", "correct the names")
        found[name] = columns
    return found


def to_frame(dataset: MultimodalDataset) -> pd.DataFrame:
    """Return one row a sample: columns as in ``.parquet`` files, cells of larger samples are arrays.

    Class names do not travel; give them to `from_frame`.

    Raises:
        ValueError: column names would collide.

    Example:
        >>> dataset = MultimodalDataset({"voice": [[1.0, 2.0], [3.0, 4.0]], "face": [[0.5], [0.7]]}, ["sad", "glad"])
        >>> to_frame(dataset).columns.tolist()
        ['voice.0', 'voice.1', 'present.voice', 'face.0', 'present.face', 'target', 'ids']
    """
    frame: Any = to_table(dataset, "frame").replace_schema_metadata(None).to_pandas()
    return frame
