"""Pointwise partial information: specificity and ambiguity."""

from functools import reduce

import numpy as np

from interplay.information.definitions._redundancy import Array, Redundancy, Sources, closed_form
from interplay.information.measures import marginal


def pm(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """Pointwise partial information, ``r = min_i h(x_i) - min_i h(x_i | y)`` with ``h = -log2 p``.

    Finn and Lizier, Entropy 20, 2018: the least surprise (specificity) and the least surprise once the target is
    known (ambiguity) are shared, each by itself. The discrete form behind LSMI (ICML 2025). Parts may
    be negative, and they depend on how finely a modality is coded: splitting a symbol into equal ones changes them.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        specificity = reduce(np.minimum, [-np.log2(marginal(joints, s, target=False)) for s in sources])
        label = np.log2(marginal(joints, (), target=True))
        ambiguity = reduce(np.minimum, [label - np.log2(marginal(joints, s, target=True)) for s in sources])
        return closed_form(joints, specificity - ambiguity, details=details)
