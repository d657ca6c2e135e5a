"""Weighted primal-dual interior point method for the BROJA programme, on a batch of problems at once.

It solves the dual. Beside ``a`` and ``b`` it carries a multiplier ``w > 0`` and a slack ``s > 0`` for each
pair of symbols; the coupling is ``q = w * softmax_y(a + b)``. The central path is weighted: ``w s = mu *
centre``, where ``centre`` is the mass of the pair when X1 and X2 are independent given Y. Every pair then adds
to the gap in proportion to its mass, so masses that span many decades do no harm, and splitting a symbol into
two copies changes nothing.
"""

from dataclasses import dataclass

import numpy as np

from interplay.information._certificate import (
    Array,
    Batch,
    Certified,
    Programme,
    certify,
    divide,
    pairwise,
    softmax,
)
from interplay.information._newton import NewtonMatrix

# Squared accuracy of the predicting and of the final direction.
PREDICTION, CORRECTION = 1e-4, 1e-14
# The target complementarity: at most this share of the present one, at least this share of the nonlinear
# residual, and never below this share of the tolerance (the path is not followed further than asked).
TARGET_MOST, TARGET_RESIDUAL, TARGET_END = 0.3, 0.3, 0.3
# Longest change of a log-probability in one step, where the quadratic model of the softmax is good. After
# so many steps it shrinks to a safe last value, which ends the rare cycles of full Newton steps.
REACH, SAFE_REACH, SHRINK, SHRINK_AFTER = 5.0, 1.0, 0.8, 15
# Certificates are drawn up once the complementarity is below a multiple of the tolerance, and late anyhow.
CERTIFY_BELOW, CERTIFY_AFTER = 10.0, 25
# Certificates in a row without progress before a problem is given up.
PATIENCE = 8


@dataclass(frozen=True)
class State(Batch):
    """An iterate: duals (minus infinity where a marginal is zero), multipliers and slacks of the pairs."""

    a: Array
    b: Array
    w: Array
    s: Array

    def certify(self, problem: Programme) -> Certified:
        """The certificate next to this iterate."""
        return certify(problem, self.w[:, None] * softmax(self.a, self.b)[1], self.a, self.b)


def start(problem: Programme) -> State:
    """Independence given Y: exactly primal feasible and strictly dual feasible."""
    with np.errstate(divide="ignore"):
        a = np.log(problem.p1)
        b = np.log(divide(problem.p2, problem.p2.sum(axis=2, keepdims=True), 0.0))
        s = np.where(problem.centre > 0, np.maximum(-np.log(problem.centre), 1e-2), 1.0)
    return State(a, b, problem.centre, s)


def _longest(value: Array, change: Array) -> Array:
    """Largest step that keeps ``value`` non-negative, for each problem."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        limit = np.where(change < 0, -value / change, np.inf)
    return limit.min(axis=(1, 2))


def _largest(change: Array) -> Array:
    return np.abs(change).max(axis=(1, 2))


def step(problem: Programme, state: State, tolerance: float, reach: float) -> State:
    """One predictor-corrector step (Mehrotra 1992), no log-probability moving further than ``reach``."""
    a, b, w, s = state.a, state.b, state.w, state.s
    weight, active = problem.centre, problem.centre > 0
    level, pi = softmax(a, b)
    q = w[:, None] * pi
    residual = np.where(active, -(level + s), 0.0)
    lack1, lack2 = problem.p1 - q.sum(axis=3), problem.p2 - q.sum(axis=2)
    matrix = NewtonMatrix(problem, w, s, pi)

    def direction(complementarity: Array, accuracy: float) -> tuple[Array, Array, Array, Array]:
        carried = ((complementarity - w * residual) / s)[:, None] * pi
        da, db = matrix.solve(lack1 - carried.sum(axis=3), lack2 - carried.sum(axis=2), accuracy)
        ds = np.where(active, residual - np.einsum("byij,byij->bij", pi, pairwise(da, db)), 0.0)
        return da, db, (complementarity - w * ds) / s, ds

    product = w * s
    total, mass = product.sum(axis=(1, 2)), weight.sum(axis=(1, 2))
    _, _, dw, ds = direction(-product, PREDICTION)
    length = np.minimum(1.0, np.minimum(_longest(w, dw), _longest(s, ds)))[:, None, None]
    reached = ((w + length * dw) * (s + length * ds)).sum(axis=(1, 2))
    target = total * np.minimum(TARGET_MOST, (reached / total) ** 3)
    target = np.maximum(target, TARGET_RESIDUAL * (w * np.abs(residual)).sum(axis=(1, 2)))
    target = np.minimum(total, np.maximum(target, TARGET_END * tolerance))
    # Far from the path the second-order correction is not to be trusted.
    second = np.where((target < 0.5 * total)[:, None, None], dw * ds, 0.0)
    da, db, dw, ds = direction((target / mass)[:, None, None] * weight - product - second, CORRECTION)
    length = (1.0 - np.clip(total, 5e-4, 0.1)) * np.minimum(_longest(w, dw), _longest(s, ds))
    length = np.minimum(length, reach / np.maximum(reach, np.maximum(_largest(da), _largest(db))))[:, None, None]
    return State(a + length * da, b + length * db, w + length * dw, s + length * ds)


def minimise(problem: Programme, tolerance: float, max_iterations: int) -> tuple[Certified, Array]:
    """Solve every problem to a certified gap of ``tolerance`` nats, or as far as rounding allows.

    Returns:
        The certified solutions, and the number of steps each took.
    """
    state = start(problem)
    final = state.certify(problem)
    steps, stalled = np.zeros(len(problem)), np.zeros(len(problem))
    rows = np.flatnonzero(final.gap > tolerance)  # the problems still open; problem and state hold only these
    problem, state = problem[rows], state[rows]
    for iteration in range(1, max_iterations + 1):
        if not len(rows):
            break
        state = step(problem, state, tolerance, max(SAFE_REACH, REACH * SHRINK ** max(0, iteration - SHRINK_AFTER)))
        steps[rows] = iteration
        sound = np.isfinite(state.w).all(axis=(1, 2))
        near = (state.w * state.s).sum(axis=(1, 2)) <= CERTIFY_BELOW * tolerance
        checked = sound & (near | (iteration > CERTIFY_AFTER))
        if checked.any():
            gained = final.improve(rows[checked], state[checked].certify(problem[checked]))
            stalled[rows[checked]] = np.where(gained, 0, stalled[rows[checked]] + 1)
        unsolved = sound & (final.gap[rows] > tolerance) & (stalled[rows] < PATIENCE)
        if not unsolved.all():
            problem, state, rows = problem[unsolved], state[unsolved], rows[unsolved]
    return final, steps
