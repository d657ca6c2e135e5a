"""AGM: adaptive gradient modulation."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from interplay.methods._base import SearchSpace, Stage
from interplay.methods._fusion import mean_of_others
from interplay.methods._limits import NONNEGATIVE, Limits
from interplay.methods._values import Batch, Output
from interplay.methods.joint import Joint


class AGM(Joint):
    r"""Keep each modality at the pace it has had on average, for any fusion head.

    An encoder that runs ahead of its long-run lead is slowed, one that falls behind is sped up. What a modality says is
    its Shapley value in the game whose players are the modalities and whose worth are the fused logits:

    .. math:: \phi_m = \sum_{S \not\ni m} \frac{|S|!\,(M - |S| - 1)!}{M!} \big[ f(S \cup m) - f(S) \big], \quad
              \sum_m \phi_m = f(\text{all}) - f(\emptyset)

    with the training mean in place of modalities outside the set. With :math:`c_m` the cross-entropy (regression: the
    loss) of :math:`f(\emptyset) + \phi_m` and :math:`C_m` its running mean over all steps,

    .. math:: r_m = \exp(\mathrm{mean}_{n \ne m} c_n - c_m), \quad
              r^*_m = \exp(\mathrm{mean}_{n \ne m} C_n - C_m), \quad
              k_m = \exp(\alpha \min(r^*_m - r_m, 10))

    and the gradients of encoder :math:`m` are multiplied by :math:`k_m`; the head's are left as they are (public code
    scales the responses on their way back, so that the head's part of each is scaled, too). A modality that no row of
    the batch has is neither judged nor compared with. One of two public implementations has the sign
    of the exponent in :math:`r` reversed, which speeds up the leader; this is the one that slows it, a choice by
    argument that was not checked against the paper. Cost: the head is evaluated :math:`2^M` times a step, without
    gradient.

    Args:
        alpha: strength of the modulation.
        fusion: the head, as in :class:`Joint`.
        hidden: width of its hidden layer.

    Reference:
        Li et al., Boosting Multi-modal Model Performance with Adaptive Gradient Modulation, ICCV 2023.
    """

    min_modalities = 2
    max_modalities = 10

    keeps = ("steps", "pace")

    limits: ClassVar[Limits] = {**Joint.limits, "alpha": NONNEGATIVE}
    search_space: ClassVar[SearchSpace] = {"alpha": (0.2, 2.0, "log")}

    def __init__(self, alpha: float = 1.0, fusion: str = "concat", hidden: int = 64) -> None:
        super().__init__(fusion=fusion, hidden=hidden)
        self.alpha = alpha

    def begin_stage(self, stage: Stage) -> None:
        """Forget the pace."""
        super().begin_stage(stage)
        self.steps: Tensor | float = 0.0
        self.pace: Tensor | float = torch.nan

    def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
        """Scale the encoders' gradients, then update the running means."""
        said = self.responses(output.latents["z"], batch)
        losses = torch.stack([self._own_loss(f, batch, name) for name, f in said.items()])
        pace, steps = torch.zeros_like(losses) + self.pace, torch.zeros_like(losses) + self.steps
        ratio, usual = (torch.exp(mean_of_others(c) - c) for c in (losses, pace))
        # Before there is a pace, all are expected to be even.
        factors = torch.exp(self.alpha * (usual.nan_to_num(1.0) - ratio).clamp(max=10)).nan_to_num(1.0)
        for factor, (_, encoder) in zip(factors, self.encoders.items(), strict=True):
            for p in encoder.parameters():
                if p.grad is not None:
                    p.grad = factor * p.grad
        seen = ~losses.isnan()
        self.pace = torch.where(seen, (pace.nan_to_num(0.0) * steps + losses) / (steps + 1), pace)
        self.steps = steps + seen

    @torch.no_grad()
    def _own_loss(self, logits: Tensor, batch: Batch, name: str) -> Tensor:
        """What the modality's answer costs over the rows that have it; NaN where none does."""
        present = batch.present[name]
        loss = self.target_loss(logits, batch.target, present)
        return torch.where(present.any(), loss, torch.nan)

    @torch.no_grad()
    def responses(self, z: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """What each modality says: the head's answer to nothing plus the modality's Shapley value, ``(B, K)``.

        The value of an absent modality is exactly zero.
        """
        nothing = batch[:1].with_present({name: torch.zeros_like(batch.present[name][:1]) for name in z})
        # As at prediction, and safe for layers that need more than one row in training.
        training = self.encoders.training
        self.encoders.eval()
        means = self.encode(nothing)
        self.encoders.train(training)
        # Mixed precision ends with the backward pass: embeddings may be in 16 bits, the head is in 32.
        z = {name: x.to(means[name]) for name, x in z.items()}
        names, n = list(z), len(z)
        worth = [
            self.head([z[m] if subset >> i & 1 else means[m].expand_as(z[m]) for i, m in enumerate(names)])
            for subset in range(2**n)
        ]
        found = {}
        for i, name in enumerate(names):
            without = [subset for subset in range(2**n) if not subset >> i & 1]
            found[name] = worth[0] + sum(
                (worth[subset | 1 << i] - worth[subset]) / (n * math.comb(n - 1, subset.bit_count()))
                for subset in without
            )
        return found
