"""Naive Bayes fusion: the product of the modalities' posteriors over the prior."""

import torch

from interplay.methods._base import Batch, Output
from interplay.methods.ensemble import UnimodalHeads


class NaiveBayes(UnimodalHeads):
    r"""Train one model a modality and multiply what each adds to the prior.

    .. math:: \log p(y \mid x_A) = \log p(y) + \sum_{m \in A} \log \frac{p_m(y \mid x_m)}{p(y)} + \text{const}

    with :math:`A` the modalities that are present. The posterior if the modalities are independent given the class, for
    any subset of them; the cheap control that joint fusion does not always beat. It cannot form synergy, and counts
    twice what modalities share.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, batch: Batch) -> Output:
        """Log prior plus the evidence of each present modality."""
        unimodal = self.unimodal_logits(batch)
        # Where absent, the logits are the log prior: no evidence.
        evidence = torch.stack([logits.log_softmax(-1) - self.log_prior for logits in unimodal.values()])
        present = torch.stack([batch.present[name] for name in unimodal])
        return Output(self.log_prior + (evidence * present[..., None]).sum(0), unimodal=unimodal)
