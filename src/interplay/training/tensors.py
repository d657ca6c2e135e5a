"""From data sets to tensors."""

import numpy as np
import torch
from torch import Tensor

from interplay.data import MultimodalDataset
from interplay.methods import Batch


def to_batch(dataset: MultimodalDataset, target: np.ndarray | None = None) -> Batch:
    """Float tensors in memory, with zeros under false masks and in padding.

    This is the only door from data to networks, so what a masked value holds cannot reach a model.

    Args:
        dataset: any data set.
        target: class codes ``(n,)``, or None.
    """
    present = {name: torch.from_numpy(mask.copy()) for name, mask in dataset.present.items()}
    lengths = {name: torch.from_numpy(n.astype(np.int64)) for name, n in dataset.lengths.items()}
    modalities = {}
    for name, values in dataset.modalities.items():
        x = torch.from_numpy(values.astype(np.float32))
        modalities[name] = _blank(x, present[name], lengths.get(name))
        if name in lengths:
            lengths[name] = lengths[name] * present[name]
    return Batch(modalities, present, lengths, None if target is None else torch.from_numpy(target))


def _blank(x: Tensor, present: Tensor, lengths: Tensor | None) -> Tensor:
    """Set masked rows and padding to zero; multiplication would keep NaN, so fill."""
    x[~present] = 0
    if lengths is not None:
        x.masked_fill_(~valid_steps(x, lengths).reshape(*x.shape[:2], *[1] * (x.ndim - 2)), 0)
    return x


def valid_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """Bool ``(n, L)``: which steps of a padded sequence are real."""
    return torch.arange(x.shape[1]) < lengths[:, None]
