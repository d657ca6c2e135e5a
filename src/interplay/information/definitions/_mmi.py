"""Minimum mutual information."""

import numpy as np

from interplay.information.definitions._redundancy import Array, Redundancy, Sources
from interplay.information.measures import source_information


def mmi(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """Minimum mutual information ``R = min_i I(X_i; Y)``.

    Barrett, Physical Review E 91, 2015. The largest redundancy that leaves no unique part negative, so an
    upper bound of every non-negative definition; it takes same amount for same content. There are no pointwise
    values: it is a minimum of means.
    """
    value = np.min([source_information(joints, source) for source in sources], axis=0)
    return Redundancy(value, np.zeros(len(joints)))
