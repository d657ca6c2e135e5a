"""I2M2: the product of single-modality and joint predictors."""

import copy
from collections.abc import Mapping
from typing import ClassVar

import torch

from interplay.methods._base import Stage, cross_entropy
from interplay.methods._fusion import MultiHead, unimodal_losses
from interplay.methods._limits import Limits
from interplay.methods._values import Batch, Loss, Output, all_present, any_present


class I2M2(MultiHead):
    r"""Model what is in each modality and what is between them by separate experts, and multiply them.

    Any of them may be useless on a data set; the product is then carried by the others.

    .. math:: \log p(y \mid x) = \sum_{m \in A} \log p_m(y \mid x_m) + [A = \text{all}] \log p_J(y \mid x_1, \dots, x_M)
              + \text{const}

    First half of the epochs: every expert by its own cross-entropy; second half: the cross-entropy of the product.
    An expert whose modality is absent is left out, the joint one where any is.

    Args:
        shared_encoders: the joint expert reads the embeddings of the modalities' own experts. Published, and the
            default: it has encoders of its own, so that no expert pulls on another's; twice the encoders.

    Reference:
        Madaan et al., Jointly Modeling Inter- and Intra-Modality Dependencies for Multi-modal Learning, NeurIPS 2024.
    """

    tasks = ("classification",)

    limits: ClassVar[Limits] = {**MultiHead.limits, "shared_encoders": (False, True)}

    def __init__(self, shared_encoders: bool = False, hidden: int = 64) -> None:
        super().__init__(hidden=hidden)
        self.shared_encoders = shared_encoders

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads and the joint expert's encoders."""
        super().build_parts(widths, n_classes)
        self.joint_encoders = None if self.shared_encoders else copy.deepcopy(self.encoders)

    def stages(self, max_epochs: int) -> list[Stage]:
        """Experts alone, then their product."""
        first = max(1, max_epochs // 2)
        return [Stage("experts", first), Stage("product", max(1, max_epochs - first))]

    def forward(self, batch: Batch) -> Output:
        """Logits of the product."""
        own = self.encode(batch)
        together = own if self.joint_encoders is None else self.encode(batch, self.joint_encoders)
        output = self.fuse(together, batch, alone=own)
        output.latents["joint"] = output.logits
        experts = [(f, batch.present[name]) for name, f in output.unimodal.items()]
        experts.append((output.logits, all_present(batch)))
        product = torch.stack([f.log_softmax(-1) * there[:, None] for f, there in experts]).sum(0)
        output.logits = self.with_prior(product, any_present(batch))
        return output

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropies of the experts, then of the product."""
        if stage.name == "product":
            total = cross_entropy(output.logits, batch.target)
            return Loss(total, {"product": total})
        together = cross_entropy(output.latents["joint"], batch.target, all_present(batch))
        parts = {"joint": together, **unimodal_losses(self, output, batch)}
        return Loss(torch.stack(list(parts.values())).sum(), parts)
