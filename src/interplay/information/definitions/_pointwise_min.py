"""Sign-aware minimum of pointwise informations, and the composition of a sample that rests on it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interplay.information.definitions._redundancy import Array, Redundancy, Sources, closed_form
from interplay.information.measures import pointwise_information


def pointwise_min(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """Sign-aware pointwise minimum, ``r = max(0, min_i i(x_i; y))``.

    Shared is what every source tells in favour of the target's value; a source that misleads shares nothing. The
    identities ``u_m = i_m - r`` and ``s = i_12 - i_1 - i_2 + r`` hold value by value, so a misleading modality has a
    negative unique part. For the question which type a sample is, see `pointwise_composition`.
    """
    if len(sources) < 2:
        raise ValueError(
            "pointwise_min defines no redundancy of a source with itself (a misleading source would share 0), "
            "so it has no lattice; use mmi, pm, sx or ccs there."
        )
    informations = [pointwise_information(joints, source) for source in sources]
    return closed_form(joints, np.maximum(0.0, np.min(informations, axis=0)), details=details)


class Composition(NamedTuple):
    """Non-negative parts of each sample: arrays ``(n,)``, and ``(M, n)`` for ``unique``."""

    redundancy: Array
    unique: Array
    partial: Array
    synergy: Array


def pointwise_composition(informations: ArrayLike, together: ArrayLike) -> Composition:
    r"""Split the pointwise information of each sample into non-negative parts: which type is this sample?

    With ``i_m = log p(y|x_m) / p(y)``, ``i_J`` the same for all modalities together, and ``(.)+ = max(0, .)``::

        redundancy = (min_m i_m)+                  told by every modality
        unique_m   = (i_m - (largest other i)+)+   told by m beyond every other
        partial    = (second largest i)+ - redundancy   told by some but not by all; 0 for two modalities
        synergy    = (i_J - (largest i)+)+         told only together

    The parts add up to ``max(0, i_J, i_1, ..., i_M)``, so to ``i_J`` wherever it is the largest, and not to the
    mutual informations in the mean: misleading evidence counts as none. Use it to compose or weigh samples; use
    ``decompose(joint, redundancy="pointwise_min")``, whose identities are exact, to account for information. Units are those
    of the arguments.

    Args:
        informations: ``(M, n)``, one row a modality.
        together: ``(n,)``.

    Raises:
        ValueError: fewer than two modalities, or arrays that do not match.

    >>> parts = pointwise_composition([[1.0, 1.0, -0.5], [0.5, 0.0, 0.0]], [1.0, 2.0, 1.0])
    >>> parts.redundancy, parts.unique, parts.synergy
    (array([0.5, 0. , 0. ]), array([[0.5, 1. , 0. ], [0. , 0. , 0. ]]), array([0., 1., 1.]))
    """
    i, joint = np.asarray(informations, dtype=np.float64), np.asarray(together, dtype=np.float64)
    if i.ndim != 2 or len(i) < 2 or joint.shape != i.shape[1:]:
        raise ValueError(
            "Expected informations of shape (M, n) with M >= 2 and together of shape (n,); "
            f"found {i.shape} and {joint.shape}."
        )
    low, second, largest = i.min(axis=0), np.sort(i, axis=0)[-2], i.max(axis=0)
    best_other = np.where(np.arange(len(i))[:, None] == i.argmax(axis=0), second, largest)
    redundancy = np.maximum(0.0, low)
    return Composition(
        redundancy=redundancy,
        unique=np.maximum(0.0, i - np.maximum(0.0, best_other)),
        partial=np.maximum(0.0, second) - redundancy,
        synergy=np.maximum(0.0, joint - np.maximum(0.0, largest)),
    )
