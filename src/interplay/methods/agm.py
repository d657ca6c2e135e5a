"""AGM: adaptive gradient modulation."""

import torch
from torch import Tensor

from interplay.methods._base import ANY_TASK, Batch, Output, Stage
from interplay.methods._fusion import LinearFusion, mean_of_others, unimodal_losses


class AGM(LinearFusion):
    r"""Keep each modality at the pace it has had on average.

    An encoder that runs ahead of its long-run lead is slowed, one that falls behind is sped up.
    With :math:`c_m` the cross-entropy of modality :math:`m`'s logits, :math:`C_m` its running mean and

    .. math:: r_m = \exp(\mathrm{mean}_{n \ne m} c_n - c_m), \quad
              r^*_m = \exp(\mathrm{mean}_{n \ne m} C_n - C_m), \quad
              k_m = \exp(\alpha \min(r^*_m - r_m, 10))

    the gradients of encoder :math:`m` are multiplied by :math:`k_m`. One of two public implementations has the sign of
    the exponent in :math:`r` reversed, which speeds up the leader; this is the one that slows it. Single-modality
    logits are the linear summands (Shapley-style differences, as in the paper, are the same for a linear head).
    Regression: :math:`c_m` is its loss.

    Args:
        alpha: strength of the modulation.

    Reference:
        Li et al., Boosting Multi-modal Model Performance with Adaptive Gradient Modulation, ICCV 2023.
    """

    tasks = ANY_TASK

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def begin_stage(self, stage: Stage) -> None:
        """Forget the pace."""
        super().begin_stage(stage)
        self.steps = 0
        self.pace: Tensor | float = 0.0

    def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
        """Scale the encoders' gradients, then update the running means."""
        losses = torch.stack(list(unimodal_losses(self, output, batch).values())).detach()
        pace = torch.zeros_like(losses) + self.pace
        ratio, usual = (torch.exp(mean_of_others(c) - c) for c in (losses, pace))
        factors = torch.exp(self.alpha * (usual - ratio).clamp(max=10))
        for factor, (_, encoder) in zip(factors, self.encoders.items(), strict=True):
            for p in encoder.parameters():
                if p.grad is not None:
                    p.grad = factor * p.grad
        self.pace = (pace * self.steps + losses) / (self.steps + 1)
        self.steps += 1
