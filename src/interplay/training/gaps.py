"""Modality dropout: training rows lose modalities by a pattern, anew in every epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from interplay.data import MultimodalDataset
from interplay.data.missing import Pattern


@dataclass(frozen=True)
class Gaps:
    """A pattern and the training rows it is drawn for, in the order of the training batch.

    Attributes:
        pattern: what goes missing.
        dataset: the training part, with target and values for patterns that depend on them.
    """

    pattern: Pattern
    dataset: MultimodalDataset

    def draw(self, seed: int) -> dict[str, Tensor]:
        """What is left of all rows, name to bool ``(n,)``."""
        data, rng = self.dataset, np.random.default_rng(seed)
        masks = self.pattern.draw(data.present, rng, target=data.target, modalities=data.modalities)
        return {name: torch.from_numpy(mask.copy()) for name, mask in masks.items()}
