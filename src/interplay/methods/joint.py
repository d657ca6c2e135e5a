"""Joint learning: one head on the concatenated embeddings."""

from collections.abc import Mapping

import torch
from torch import nn

from interplay.methods._base import Batch, Loss, Method, Output, Stage, any_present, cross_entropy


class Joint(Method):
    r"""Concatenate the embeddings and classify them with one head.

    .. math:: \text{logits} = W\,[z_1; \dots; z_M] + b, \qquad L = \mathrm{CE}(\text{logits}, y)

    A modality that is absent is replaced by the training mean of its features before its encoder (mean filling); rows
    with nothing present get the class prior. It sees every kind of interaction, but the faster modality can keep the
    slower one from being learned.

    Args:
        dropout: dropout on the concatenated embedding.
    """

    min_modalities = 1

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the head."""
        width = sum(widths.values())
        self.head = nn.Sequential(nn.GELU(), nn.Dropout(self.dropout), nn.Linear(width, n_classes))

    def forward(self, batch: Batch) -> Output:
        """Fused logits."""
        logits = self.head(torch.cat(list(self.encode(batch).values()), -1))
        return Output(self.with_prior(logits, any_present(batch)))

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy of the fused logits."""
        total = cross_entropy(output.logits, batch.target)
        return Loss(total, {"fused": total})
