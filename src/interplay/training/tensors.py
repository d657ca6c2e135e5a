"""From data sets to tensors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.methods import Batch
from interplay.nn import valid_steps


def to_batch(
    dataset: MultimodalDataset,
    target: NDArray[Any] | None = None,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Batch:
    """Float tensors in memory, with zeros under false masks and in padding.

    This is the only door from data to networks, so what a masked value holds cannot reach a model.

    Args:
        dataset: any data set.
        target: class codes or standardised numbers ``(n,)``, or None.
        shapes: shape of a sample by modality, for modalities that are absent in all rows.
    """
    present = {name: torch.from_numpy(mask.copy()) for name, mask in dataset.present.items()}
    lengths = {name: torch.from_numpy(steps.copy()) for name, steps in dataset.lengths.items()}
    modalities = {}
    for name, values in dataset.modalities.items():
        if shapes is not None and not dataset.present[name].any():
            modalities[name] = torch.zeros(len(dataset), *shapes[name])
            continue
        x = torch.from_numpy(values.astype(np.float32).reshape(len(values), *values.shape[1:] or (1,)))
        # Fill, not multiply: a product would keep NaN.
        x[~valid_steps(x, present[name], lengths.get(name))] = 0
        modalities[name] = x
    extra = {}
    if dataset.groups is not None:
        extra["group"] = torch.from_numpy(np.unique(dataset.groups, return_inverse=True)[1].astype(np.int64))
    return Batch(modalities, present, lengths, None if target is None else torch.from_numpy(target), extra=extra)
