"""What to look at in the data before any model is believed."""

from collections.abc import Mapping

import numpy as np

from interplay.data import MultimodalDataset

FEW, MOST = 10, 0.5


def modality_warnings(parts: Mapping[str, MultimodalDataset]) -> dict[str, list[str]]:
    """By modality: absent in most or all rows, more absent in one part than in another, wide, or nearly constant.

    Args:
        parts: name -> rows, the training part first.
    """
    if not parts:
        return {}
    first = next(iter(parts.values()))
    found = {name: [*_gaps(name, parts), *_features(name, first)] for name in first.names}
    return {name: warnings for name, warnings in found.items() if warnings}


def target_warnings(parts: Mapping[str, MultimodalDataset]) -> list[str]:
    """Classes with few rows in the first part, and one class that most rows have."""
    name, first = next(iter(parts.items()), ("", None))
    if first is None or first.target is None or first.task != "classification":
        return []
    labels, counts = np.unique(first.target, return_counts=True)
    shown = first.class_names or [str(label) for label in labels.tolist()]
    rare = [shown[i] for i in np.flatnonzero(counts < FEW)]
    found = []
    if rare:
        which = ", ".join(rare[:5]) + (", …" if len(rare) > 5 else "")
        found.append(f"Fewer than {FEW} {name} rows each in {len(rare)} of {len(labels)} classes: {which}.")
    if counts.max() > 0.8 * len(first):
        found.append(f"{counts.max() / len(first):.0%} of the {name} rows are of one class: compare with chance.")
    return found


def _gaps(name: str, parts: Mapping[str, MultimodalDataset]) -> list[str]:
    shares = {part: float((~rows.present[name]).mean()) for part, rows in parts.items() if len(rows)}
    said = " and ".join(f"{share:.0%} of the {part} rows" for part, share in shares.items())
    if any(share > MOST for share in shares.values()):
        return [f"missing in {said}"]
    if np.ptp([*shares.values(), *list(shares.values())[:1]]) > 0.1:
        return [f"not missing alike: in {said}"]
    return []


def _features(name: str, rows: MultimodalDataset) -> list[str]:
    x = rows.modalities[name][rows.present[name]]
    x = x.reshape(len(x), int(np.prod(x.shape[1:])))  # -1 fails where no row has it
    found = []
    if x.shape[1] > 10 * len(rows):
        found.append(f"{x.shape[1]} numbers a sample and only {len(rows)} rows")
    # Padding of sequences is arbitrary, it says nothing about the features.
    if name not in rows.lengths and len(x) > 1:
        still = float((x == x[0]).all(0).mean())
        if still > MOST:
            found.append(f"{still:.0%} of its numbers never vary")
    return found
