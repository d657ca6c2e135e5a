"""Token sequences of different lengths: pooling to a common grid, and cross-modal attention."""

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from interplay.nn.modules import ByName


def resample(x: Tensor, length: int, steps: Tensor | None = None) -> Tensor:
    r"""Mean over ``length`` equal, consecutive stretches of the valid steps of each sequence.

    Stretch :math:`l` covers the times from :math:`l n / L` to :math:`(l + 1) n / L` of a sequence with :math:`n` valid
    steps; a step counts by how much of it lies inside. Shorter sequences are stretched, padding is never read.

    Args:
        x: ``(B, T, d)``; finite beyond ``steps``, too.
        length: wanted length ``L``.
        steps: number of valid steps ``(B,)``, counted as 1 where 0; None if all are valid.

    Returns:
        ``(B, L, d)``.

    >>> x = torch.tensor([[[1.0], [3.0], [8.0], [9.0]]])
    >>> resample(x, 2).flatten().tolist(), resample(x, 1, torch.tensor([3])).flatten().tolist()
    ([2.0, 8.5], [4.0])
    """
    if x.shape[1] == 1:
        return x.expand(-1, length, -1)
    if steps is None:
        if x.shape[1] == length:
            return x
        if x.shape[1] % length == 0:
            return x.reshape(x.shape[0], length, -1, x.shape[-1]).mean(2)
    return stretches(x.shape[1], length, steps, x) @ x


def stretches(before: int, length: int, steps: Tensor | None, like: Tensor) -> Tensor:
    """Weights ``(B, length, before)``, or ``(1, length, before)`` without ``steps``; each row sums to 1."""
    n = like.new_full((1,), before) if steps is None else steps.clamp(min=1).to(like)
    edges = torch.arange(length + 1, device=like.device) * n[:, None, None] / length
    times = torch.arange(before, device=like.device)[:, None]
    inside = torch.minimum(edges[..., 1:], times + 1) - torch.maximum(edges[..., :-1], times)
    return inside.clamp_min(0).mT * (length / n[:, None, None])


