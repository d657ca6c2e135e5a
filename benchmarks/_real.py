"""Real data sets for the benchmarks, read from the folder that INTERPLAY_DATA names."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from interplay import MultimodalDataset


def load(name: str) -> Any:
    """One data set as the folder's own reader gives it: modalities, target, present, groups, is_test."""
    root = Path(os.environ["INTERPLAY_DATA"])
    spec = importlib.util.spec_from_file_location("interplay_real_data", root / "loading.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.load(name)


def train_and_test(name: str, seed: int, n_features: int | None = None) -> tuple[MultimodalDataset, MultimodalDataset]:
    """The official split where there is one, else a stratified quarter for testing, drawn by ``seed``."""
    sample = load(name)
    data = MultimodalDataset(sample.modalities, sample.target, present=sample.present, groups=sample.groups)
    if sample.is_test is None:
        return data.split(0.25, random_state=seed)
    return data[np.flatnonzero(~sample.is_test)], data[np.flatnonzero(sample.is_test)]
