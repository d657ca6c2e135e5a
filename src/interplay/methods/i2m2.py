"""I2M2: the product of single-modality and joint predictors."""

import torch

from interplay.methods._base import Stage, cross_entropy
from interplay.methods._fusion import MultiHead, unimodal_losses
from interplay.methods._values import Batch, Loss, Output, all_present, any_present


class I2M2(MultiHead):
    r"""Model what is in each modality and what is between them by separate experts, and multiply them.

    Any of them may be useless on a data set; the product is then carried by the others.

    .. math:: \log p(y \mid x) = \sum_{m \in A} \log p_m(y \mid x_m) + [A = \text{all}] \log p_J(y \mid x_1, \dots, x_M)
              + \text{const}

    First half of the epochs: every expert by its own cross-entropy; second half: the cross-entropy of the product.
    Experts share the encoders of their modalities here (published: separate encoders for each expert); an expert whose
    modality is absent is left out, the joint one where any is.

    Reference:
        Madaan et al., Jointly Modeling Inter- and Intra-Modality Dependencies for Multi-modal Learning, NeurIPS 2024.
    """

    tasks = ("classification",)

    def __init__(self, hidden: int = 64) -> None:
        super().__init__(hidden=hidden)

    def stages(self, max_epochs: int) -> list[Stage]:
        """Experts alone, then their product."""
        first = max(1, max_epochs // 2)
        return [Stage("experts", first), Stage("product", max(1, max_epochs - first))]

    def forward(self, batch: Batch) -> Output:
        """Logits of the product."""
        output = super().forward(batch)
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
