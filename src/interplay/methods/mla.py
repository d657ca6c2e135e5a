"""MLA: multimodal learning with alternating unimodal adaptation."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from interplay.methods._base import Method, SearchSpace, Stage, cross_entropy
from interplay.methods._limits import COUNT, POSITIVE, Limits
from interplay.methods._values import Batch, Loss, Output, any_present
from interplay.nn import ByName


class MLA(Method):
    r"""Train one modality at a time through a head that all share.

    The head keeps what the modalities before have taught it: their mean features are removed from its gradient.

    Step :math:`t` of a batch trains modality :math:`m = t`: :math:`L = \mathrm{CE}(W z_m)`, then, with :math:`r` the
    mean feature of the batch,

    .. math:: \nabla W \leftarrow \nabla W\, P, \qquad P \leftarrow P - \frac{P r\, (P r)^\top}{\alpha + r^\top P r}

    (recursive least squares; P is the identity at the start of an epoch). Prediction sums the logits of the present
    modalities weighted by the softmax of their negative entropies. Of two public implementations one never applies the
    projection and the other adds the projected gradient to the plain one; both divide by a matrix instead of the
    scalar, normalise :math:`P` and let :math:`\alpha` decay. Under AdamW only the gradient is confined to what the
    projection leaves, not the step; the head's bias is not protected. Cost: M optimiser steps a batch.

    Args:
        width: width of the shared feature space.
        alpha: regularisation of the projection.

    Reference:
        Zhang et al., Multimodal Representation Learning by Alternating Unimodal Adaptation, CVPR 2024.
    """

    projection: Tensor

    limits: ClassVar[Limits] = {"width": COUNT, "alpha": POSITIVE}
    search_space: ClassVar[SearchSpace] = {"alpha": (0.01, 1.0, "log")}

    def __init__(self, width: int = 64, alpha: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.alpha = alpha

    @property
    def steps_per_batch(self) -> int:
        """One step a modality."""
        return len(self.encoders.names)

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create a map of each modality into the shared space, and the shared head."""
        self.maps = ByName({m: nn.Sequential(nn.GELU(), nn.Linear(w, self.width)) for m, w in widths.items()})
        self.head = nn.Linear(self.width, n_classes)
        self.register_buffer("projection", torch.eye(self.width), persistent=False)
        self.turn = 0

    def begin_stage(self, stage: Stage) -> None:
        """Start with the first modality."""
        super().begin_stage(stage)
        self.turn = 0

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Forget the directions: over many epochs the projection would shrink to nothing."""
        self.projection = torch.eye(self.width, device=self.projection.device)

    def forward(self, batch: Batch) -> Output:
        """Logits of each modality through the shared head, weighted by confidence."""
        features = {name: self.maps[name](z) for name, z in self.encode(batch).items()}
        own = {name: self.head(x) for name, x in features.items()}
        stacked = torch.stack(list(own.values()))
        log_p = stacked.log_softmax(-1)
        certainty = (log_p.exp() * log_p).sum(-1)
        present = torch.stack([batch.present[name] for name in own])
        weights = certainty.masked_fill(~present, -1e9).softmax(0)
        logits = (weights[..., None] * stacked).sum(0)
        unimodal = {name: self.with_prior(f, batch.present[name]) for name, f in own.items()}
        return Output(self.with_prior(logits, any_present(batch)), unimodal, latents={"features": features})

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy of the modality whose turn it is."""
        self.current = self.encoders.names[self.turn % len(self.encoders.names)]
        self.turn += 1
        total = cross_entropy(output.unimodal[self.current], batch.target, batch.present[self.current])
        return Loss(total, {f"head:{self.current}": total})

    @torch.no_grad()
    def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
        """Project the head's gradient, then add this modality's mean feature to the projection."""
        present = batch.present[self.current]
        if self.head.weight.grad is None or not present.any():
            return
        self.head.weight.grad = self.head.weight.grad @ self.projection
        r = output.latents["features"][self.current][present].mean(0).to(self.projection)  # 16 bits if mixed
        k = self.projection @ r
        self.projection = self.projection - torch.outer(k, k) / (self.alpha + r @ k)
