"""``mudata.MuData``, to and from: cells are samples, assays are modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interplay.data.dataset import MultimodalDataset
from interplay.data.extras import require
from interplay.data.validation import Array, problem

MOST_BYTES = 4 << 30


def from_mudata(
    mdata: Any,
    *,
    target: str | None = None,
    groups: str | None = None,
    modalities: Sequence[str] | None = None,
    max_bytes: int = MOST_BYTES,
) -> MultimodalDataset:
    """Make a dataset of the matrices ``X`` of a ``MuData``; ``obs_names`` are the ids.

    A cell that an assay has not measured lacks that modality. Sparse matrices become dense.

    Args:
        mdata: the ``MuData``, read for instance by ``mudata.read``.
        target: column of ``mdata.obs``; call ``mdata.pull_obs()`` first where only an assay has it.
        groups: column of ``mdata.obs`` with the subjects.
        modalities: assays to take; default all.
        max_bytes: the most that one dense matrix may take.

    Raises:
        ValueError: naming the assay or column, what was expected, what was found and what to do.
    """
    names = list(mdata.mod) if modalities is None else list(modalities)
    unknown = [name for name in names if name not in mdata.mod]
    if unknown:
        raise problem("modalities", f"assays among {list(mdata.mod)}", f"{unknown}", "correct the names")
    arrays, present = {}, {}
    for name in names:
        rows = mdata.mod[name].obs_names.get_indexer(mdata.obs_names)
        present[name] = rows >= 0
        arrays[name] = _matrix(name, mdata.mod[name].X, rows, max_bytes)
    return MultimodalDataset(
        arrays,
        None if target is None else _column(mdata, "target", target),
        present=present,
        ids=np.asarray(mdata.obs_names).astype(str),
        groups=None if groups is None else _column(mdata, "groups", groups),
    )


def _matrix(name: str, x: Any, rows: Array, max_bytes: int) -> Array:
    needed = len(rows) * x.shape[1] * x.dtype.itemsize
    if needed > max_bytes:
        raise problem(
            f"modality {name!r}",
            f"a dense matrix of at most {max_bytes / 2**30:.3g} GiB",
            f"{len(rows)} x {x.shape[1]}, {needed / 2**30:.3g} GiB",
            "choose features or reduce them (PCA) first, or give max_bytes",
        )
    found = np.flatnonzero(rows >= 0)
    dense = np.zeros((len(rows), x.shape[1]), x.dtype)
    picked = x[rows[found]]
    dense[found] = picked.toarray() if hasattr(picked, "toarray") else np.asarray(picked)
    return dense


def _column(mdata: Any, role: str, name: str) -> Array:
    if name not in mdata.obs:
        remedy = "correct the name; mdata.pull_obs() copies the columns of the assays"
        raise problem(role, f"a column of obs among {list(mdata.obs)}", repr(name), remedy)
    column = mdata.obs[name]
    if column.isna().any():
        raise problem(
            role, "a value for each cell", f"{int(column.isna().sum())} missing in {name!r}", "leave them out"
        )
    return np.asarray(column.astype(str) if column.dtype.name == "category" else column)


def to_mudata(dataset: MultimodalDataset) -> Any:
    """Return a ``MuData`` with an assay a modality, of the cells that have it; ``obs`` has target and groups.

    Raises:
        ImportError: the extra ``omics`` is not installed.
        ValueError: a modality is not ``(n, features)``, or a row has no modality, which a ``MuData`` cannot hold.
    """
    mudata = require("mudata", "omics", "to_mudata")
    anndata = require("anndata", "omics", "to_mudata")
    import pandas as pd

    nothing = ~np.any(list(dataset.present.values()), axis=0)
    if nothing.any():
        raise problem("to_mudata", "a modality in each row", f"{nothing.sum()} rows without", "leave these rows out")
    ids = dataset.ids.astype(str)
    assays = {}
    for name, x in dataset.modalities.items():
        if x.ndim > 2:
            raise problem(f"modality {name!r}", "features (n, d)", f"shape {x.shape}", "select other modalities")
        here = dataset.present[name]
        values = x.reshape(len(x), -1)[here]
        features = pd.DataFrame(index=[f"{name}:{i}" for i in range(values.shape[1])])
        assays[name] = anndata.AnnData(X=values, obs=pd.DataFrame(index=ids[here]), var=features)
    with mudata.set_options(pull_on_update=False):  # what its next version does anyway, and says so in a warning
        made = mudata.MuData(assays)
    beside = {"target": dataset.target, "groups": dataset.groups}
    table = pd.DataFrame({name: x for name, x in beside.items() if x is not None}, index=ids)
    for role in table:
        made.obs[role] = table[role].reindex(made.obs_names)
    return made
