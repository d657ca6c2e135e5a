"""What a prediction costs: the losses of each task, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional

Criterion = Callable[..., Tensor]


def _of_numbers(loss: Criterion) -> Criterion:
    """A loss of predictions ``(B, 1)`` from one of ``(B,)``."""
    return lambda logits, target, reduction: loss(logits[:, 0], target, reduction=reduction)


# The first of each task is its default. Huber's corner lies at one unit: at one standard deviation of the target.
LOSSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"classification": ("cross_entropy",), "regression": ("huber", "l1", "l2")}
)
_CRITERIA: Mapping[str, Criterion] = {
    "cross_entropy": functional.cross_entropy,
    "huber": _of_numbers(functional.huber_loss),
    "l1": _of_numbers(functional.l1_loss),
    "l2": _of_numbers(functional.mse_loss),
}


def row_losses(criterion: str, logits: Tensor, target: Tensor | None) -> Tensor:
    """Loss ``(B,)`` of each row."""
    assert target is not None, "a loss needs targets"
    return _CRITERIA[criterion](logits, target, reduction="none")


def mean_loss(criterion: str, logits: Tensor, target: Tensor | None, where: Tensor | None = None) -> Tensor:
    """Mean loss over the rows of a boolean mask (all rows if None); 0 where no row is left."""
    assert target is not None, "a loss needs targets"
    if where is None:
        return _CRITERIA[criterion](logits, target, reduction="mean")
    return (row_losses(criterion, logits, target) * where).sum() / where.sum().clamp(min=1)
