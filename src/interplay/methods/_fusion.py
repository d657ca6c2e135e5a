"""Bases of the methods that look at fused and single-modality logits together."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interplay.methods._base import Method, Stage
from interplay.methods._values import Batch, Loss, Output, any_present
from interplay.methods.joint import Joint
from interplay.nn import ByName


def linear_heads(widths: Mapping[str, int], n_classes: int) -> ByName:
    """One linear head a modality."""
    return ByName({name: nn.Sequential(nn.GELU(), nn.Linear(width, n_classes)) for name, width in widths.items()})


class LinearFusion(Method):
    """Logits are the sum over the present modalities of one linear head each: a linear head on the concatenation.

    A base, not a method. Each modality's summand stands for its own prediction, as in the published methods.
    """

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads."""
        self.heads = linear_heads(widths, n_classes)

    def forward(self, batch: Batch) -> Output:
        """Summed logits."""
        z = self.encode(batch)
        own = {name: self.heads[name](x) for name, x in z.items()}
        logits = self.combine({name: f * batch.present[name][:, None] for name, f in own.items()})
        unimodal = {name: self.with_prior(f, batch.present[name]) for name, f in own.items()}
        return Output(self.with_prior(logits, any_present(batch)), unimodal, latents={"z": z})

    def combine(self, logits: Mapping[str, Tensor]) -> Tensor:
        """Fused logits from those of the modalities, which are zero where absent."""
        return torch.stack(list(logits.values())).sum(0)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy (regression: its loss) of the fused logits."""
        total = self.target_loss(output.logits, batch.target)
        return Loss(total, {"fused": total})


class MultiHead(Joint):
    """A joint head and one linear head a modality on the same embeddings; a base, not a method."""

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads."""
        super().build_parts(widths, n_classes)
        self.heads = linear_heads(widths, n_classes)

    def fuse(self, z: Mapping[str, Tensor], batch: Batch, alone: Mapping[str, Tensor] | None = None) -> Output:
        """Output of the joint head, with that of each modality.

        Args:
            z: embeddings by modality.
            batch: the rows.
            alone: embeddings for the modalities' own heads, where they are others.
        """
        output = super().fuse(z, batch)
        own = z if alone is None else alone
        output.unimodal = {name: self.with_prior(self.heads[name](x), batch.present[name]) for name, x in own.items()}
        return output

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Sum of the losses of all heads."""
        parts = {"fused": self.target_loss(output.logits, batch.target)} | unimodal_losses(self, output, batch)
        return Loss(torch.stack(list(parts.values())).sum(), parts)


def unimodal_losses(method: Method, output: Output, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy (regression: its loss) of each modality over the rows that have it, as ``head:<modality>``.

    The prefix keeps a modality's loss apart from all others, whatever the modality is called.
    """
    return {
        f"head:{name}": method.target_loss(f, batch.target, batch.present[name]) for name, f in output.unimodal.items()
    }


@torch.no_grad()
def scores(method: Method, output: Output, batch: Batch) -> Tensor:
    """``(M,)``: mean probability that each modality gives the true class, over the rows that have it.

    In regression the mean of exp(-loss), the likelihood relative to that of an exact prediction. NaN where no row of
    the batch has the modality.
    """
    found = []
    for name, logits in output.unimodal.items():
        p = (-method.target_losses(logits, batch.target)).exp()
        found.append((p * batch.present[name]).sum() / batch.present[name].sum())
    return torch.stack(found).clamp(min=1e-8)


def mean_of_others(values: Tensor) -> Tensor:
    """``(M,)``: for each modality the mean over the other modalities; a modality of NaN is nobody's other.

    NaN where that leaves none, and for a modality that is NaN itself.

    >>> mean_of_others(torch.tensor([1.0, 2.0, 4.0]))
    tensor([3.0000, 2.5000, 1.5000])
    >>> mean_of_others(torch.tensor([1.0, 2.0, torch.nan]))
    tensor([2., 1., nan])
    """
    known = ~values.isnan()
    return (values.nansum() - values) / (known.sum() - 1)