def sinusoids(length: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal positions ``(length, width)``."""
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000) / width))
    angles = torch.arange(length, device=like.device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width].to(like)


class AttentionLayer(nn.Module):
    """Pre-norm attention from one sequence to another, then a perceptron; both with a residual connection.

    ``causal`` lets position ``i`` see only the first ``i + 1`` of the other sequence.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal, self.attention_dropout = heads, causal, dropout
        self.query_norm, self.key_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.keys, self.output = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, others: Tensor) -> Tensor:
        """``(B, L, width)`` and ``(B, S, width)`` to ``(B, L, width)``."""

        def split(t: Tensor) -> Tensor:
            return t.reshape(*t.shape[:-1], self.heads, -1).transpose(1, 2)

        keys, values = self.keys(self.key_norm(others)).chunk(2, -1)
        seen = scaled_dot_product_attention(
            split(self.query(self.query_norm(x))), split(keys), split(values),
            dropout_p=self.attention_dropout if self.training else 0.0, is_causal=self.causal,
        )  # fmt: skip
        x = x + self.dropout(self.output(seen.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.perceptron(x))


class CrossModalAttention(nn.Module):
    """Each modality attends to the tokens of all others, then is averaged over its tokens.

    One stack of layers a modality, so the number of networks grows with the modalities, not with their pairs.

    Args:
        names: the modalities.
        in_features: width of the given tokens.
        width: width inside; a multiple of ``heads``.
        layers: attention layers a modality.
        heads: attention heads.
        dropout: inside the layers.
    """

    def __init__(
        self, names: Sequence[str], in_features: int, width: int, layers: int = 1, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.width = width
        self.enter = ByName({name: nn.Linear(in_features, width) for name in names})
        self.layers = ByName(
            {name: nn.ModuleList([AttentionLayer(width, heads, dropout) for _ in range(layers)]) for name in names}
        )
        self.norm = ByName({name: nn.LayerNorm(width) for name in names})

    def forward(self, tokens: Mapping[str, Tensor]) -> list[Tensor]:
        """One ``(B, width)`` a modality from tokens ``(B, L_m, in_features)``."""
        x = {name: self.enter[name](t) for name, t in tokens.items()}
        x = {name: t + sinusoids(t.shape[1], self.width, t) for name, t in x.items()}
        pooled = []
        for name, own in x.items():
            others = torch.cat([t for other, t in x.items() if other != name] or [own], 1)
            for layer in self.layers[name]:  # type: ignore[attr-defined]
                own = layer(own, others)
            pooled.append(self.norm[name](own).mean(1))
        return pooled


class PairwiseAttention(nn.Module):
    """One stack of attention layers for each ordered pair of modalities, then one on each target's concatenation.

    As Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019: the number of
    networks grows with the square of the modalities. Sequences of three and more tokens lose two at the projection.

    Args:
        names: the modalities.
        in_features: width of the given tokens.
        width: width of a pair's stack; a multiple of ``heads``.
        layers: layers of a pair's stack; the stacks on the concatenations have at least three.
        heads: attention heads.
        dropout: inside the layers.
        causal: let a token see only as many tokens of the other modality as it is far into its own.
    """

    def __init__(
        self,
        names: Sequence[str],
        in_features: int,
        width: int,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.names, self.width = tuple(names), width

        def stack(size: int, depth: int) -> nn.ModuleList:
            return nn.ModuleList([AttentionLayer(size, heads, dropout, causal) for _ in range(depth)])

        self.enter = ByName({name: nn.Conv1d(in_features, width, 3, bias=False) for name in names})
        self.pairs = nn.ModuleList([stack(width, layers) for _ in permutations(names, 2)])
        self.selves = ByName({name: stack((len(names) - 1) * width, max(layers, 3)) for name in names})
        self.out_features = len(names) * (len(names) - 1) * width

    def forward(self, tokens: Mapping[str, Tensor]) -> list[Tensor]:
        """One ``(B, (M - 1) width)`` a modality from tokens ``(B, L_m, in_features)``."""
        x = {name: self._project(name, t) for name, t in tokens.items()}
        joined: dict[str, list[Tensor]] = {name: [] for name in x}
        for (target, source), layers in zip(permutations(self.names, 2), self.pairs, strict=True):
            joined[target].append(through(layers, x[target], x[source]))
        together = {name: torch.cat(parts, -1) for name, parts in joined.items()}
        return [through(self.selves[name], t, None).mean(1) for name, t in together.items()]

    def _project(self, name: str, t: Tensor) -> Tensor:
        conv = self.enter[name]
        # One or two tokens cannot lose two: they are padded.
        short = t.shape[1] < 3
        x = nn.functional.conv1d(t.mT, conv.weight, padding=1 if short else 0).mT  # type: ignore[arg-type]
        return x + sinusoids(x.shape[1], self.width, x)


def through(layers: nn.Module, x: Tensor, others: Tensor | None) -> Tensor:
    """Apply attention layers; with ``others`` None each attends to its own input."""
    for layer in layers:  # type: ignore[attr-defined]
        x = layer(x, x if others is None else others)
    return x


class ResidualHead(nn.Module):
    """Concatenate, add a perceptron of what is there, then a linear map to logits."""

    def __init__(self, in_features: int, n_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.perceptron = nn.Sequential(
            nn.Linear(in_features, in_features), nn.ReLU(), nn.Dropout(dropout), nn.Linear(in_features, in_features)
        )
        self.output = nn.Linear(in_features, n_classes)

    def forward(self, z: Sequence[Tensor]) -> Tensor:
        """Logits ``(B, K)`` from one ``(B, width)`` a modality."""
        x = torch.cat(list(z), -1)
        return self.output(x + self.perceptron(x))
