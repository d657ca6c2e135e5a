"""PMR: prototypical modality rebalance."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from interplay.methods._base import SearchSpace, Stage, cross_entropy
from interplay.methods._fusion import LinearFusion
from interplay.methods._limits import FRACTION, NONNEGATIVE, Limits
from interplay.methods._values import Batch, Loss, Output


class PMR(LinearFusion):
    r"""Pull the embeddings of lagging modalities to their class means.

    Class means classify, too; modalities that do so worse than the best get that cross-entropy as an extra loss, and so
    learn clustered embeddings without waiting for the fused head.

    With :math:`\mu_{m,c}` the class means over the training rows after each epoch, :math:`d_m = -\lVert z_m - \mu_m
    \rVert` as logits and :math:`s_m` the mean probability they give the true class,

    .. math:: L = \mathrm{CE}(f) + \alpha \sum_m \min\!\big(1, \max_n s_n / s_m - 1\big)\, \mathrm{CE}(d_m)
              - \mu \sum_m \min\!\big(1, s_m / \min_n s_n - 1\big)\, H(\mathrm{softmax}\, d_m)

    The last term keeps a leading modality from making up its mind early. Means are over all training rows, with the
    momentum that one public implementation intends and never uses. The first epoch has no means yet. Class means,
    :math:`s_m` and both terms of a modality are over the rows that have it; one that no row of a batch has takes no
    part.

    Args:
        alpha: weight of the prototype losses.
        entropy: :math:`\mu`; 0 as in public code (the paper has the term, its weight is not known to us).
        momentum: share of the old class means that is kept after each epoch.

    Reference:
        Fan et al., PMR: Prototypical Modal Rebalance for Multimodal Learning, CVPR 2023.
    """

    keeps = ("prototypes",)

    limits: ClassVar[Limits] = {"alpha": NONNEGATIVE, "momentum": FRACTION, "entropy": NONNEGATIVE}
    search_space: ClassVar[SearchSpace] = {"alpha": (0.1, 3.0, "log"), "momentum": (0.1, 0.9, "linear")}

    def __init__(self, alpha: float = 1.0, momentum: float = 0.5, entropy: float = 0.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.momentum = momentum
        self.entropy = entropy

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads."""
        super().build_parts(widths, n_classes)
        self.n_classes = n_classes

    def begin_stage(self, stage: Stage) -> None:
        """Forget the class means."""
        super().begin_stage(stage)
        self.prototypes: dict[str, Tensor] = {}

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Class means of all training rows; NaN for a class that no row with the modality has."""
        encoded = [(chunk, self.encode(chunk)) for chunk in training.chunks(1024)]
        for name in self.encoders:
            z = torch.cat([found[name][chunk.present[name]] for chunk, found in encoded])
            y = torch.cat([chunk.target[chunk.present[name]] for chunk, _ in encoded if chunk.target is not None])
            sums = z.new_zeros(self.n_classes, z.shape[1]).index_add(0, y, z)
            means = sums / torch.bincount(y, minlength=self.n_classes)[:, None]
            old = self.prototypes.get(name, means)
            self.prototypes[name] = self.momentum * old + (1 - self.momentum) * means

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy of the fused logits and of the distances to class means, by lag; entropy of those, by lead."""
        assert batch.target is not None
        parts = {"fused": cross_entropy(output.logits, batch.target)}
        if not self.prototypes:
            return Loss(parts["fused"], parts)
        losses, entropies, found = [], [], []
        for name, z in output.latents["z"].items():
            # Distances by the squared norm plus a floor: the plain norm has no gradient at a prototype.
            means = self.prototypes[name]
            distance = (z[:, None] - means.nan_to_num()).square().sum(-1).add(1e-8).sqrt()
            logits = (-distance).masked_fill(means.isnan().any(1), -1e4)
            present = batch.present[name]
            p = logits.detach().softmax(-1).gather(1, batch.target[:, None])[:, 0]
            found.append((p * present).sum() / present.sum().clamp(min=1))
            losses.append(cross_entropy(logits, batch.target, present))
            log_p = logits.log_softmax(-1)
            entropies.append((-(log_p.exp() * log_p).sum(-1) * present).sum() / present.sum().clamp(min=1))
            parts[f"prototype:{name}"] = losses[-1]
        s = torch.stack(found).clamp(min=1e-8)
        # A modality that no row of the batch has is right with chance 0, but the others do not lead for that.
        there = torch.stack([batch.present[name].any() for name in output.latents["z"]])
        lowest = s.masked_fill(~there, 1).min()
        lag, lead = (s.max() / s - 1).clamp(max=1), (s / lowest - 1).clamp(0, 1)
        pulled = self.alpha * (lag * torch.stack(losses)).sum()
        parts["entropy"] = (lead * torch.stack(entropies)).sum()
        return Loss(parts["fused"] + pulled - self.entropy * parts["entropy"], parts)
