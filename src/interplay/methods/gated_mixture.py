"""A plain gated mixture of additive, unimodal and joint experts: DMIL without anything that names its parts."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from interplay.methods._base import ANY_TASK, Method, Stage
from interplay.methods._limits import COUNT, Limits
from interplay.methods._values import REDUNDANCY, SYNERGY, Batch, Loss, Output, any_present, unique
from interplay.nn import ByName


class GatedMixture(Method):
    r"""Mix the logits of an additive expert, one expert a modality and a joint expert by a learned gate.

    .. math:: \text{logits} = \sum_c g_c(z)\, \ell_c, \qquad L = \mathrm{CE}(\text{logits}, y) + \tfrac12 \sum_c
              \mathrm{CE}(\ell_c, y)

    The experts take the places of DMIL's parts, and nothing makes them carry what these names say: it is the control
    for :class:`~interplay.methods.DMIL`. Experts that need an absent modality (joint: two present ones) get gate
    weight zero; with nothing present, the class prior answers.

    Args:
        hidden: width of the joint expert's and the gate's hidden layer.
    """

    tasks = ANY_TASK

    limits: ClassVar[Limits] = {"hidden": COUNT}

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.hidden = hidden

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create experts and gate."""
        width = sum(widths.values())

        def perceptron(outputs: int) -> nn.Module:
            return nn.Sequential(nn.Linear(width, self.hidden), nn.GELU(), nn.Linear(self.hidden, outputs))

        self.additive = nn.Linear(width, n_classes)
        self.single = ByName({name: nn.Linear(w, n_classes) for name, w in widths.items()})
        self.joint = perceptron(n_classes)
        self.gate = perceptron(len(widths) + 2)

    def forward(self, batch: Batch) -> Output:
        """Gated logits."""
        z = {name: nn.functional.gelu(x) * batch.present[name][:, None] for name, x in self.encode(batch).items()}
        together = torch.cat(list(z.values()), -1)
        components = {
            REDUNDANCY: self.additive(together),
            **{unique(name): self.single[name](x) for name, x in z.items()},
            SYNERGY: self.joint(together),
        }
        available = self._available(batch)
        scores = self.gate(together).masked_fill(~available & any_present(batch)[:, None], -torch.inf)
        gate = dict(zip(components, scores.softmax(-1).unbind(-1), strict=True))
        fused = torch.stack([gate[part][:, None] * logits for part, logits in components.items()]).sum(0)
        return Output(self.with_prior(fused, any_present(batch)), components=components, gate=gate)

    def _available(self, batch: Batch) -> torch.Tensor:
        present = torch.stack(list(batch.present.values()), -1)
        return torch.cat([present.any(-1, keepdim=True), present, present.sum(-1, keepdim=True) >= 2], -1)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Loss of the mixture and half that of each expert."""
        available = self._available(batch).unbind(-1)
        fused, parts = self.target_loss(output.logits, batch.target), {}
        for (part, logits), rows in zip(output.components.items(), available, strict=True):
            parts[part] = self.target_loss(logits, batch.target, rows)
        return Loss(fused + torch.stack(list(parts.values())).sum() / 2, {"fused": fused, **parts})
