"""Batches of an epoch: in a new order, and with new gaps (modality dropout) where they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from interplay.data import MultimodalDataset
from interplay.data.missing import Pattern
from interplay.methods import Batch


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

    def sample(self, at_least: int = 10_000) -> Batch:
        """Masks of so many rows, in draws of their own: what training is to expect."""
        draws = [self.draw(seed) for seed in range(-(-at_least // len(self.dataset)))]
        return Batch({}, {name: torch.cat([draw[name] for draw in draws]) for name in draws[0]})


class Batches:
    """Shuffled slices of tensors in memory, each ``repeat`` times; a new order every epoch from its own generator.

    New gaps, too, for all rows at once and from the same generator: they depend neither on the size of a batch nor on
    whether the run was interrupted.
    """

    def __init__(
        self, data: Batch, size: int, generator: torch.Generator, repeat: int = 1, gaps: Gaps | None = None
    ) -> None:
        self.data, self.size, self.generator, self.repeat, self.gaps = data, size, generator, repeat, gaps

    def __len__(self) -> int:
        return -(-len(self.data) // self.size) * self.repeat

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.data), generator=self.generator)
        device = next(iter(self.data.present.values())).device
        left = None
        if self.gaps is not None:
            left = self.gaps.draw(int(torch.randint(2**62, (), generator=self.generator)))
        for rows in torch.split(order, self.size):
            batch = self.data[rows.to(device)].attach(row=rows.to(device))
            if left is not None:
                batch = batch.with_present({name: mask[rows].to(device) for name, mask in left.items()})
            for _ in range(self.repeat):
                yield batch
