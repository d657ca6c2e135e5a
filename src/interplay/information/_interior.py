"""Weighted primal-dual interior point method for the BROJA programme, on a batch of problems at once.

It solves the dual. Beside ``a`` and ``b`` it carries a multiplier ``w > 0`` and a slack ``s > 0`` for each pair
of symbols; the coupling is ``q = w * softmax_y(a + b)``. The central path is weighted: ``w s = mu * centre``,
where ``centre`` is the mass of the pair when X1 and X2 are independent given Y. Every pair then adds to the gap
in proportion to its mass, so masses that span many decades do no harm, and splitting a symbol into two copies
changes nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

from interplay.information._certificate import (
    Array,
    Batch,
    Mask,
    Programme,
    divide,
    feasible_coupling,
    feasible_dual,
    gap,
    softmax,
)

# Regularisation of the Newton matrix, relative to the marginals and to its own diagonal; refinement removes
# its trace.
RIDGE = 1e-12
ROUNDING = 1e-14
# Longest change of a log-probability in one step: the quadratic model of the softmax is good for a few units.
REACH = 5.0
# The target complementarity stays above this share of the nonlinear residual of the constraints.
FLOOR = 0.3
# Certificates are drawn up once the complementarity is below this multiple of the tolerance, and late in any
# case.
NEAR = 10.0
EARLY = 25
# A problem is given up after so many certificates in a row that shrink the gap by less than a tenth.
PATIENCE = 8
GAIN = 0.9


@dataclass(frozen=True)
class State(Batch):
    """An iterate: duals (minus infinity where a marginal is zero), multipliers and slacks of the pairs."""

    a: Array
    b: Array
    w: Array
    s: Array


@dataclass(frozen=True)
class Certified(Batch):
    """Exactly feasible coupling and duals, and the gap between them in nats."""

    q: Array
    a: Array
    b: Array
    gap: Array

    def improve(self, rows: NDArray[np.intp], new: "Certified") -> Mask:
        """Take over the better coupling and the better duals for these rows, in place; which rows gained."""
        q, a, b, old = self.q[rows], self.a[rows], self.b[rows], self.gap[rows]
        coupling, dual = gap(new.q, a, b) < old, gap(q, new.a, new.b) < old
        self.q[rows[coupling]] = new.q[coupling]
        self.a[rows[dual]], self.b[rows[dual]] = new.a[dual], new.b[dual]
        self.gap[rows] = gap(self.q[rows], self.a[rows], self.b[rows])
        return self.gap[rows] < GAIN * old


def start(problem: Programme) -> State:
    """Independence given Y: exactly primal feasible and strictly dual feasible."""
    label = problem.p1.sum(axis=1)[:, None, :]
    with np.errstate(divide="ignore"):
        a = np.log(problem.p1)
        b = np.log(divide(problem.p2, label, 0.0))
        s = np.where(problem.centre > 0, np.maximum(-np.log(problem.centre), 1e-2), 1.0)
    return State(a, b, problem.centre.copy(), s)


class NewtonMatrix:
    """``sum over pairs of w diag(pi) + (w/s - w) pi pi^T``, factored for several right-hand sides.

    It couples only ``x1`` with ``x2``: the first side is eliminated block by block (k x k), what remains is
    one dense
    system of size ``K2 k``. Its null space, ``a + t(y), b - t(y)``, is removed by pinning ``<b(., y), p2(.,
    y)>``.
    """

    def __init__(self, problem: Programme, w: Array, s: Array, pi: Array):
        (n, k1, k), k2 = problem.p1.shape, problem.p2.shape[1]
        self.w, self.ratio, self.pi = w, w / s, pi
        q = w[..., None] * pi
        scaled = (self.ratio - w)[..., None] * pi
        block1 = _with_diagonal(scaled.swapaxes(2, 3) @ pi, q.sum(axis=2), problem.p1)
        block2 = _with_diagonal(scaled.transpose(0, 2, 3, 1) @ pi.swapaxes(1, 2), q.sum(axis=1), problem.p2)
        label, symbol = np.arange(k), np.arange(k2)
        cross = scaled.swapaxes(2, 3)[..., None] * pi[:, :, None]  # (B, K1, k, K2, k)
        cross[:, :, label, :, label] += q.transpose(3, 0, 1, 2)
        self.root1 = _inverse_root(block1.reshape(n * k1, k, k)).reshape(block1.shape)
        self.cross = (self.root1 @ cross.reshape(n, k1, k, k2 * k)).reshape(n, k1 * k, k2 * k)
        schur = -(self.cross.swapaxes(1, 2) @ self.cross)
        view = schur.reshape(n, k2, k, k2, k)
        view[:, symbol, :, symbol, :] += block2.swapaxes(0, 1)
        gauge = problem.p2 * np.sqrt(divide(np.ones(1), problem.p2.sum(axis=1), 0.0))[:, None, :]
        view[:, :, label, :, label] += (gauge[:, :, None, :] * gauge[:, None, :, :]).transpose(3, 0, 1, 2)
        self.root2 = _inverse_root(schur)

    def _backsolve(self, r1: Array, r2: Array) -> tuple[Array, Array]:
        half = (self.root1 @ r1[..., None]).reshape(len(r1), -1, 1)
        right = r2.reshape(len(r2), -1, 1) - self.cross.swapaxes(1, 2) @ half
        db = self.root2.swapaxes(1, 2) @ (self.root2 @ right)
        da = self.root1.swapaxes(2, 3) @ (half - self.cross @ db).reshape(*r1.shape, 1)
        return da[..., 0], db.reshape(r2.shape)

    def _apply(self, da: Array, db: Array) -> tuple[Array, Array]:
        d = da[:, :, None, :] + db[:, None, :, :]
        mean = np.einsum("bijy,bijy->bij", self.pi, d)
        out = self.pi * (self.w[..., None] * d + ((self.ratio - self.w) * mean)[..., None])
        return out.sum(axis=2), out.sum(axis=1)

    def solve(self, r1: Array, r2: Array) -> tuple[Array, Array]:
        """Solution with one step of iterative refinement against the unregularised matrix."""
        da, db = self._backsolve(r1, r2)
        m1, m2 = self._apply(da, db)
        ea, eb = self._backsolve(r1 - m1, r2 - m2)
        return da + ea, db + eb


def _with_diagonal(block: Array, diagonal: Array, marginal: Array) -> Array:
    """Add to the diagonals of ``block`` (B, K, k, k); an entry without mass becomes a row of the identity."""
    label = np.arange(block.shape[-1])
    block[:, :, label, label] += diagonal + RIDGE * marginal
    block[:, :, label, label] *= 1.0 + ROUNDING
    block[:, :, label, label] += marginal == 0
    return block


def _inverse_root(matrices: Array) -> Array:
    """Inverse of each lower Cholesky factor; a growing ridge where rounding made a matrix indefinite."""
    out = np.empty_like(matrices)
    for i, matrix in enumerate(matrices):
        ridge, failed = 0.0, 1
        while failed and ridge < 1e-6:
            trial = matrix + np.diag(ridge * matrix.diagonal()) if ridge else matrix
            factor, failed = dpotrf(trial.T, lower=1, clean=1)
            ridge = max(10 * ridge, 10 * ROUNDING)
        out[i] = np.nan if failed else dtrtri(factor, lower=1)[0]
    return out


def _longest(value: Array, change: Array) -> Array:
    """Largest step that keeps ``value`` non-negative, for each problem."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        limit = np.where(change < 0, -value / change, np.inf)
    return limit.min(axis=(1, 2))


