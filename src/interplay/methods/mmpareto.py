"""MMPareto: the Pareto direction of joint and single-modality gradients."""

from typing import ClassVar

import torch
from torch import Tensor

from interplay.methods._base import Stage
from interplay.methods._fusion import MultiHead
from interplay.methods._limits import POSITIVE, Limits
from interplay.methods._values import Batch, Loss, Output


class MMPareto(MultiHead):
    r"""Follow a direction that improves the joint and each modality's own loss.

    Where the two gradients of an encoder conflict, it follows their shortest convex combination, which worsens neither,
    and the step keeps at least the size of the plain sum (but where they are exactly opposite).

    For encoder :math:`m` with gradients :math:`g_J, g_m`: weights :math:`(\tfrac12, \tfrac12)` if
    :math:`\langle g_J, g_m\rangle \ge 0`, else

    .. math:: w_J = \frac{\langle g_m - g_J, g_m \rangle}{\lVert g_J - g_m \rVert^2}, \quad
              h = 2 (w_J g_J + (1 - w_J) g_m), \quad
              g \leftarrow \gamma\, h \max\!\big(1, \lVert g_J + g_m \rVert / \lVert h \rVert\big)

    That is about the gradient: AdamW and gradient clipping divide a constant :math:`\gamma` and most of the rescaling
    out again, and the step of AdamW may oppose one of the two.

    Heads follow the summed loss. :math:`w_J` is not clipped away from 0 and 1, the norm is taken over the whole encoder
    rather than a tensor at a time (a step that is rescaled tensor by tensor need not improve both losses any more). One
    public toolkit never separates the gradients, which leaves three times the plain sum.

    Args:
        gamma: factor on the encoders' gradients.

    Reference:
        Wei and Hu, MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance, ICML 2024.
    """

    limits: ClassVar[Limits] = {**MultiHead.limits, "gamma": POSITIVE}

    def __init__(self, gamma: float = 1.5, hidden: int = 64) -> None:
        super().__init__(hidden=hidden)
        self.gamma = gamma

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Sum of all losses; remembers what the joint one alone asks of the encoders."""
        loss = super().loss(output, batch, stage)
        if self.training:
            weights = [p for p in self.encoders.parameters() if p.requires_grad]
            fused = loss.parts["fused"]
            found = torch.autograd.grad(fused, weights, retain_graph=True, allow_unused=True) if weights else ()
            self.joint_gradients = dict(zip(weights, found, strict=True))
            # Mixed precision scales the loss, and with it the gradients that the backward pass leaves.
            loss.total.register_hook(self._remember_scale)  # type: ignore[no-untyped-call]
        return loss

    def _remember_scale(self, gradient: Tensor) -> None:
        self.loss_scale = gradient

    def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
        """Replace each encoder's gradient."""
        for _, encoder in self.encoders.items():
            weights = [p for p in encoder.parameters() if p.grad is not None]
            if not weights:
                continue
            grads = [p.grad for p in weights if p.grad is not None]
            joint = [_or_zero(self.joint_gradients[p], p) * self.loss_scale for p in weights]
            flat_joint = torch.cat([g.flatten() for g in joint])
            flat_own = torch.cat([g.flatten() for g in grads]) - flat_joint
            step = self.gamma * pareto_direction(flat_joint, flat_own)
            pieces = torch.split(step, [p.numel() for p in weights])
            for p, piece in zip(weights, pieces, strict=True):
                p.grad = piece.reshape(p.shape)
        self.joint_gradients = {}


def pareto_direction(joint: Tensor, own: Tensor) -> Tensor:
    """Combination of two gradients ``(d,)`` that opposes neither, at least as long as their sum."""
    if joint @ own >= 0:
        weight = joint.new_tensor(0.5)
    else:
        weight = ((own - joint) @ own / (joint - own).square().sum().clamp(min=1e-20)).clamp(0, 1)
    direction = 2 * (weight * joint + (1 - weight) * own)
    size = direction.norm()
    # Exactly opposite gradients leave nothing to follow.
    return direction * ((joint + own).norm() / size).clamp(min=1) if size > 1e-12 else direction


def _or_zero(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient
