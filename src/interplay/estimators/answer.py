"""From logits to what an estimator answers, as modules: the last step of an exported graph."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class Answer(nn.Module):
    """Maps logits; ``name`` is what the output is called."""

    name: ClassVar[str]

    @abstractmethod
    def forward(self, logits: Tensor) -> Tensor:
        """Map ``(B, K)``."""


class Probabilities(Answer):
    """Softmax, ``(B, K)``."""

    name = "probabilities"

    def forward(self, logits: Tensor) -> Tensor:
        """Class probabilities ``(B, K)``."""
        return logits.softmax(-1)


class Numbers(Answer):
    """Back to the units of the target, ``(B,)`` in double precision: its mean may be large."""

    name = "prediction"

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale

    def forward(self, logits: Tensor) -> Tensor:
        """Predicted numbers ``(B,)``."""
        return self.mean + self.scale * logits[:, 0].double()
