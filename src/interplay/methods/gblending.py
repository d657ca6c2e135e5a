"""G-Blending: gradient blending by overfitting-to-generalisation ratio."""

import copy
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from interplay.methods._base import SearchSpace, Stage
from interplay.methods._fusion import MultiHead, unimodal_losses
from interplay.methods._limits import COUNT, Limits, Range
from interplay.methods._values import Batch, Loss, Output, any_present
from interplay.nn import ByName


class GBlending(MultiHead):
    r"""Weigh the losses of the joint head and of each modality's own head by how they generalise.

    A first run measures how much each improves on held-out rows for how much it overfits; the second uses the weights.

    .. math:: L = \sum_k w_k \mathrm{CE}_k, \qquad w_k \propto \frac{G_k}{O_k^2}, \quad k \in \{J, 1, \dots, M\}

    with :math:`G_k` the fall of the validation loss and :math:`O_k` the growth of the gap between validation and
    training loss from the start of the first run to the epoch where the joint validation loss is least (published: to
    its end, where on little data nothing generalises any more). That run trains copies, the joint network and one
    network a modality, side by side; the second run trains the network itself. Offline form: both run once, and the
    measurement begins at the class prior (which predicts with the class frequencies). Online form, ``super_epochs`` >
    1: they alternate; each measurement begins where the training stands. Losses are means, so parts of different size
    compare. :math:`O` has a floor of a tenth of the largest :math:`G`, else a head that learns nothing, and so does not
    overfit, would get all the weight; no head gets less than a hundredth of the largest weight; the head of a modality
    that neither part has gets none. Regression: the same with its loss, from the training mean. Cost: up to twice the
    training, three times the encoders. (AdamW divides constant factors out again: weights act where heads share
    encoders.)

    Args:
        probe: share of the epochs that goes to measuring.
        super_epochs: how often weights are measured; 1 is the offline form.

    Reference:
        Wang, Tran and Feiszli, What Makes Training Multi-modal Classification Networks Hard?, CVPR 2020.
    """

    weights: Tensor
    start: Tensor

    limits: ClassVar[Limits] = {
        **MultiHead.limits, "probe": Range(0, 1, low_open=True, high_open=True), "super_epochs": COUNT,
    }  # fmt: skip
    search_space: ClassVar[SearchSpace] = {"probe": (0.1, 0.5, "linear"), "super_epochs": [1, 3, 5]}

    def __init__(self, probe: float = 0.25, super_epochs: int = 1, hidden: int = 64) -> None:
        super().__init__(hidden=hidden)
        self.probe = probe
        self.super_epochs = super_epochs

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads and the copies that measure."""
        super().build_parts(widths, n_classes)
        self.probes = nn.ModuleList([copy.deepcopy(part) for part in self._parts()])
        self.register_buffer("weights", torch.full((len(widths) + 1,), 1 / (len(widths) + 1)))
        # Training and validation losses where the next measurement begins; NaN stands for the class prior. A buffer,
        # so that it goes with the epoch that is kept.
        self.register_buffer("start", torch.full((2, len(widths) + 1), torch.nan))

    def _parts(self) -> list[nn.Module]:
        """What the copies are copies of: the joint network, then the modalities' own."""
        return [self.encoders, self.head, self.encoders, self.heads]

    @property
    def measuring(self) -> bool:
        """Whether the copies are being trained."""
        return self.stage_name is not None and self.stage_name.startswith("probe")

    def stages(self, max_epochs: int) -> list[Stage]:
        """Runs that measure and runs that count, in turn."""
        stages = []
        for number in range(self.super_epochs):
            epochs = max_epochs * (number + 1) // self.super_epochs - max_epochs * number // self.super_epochs
            first = max(1, int(self.probe * epochs))
            suffix = f" {number + 1}" if self.super_epochs > 1 else ""
            # By loss: where accuracy is best on little data, the validation loss is often worse than at the start.
            stages.append(Stage(f"probe{suffix}", first, select="loss"))
            stages.append(Stage(f"fit{suffix}", max(1, epochs - first), frozen=("probes",)))
        return stages

    def begin_stage(self, stage: Stage) -> None:
        """Copies start from where the network stands."""
        super().begin_stage(stage)
        if self.measuring:
            for probe, part in zip(self.probes, self._parts(), strict=True):
                probe.load_state_dict(part.state_dict())

    def forward(self, batch: Batch) -> Output:
        """The network, or while they are trained its copies."""
        if not self.measuring:
            return super().forward(batch)
        together, head, alone, heads = self.probes
        assert isinstance(together, ByName)
        assert isinstance(alone, ByName)
        assert isinstance(heads, ByName)
        z, z_alone = self.encode(batch, together), self.encode(batch, alone)
        logits = self.with_prior(head(list(z.values())), any_present(batch))
        unimodal = {name: self.with_prior(heads[name](x), batch.present[name]) for name, x in z_alone.items()}
        return Output(logits, unimodal, latents={"z": z})

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Plain sum over separate networks in a run that measures, the weighted sum in one that counts."""
        loss = super().loss(output, batch, stage)
        if not self.measuring:
            loss.total = (self.weights * torch.stack(list(loss.parts.values()))).sum()
        return loss

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Weights from the losses so far; or, where another measurement may follow, the losses it begins with."""
        if self.measuring:
            now = torch.stack([self._losses(part) for part in (training, validation)])
            prior = torch.stack([self._prior_losses(part) for part in (training, validation)])
            self.weights = blend(*now, *torch.where(self.start.isnan(), prior, self.start))
        elif self.super_epochs > 1:
            self.start = torch.stack([self._losses(part) for part in (training, validation)])

    def _losses(self, data: Batch) -> Tensor:
        """Mean loss of each head over the rows that its modality has; NaN where there are none."""
        total: Tensor | float = 0.0
        rows: Tensor | float = 0.0
        for chunk in data.chunks(1024):
            output = self(chunk)
            parts = {"fused": self.target_loss(output.logits, chunk.target)} | unimodal_losses(self, output, chunk)
            counts = torch.tensor([len(chunk), *(int(chunk.present[m].sum()) for m in output.unimodal)])
            total = total + torch.stack(list(parts.values())).cpu() * counts
            rows = rows + counts
        return (total / torch.as_tensor(rows)).to(self.weights.device)

    def _prior_losses(self, data: Batch) -> Tensor:
        assert data.target is not None
        own = self.target_losses(self.log_prior.expand(len(data), -1), data.target)
        masks = [torch.ones_like(own), *(data.present[name].float() for name in self.encoders)]
        return torch.stack([(own * mask).sum() / mask.sum().clamp(min=1) for mask in masks])


def blend(train: Tensor, validation: Tensor, train_before: Tensor, validation_before: Tensor) -> Tensor:
    """Weights ``(M + 1,)`` that sum to one, from losses at two times; 0 where a loss is NaN.

    >>> before = torch.tensor([1.0, 1.0, 1.0])
    >>> blend(torch.tensor([0.3, 0.1, 1.0]), torch.tensor([0.5, 0.9, 1.0]), before, before)
    tensor([0.9780, 0.0122, 0.0098])
    """
    generalisation = (validation_before - validation).clamp(min=0)
    overfitting = (validation - train - (validation_before - train_before)).abs()
    floor = (generalisation.nan_to_num().max() / 10).clamp(min=1e-6)
    ratio = generalisation / overfitting.maximum(floor).square()
    # Heads that generalise not at all go on being trained a little; where none does, all alike.
    ratio = ratio.maximum((ratio.nan_to_num().max() / 100).clamp(min=1e-6)).nan_to_num()
    return ratio / ratio.sum()
