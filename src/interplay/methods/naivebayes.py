"""Naive Bayes fusion: the product of the modalities' posteriors over the prior."""

from collections.abc import Mapping

import torch
from torch import Tensor

from interplay.methods._base import Stage
from interplay.methods._values import Batch, Output
from interplay.methods.ensemble import UnimodalHeads


class NaiveBayes(UnimodalHeads):
    r"""Train one model a modality and multiply what each adds to the prior.

    .. math:: \log p(y \mid x_A) = \log p(y) + \sum_{m \in A} \log \frac{p_m(y \mid x_m)}{p(y)} + \text{const}

    with :math:`A` the modalities that are present. The posterior if the modalities are independent given the class, for
    any subset of them; the cheap control that joint fusion does not always beat. It cannot form synergy, and counts
    twice what modalities share.

    Regression: the same with Gaussians. With :math:`f_m` the prediction, :math:`\sigma_m^2 = (1 + \sum_i e_i^2) / (1 +
    n_m) \le 1` the mean squared error over the :math:`n_m` validation rows that have the modality and one of error 1,
    which stands for knowing nothing, and a target of mean 0 and variance 1,

    .. math:: \hat y = \frac{\sum_{m \in A} f_m / \sigma_m^2}{1 + \sum_{m \in A} (1 / \sigma_m^2 - 1)} .
    """

    variances: Tensor

    def __init__(self) -> None:
        super().__init__()

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads; nothing is known of their errors yet."""
        super().build_parts(widths, n_classes)
        if self.task == "regression":
            self.register_buffer("variances", torch.ones(len(widths)))

    def forward(self, batch: Batch) -> Output:
        """Log prior plus the evidence of each present modality."""
        unimodal = self.unimodal_logits(batch)
        logits = torch.stack(list(unimodal.values()))
        present = torch.stack([batch.present[name] for name in unimodal])
        if self.task == "regression":
            return Output(self._product(logits[..., 0], present), unimodal=unimodal)
        # Where absent, the logits are the log prior: no evidence.
        evidence = logits.log_softmax(-1) - self.log_prior
        return Output(self.log_prior + (evidence * present[..., None]).sum(0), unimodal=unimodal)

    def _product(self, numbers: Tensor, present: Tensor) -> Tensor:
        """Mean ``(B, 1)`` of the product of Gaussians ``(M, B)`` over the prior."""
        precision = present / self.variances[:, None]
        return ((precision * numbers).sum(0) / (1 + (precision - present.float()).sum(0)))[:, None]

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Regression: how far off each modality is on the validation rows that have it."""
        if self.task == "classification" or validation.target is None:
            return
        chunks = [self.unimodal_logits(chunk) for chunk in validation.chunks(1024)]
        found = []
        for name in self.encoders:
            present = validation.present[name]
            residual = torch.cat([logits[name][:, 0] for logits in chunks]) - validation.target
            # One more row of error 1: a modality that few validation rows have must not pass for exact.
            found.append(((residual.square() * present).sum() + 1) / (present.sum() + 1))
        # An error above the target's own variance says nothing; the floor keeps one part from silencing all others.
        self.variances = torch.stack(found).clamp(1e-3, 1)
