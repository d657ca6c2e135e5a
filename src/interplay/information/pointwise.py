"""Parts of the information at every outcome, and how far the outcome values of "broja" are determined."""

from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.information.broja import solve
from interplay.information.definitions._broja import pointwise_redundancy
from interplay.information.dual_face import dual_face, extremes
from interplay.information.measures import check_joint, pointwise_information

__all__ = ["Pointwise", "pointwise_range"]

Array = NDArray[np.float64]


class Pointwise(TypedDict):
    """Bits per outcome, arrays shaped like the joint; NaN where the joint is zero."""

    redundancy: Array
    unique: tuple[Array, Array]
    synergy: Array


def pointwise_parts(p: Array, redundancy: Array) -> Pointwise:
    """The identities outcome by outcome: ``u_m = i_m - r`` and ``s = i_12 - i_1 - i_2 + r`` for ``(K1, K2, k)``."""
    first, second, total = (pointwise_information(p[None], kept)[0] for kept in ((0,), (1,), (0, 1)))
    return Pointwise(
        redundancy=redundancy,
        unique=(first - redundancy, second - redundancy),
        synergy=total - first - second + redundancy,
    )


def pointwise_range(
    joint: ArrayLike, *, normalize: bool = False, tolerance: float = 1e-10
) -> tuple[Pointwise, Pointwise]:
    """Lowest and highest value of each pointwise part of "broja" over all optimal duals.

    The means of the pointwise parts are fixed, but where the data have outcomes that the optimal coupling never uses,
    single values are not: at the AND gate the synergies of (0, 1) and (1, 0) are t and 1 - t bits for any t in
    [0, 1]. `decompose` takes the analytic centre of the optimal duals, and this gives the ends; a width of zero
    says that a value is determined. Ends are taken cell by cell and not attained all at once. Cost: two small convex
    programmes for each pair of components that the coupling leaves apart.

    Args:
        joint: probabilities ``(K1, K2, k)``.
        normalize: accept counts and divide by their sum.
        tolerance: gap of the underlying solution, in bits.

    Returns:
        ``(low, high)``, each with "redundancy", "unique" (a pair) and "synergy", in bits.

    >>> low, high = pointwise_range([[[1, 0], [1, 0]], [[1, 0], [0, 1]]], normalize=True)
    >>> low["synergy"][0, 1, 0].round(6) + 0.0, high["synergy"][0, 1, 0].round(6)
    (np.float64(0.0), np.float64(1.0))
    """
    p = check_joint(joint, ndim=3, normalize=normalize)
    face = dual_face(p, solve(p, tolerance=tolerance))
    low, high = (pointwise_parts(p, pointwise_redundancy(p[None], dual[None])[0]) for dual in extremes(face, p > 0))
    # Redundancy and synergy fall as a + b grows, the unique parts grow.
    return (
        Pointwise(redundancy=high["redundancy"], unique=low["unique"], synergy=high["synergy"]),
        Pointwise(redundancy=low["redundancy"], unique=high["unique"], synergy=low["synergy"]),
    )
