"""The BROJA programme, its dual, and exact certificates for any approximate solution, on batches.

Primal: minimise ``sum q log(q / q(x1, x2))`` over couplings with the given tables ``p(x1, y)`` and ``p(x2,
y)``.
Dual: maximise ``<a, p1> + <b, p2>`` subject to ``log sum_y exp(a(x1, y) + b(x2, y)) <= 0`` for each pair.
Any coupling
can be made exactly feasible, and so can any ``(a, b)``; the difference of their values bounds the error of
both.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Arrays that share their first axis, one entry a problem."""

    def __getitem__(self, rows: Mask | NDArray[np.intp] | slice) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True)
class Programme(Batch):
    """Problems of one shape: the fixed tables ``p(x1, y)`` (B, K1, k) and ``p(x2, y)`` (B, K2, k).

    ``centre`` (B, K1, K2) is ``sum_y p(y) p(x1|y) p(x2|y)``, zero exactly where no label is allowed.
    """

    p1: Array
    p2: Array
    centre: Array

    @classmethod
    def from_tables(cls, p1: Array, p2: Array) -> Self:
        """The programme of two tables with the same label marginal."""
        label = p1.sum(axis=1)[:, None, :]
        return cls(p1, p2, p1 @ divide(p2, label, 0.0).swapaxes(1, 2))


def divide(numerator: Array, denominator: Array, default: float) -> Array:
    """Quotient, ``default`` where the denominator is zero."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), default)
    return np.divide(numerator, denominator, out=out, where=np.broadcast_to(denominator > 0, out.shape))


def softmax(a: Array, b: Array) -> tuple[Array, Array]:
    """``log sum_y exp(a + b)`` (B, K1, K2) and the softmax over labels (B, K1, K2, k).

    A label is allowed for a pair where neither dual is minus infinity; a pair without one has minus infinity
    and zeros.
    """
    pi = a[:, :, None, :] + b[:, None, :, :]
    top = pi.max(axis=3)
    top[np.isneginf(top)] = 0.0
    pi -= top[..., None]
    np.exp(pi, out=pi)
    total = pi.sum(axis=3)
    empty = total == 0
    with np.errstate(divide="ignore"):
        level = top + np.log(total)
    total[empty] = 1.0
    pi /= total[..., None]
    return level, pi


def feasible_coupling(problem: Programme, q: Array) -> Array:
    """Coupling near ``q`` (B, K1, K2, k) whose tables are those of the problem, to rounding.

    One sweep of iterative scaling, then rows and columns that are too heavy are scaled down and the rank-one
    product
    of what lacks is added (Altschuler, Weed, Rigollet 2017, algorithm 2, for each label).
    """
    q = q * divide(problem.p1, q.sum(axis=2), 0.0)[:, :, None, :]
    q *= divide(problem.p2, q.sum(axis=1), 0.0)[:, None, :, :]
    q *= np.minimum(1.0, divide(problem.p1, q.sum(axis=2), 1.0))[:, :, None, :]
    q *= np.minimum(1.0, divide(problem.p2, q.sum(axis=1), 1.0))[:, None, :, :]
    lack1 = np.maximum(problem.p1 - q.sum(axis=2), 0.0)
    lack2 = np.maximum(problem.p2 - q.sum(axis=1), 0.0)
    share = divide(lack2, lack2.sum(axis=1, keepdims=True), 0.0)
    q += lack1[:, :, None, :] * share[:, None, :, :]
    return q


def feasible_dual(problem: Programme, a: Array, b: Array) -> tuple[Array, Array]:
    """Duals near ``(a, b)`` that satisfy every constraint, with no row and no column left slack.

    A violated constraint is repaired on the symbol with less mass, where it costs least.
    """
    level, _ = softmax(a, b)
    lighter = problem.p1.sum(axis=2)[:, :, None] <= problem.p2.sum(axis=2)[:, None, :]
    shift = np.where(lighter, level, 0.0).max(axis=2).clip(min=0.0)
    a, level = a - shift[:, :, None], level - shift[:, :, None]
    shift = level.max(axis=1).clip(min=0.0)
    b, level = b - shift[:, :, None], level - shift[:, None, :]
    shift = level.max(axis=2)
    shift[np.isneginf(shift)] = 0.0
    a, level = a - shift[:, :, None], level - shift[:, :, None]
    shift = level.max(axis=1)
    shift[np.isneginf(shift)] = 0.0
    return a, b - shift[:, :, None]


def gap(q: Array, a: Array, b: Array) -> Array:
    """Primal minus dual value in nats, as ``sum q (log q(y|x1, x2) - a - b)``: no large terms cancel."""
    pair = q.sum(axis=3, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = q * (np.log(q / pair) - a[:, :, None, :] - b[:, None, :, :])
    return np.where(q > 0, terms, 0.0).sum(axis=(1, 2, 3))


def primal_value(q: Array) -> Array:
    """``-H_q(Y|X1, X2)`` in nats."""
    zero1, zero2 = np.zeros(q.shape[:2] + q.shape[3:]), np.zeros(q.shape[:1] + q.shape[2:])
    return gap(q, zero1, zero2)


def dual_value(problem: Programme, a: Array, b: Array) -> Array:
    """``<a, p1> + <b, p2>`` in nats; terms without mass count zero."""
    with np.errstate(invalid="ignore"):
        first = np.where(problem.p1 > 0, problem.p1 * a, 0.0).sum(axis=(1, 2))
        return first + np.where(problem.p2 > 0, problem.p2 * b, 0.0).sum(axis=(1, 2))
