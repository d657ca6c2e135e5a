"""The BROJA programme, its dual, and exact certificates for approximate solutions, on batches.

Primal: minimise ``sum q log(q / q(x1, x2))`` over couplings with given tables ``p(x1, y)`` and ``p(x2, y)``.
Dual: maximise ``<a, p1> + <b, p2>`` subject to ``log sum_y exp(a(x1, y) + b(x2, y)) <= 0`` for each pair.
Any coupling can be made exactly feasible, and so can any ``(a, b)``; the difference of their values bounds
the error of both. Labels come first here, ``(B, k, K1, K2)``: sums over few labels are sums of long arrays.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Batch:
    """Arrays that share their first axis, one entry a problem."""

    def __getitem__(self, rows: Mask | Index | slice) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True)
class Programme(Batch):
    """Problems of one shape: the fixed tables ``p1`` (B, k, K1) and ``p2`` (B, k, K2).

    ``centre`` (B, K1, K2) is ``sum_y p(y) p(x1|y) p(x2|y)``, zero exactly where no label is allowed.
    """

    p1: Array
    p2: Array
    centre: Array

    @classmethod
    def from_tables(cls, p1: Array, p2: Array) -> Self:
        """The programme of two tables with the same label marginal."""
        label = p1.sum(axis=2, keepdims=True)
        return cls(p1, p2, p1.swapaxes(1, 2) @ divide(p2, label, 0.0))


@dataclass(frozen=True)
class Certified(Batch):
    """Exactly feasible coupling (B, k, K1, K2) and duals, and the gap between their values in nats (B,)."""

    q: Array
    a: Array
    b: Array
    gap: Array

    def improve(self, rows: Index, new: "Certified") -> Mask:
        """Take over better couplings and duals for these rows, in place; says which gap fell by a tenth."""
        q, a, b, old = self.q[rows], self.a[rows], self.b[rows], self.gap[rows]
        coupling, dual = gap(new.q, a, b) < old, gap(q, new.a, new.b) < old
        self.q[rows[coupling]] = new.q[coupling]
        self.a[rows[dual]], self.b[rows[dual]] = new.a[dual], new.b[dual]
        self.gap[rows] = gap(self.q[rows], self.a[rows], self.b[rows])
        return self.gap[rows] < 0.9 * old


def certify(problem: Programme, q: Array, a: Array, b: Array) -> Certified:
    """The exactly feasible coupling next to ``q`` and the exactly feasible duals next to ``(a, b)``."""
    q, (a, b) = feasible_coupling(problem, q), feasible_dual(problem, a, b)
    return Certified(q, a, b, gap(q, a, b))


def divide(numerator: Array, denominator: Array, default: float) -> Array:
    """Quotient, ``default`` where the denominator is zero."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), default)
    return np.divide(numerator, denominator, out=out, where=np.broadcast_to(denominator > 0, out.shape))


def pairwise(first: Array, second: Array) -> Array:
    """``first(y, x1) + second(y, x2)``, (B, k, K1, K2)."""
    return first[:, :, :, None] + second[:, :, None, :]


def softmax(a: Array, b: Array) -> tuple[Array, Array]:
    """``log sum_y exp(a + b)`` (B, K1, K2) and the softmax over labels (B, k, K1, K2).

    A label is allowed for a pair where neither dual is minus infinity. A pair without any has minus infinity
    and zeros.
    """
    pi = pairwise(a, b)
    top = pi.max(axis=1)
    top[np.isneginf(top)] = 0.0
    pi -= top[:, None]
    np.exp(pi, out=pi)
    total = pi.sum(axis=1)
    empty = total == 0
    with np.errstate(divide="ignore"):
        level = top + np.log(total)
    total[empty] = 1.0
    pi /= total[:, None]
    return level, pi


def feasible_coupling(problem: Programme, q: Array) -> Array:
    """Coupling near ``q`` (B, k, K1, K2) whose tables are those of the problem, to rounding.

    One sweep of iterative scaling; then rows and columns that are too heavy are scaled down and the rank-one
    product of what lacks is added (Altschuler, Weed, Rigollet 2017, algorithm 2, for each label).
    """
    p1, p2 = problem.p1, problem.p2
    q = q * divide(p1, q.sum(axis=3), 0.0)[:, :, :, None]
    q *= divide(p2, q.sum(axis=2), 0.0)[:, :, None, :]
    q *= np.minimum(1.0, divide(p1, q.sum(axis=3), 1.0))[:, :, :, None]
    q *= np.minimum(1.0, divide(p2, q.sum(axis=2), 1.0))[:, :, None, :]
    lack1 = np.maximum(p1 - q.sum(axis=3), 0.0)
    lack2 = np.maximum(p2 - q.sum(axis=2), 0.0)
    share = divide(lack2, lack2.sum(axis=2, keepdims=True), 0.0)
    q += lack1[:, :, :, None] * share[:, :, None, :]
    return q


def feasible_dual(problem: Programme, a: Array, b: Array) -> tuple[Array, Array]:
    """Duals near ``(a, b)`` that satisfy every constraint, with no row and no column left slack.

    A violated constraint is repaired on the symbol with less mass, where it costs least.
    """
    level, _ = softmax(a, b)
    lighter = problem.p1.sum(axis=1)[:, :, None] <= problem.p2.sum(axis=1)[:, None, :]
    lower1 = np.where(lighter, level, 0.0).max(axis=2).clip(min=0.0)
    level -= lower1[:, :, None]
    lower2 = level.max(axis=1).clip(min=0.0)
    level -= lower2[:, None, :]
    raise1 = _finite(level.max(axis=2))
    level -= raise1[:, :, None]
    raise2 = _finite(level.max(axis=1))
    return a - (lower1 + raise1)[:, None, :], b - (lower2 + raise2)[:, None, :]


def _finite(level: Array) -> Array:
    return np.where(np.isneginf(level), 0.0, level)


def gap(q: Array, a: Array, b: Array) -> Array:
    """Primal minus dual value in nats, as ``sum q (log q(y|x1, x2) - a - b)``: no large terms cancel."""
    pair = q.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = q * (np.log(q / pair) - pairwise(a, b))
    return np.where(q > 0, terms, 0.0).sum(axis=(1, 2, 3))


def primal_value(q: Array) -> Array:
    """``-H_q(Y|X1, X2)`` in nats."""
    return gap(q, np.zeros((*q.shape[:2], 1)), np.zeros((*q.shape[:2], 1)))


def dual_value(problem: Programme, a: Array, b: Array) -> Array:
    """``<a, p1> + <b, p2>`` in nats; terms without mass count zero."""
    with np.errstate(invalid="ignore"):
        first = np.where(problem.p1 > 0, problem.p1 * a, 0.0).sum(axis=(1, 2))
        return first + np.where(problem.p2 > 0, problem.p2 * b, 0.0).sum(axis=(1, 2))
