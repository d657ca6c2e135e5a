"""``.npz`` files: one array for each modality, and named arrays beside them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np

from interplay.data.dataset import MultimodalDataset
from interplay.data.validation import Array, problem


def write_npz(dataset: MultimodalDataset, path: Path) -> None:
    """Write every array under its name; the same dataset gives the same bytes."""
    arrays = dict(dataset.modalities)
    arrays |= {f"present.{name}": mask for name, mask in dataset.present.items()}
    arrays |= {f"lengths.{name}": length for name, length in dataset.lengths.items()}
    optional = {"target": dataset.target, "ids": dataset.ids, "groups": dataset.groups}
    arrays |= {name: array for name, array in optional.items() if array is not None}
    if dataset.class_names is not None:
        arrays["class_names"] = np.array(dataset.class_names)
    # Not numpy.savez: a modality may have the name of one of its parameters, and it stores the time of day.
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def open_npz(path: Path, whole: Collection[str]) -> dict[str, Callable[[], Array]]:
    """Return what the file holds, name -> reader; every array is whole by itself."""
    if not zipfile.is_zipfile(path):
        remedy = "write it with numpy.savez or with save"
        raise problem(f"file {path.name!r}", "an .npz archive of arrays", "something else", remedy)
    with np.load(path, allow_pickle=False) as stored:
        return {key: partial(_read, path, key) for key in stored.files}


def _read(path: Path, key: str) -> Array:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return np.asarray(stored[key])
    except (ValueError, zipfile.BadZipFile) as error:
        expected, remedy = (
            "an array of numbers or strings",
            "Python objects are never unpickled: save it anew",
        )
        raise problem(f"file {path.name!r}, {key!r}", expected, str(error), remedy) from error
