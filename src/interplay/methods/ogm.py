"""OGM-GE: on-the-fly gradient modulation with generalisation enhancement."""

from typing import ClassVar

import torch

from interplay.methods._base import ANY_TASK, SearchSpace, Stage
from interplay.methods._fusion import LinearFusion, mean_of_others, scores
from interplay.methods._limits import NONNEGATIVE, Limits
from interplay.methods._values import Batch, Output


class OGM(LinearFusion):
    r"""Slow the encoder of whichever modality is ahead, and add noise of the gradient's own size.

    With :math:`s_m` the mean probability that modality :math:`m` gives the true class and :math:`r_m = s_m /
    \mathrm{mean}_{n \ne m} s_n`, encoder gradients become

    .. math:: g \leftarrow k_m\, g + \varepsilon, \quad
              k_m = \begin{cases} 1 - \tanh(\alpha r_m) & r_m > 1 \\ 1 & \text{else} \end{cases}, \quad
              \varepsilon \sim N(0, \mathrm{sd}(g)^2)

    for weights of two and more dimensions; sd is that of the gradient before it is scaled. A modality that no row of
    the batch has counts for nobody. Any number of modalities (published: two); the loss is the cross-entropy of
    the summed logits. An adaptive optimiser divides a constant factor out again, so under AdamW the modulation acts
    through its changes over time only; it was published for plain SGD. Regression: :math:`s_m` is the mean of
    :math:`e^{-\ell_m}`, with a classifier's cross-entropy as the loss the same as above.

    Args:
        alpha: strength of the modulation.
        enhance: add the noise.

    Reference:
        Peng et al., Balanced Multimodal Learning via On-the-fly Gradient Modulation, CVPR 2022.
    """

    tasks = ANY_TASK

    limits: ClassVar[Limits] = {"alpha": NONNEGATIVE}
    search_space: ClassVar[SearchSpace] = {"alpha": (0.1, 1.0, "linear")}

    def __init__(self, alpha: float = 0.8, enhance: bool = True) -> None:
        super().__init__()
        self.alpha = alpha
        self.enhance = enhance

    def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
        """Scale the encoders' gradients."""
        s = scores(self, output, batch)
        ratio = s / mean_of_others(s)
        factors = torch.where(ratio > 1, 1 - torch.tanh(self.alpha * ratio), 1.0)
        for factor, (_, encoder) in zip(factors, self.encoders.items(), strict=True):
            for p in encoder.parameters():
                if p.grad is None or p.ndim < 2:
                    continue
                noise = torch.randn_like(p.grad) * p.grad.std() if self.enhance and p.numel() > 1 else 0.0
                p.grad = factor * p.grad + noise
