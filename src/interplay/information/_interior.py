"""Weighted primal-dual interior point method for the BROJA programme, on a batch of problems at once.

It solves the dual. Beside ``a`` and ``b`` it carries a multiplier ``w > 0`` and a slack ``s > 0`` for each
pair of symbols; the coupling is ``q = w * softmax_y(a + b)``. The central path is weighted,
``w s = mu * centre``, where ``centre`` is the mass of the pair when X1 and X2 are independent given Y. Every
pair then adds to the gap in proportion to its mass, so masses that span many decades do no harm, and
splitting a symbol into two copies changes nothing.
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
# Longest change of one log-probability in one step: where a softmax is near zero its model goes no further.
# About one sparse problem in some thousands is caught in a cycle of Newton's method; it starts again with the
# next value.
REACHES = (3.0, 1.0, 5.0)
# Slack of the tightest constraint at the start.
MARGIN = 1.0
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
    """Independence given Y: exactly primal feasible, and strictly dual feasible by a shift.

    The duals add up to ``log(p(y|x1) p(y|x2) / p(y))`` less a constant. The start treats both modalities
    alike, and copies of a symbol as one.
    """
    label = problem.p2.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore"):
        a = np.log(divide(problem.p1, problem.p1.sum(axis=1, keepdims=True), 0.0))
        b = np.log(divide(problem.p2, problem.p2.sum(axis=1, keepdims=True) * label, 0.0))
    level, _ = softmax(a, b)
    shift = level.max(axis=(1, 2))[:, None, None] + MARGIN
    return State(a - shift, b, problem.centre, np.where(problem.centre > 0, shift - level, 1.0))


def _longest(value: Array, change: Array) -> Array:
    """Largest step that keeps ``value`` non-negative, for each problem."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        limit = np.where(change < 0, -value / change, np.inf)
    return limit.min(axis=(1, 2))


def step(problem: Programme, state: State, tolerance: float, reach: float) -> State:
    """One predictor-corrector step (Mehrotra 1992), no log-probability changing by more than ``reach``."""
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
    length = np.minimum(1.0, length)[:, None, None]
    da, db = (length * da).clip(-reach, reach), (length * db).clip(-reach, reach)
    return State(a + da, b + db, w + length * dw, s + length * ds)


def minimise(problem: Programme, tolerance: float, max_iterations: int) -> tuple[Certified, Array]:
    """Solve every problem to a certified gap of ``tolerance`` nats, or as far as rounding allows.

    Returns:
        The certified solutions, and the number of steps each took.
    """
    best, steps = start(problem).certify(problem), np.zeros(len(problem))
    for reach in REACHES:
        _follow(problem, best, steps, tolerance, max_iterations, reach)
    return best, steps


def _follow(
    problem: Programme, best: Certified, steps: Array, tolerance: float, max_iterations: int, reach: float
) -> None:
    """Follow the path of every unsolved problem, improving ``best`` and counting ``steps`` in place."""
    rows = np.flatnonzero((best.gap > tolerance) & (steps < max_iterations))
    problem, stalled, iteration = problem[rows], np.zeros(len(rows)), 0
    state = start(problem)  # problem, state and stalled hold the open rows only
    while len(rows):
        state, iteration = step(problem, state, tolerance, reach), iteration + 1
        steps[rows] += 1
        sound = np.isfinite(state.w).all(axis=(1, 2))
        near = (state.w * state.s).sum(axis=(1, 2)) <= CERTIFY_BELOW * tolerance
        checked = sound & (near | (iteration > CERTIFY_AFTER))
        if checked.any():
            gained = best.improve(rows[checked], state[checked].certify(problem[checked]))
            stalled[checked] = np.where(gained, 0, stalled[checked] + 1)
        unsolved = sound & (best.gap[rows] > tolerance) & (stalled < PATIENCE) & (steps[rows] < max_iterations)
        if not unsolved.all():
            problem, state, rows, stalled = (
                problem[unsolved],
                state[unsolved],
                rows[unsolved],
                stalled[unsolved],
            )
