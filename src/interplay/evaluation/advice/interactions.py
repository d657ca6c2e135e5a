"""Bits of the two modalities that matter most: measured on rows that have both, bounded where those are few."""

from collections.abc import Mapping

import numpy as np

from interplay.data import MultimodalDataset
from interplay.estimation import Bound, Measurement, bound, measure
from interplay.estimation.discretise import choose_n_bins
from interplay.evaluation.advice.gain import Estimate

MOST_CELLS = 8  # a modality; with more, hundreds of tables take minutes instead of seconds
TABLES = 99


def two_best(dataset: MultimodalDataset, alone: Mapping[str, Estimate]) -> MultimodalDataset:
    """The two modalities with the best scores of their own, in their order."""
    best = sorted(alone, key=lambda name: -alone[name].value)[:2]
    return dataset.select([name for name in dataset.names if name in best])


def measured(pair: MultimodalDataset, confidence: float, seed: int, notes: list[str]) -> Measurement | None:
    """`measure` with coarse cells; None, and a note, where it refuses."""
    whole = int(np.all(list(pair.present.values()), axis=0).sum())
    k = len(pair.classes) if pair.task == "classification" else 4
    tables = {"n_bootstrap": TABLES, "n_permutations": TABLES, "sensitivity": False}
    try:
        cells = min(MOST_CELLS, choose_n_bins(whole, k))
        found = measure(pair, n_bins=cells, confidence=confidence, random_state=seed, **tables)  # type: ignore[arg-type]
    except ValueError as error:
        notes.append(f"nothing was measured: {error}")
        return None
    notes += found.warnings
    return found


def bounded(pair: MultimodalDataset, confidence: float, seed: int, notes: list[str]) -> Bound | None:
    """`bound` of two modalities that are both there in less than half of the rows: each row with a label counts."""
    whole = np.all(list(pair.present.values()), axis=0)
    if whole.mean() >= 0.5 or pair.task != "classification":
        return None
    labelled = {name: pair.select([name])[here] for name, here in pair.present.items()}
    try:
        return bound(labelled, pair[whole].with_target(None), confidence=confidence, random_state=seed)
    except ValueError as error:
        notes.append(f"nothing was bounded: {error}")
        return None
