"""Encoders: from one modality's array to a vector of fixed width."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class MLPEncoder(nn.Module):
    """Flatten, then one hidden layer with GELU, layer norm and dropout: ``(B, ...) -> (B, width)``."""

    takes_lengths = False

    def __init__(self, shape: Sequence[int], width: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        self.out_features = width
        hidden = max(width, 2 * width)
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, ...)`` as ``(B, width)``."""
        return self.layers(x)


class ConvEncoder(nn.Module):
    """Three strided 2-D convolutions and a global mean: ``(B, H, W)`` or ``(B, C, H, W) -> (B, width)``."""

    takes_lengths = False

    def __init__(self, shape: Sequence[int], width: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        if len(shape) not in (2, 3):
            raise ValueError(
                f"encoder 'conv' needs images (height, width) or (channels, height, width), found {tuple(shape)}; "
                "use 'mlp' for vectors"
            )
        self.out_features = width
        channels = 1 if len(shape) == 2 else shape[0]
        half = max(8, width // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, half, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(half, half, 3, stride=2, padding=1),
            nn.GroupNorm(1, half),
            nn.GELU(),
            nn.Conv2d(half, width, 3, stride=2, padding=1),
            nn.GroupNorm(1, width),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode images as ``(B, width)``."""
        return self.layers(x[:, None] if x.ndim == 3 else x)


class TransformerEncoder(nn.Module):
    """One pre-norm transformer layer over a padded sequence, then the mean over its valid steps.

    ``(B, L, F)`` with lengths ``(B,)`` to ``(B, width)``. Long sequences are first pooled by a strided
    convolution so that at most about 64 tokens attend to each other.
    """

    takes_lengths = True

    def __init__(self, shape: Sequence[int], width: int = 64, dropout: float = 0.2, heads: int = 4) -> None:
        super().__init__()
        if len(shape) != 2:
            raise ValueError(
                f"encoder 'transformer' needs sequences (length, features), found {tuple(shape)}; "
                "use 'mlp' for vectors or 'conv' for images"
            )
        self.out_features = width
        length, features = shape
        self.stride = max(1, -(-length // 64))
        self.embed = nn.Conv1d(features, width, 2 * self.stride - 1, stride=self.stride, padding=self.stride - 1)
        steps = (length - 1) // self.stride + 1
        self.position = nn.Parameter(0.02 * torch.randn(steps, width))
        self.layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encode ``(B, L, F)``; steps at or beyond ``lengths`` are never attended to nor averaged."""
        hidden, steps = self.tokens(x, lengths)
        return hidden.sum(1) / steps[:, None]

    def tokens(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Token states ``(B, T, width)``, zero in padding, and how many of them are valid ``(B,)``."""
        tokens = self.embed(x.transpose(1, 2)).transpose(1, 2) + self.position
        if lengths is None:
            return self.norm(self.layer(tokens)), lengths_of(tokens)
        steps = (lengths - 1).clamp(min=0) // self.stride + 1
        valid = torch.arange(tokens.shape[1], device=x.device)[None] < steps[:, None]
        return self.norm(self.layer(tokens, src_key_padding_mask=~valid)) * valid[..., None], steps


def lengths_of(tokens: Tensor) -> Tensor:
    """Lengths ``(B,)`` of sequences ``(B, T, d)`` without padding."""
    return tokens.new_full(tokens.shape[:1], tokens.shape[1], dtype=torch.long)


ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLPEncoder,
    "conv": ConvEncoder,
    "transformer": TransformerEncoder,
}


def default_encoder(shape: Sequence[int]) -> str:
    """Name of the encoder that fits a sample's shape: vectors mlp, ``(L, F)`` transformer, ``(C, H, W)`` conv.

    >>> default_encoder((12,)), default_encoder((50, 3)), default_encoder((3, 8, 8))
    ('mlp', 'transformer', 'conv')
    """
    return {2: "transformer", 3: "conv"}.get(len(shape), "mlp")


def build_encoder(name: str, shape: Sequence[int], **options: Any) -> nn.Module:
    """Make the encoder called ``name`` for samples of ``shape``.

    Raises:
        ValueError: for a name that is not known, with the names that are.
    """
    if name not in ENCODERS:
        raise ValueError(
            f"unknown encoder {name!r}; choose one of {', '.join(map(repr, ENCODERS))}, "
            "or give a torch.nn.Module with an integer attribute out_features"
        )
    return ENCODERS[name](shape, **options)
