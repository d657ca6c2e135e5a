"""Pretrained networks of ``transformers`` as encoders: from raw tokens or pixels to one vector."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class TextBackbone(nn.Module):
    """Token numbers ``(B, L, 1)`` to the mean ``(B, d)`` of the last hidden states over the valid steps."""

    takes_lengths = True

    def __init__(self, network: nn.Module, out_features: int) -> None:
        super().__init__()
        self.network, self.out_features = network, out_features

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encode; a sequence without steps counts as one padding token, as attention to nothing has no value."""
        steps = torch.arange(x.shape[1], device=x.device)[None]
        last = torch.full_like(x[:, 0, 0], x.shape[1], dtype=torch.long) if lengths is None else lengths
        valid = steps < last.clamp(min=1)[:, None]
        hidden = self.network(input_ids=x[..., 0].long(), attention_mask=valid.long()).last_hidden_state
        return (hidden * valid[..., None]).sum(1) / valid.sum(1)[:, None]


class ImageBackbone(nn.Module):
    """Pixels ``(B, H, W)`` or ``(B, C, H, W)`` to the mean ``(B, d)`` of the last hidden states over places.

    Args:
        network: the model; its pooler, often untrained, is not used.
        out_features: ``d``.
        factor: turns pixels into numbers from 0 to 1.
        mean: by channel, of what the network was trained on.
        std: by channel.
        size: height and width that the network takes; None for any.
    """

    takes_lengths = False
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        out_features: int,
        factor: float,
        mean: Sequence[float],
        std: Sequence[float],
        size: Sequence[int] | None,
    ) -> None:
        super().__init__()
        self.network, self.out_features, self.factor = network, out_features, factor
        self.size = None if size is None else tuple(size)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Encode; one channel stands for all that the network takes."""
        x = x[:, None] if x.ndim == 3 else x
        x = x.expand(-1, len(self.mean), -1, -1) if x.shape[1] == 1 else x
        if self.size is not None and tuple(x.shape[-2:]) != self.size:
            x = nn.functional.interpolate(x, self.size, mode="bilinear", align_corners=False)
        hidden: Any = self.network(pixel_values=(x * self.factor - self.mean) / self.std).last_hidden_state
        return hidden.flatten(2).mean(2) if hidden.ndim == 4 else hidden.mean(1)
