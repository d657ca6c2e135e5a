"""Which type of interaction a sample is: a non-negative split of its pointwise information."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Composition", "pointwise_composition"]

Array = NDArray[np.float64]


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
    ``decompose(joint, redundancy="pointwise_min")``, whose identities are exact, to account for
    information. Units are those of the arguments.

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
