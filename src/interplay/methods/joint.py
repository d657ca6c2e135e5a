"""Joint learning: one head on the concatenated embeddings."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn

from interplay.methods._base import Batch, Loss, Method, Output, Stage, any_present, cross_entropy


class Joint(Method):
    r"""Concatenate the embeddings and classify them with one head.

    .. math:: \text{logits} = h([z_1; \dots; z_M]), \qquad L = \mathrm{CE}(\text{logits}, y)

    with :math:`h` a perceptron of one hidden layer. (A linear :math:`h`, ``hidden=0``, is what much of the literature
    calls joint learning; it is a sum of one function a modality and so cannot form synergy: XOR stays at chance.)

    A modality that is absent is replaced by the training mean of its features before its encoder (mean filling); rows
    with nothing present get the class prior. It sees every kind of interaction, but the faster modality can keep the
    slower one from being learned.

    Args:
        hidden: width of the head's hidden layer; 0 for a linear head.
        dropout: dropout before each linear layer of the head.
    """

    min_modalities = 1

    def __init__(self, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = hidden
        self.dropout = dropout

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the head."""
        width = sum(widths.values())
        sizes = [width, self.hidden, n_classes] if self.hidden else [width, n_classes]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.GELU(), nn.Dropout(self.dropout), nn.Linear(before, after)]
        self.head = nn.Sequential(*layers)

    def forward(self, batch: Batch) -> Output:
        """Fused logits."""
        logits = self.head(torch.cat(list(self.encode(batch).values()), -1))
        return Output(self.with_prior(logits, any_present(batch)))

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy of the fused logits."""
        total = cross_entropy(output.logits, batch.target)
        return Loss(total, {"fused": total})
