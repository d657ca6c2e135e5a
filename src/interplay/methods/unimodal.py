"""One modality alone: the control that every fusion method must beat."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interplay.methods._values import Batch, Output
from interplay.methods.ensemble import UnimodalHeads


class Unimodal(UnimodalHeads):
    r"""Predict from a single modality.

    With ``modality`` given, only that one is trained and used; where it is absent, the class prior answers. Without,
    one model a modality is trained, the best on the validation part answers, and where it is absent the next best
    that is present.

    Args:
        modality: name of the modality to use, or None for the best on validation.
    """

    min_modalities = 1
    order: Tensor

    def __init__(self, modality: str | None = None) -> None:
        super().__init__()
        self.modality = modality

    def check(self, names: tuple[str, ...], task: str) -> None:
        """As the base, and the named modality must exist."""
        super().check(names, task)
        if self.modality is not None and self.modality not in names:
            raise ValueError(f"Unimodal: no modality {self.modality!r}; the data have {list(names)}")

    def build(self, encoders: Mapping[str, nn.Module], prior: Tensor) -> None:
        """As the base, keeping only the encoder of the named modality."""
        if self.modality is not None:
            encoders = {self.modality: encoders[self.modality]}
        super().build(encoders, prior)
        self.register_buffer("order", torch.arange(len(encoders)))

    def forward(self, batch: Batch) -> Output:
        """Logits of the first modality in the order of preference that is present."""
        unimodal = self.unimodal_logits(batch)
        stacked = torch.stack(list(unimodal.values()))[self.order]
        present = torch.stack([batch.present[name] for name in unimodal])[self.order]
        first = present.int().argmax(0)
        return Output(stacked[first, torch.arange(first.shape[0], device=first.device)], unimodal=unimodal)

    def after_fit(self, output: Output, batch: Batch) -> None:
        """Order the modalities by validation loss."""
        losses = [self.target_loss(logits, batch.target) for logits in output.unimodal.values()]
        self.order = torch.stack(losses).argsort()
