"""Redundancy by a convex programme over all joints with the data's two modality-target tables."""

import numpy as np

from interplay.information.broja import solve, solve_batch
from interplay.information.definitions._redundancy import Array, Redundancy, Sources
from interplay.information.dual_face import centre, dual_face
from interplay.information.measures import entropy, marginal, pointwise_information, source_information


def broja(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """``R = I(X1;Y) + I(X2;Y) - I*`` with ``I* = min I_q(X1,X2;Y)`` over q with p's tables (x1,y) and (x2,y).

    Bertschinger, Rauh, Olbrich, Jost and Ay, Entropy 16, 2014. All four parts are non-negative; R and the unique parts
    depend on the two tables only, so on how each modality alone relates to the target. ``I*`` is kept in
    its a-priori interval ``[max(I1, I2), min(I12, I1 + I2)]``, which a solution may leave by its gap.

    Pointwise, with the dual (a, b), in nats: ``r = log p(y|x1) p(y|x2) / p(y) - a - b``. The dual is the analytic
    centre of the optimal ones (`interplay.information.pointwise_range` says how far they reach); means are exact to
    the gap.
    """
    if sources != ((0,), (1,)) or joints.ndim != 4:
        raise ValueError(
            "broja is defined for exactly two modalities and has no lattice; use pairwise_decompositions or "
            "one_against_rest, or a lattice with mmi, pm, sx or ccs."
        )
    first, second, both = (source_information(joints, kept) for kept in ((0,), (1,), (0, 1)))
    if details:
        solutions = [solve(joint, tolerance=tolerance) for joint in joints]
        label = np.array([entropy(joint.sum((0, 1))) for joint in joints])
        optimum = label + np.array([solution.primal for solution in solutions]) / np.log(2)
        gap = np.array([solution.gap for solution in solutions])
    else:
        batch = solve_batch(joints, tolerance=tolerance)
        optimum, gap = batch.information, batch.gap
    optimum = np.clip(optimum, np.maximum(first, second), np.minimum(both, first + second))
    value = first + second - optimum
    if not details:
        return Redundancy(value, gap)
    dual = np.stack(
        [
            centre(dual_face(joint, solution), tolerance=max(solution.gap, tolerance) * np.log(2))
            for joint, solution in zip(joints, solutions, strict=True)
        ]
    )
    return Redundancy(
        value,
        gap,
        pointwise=pointwise_redundancy(joints, dual),
        coupling=np.stack([solution.coupling for solution in solutions]),
    )


def pointwise_redundancy(joints: Array, dual: Array) -> Array:
    """``log2 p(y|x1) p(y|x2) / p(y) - (a + b)`` from a + b in nats, ``(B, K1, K2, k)``; NaN where the joint is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        label = np.log2(marginal(joints, (), target=True))
        value = pointwise_information(joints, (0,)) + pointwise_information(joints, (1,)) + label - dual / np.log(2)
    return np.where(joints > 0, value, np.nan)
