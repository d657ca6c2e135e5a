"""Exact solver of the BROJA partial information decomposition, with a certificate.

The union information ``I*`` is the least ``I_q(X1, X2; Y)`` over all couplings ``q`` that keep the tables
``p(x1, y)`` and ``p(x2, y)``. All four parts of the decomposition follow from it. Every solution comes with
an
exactly feasible coupling and exactly feasible duals; the gap between their values bounds the error.

References:
    Bertschinger, Rauh, Olbrich, Jost, Ay (2014), Quantifying unique information, Entropy 16(4).
    Makkeh, Theis, Vicente (2018), BROJA-2PID: a robust estimator for bivariate partial information
    decomposition, Entropy 20(4), for the dual.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.information._certificate import Array, Programme, dual_value, primal_value
from interplay.information._interior import minimise

NAT = float(1.0 / np.log(2.0))  # in bits
# Doubles in one work array of a batch: the chunk that stays in the cache of a core.
CHUNK = 40_000


@dataclass(frozen=True)
class BrojaSolution:
    """Optimum of the BROJA programme of one joint distribution.

    Attributes:
        coupling: ``q(x1, x2, y)`` (K1, K2, k) with exactly the tables ``p(x1, y)``, ``p(x2, y)`` (to
        rounding).
        a: Dual of ``p(x1, y)`` (K1, k), nats; minus infinity where that mass is zero.
        b: Dual of ``p(x2, y)`` (K2, k), nats; minus infinity where that mass is zero. Only ``a + b`` has a
        meaning:
            it is at most ``log`` of a conditional distribution of ``y`` for every pair, and equals
            ``log q(y | x1, x2)`` on the support of the coupling. Where the optimum leaves it free, it is the
            weighted analytic centre: symmetric in the symbols, unchanged when a symbol is split into copies.
        primal: ``-H_q(Y | X1, X2)`` of the coupling, nats.
        dual: ``<a, p1> + <b, p2>``, nats; a lower bound of the optimum.
        gap: Their difference in bits: the largest possible error of each of the four parts.
        information: ``I_q(X1, X2; Y)`` of the coupling in bits; the true value lies at most ``gap`` below.
        iterations: Newton steps taken.
    """

    coupling: Array
    a: Array
    b: Array
    primal: float
    dual: float
    gap: float
    information: float
    iterations: int


@dataclass(frozen=True)
class BrojaBatch:
    """Optima of B problems: ``information`` (I*) and certified ``gap`` in bits (B,), ``iterations`` (B,)."""

    information: Array
    gap: Array
    iterations: NDArray[np.int64]


def solve(joint: ArrayLike, *, tolerance: float = 1e-10, max_iterations: int = 150) -> BrojaSolution:
    r"""Minimise ``I_q(X1, X2; Y)`` over couplings with the tables ``p(x1, y)`` and ``p(x2, y)`` of a joint.

    .. math:: I^* = \min_{q:\; q(x_1, y) = p(x_1, y),\; q(x_2, y) = p(x_2, y)} I_q(X_1, X_2; Y)

    Args:
        joint: Probabilities (K1, K2, k), last axis the target; already checked (non-negative, sum 1).
        tolerance: Certified gap, in bits, at which the solver stops.
        max_iterations: Newton steps after which it stops in any case.

    Returns:
        The solution; its ``gap`` says what was reached, whether or not the tolerance was.

    Examples:
        >>> import numpy as np
        >>> conjunction = np.zeros((2, 2, 2))
        >>> for x1, x2 in np.ndindex(2, 2):
        ...     conjunction[x1, x2, x1 & x2] = 1 / 4
        >>> solution = solve(conjunction)
        >>> round(solution.information, 6), solution.gap < 1e-10
        (0.311278, True)
    """
    p = np.asarray(joint, dtype=np.float64)
    p1, p2 = p.sum(axis=1).T, p.sum(axis=0).T  # labels first, as the solver has them
    first, second, label = p1.sum(axis=0) > 0, p2.sum(axis=0) > 0, p1.sum(axis=1) > 0
    left, right = np.ix_(label, first), np.ix_(label, second)
    swap = first.sum() < second.sum()  # the larger side is eliminated
    tables = (p2[right], p1[left]) if swap else (p1[left], p2[right])
    problem = Programme.from_tables(tables[0][None], tables[1][None])
    best, steps = minimise(problem, tolerance / NAT, max_iterations)
    primal, dual, gap = (
        float(x[0]) for x in (primal_value(best.q), dual_value(problem, best.a, best.b), best.gap.clip(min=0.0))
    )
    coupling, a, b = np.zeros(p.shape), np.full(p1.shape, -np.inf), np.full(p2.shape, -np.inf)
    coupling[np.ix_(first, second, label)] = best.q[0].transpose((2, 1, 0) if swap else (1, 2, 0))
    a[left], b[right] = (best.b[0], best.a[0]) if swap else (best.a[0], best.b[0])
    information = NAT * (primal + float(_entropy(problem.p1.sum(axis=2))[0]))
    return BrojaSolution(coupling, a.T, b.T, primal, dual, NAT * gap, information, int(steps[0]))


def solve_batch(joints: ArrayLike, *, tolerance: float = 1e-9, max_iterations: int = 150) -> BrojaBatch:
    """``solve`` for many joints of one shape, as bootstrap and permutations need; zeros may differ.

    Args:
        joints: Probabilities (B, K1, K2, k), each summing to 1; already checked.
        tolerance: Certified gap, in bits, at which a problem is done.
        max_iterations: Newton steps after which it is left in any case.

    Returns:
        Union information and certified gap of each problem, in bits.

    Examples:
        >>> import numpy as np
        >>> copies = np.stack([np.eye(2)[:, :, None] * np.eye(2) / 2, np.full((2, 2, 2), 1 / 8)])
        >>> solve_batch(copies).information.round(6) + 0.0
        array([1., 0.])
    """
    p: Any = np.asarray(joints, dtype=np.float64)
    if p.shape[1] < p.shape[2]:
        p = p.swapaxes(1, 2)
    everything = Programme.from_tables(p.sum(axis=2).swapaxes(1, 2), p.sum(axis=1).swapaxes(1, 2))
    size = max(1, CHUNK // max(1, p[0].size)) if len(p) else 1
    information, gaps, iterations = np.empty(len(p)), np.empty(len(p)), np.empty(len(p), dtype=np.int64)
    for first in range(0, len(p), size):
        rows = slice(first, first + size)
        problem = everything[rows]
        best, iterations[rows] = minimise(problem, tolerance / NAT, max_iterations)
        information[rows] = NAT * (primal_value(best.q) + _entropy(problem.p1.sum(axis=2)))
        gaps[rows] = NAT * best.gap.clip(min=0.0)
    return BrojaBatch(information, gaps, iterations)


def _entropy(p: Array) -> Array:
    """Entropy in nats along the last axis."""
    return -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=-1)
