"""What the TCMax losses accept, checked in one place: targets, weights, presence masks and label marginals."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

LabelMarginal = str | Tensor | np.ndarray | Sequence[float]


def stack_logits(logits: Sequence[Tensor]) -> Tensor:
    """``(M, B, K)`` in at least float32, without -inf."""
    shapes = [tuple(part.shape) for part in logits]
    if not shapes or any(shape != shapes[0] for shape in shapes) or len(shapes[0]) != 2:
        raise ValueError(f"logits: expected one (batch, classes) tensor a modality, all alike, found shapes {shapes}")
    stacked = torch.stack(list(logits))
    return without_infinity(stacked if stacked.dtype == torch.float64 else stacked.float())


def without_infinity(logits: Tensor) -> Tensor:
    """Logits with -1e30 for -inf: a class that nobody can have then has gradient 0; a sum of nothing has NaN."""
    return torch.nn.functional.threshold(logits, -1e30, -1e30)  # cheaper than clamp


def check_target(target: Tensor, n_rows: int, n_classes: int | None) -> Tensor:
    """Class codes ``(n_rows,)`` as int64; ``n_classes`` None if any number of classes will do."""
    if target.shape != (n_rows,):
        raise ValueError(f"target: expected class codes of shape ({n_rows},), found {tuple(target.shape)}")
    if target.dtype == torch.bool or target.is_floating_point() or target.is_complex():
        raise ValueError(f"target: expected class codes of an integer dtype, found {target.dtype}; use target.long()")
    codes = target.long()
    # Elsewhere than on the CPU, looking would make the host wait in every step; there the indexing itself fails.
    if n_rows and codes.device.type == "cpu":
        low, high = (int(code) for code in codes.aminmax())
        if low < 0 or (n_classes is not None and high >= n_classes):
            below = "" if n_classes is None else f" and below {n_classes}, the number of classes of the logits"
            raise ValueError(f"target: expected class codes from 0{below}, found {low if low < 0 else high}")
    return codes


def check_some_rows(n_rows: int) -> None:
    """A batch without rows has no loss; a part of a batch may be empty."""
    if n_rows == 0:
        raise ValueError("target: expected at least one row in the batch, found none")


def check_some_mass(mass: Tensor) -> None:
    """Rows with weight and something present must exist in the whole batch, though not in each of its parts."""
    if not bool(mass.sum() > 0):
        raise ValueError("weight, present: expected a row of positive weight with a modality present, found none")


def masks_and_mass(
    n_modalities: int, like: Tensor, present: Sequence[Tensor] | None, weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Presence ``(M, B)``, nowhere true in rows without weight, and weight ``(B,)``, 0 where nothing is present.

    Rows and device are those of ``like``. Weights are in float64 (where the device has it), in which those of float32
    can be added up whatever their scale.
    """
    n_rows, device = len(like), like.device
    if present is not None and any(mask.shape != (n_rows,) for mask in present):
        raise ValueError(f"present: expected masks of shape ({n_rows},), one a modality")
    if present is not None and len(present) != n_modalities:
        raise ValueError(f"present: expected {n_modalities} masks, one a modality, found {len(present)}")
    masks = (
        torch.ones((n_modalities, n_rows), dtype=torch.bool, device=device)
        if present is None
        else torch.stack(list(present)).bool()
    )
    if weight is None:
        return masks, masks.any(0).to(finest(device))
    _check_weight(weight, n_rows)
    masks = masks & (weight > 0)
    return masks, weight.to(finest(device)) * masks.any(0)


def _check_weight(weight: Tensor, n_rows: int) -> None:
    if weight.shape != (n_rows,):
        raise ValueError(f"weight: expected ({n_rows},) non-negative numbers, found shape {tuple(weight.shape)}")
    if n_rows:
        low, high = weight.aminmax()  # both NaN if one weight is
        if not bool((low >= 0) & (high < torch.inf)):
            raise ValueError(
                f"weight: expected ({n_rows},) finite, non-negative numbers, found {float(low)} to {float(high)}"
            )


def finest(device: torch.device) -> torch.dtype:
    """The most precise floating-point numbers that a device has."""
    return torch.float32 if device.type == "mps" else torch.float64


def log_label_marginal(choice: LabelMarginal, class_mass: Tensor) -> Tensor:
    """Log of the label marginal ``(K,)`` for the negatives."""
    if not isinstance(choice, str):
        return _given_marginal(torch.as_tensor(choice).to(class_mass), class_mass).log()
    if choice == "uniform":
        return torch.full_like(class_mass, -math.log(len(class_mass)))
    if choice == "batch":
        return (class_mass / class_mass.sum()).log()
    raise ValueError(f"label_marginal must be 'uniform', 'batch' or probabilities, found {choice!r}")


def _given_marginal(r: Tensor, class_mass: Tensor) -> Tensor:
    if r.shape != class_mass.shape:
        raise ValueError(f"label_marginal: expected {len(class_mass)} probabilities, found shape {tuple(r.shape)}")
    impossible = ((r <= 0) & (class_mass > 0)).any()
    total, low, clash = torch.stack([r.sum(), r.min(), impossible.to(r.dtype)]).tolist()  # one wait for the device
    if low < 0 or not abs(total - 1) <= 1e-4:
        raise ValueError(
            f"label_marginal: expected {len(r)} probabilities that sum to 1, found sum {total:.4g}, least {low:.4g}"
        )
    if clash:
        raise ValueError("label_marginal: a class that occurs in the batch has probability 0; give it mass")
    return r
