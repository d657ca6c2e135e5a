"""QMF: quality-aware multimodal fusion."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from interplay.methods._base import SearchSpace, Stage, cross_entropy
from interplay.methods._fusion import LinearFusion, unimodal_losses
from interplay.methods._limits import NONNEGATIVE, Limits
from interplay.methods._values import Batch, Loss, Output


class QMF(LinearFusion):
    r"""Weight each modality's logits, sample by sample, by its confidence.

    A ranking loss ties that confidence to how easily the modality has been learning the sample.

    .. math:: f = \sum_m \mathrm{stop}(e_m) f_m, \quad e_m = \tfrac{1}{10} \log \sum_c e^{f_{m,c}}, \quad
              L = \mathrm{CE}(f) + \sum_m \mathrm{CE}(f_m) + \sum_m \mathrm{rank}_m

    For sample :math:`i` and its neighbour :math:`j` in the batch with mean losses so far :math:`h_i < h_j` (scaled to
    0..1), :math:`\mathrm{rank}` is the hinge of :math:`e_i - e_j` below the margin :math:`h_j - h_i`. The mean is over
    the visits in which the sample had the modality (published: the sum, which with gaps counts visits); samples without
    any are not ranked. Log-sum-exp replaces the published exp-sum-log, which overflows. Absent modalities have weight
    zero.

    Args:
        rank: weight of the ranking loss.

    Reference:
        Zhang et al., Provable Dynamic Fusion for Low-Quality Multimodal Data, ICML 2023.
    """

    keeps = ("accumulated",)

    limits: ClassVar[Limits] = {"rank": NONNEGATIVE}
    search_space: ClassVar[SearchSpace] = {"rank": (0.1, 3.0, "log")}

    def __init__(self, rank: float = 1.0) -> None:
        super().__init__()
        self.rank = rank

    def begin_stage(self, stage: Stage) -> None:
        """Forget the losses of the training rows."""
        super().begin_stage(stage)
        self.accumulated: dict[str, Tensor] = {}

    def combine(self, logits: Mapping[str, Tensor]) -> Tensor:
        """Sum of logits weighted by energy."""
        return torch.stack([energy(f).detach()[:, None] * f for f in logits.values()]).sum(0)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy fused and alone, and the ranking of confidences."""
        own = unimodal_losses(self, output, batch)
        fused = cross_entropy(output.logits, batch.target)
        ranks: dict[str, Tensor] = {}
        if "row" in batch.extra:
            ranks = {f"rank:{name}": self._rank(name, f, batch) for name, f in output.unimodal.items()}
            self._remember(output, batch)
        total = fused + sum(own.values()) + self.rank * sum(ranks.values())
        return Loss(total, {"fused": fused, **own, **ranks})

    def _rank(self, name: str, logits: Tensor, batch: Batch) -> Tensor:
        assert "row" in batch.extra
        total, visits = self._history(name, batch.extra["row"])
        seen = visits > 0
        if not seen.any():
            return logits.new_zeros(())
        mean = total / visits
        low, high = mean[seen].min(), mean[seen].max()
        h = ((mean - low) / (high - low).clamp(min=1e-12)).nan_to_num()[batch.extra["row"]]
        e, known = energy(logits), batch.present[name] & seen[batch.extra["row"]]
        gap = h.roll(-1) - h
        hinge = (gap.abs() - gap.sign() * (e - e.roll(-1))).clamp(min=0) * (gap != 0)
        both = known & known.roll(-1)
        return (hinge * both).sum() / both.sum().clamp(min=1)

    @torch.no_grad()
    def _remember(self, output: Output, batch: Batch) -> None:
        assert "row" in batch.extra
        assert batch.target is not None
        for name, logits in output.unimodal.items():
            losses = torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")
            there = batch.present[name].to(losses)
            found = torch.stack([losses * there, there])
            self._history(name, batch.extra["row"]).index_add_(1, batch.extra["row"], found)

    def _history(self, name: str, rows: Tensor) -> Tensor:
        """Sum of losses and number of visits ``(2, n)`` by training row, grown as rows are seen."""
        known = self.accumulated.get(name, rows.new_zeros((2, 0), dtype=torch.float32))
        lacking = int(rows.max()) + 1 - known.shape[1]
        if lacking > 0:
            known = torch.cat([known, known.new_zeros(2, lacking)], 1)
        self.accumulated[name] = known
        return known


def energy(logits: Tensor) -> Tensor:
    """Confidence ``(B,)`` of logits ``(B, K)``; zero logits, as of absent modalities, count for nothing in a sum."""
    return logits.logsumexp(-1) / 10
