"""The polytope of joints with three given pairwise tables, as sparse matrices for linear programmes (HiGHS)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from interplay.information._additive import Array, allowed_cells


def solve_programme(cost: Array, *, method: str = "highs", **constraints: Any) -> Any:
    """HiGHS' answer, at its strictest: an error of 1e-7 in a mass is 1e-6 in r log r.

    Its presolve calls some feasible problems with tiny masses infeasible: without it, then.
    """
    found: Any = None
    solve: Any = linprog
    strict = {"primal_feasibility_tolerance": 1e-10}
    for options in (strict, {}, {"presolve": False}, {"presolve": False, "primal_feasibility_tolerance": 1e-6}):
        found = solve(cost, method=method, options=options, **constraints)
        if found.status == 0:
            return found
    assert found is not None
    raise ValueError(f"no joint has these three tables ({found.message}); use reconcile=True")


@dataclass(frozen=True)
class Polytope:
    """Cells (n,) that may carry mass, by index (i, j, y); constraints A r = right side, one row a table entry."""

    p1y: Array
    p2y: Array
    p12: Array

    @cached_property
    def cells(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Indices of the allowed cells."""
        i, j, y = np.nonzero(allowed_cells(self.p1y, self.p2y, self.p12))
        return i, j, y

    @property
    def size(self) -> int:
        """Number of allowed cells."""
        return len(self.cells[0])

    @cached_property
    def pair(self) -> NDArray[np.intp]:
        """Position of every cell's pair among the pairs that occur."""
        i, j, _ = self.cells
        return np.unique(i * self.p12.shape[1] + j, return_inverse=True)[1]

    @cached_property
    def equalities(self) -> tuple[csr_array, Array]:
        """Sparse A and right side, rows in the order p1y, p2y, p12."""
        i, j, y = self.cells
        k, k2 = self.p1y.shape[1], self.p12.shape[1]
        blocks = [
            _rows(index, table.size)
            for index, table in ((i * k + y, self.p1y), (j * k + y, self.p2y), (i * k2 + j, self.p12))
        ]
        right = np.concatenate([self.p1y.ravel(), self.p2y.ravel(), self.p12.ravel()])
        matrix = csr_array(vstack(blocks))
        used = np.diff(matrix.indptr) > 0
        if right[~used].max(initial=0.0) > 1e-9:
            raise ValueError("no joint has these three tables: some entry has no cell left; use reconcile=True")
        return matrix[used], right[used]

    def maximise(self, cost: Array) -> tuple[Array, float]:
        """A vertex r (n,) with largest sum r * cost, and that value."""
        matrix, right = self.equalities
        found = solve_programme(-cost, A_eq=matrix, b_eq=right, bounds=(0, None))
        return np.maximum(found.x, 0.0), float(-found.fun)

    def dual_weights(self, cost: Array) -> tuple[Array, Array]:
        """Weights a (K1, k), b (K2, k) for `hard_value` that attain the largest sum r * cost; cost (K1, K2, k)."""
        matrix, right = self.equalities
        found = solve_programme(-cost[self.cells], A_eq=matrix, b_eq=right, bounds=(0, None))
        return self.split_weights(found.eqlin.marginals)

    def split_weights(self, marginals: Array) -> tuple[Array, Array]:
        """Multipliers of the equalities as arrays a (K1, k) and b (K2, k); zero where an entry has no cell."""
        i, j, y = self.cells
        k, m1, m2 = self.p1y.shape[1], self.p1y.size, self.p2y.size
        used = np.zeros(m1 + m2 + self.p12.size, dtype=bool)
        used[np.concatenate([i * k + y, m1 + j * k + y, m1 + m2 + i * self.p12.shape[1] + j])] = True
        weights = np.zeros(len(used))
        weights[used] = marginals
        return weights[:m1].reshape(self.p1y.shape), weights[m1 : m1 + m2].reshape(self.p2y.shape)

    def joint(self, r: Array) -> Array:
        """The cells back in a table (K1, K2, k)."""
        full = np.zeros((*self.p12.shape, self.p1y.shape[1]))
        full[self.cells] = r
        return full


def _rows(index: NDArray[np.intp], count: int) -> Any:
    n = len(index)
    return csr_array((np.ones(n), (index, np.arange(n))), shape=(count, n))


def cell_limits(p1y: Array, p2y: Array, p12: Array) -> tuple[Array, Array]:
    """Least and largest mass of every cell, (..., K1, K2, k): exact for the table collapsed to {cell, others}^3.

    Eight masses of the collapsed table must not be negative, and one parameter is free.
    """
    first, second, pair = p1y[..., :, None, :], p2y[..., None, :, :], p12[..., None]
    margins = p1y.sum(-1)[..., :, None, None], p2y.sum(-1)[..., None, :, None], p1y.sum(-2)[..., None, None, :]
    rest = 1 - margins[0] - margins[1] - margins[2] + first + second + pair
    high = np.minimum(np.minimum(first, second), np.minimum(pair, rest))
    low = np.maximum(pair + first - margins[0], pair + second - margins[1])
    low = np.maximum(np.maximum(low, first + second - margins[2]), 0.0)
    high = np.maximum(high, 0.0)
    return np.minimum(low, high), high
