"""Shared exclusions."""

from itertools import combinations

import numpy as np

from interplay.information.definitions._redundancy import Array, Redundancy, Sources, closed_form
from interplay.information.measures import marginal


def _probability_of_any(joints: Array, sources: Sources, *, target: bool) -> Array:
    """Probability that at least one source takes its value (and the target its own), by inclusion and exclusion."""
    total = np.zeros(joints.shape)
    for size in range(1, len(sources) + 1):
        for chosen in combinations(sources, size):
            together = tuple(sorted(set().union(*chosen)))
            total += (-1) ** (size + 1) * marginal(joints, together, target=target)
    return total


def sx(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """Shared exclusions, ``r = log2 p(y | X_1 = x_1 or X_2 = x_2 or ...) / p(y)``.

    Makkeh, Gutknecht and Wibral, Physical Review E 103, 2021: what one learns about the target from knowing only that
    some source takes its value. Smooth in the joint and defined for any number of sources. Parts may be
    negative, and they depend on how finely a modality is coded: splitting a symbol into equal ones changes them.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        posterior = _probability_of_any(joints, sources, target=True) / _probability_of_any(
            joints, sources, target=False
        )
        return closed_form(joints, np.log2(posterior) - np.log2(marginal(joints, (), target=True)), details=details)