def step(problem: Programme, state: State) -> State:
    """One predictor-corrector step."""
    a, b, w, s = state.a, state.b, state.w, state.s
    weight, active = problem.centre, problem.centre > 0
    level, pi = softmax(a, b)
    q = w[..., None] * pi
    residual = np.where(active, -(level + s), 0.0)
    lack1, lack2 = problem.p1 - q.sum(axis=2), problem.p2 - q.sum(axis=1)
    matrix = NewtonMatrix(problem, w, s, pi)

    def direction(complementarity: Array) -> tuple[Array, Array, Array, Array]:
        carried = ((complementarity - w * residual) / s)[..., None] * pi
        da, db = matrix.solve(lack1 - carried.sum(axis=2), lack2 - carried.sum(axis=1))
        change = np.einsum("bijy,bijy->bij", pi, da[:, :, None, :] + db[:, None, :, :])
        ds = np.where(active, residual - change, 0.0)
        return da, db, (complementarity - w * ds) / s, ds

    total = (w * s).sum(axis=(1, 2))
    mass = weight.sum(axis=(1, 2))
    _, _, dw, ds = direction(-w * s)
    length = np.minimum(1.0, np.minimum(_longest(w, dw), _longest(s, ds)))[:, None, None]
    reached = ((w + length * dw) * (s + length * ds)).sum(axis=(1, 2))
    floor = FLOOR * (w * np.abs(residual)).sum(axis=(1, 2))
    target = np.minimum(total, np.maximum(total * (reached / total) ** 3, floor))
    # Far from the path the second-order correction is not to be trusted.
    second = np.where((target < 0.5 * total)[:, None, None], dw * ds, 0.0)
    da, db, dw, ds = direction((target / mass)[:, None, None] * weight - w * s - second)
    safety = 1.0 - np.clip(total, 5e-4, 0.1)
    length = np.minimum(1.0, safety * np.minimum(_longest(w, dw), _longest(s, ds)))
    far = np.maximum(np.abs(da).max(axis=(1, 2)), np.abs(db).max(axis=(1, 2)))
    length = np.minimum(length, REACH / np.maximum(far, REACH))[:, None, None]
    return State(a + length * da, b + length * db, w + length * dw, s + length * ds)


def certify(problem: Programme, state: State) -> Certified:
    """The exactly feasible coupling and duals next to an iterate."""
    _, pi = softmax(state.a, state.b)
    q = feasible_coupling(problem, state.w[..., None] * pi)
    a, b = feasible_dual(problem, state.a, state.b)
    return Certified(q, a, b, gap(q, a, b))


def minimise(problem: Programme, tolerance: float, max_iterations: int) -> tuple[Certified, Array]:
    """Solve every problem to a certified gap of ``tolerance`` nats, or as far as rounding allows.

    Returns:
        The certified solutions, and the number of steps each took.
    """
    state = start(problem)
    final = certify(problem, state)
    steps, stalled = np.zeros(len(problem)), np.zeros(len(problem))
    rows = np.flatnonzero(final.gap > tolerance)  # the problems still open; state holds only these
    problem, state = problem[rows], state[rows]
    for iteration in range(1, max_iterations + 1):
        if not len(rows):
            break
        state = step(problem, state)
        sound = np.isfinite(state.w).all(axis=(1, 2))
        near = (state.w * state.s).sum(axis=(1, 2)) <= NEAR * tolerance
        checked = sound & (near | (iteration > EARLY))
        if checked.any():
            gained = final.improve(rows[checked], certify(problem[checked], state[checked]))
            stalled[rows[checked]] = np.where(gained, 0, stalled[rows[checked]] + 1)
        steps[rows] = iteration
        open_ = sound & (final.gap[rows] > tolerance) & (stalled[rows] < PATIENCE)
        if not open_.all():
            problem, state, rows = problem[open_], state[open_], rows[open_]
    return final, steps
