"""The parts of DMIL's decomposition: their names, whom they are about, and the networks behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from interplay.methods._values import REDUNDANCY, SYNERGY, Batch, of_pair, unique
from interplay.nn import ByName, GaussianHead, PointHead, Posterior, bottleneck_decoder, consensus

PAIRS = ("none", "redundancy", "synergy", "both")


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: ``redundancy``, ``redundancy:a+b``, ``unique:a``, ``synergy:a+b`` or ``synergy``.
        members: the modalities it is read from.
        needed: as many members have to be present.
    """

    name: str
    members: tuple[str, ...]
    needed: int = 1

    @property
    def kind(self) -> str:
        """``redundancy``, ``unique`` or ``synergy``."""
        return self.name.partition(":")[0]


def parts_of(names: Sequence[str], levels: str, pairs: str) -> list[Part]:
    """Parts in their order: what is shared (by all, by each pair), unique ones, synergy (of each pair, of all).

    >>> [part.name for part in parts_of("abc", "both", "synergy")]
    ['redundancy', 'unique:a', 'unique:b', 'unique:c', 'synergy:a+b', 'synergy:a+c', 'synergy:b+c', 'synergy']
    """
    every, two = tuple(names), list(combinations(names, 2))
    shared = [] if levels == "intra" else [Part(REDUNDANCY, every)]
    own = [Part(unique(name), (name,)) for name in names]
    together = []
    if pairs in ("redundancy", "both"):
        shared += [Part(of_pair(REDUNDANCY, pair), pair) for pair in two]
    if pairs in ("synergy", "both"):
        together = [Part(of_pair(SYNERGY, pair), pair, 2) for pair in two]
    # What two tell together has its own parts then; the synergy of all is left with what takes three.
    return [*shared, *own, *together, Part(SYNERGY, every, 3 if together else 2)]


def members_present(parts: Sequence[Part], batch: Batch) -> Tensor:
    """``(B, parts)``: how many of each part's modalities are present."""
    return torch.stack([torch.stack([batch.present[name] for name in part.members]).sum(0) for part in parts], -1)


def available(parts: Sequence[Part], batch: Batch) -> Tensor:
    """Bool ``(B, parts)``: enough of a part's modalities are present."""
    needed = torch.tensor([part.needed for part in parts])
    found = members_present(parts, batch)
    return found >= needed.to(found.device)


class Shared(nn.Module):
    """What a part's modalities share: a posterior given all of them and one given each alone."""

    def __init__(self, part: Part, width: int, head: type[GaussianHead] | type[PointHead], **options: float | None):
        super().__init__()
        self.members = part.members
        self.together = head(len(part.members) * width, width, **options)
        self.single = ByName({name: head(width, width, **options) for name in part.members})

    def forward(self, means: Mapping[str, Tensor], batch: Batch) -> tuple[Posterior, dict[str, Posterior]]:
        """Posterior given what is present, and by modality."""
        single = {name: self.single[name](means[name]) for name in self.members}
        together = self.together(torch.cat([means[name] for name in self.members], -1))
        return consensus(together, list(single.values()), [batch.present[name] for name in self.members]), single


class Synergy(nn.Module):
    r"""Perceptron on :math:`[N^1, \dots, \prod_m N^m]`; ``hidden`` None is the published linear layer."""

    def __init__(self, part: Part, width: int, hidden: int | None) -> None:
        super().__init__()
        self.members = part.members
        inputs = (len(part.members) + 1) * width
        self.layers: nn.Module = nn.Linear(inputs, hidden or width)
        if hidden is not None:
            self.layers = nn.Sequential(self.layers, nn.GELU(), nn.Linear(hidden, width))

    def forward(self, rest: Mapping[str, Tensor]) -> Tensor:
        """Latent ``(B, width)``."""
        own = [rest[name] for name in self.members]
        return self.layers(torch.cat([*own, torch.stack(own).prod(0)], -1))


def decoders(parts: Sequence[Part], names: Sequence[str], width: int) -> ByName:
    """For each modality: what is shared with it and its unique part back to the relevant part."""
    blocks = {name: sum(part.kind != "synergy" and name in part.members for part in parts) for name in names}
    return ByName({name: bottleneck_decoder(count * width, width) for name, count in blocks.items()})


def hide_modalities(batch: Batch, probability: float, generator: torch.Generator | None = None) -> Batch:
    """Hide each modality of each row with a probability; a row keeps at least one of those it had."""
    present = torch.stack(list(batch.present.values()))

    def draw() -> Tensor:
        return torch.rand(present.shape, device=present.device, generator=generator)

    kept = present & (draw() >= probability)
    # Where all would go, the one with the highest random score stays.
    score = draw().masked_fill(~present, -1)
    spared = torch.zeros_like(present).scatter_(0, score.argmax(0, keepdim=True), True) & present
    kept = torch.where(kept.any(0), kept, spared)
    return batch.with_present(dict(zip(batch.present, kept, strict=True)))
