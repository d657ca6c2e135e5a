"""Sign-aware minimum of pointwise informations."""

import numpy as np

from interplay.information.definitions._redundancy import Array, Redundancy, Sources, closed_form
from interplay.information.measures import pointwise_information


def pointwise_min(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """Sign-aware pointwise minimum, ``r = max(0, min_i i(x_i; y))``.

    Shared is what every source tells in favour of the target's value; a source that misleads shares nothing. The
    identities ``u_m = i_m - r`` and ``s = i_12 - i_1 - i_2 + r`` hold value by value, so a misleading modality has a
    negative unique part. For the question which type a sample is, see
    `interplay.information.pointwise_composition`.
    """
    if len(sources) < 2:
        raise ValueError(
            "pointwise_min defines no redundancy of a source with itself (a misleading source would share 0), "
            "so it has no lattice; use mmi, pm, sx or ccs there."
        )
    informations = [pointwise_information(joints, source) for source in sources]
    return closed_form(joints, np.maximum(0.0, np.min(informations, axis=0)), details=details)
