"""Fusion heads: from one embedding a modality to logits."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class ConcatHead(nn.Module):
    """Perceptron on the concatenation, with one hidden layer or (``hidden=0``) none."""

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [sum(widths), hidden, n_classes] if hidden else [sum(widths), n_classes]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.GELU(), nn.Dropout(dropout), nn.Linear(before, after)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Sequence[Tensor]) -> Tensor:
        """Logits ``(B, K)`` from one ``(B, width)`` a modality."""
        return self.layers(torch.cat(list(z), -1))


class MappedHead(nn.Module, ABC):
    r"""A map of each modality to ``hidden``, a combination that subclasses define, and a linear map to logits.

    In the equations of the subclasses :math:`x_m = \mathrm{GELU}(z_m)`, and every map has a bias: :math:`V_m x_m` is
    short for :math:`V_m x_m + v_m`.
    """

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.values = self._maps(widths, hidden)
        self.output = nn.Linear(hidden, n_classes)
        self.dropout = nn.Dropout(dropout)

    def _maps(self, widths: Sequence[int], hidden: int) -> nn.ModuleList:
        return nn.ModuleList([nn.Linear(width, hidden) for width in widths])

    def forward(self, z: Sequence[Tensor]) -> Tensor:
        """Logits ``(B, K)`` from one ``(B, width)`` a modality."""
        z = [nn.functional.gelu(x) for x in z]
        return self.output(self.dropout(self.combine(_apply(self.values, z), z)))

    @abstractmethod
    def combine(self, values: Tensor, z: Sequence[Tensor]) -> Tensor:
        """``(B, hidden)`` from the mapped modalities ``(M, B, hidden)`` and the embeddings."""


class SumHead(MappedHead):
    r""":math:`W \sum_m V_m x_m`: a sum of one function a modality, so it cannot form synergy."""

    def combine(self, values: Tensor, z: Sequence[Tensor]) -> Tensor:
        """Sum."""
        return values.sum(0)


class GatedHead(MappedHead):
    r""":math:`W \sum_m \sigma(\sum_{n \ne m} U_n x_n) \odot V_m x_m`: the others open and close each modality.

    After Kiela et al., Efficient Large-Scale Multi-Modal Classification, AAAI 2018: their gate in all directions.
    """

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(widths, n_classes, hidden, dropout)
        self.gates = self._maps(widths, hidden)

    def combine(self, values: Tensor, z: Sequence[Tensor]) -> Tensor:
        """Sum of gated values."""
        return (_others(_apply(self.gates, z)).sigmoid() * values).sum(0)


class FilmHead(MappedHead):
    r""":math:`W \sum_m [(1 + \gamma_m) \odot V_m x_m + \beta_m]`: the others scale and shift each modality.

    :math:`\gamma_m = \sum_{n \ne m} G_n x_n` and :math:`\beta_m = \sum_{n \ne m} B_n x_n`. After Perez et al., FiLM:
    Visual Reasoning with a General Conditioning Layer, AAAI 2018.
    """

    def __init__(self, widths: Sequence[int], n_classes: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(widths, n_classes, hidden, dropout)
        self.scales = self._maps(widths, hidden)
        self.shifts = self._maps(widths, hidden)

    def combine(self, values: Tensor, z: Sequence[Tensor]) -> Tensor:
        """Sum of scaled and shifted values."""
        scales, shifts = (_others(_apply(maps, z)) for maps in (self.scales, self.shifts))
        return ((1 + scales) * values + shifts).sum(0)


class LowRankHead(MappedHead):
    r""":math:`W \bigodot_m V_m x_m`: a tensor of all orders of interaction in rank ``hidden``.

    The biases of the maps are what brings in the lower orders. After Liu et al., Efficient Low-rank Multimodal Fusion
    with Modality-Specific Factors, ACL 2018.
    """

    def combine(self, values: Tensor, z: Sequence[Tensor]) -> Tensor:
        """Product."""
        return values.prod(0)


HEADS: dict[str, type[nn.Module]] = {
    "concat": ConcatHead,
    "sum": SumHead,
    "gated": GatedHead,
    "film": FilmHead,
    "lowrank": LowRankHead,
}


def _apply(maps: nn.ModuleList, z: Sequence[Tensor]) -> Tensor:
    return torch.stack([part(x) for part, x in zip(maps, z, strict=True)])


def _others(stacked: Tensor) -> Tensor:
    """For each modality the sum of the others."""
    return stacked.sum(0) - stacked
