"""OPM: on-the-fly prediction modulation."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from interplay.methods._base import ANY_TASK, SearchSpace, Stage
from interplay.methods._fusion import LinearFusion, mean_of_others, scores
from interplay.methods._limits import NONNEGATIVE, Limits, Range
from interplay.methods._values import Batch, Loss, Output


class OPM(LinearFusion):
    r"""Drop the feature of whichever modality is ahead from a random part of the samples, so the others must answer.

    With :math:`r_m = s_m / \mathrm{mean}_{n \ne m} s_n` as in OGM, from the step before,

    .. math:: q_m = q\,(1 + \lambda \tanh r_m)\ \text{if}\ r_m > 1,\ \text{else}\ 0, \qquad L = \mathrm{CE}(f)

    and each sample loses modality :math:`m`'s logits with probability :math:`q_m` in training, but never its last one.
    Scores are read before dropping; a modality that no row of the batch has counts for nobody and drops nothing. The
    public code drops the feature, here the summand goes with its bias. (One public toolkit computes the ratio in place,
    so that the second modality is compared with an already divided score.)

    Args:
        base: :math:`q`.
        scale: :math:`\lambda`.

    Reference:
        Wei et al., On-the-fly Modulation for Balanced Multimodal Learning, TPAMI 2024.
    """

    tasks = ANY_TASK

    keeps = ("rates",)

    limits: ClassVar[Limits] = {"base": Range(0, 1), "scale": NONNEGATIVE}
    search_space: ClassVar[SearchSpace] = {"base": (0.05, 0.5, "linear"), "scale": (0.3, 3.0, "log")}

    def __init__(self, base: float = 0.25, scale: float = 1.0) -> None:
        super().__init__()
        self.base = base
        self.scale = scale

    def begin_stage(self, stage: Stage) -> None:
        """Nothing is dropped in the first step."""
        super().begin_stage(stage)
        self.rates: Tensor | None = None

    def combine(self, logits: Mapping[str, Tensor]) -> Tensor:
        """Sum of what is left after dropping."""
        stacked = torch.stack(list(logits.values()))
        if not self.training or self.rates is None:
            return stacked.sum(0)
        dropped = torch.rand(stacked.shape[:2], device=stacked.device) < self.rates[:, None]
        # An absent modality has zero logits; a row that would lose all it has keeps them.
        there = stacked.abs().sum(-1) > 0
        dropped &= (there & ~dropped).any(0)
        return (stacked * ~dropped[..., None]).sum(0)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy (regression: its loss) of the fused logits; sets the rates of the next step."""
        if self.training:
            s = scores(self, output, batch)
            ratio = s / mean_of_others(s)
            rates = self.base * (1 + self.scale * torch.tanh(ratio))
            self.rates = torch.where(ratio > 1, rates, 0.0).clamp(max=1)
        total = self.target_loss(output.logits, batch.target)
        return Loss(total, {"fused": total})
