"""G-Blending: gradient blending by overfitting-to-generalisation ratio."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interplay.methods._base import Batch, Loss, Output, Stage
from interplay.methods._fusion import MultiHead, linear_heads, unimodal_losses
from interplay.nn import ByName


class GBlending(MultiHead):
    r"""Weigh the losses of the joint head and of each modality's own head by how they generalise.

    A first run measures how much each improves on held-out rows for how much it overfits; the second uses the weights.

    .. math:: L = \sum_k w_k \mathrm{CE}_k, \qquad w_k \propto \frac{G_k}{O_k^2}, \quad k \in \{J, 1, \dots, M\}

    with :math:`G_k` the fall of the validation loss and :math:`O_k` the growth of the gap between validation and
    training loss, from the class prior (which predicts with the class frequencies) to the end of the first run. That
    run trains the joint network and separate copies of the encoders for each modality, side by side; the second starts
    afresh. Offline form of the paper: weights are set once. Losses are means, so parts of different size compare;
    :math:`O` has a floor of 0.01 nats, :math:`G` one of 0.001. Regression: the same with its loss, from the training
    mean. Cost: twice the training, twice the encoders.

    Args:
        probe: share of the epochs that goes to the first run.

    Reference:
        Wang, Tran and Feiszli, What Makes Training Multi-modal Classification Networks Hard?, CVPR 2020.
    """

    weights: Tensor

    def __init__(self, probe: float = 0.25, hidden: int = 64) -> None:
        super().__init__(hidden=hidden)
        self.probe = probe

    def check(self, names: tuple[str, ...], task: str) -> None:
        """As the base, and the share must leave epochs for both runs."""
        super().check(names, task)
        if not 0 < self.probe < 1:
            raise ValueError(f"GBlending: probe must lie between 0 and 1, found {self.probe!r}")

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads and the copies for the first run."""
        super().build_parts(widths, n_classes)
        self.probes = nn.ModuleList([copy.deepcopy(self.encoders), linear_heads(widths, n_classes)])
        self.register_buffer("weights", torch.full((len(widths) + 1,), 1 / (len(widths) + 1)))

    def stages(self, max_epochs: int) -> list[Stage]:
        """The run that measures, then the run that counts."""
        first = max(1, int(self.probe * max_epochs))
        return [Stage("probe", first), Stage("fit", max(1, max_epochs - first), frozen=("probes",))]

    def begin_stage(self, stage: Stage) -> None:
        """Both runs start from the same weights."""
        super().begin_stage(stage)
        if stage.name == "probe":
            self.initial = {k: v.clone() for k, v in self.state_dict().items() if not k.startswith("probes")}
        else:
            self.load_state_dict(self.initial | {"weights": self.weights.clone()}, strict=False)

    def fuse(self, z: Mapping[str, Tensor], batch: Batch) -> Output:
        """As the base; the first run takes single-modality logits from the copies."""
        output = super().fuse(z, batch)
        if self.stage_name == "probe":
            encoders, heads = self.probes
            assert isinstance(encoders, ByName)
            assert isinstance(heads, ByName)
            for name, encoder in encoders.items():
                z_alone = encoder(batch.modalities[name], batch.present[name], batch.lengths.get(name))
                output.unimodal[name] = self.with_prior(heads[name](z_alone), batch.present[name])
        return output

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Plain sum of separate networks in the first run, the weighted sum in the second."""
        loss = super().loss(output, batch, stage)
        if stage.name == "fit":
            loss.total = (self.weights * torch.stack(list(loss.parts.values()))).sum()
        return loss

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Weights from the losses so far, in the first run."""
        if stage.name == "probe":
            losses = [self._losses(part) for part in (training, validation)]
            self.weights = blend(*losses, *(self._prior_losses(part) for part in (training, validation)))

    def _losses(self, data: Batch) -> Tensor:
        """Mean loss of each head over the rows that its modality has."""
        total: Tensor | float = 0.0
        rows: Tensor | float = 0.0
        for chunk in data.chunks(1024):
            output = self(chunk)
            parts = {"fused": self.target_loss(output.logits, chunk.target)} | unimodal_losses(self, output, chunk)
            counts = torch.tensor([len(chunk), *(int(chunk.present[m].sum()) for m in output.unimodal)])
            total = total + torch.stack(list(parts.values())).cpu() * counts
            rows = rows + counts
        return (total / torch.as_tensor(rows).clamp(min=1)).to(self.weights.device)

    def _prior_losses(self, data: Batch) -> Tensor:
        assert data.target is not None
        own = self.target_losses(self.log_prior.expand(len(data), -1), data.target)
        masks = [torch.ones_like(own), *(data.present[name].float() for name in self.encoders)]
        return torch.stack([(own * mask).sum() / mask.sum().clamp(min=1) for mask in masks])


def blend(train: Tensor, validation: Tensor, train_before: Tensor, validation_before: Tensor) -> Tensor:
    """Weights ``(M + 1,)`` that sum to one, from losses at two times."""
    # A floor, so that every head goes on being trained.
    generalisation = (validation_before - validation).clamp(min=1e-3)
    overfitting = (validation - train - (validation_before - train_before)).abs().clamp(min=0.01)
    ratio = generalisation / overfitting.square()
    return ratio / ratio.sum()
