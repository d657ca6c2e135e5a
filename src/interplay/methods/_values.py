"""What a method takes and gives: batches, outputs, losses, and the names of its parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

REDUNDANCY = "redundancy"
SYNERGY = "synergy"


def unique(modality: str) -> str:
    """Name of the part that only ``modality`` carries."""
    return f"unique:{modality}"


def of_pair(kind: str, pair: tuple[str, str]) -> str:
    """Name of the part that is about two of several modalities.

    >>> of_pair(SYNERGY, ("a", "b"))
    'synergy:a+b'
    """
    return f"{kind}:{'+'.join(pair)}"


@dataclass(frozen=True)
class Batch:
    """Rows of a multimodal data set as tensors; values under a false mask and padding are zero.

    Attributes:
        modalities: name to ``(B, ...)`` float tensor, before standardisation.
        present: name to bool ``(B,)``, for every modality.
        lengths: name to int ``(B,)``, for sequences that have them.
        target: class codes ``(B,)``, in regression standardised numbers ``(B,)``, or None.
        extra: further tensors ``(B, ...)`` by name: what a method attached in :meth:`Method.prepare`, ``group`` codes,
            cached encodings as ``encoding:<modality>``, and in training ``row``, the position in the training part.
    """

    modalities: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    lengths: Mapping[str, Tensor] = field(default_factory=dict)
    target: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def __getitem__(self, rows: Tensor | slice) -> "Batch":
        def pick(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor[rows] for name, tensor in tensors.items()}

        target = None if self.target is None else self.target[rows]
        return Batch(pick(self.modalities), pick(self.present), pick(self.lengths), target, pick(self.extra))

    def attach(self, **extra: Tensor) -> "Batch":
        """The same rows with further tensors by row."""
        return replace(self, extra={**self.extra, **extra})

    def with_present(self, present: Mapping[str, Tensor]) -> "Batch":
        """The same rows with other masks; values and lengths under a false mask become zero."""
        hidden = {name: x * present[name].reshape(-1, *[1] * (x.ndim - 1)) for name, x in self.modalities.items()}
        lengths = {name: steps * present[name] for name, steps in self.lengths.items()}
        return replace(self, modalities=hidden, present=dict(present), lengths=lengths)

    def followed_by(self, other: "Batch") -> "Batch":
        """These rows, then those of ``other``, which has the same tensors."""

        def join(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: torch.cat([tensor, two[name]]) for name, tensor in one.items()}

        target = None if self.target is None or other.target is None else torch.cat([self.target, other.target])
        return Batch(
            join(self.modalities, other.modalities),
            join(self.present, other.present),
            join(self.lengths, other.lengths),
            target,
            join(self.extra, other.extra),
        )

    def chunks(self, size: int) -> Iterator["Batch"]:
        """Consecutive slices of at most ``size`` rows."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def to(self, device: torch.device) -> "Batch":
        """The same rows on ``device``."""

        def move(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device) for name, tensor in tensors.items()}

        target = None if self.target is None else self.target.to(device)
        return replace(
            self,
            modalities=move(self.modalities),
            present=move(self.present),
            lengths=move(self.lengths),
            target=target,
            extra=move(self.extra),
        )


@dataclass
class Output:
    """What a forward pass gives.

    Attributes:
        logits: fused logits ``(B, K)``; their softmax is the prediction. In regression ``(B, 1)``, here and below: the
            predicted number in standard deviations of the training target from its mean.
        unimodal: logits by modality, where the method has them.
        components: logits by part (``redundancy``, ``unique:<modality>``, ``synergy``), where the method has them.
        gate: weight ``(B,)`` by part, for the same parts.
        certainty: by modality, for methods that impute: how much of it the others settle ``(B,)``, from 0 to 1; NaN
            where nothing had to be imputed.
        latents: whatever the loss needs besides.
    """

    logits: Tensor
    unimodal: dict[str, Tensor] = field(default_factory=dict)
    components: dict[str, Tensor] = field(default_factory=dict)
    gate: dict[str, Tensor] = field(default_factory=dict)
    certainty: dict[str, Tensor] = field(default_factory=dict)
    latents: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Imputed:
    """A modality as it is where present, and as the others suggest it where absent.

    Attributes:
        latent: ``(B, L, width)``.
        latent_sd: its standard deviation, the same shape.
        features: ``(B, L, n_features)`` in the units of the data; None where nothing decodes.
        features_sd: their standard deviation; 0 where observed.
        certainty: share of the latents' variance that the others settle ``(B,)``.
    """

    latent: Tensor
    latent_sd: Tensor
    features: Tensor | None
    features_sd: Tensor | None
    certainty: Tensor


@dataclass
class Loss:
    """A scalar to minimise and the named parts it is made of, in nats (regression: in units of its loss)."""

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


def any_present(batch: Batch) -> Tensor:
    """Bool ``(B,)``: at least one modality is there."""
    return torch.stack(list(batch.present.values())).any(0)


def all_present(batch: Batch) -> Tensor:
    """Bool ``(B,)``: every modality is there."""
    return torch.stack(list(batch.present.values())).all(0)
