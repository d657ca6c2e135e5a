"""Modality ensemble: one model a modality, averaged at the decision."""

from collections.abc import Mapping

import torch
from torch import Tensor

from interplay.methods._base import ANY_TASK, Method, Stage
from interplay.methods._fusion import linear_heads, unimodal_losses
from interplay.methods._values import Batch, Loss, Output


class UnimodalHeads(Method):
    """One encoder and one linear head a modality, each trained by its own loss; a base, not a method."""

    tasks = ANY_TASK

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create a head for each modality."""
        self.heads = linear_heads(widths, n_classes)

    def unimodal_logits(self, batch: Batch) -> dict[str, Tensor]:
        """Logits by modality; the class prior where the modality is absent."""
        return {
            name: self.with_prior(self.heads[name](z), batch.present[name]) for name, z in self.encode(batch).items()
        }

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Sum over modalities of the cross-entropy (regression: its loss) on the rows that have the modality."""
        parts = unimodal_losses(self, output, batch)
        return Loss(torch.stack(list(parts.values())).sum(), parts)


class Ensemble(UnimodalHeads):
    r"""Average the probabilities of one model a modality.

    .. math:: p(y \mid x) = \frac{1}{|A|} \sum_{m \in A} p_m(y \mid x_m), \qquad L = \sum_m \mathrm{CE}(p_m, y)

    with :math:`A` the modalities that are present; with none, the class prior. Regression averages the
    predicted numbers. It keeps what modalities share and what
    each has alone, but cannot form synergy.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, batch: Batch) -> Output:
        """Log of the mean probability (regression: the mean prediction) over the present modalities."""
        unimodal = self.unimodal_logits(batch)
        present = torch.stack([batch.present[name] for name in unimodal])
        if self.task == "regression":
            # Absent modalities predict the mean, which is zero.
            numbers = torch.stack(list(unimodal.values())).sum(0) / present.sum(0).clamp(min=1)[:, None]
            return Output(numbers, unimodal=unimodal)
        log_p = torch.stack(list(unimodal.values())).log_softmax(-1)
        log_p = log_p.masked_fill(~present[..., None], -torch.inf)
        none = ~present.any(0)
        # Rows with nothing present would be all -inf, whose gradient is NaN: fill them before the sum.
        log_p = torch.where(none[None, :, None], self.log_prior, log_p)
        logits = log_p.logsumexp(0) - torch.where(none, len(present), present.sum(0)).log()[:, None]
        return Output(logits, unimodal=unimodal)
