"""What every definition of redundancy takes and gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Sources = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Redundancy:
    """Redundancy of some sources in a batch of joints, in bits.

    Attributes:
        value: ``(B,)``.
        gap: ``(B,)``, certified error of the convex programme behind the value; 0 for closed forms.
        pointwise: ``(B, K1, ..., KM, k)``, whose mean over the joint is ``value``, NaN where the joint is zero;
            None where the definition has no such values or they were not asked for.
        coupling: ``(B, K1, ..., KM, k)``, the distribution on which the value is attained, where there is one.
    """

    value: Array
    gap: Array
    pointwise: Array | None = None
    coupling: Array | None = None


class Definition(Protocol):
    """A definition of redundancy; ``details`` asks for pointwise values and the coupling."""

    def __call__(self, joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy: ...


def mean(joints: Array, pointwise: Array) -> Array:
    """Mean of pointwise values over each joint; shape ``(B,)``."""
    weighted = np.where(joints > 0, joints * np.where(joints > 0, pointwise, 0.0), 0.0)
    return np.asarray(weighted.reshape(len(joints), -1).sum(axis=1))


def closed_form(joints: Array, pointwise: Array, *, details: bool) -> Redundancy:
    """The redundancy whose pointwise values are known in closed form."""
    pointwise = np.where(joints > 0, pointwise, np.nan)
    return Redundancy(mean(joints, pointwise), np.zeros(len(joints)), pointwise=pointwise if details else None)
