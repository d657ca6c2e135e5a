"""The maximum-entropy table with given p(sources together) and p(each source, target)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, identity, vstack

from interplay.information.definitions._redundancy import Array

_MAX_STEPS = 200


def fit(table: Array, groups: Sequence[NDArray[np.int_]], *, tolerance: float) -> tuple[Array, float]:
    """Maximise entropy over tables with the row sums and the grouped column sums of the given one.

    The solution is log-linear on the cells that some feasible table occupies. These are found first by one linear
    programme, since otherwise fitting crawls towards cells that must be zero. Then Newton's method on the convex dual.

    Args:
        table: ``(n, k)`` joint of the n outcomes of all sources together, and the target.
        groups: for each source ``(n,)``, the number of that source's value in each row.
        tolerance: duality gap to reach, in bits.

    Returns:
        The table ``(n, k)`` and its duality gap in bits.

    Raises:
        RuntimeError: the fit does not converge, which rounding alone should not cause.
    """
    n, k = table.shape
    margins = [table.sum(axis=1)]
    numbers = [np.repeat(np.arange(n), k)]
    for group in groups:
        summed = np.zeros((group.max() + 1, k))
        np.add.at(summed, group, table)
        margins.append(summed.ravel())
        numbers.append((group[:, None] * k + np.arange(k)).ravel())
    allowed = np.all([margin[number] > 0 for margin, number in zip(margins, numbers, strict=True)], axis=0)
    cells = np.flatnonzero(allowed)
    design = vstack(
        [
            csr_array((np.ones(len(cells)), (number[cells], np.arange(len(cells)))), shape=(len(m), len(cells)))
            for m, number in zip(margins, numbers, strict=True)
        ]
    ).tocsr()
    target = np.concatenate(margins)
    if (table.ravel()[cells] == 0).any():
        possible = _possible(design, target)
        cells, design = cells[possible], design[:, possible]
    used = target > 0
    design, target = design[used], target[used]
    start = np.concatenate([np.log(margins[0][margins[0] > 0] / k), np.zeros(used[n:].sum())])
    values, gap = _newton(design, target, start, tolerance * np.log(2))
    if gap > 1e-8:
        raise RuntimeError(f"The maximum-entropy fit did not converge; its gap is {gap / np.log(2):.2e} bits.")
    fitted = np.zeros(n * k)
    fitted[cells] = values
    return fitted.reshape(n, k), gap / np.log(2)


def _possible(design: csr_array, target: Array) -> NDArray[np.bool_]:
    """Cells that are positive in some table with these margins: maximise sum s, s <= r, s <= 1, A r = tau t."""
    n = design.shape[1]
    eye, scale = identity(n, format="csr"), csr_array(-target[:, None])
    nothing = csr_array((len(target), n))
    result = linprog(  # type: ignore[call-overload]  # the stubs do not know sparse arrays
        np.concatenate([np.zeros(n), -np.ones(n), [0.0]]),
        A_ub=hstack([-eye, eye, csr_array((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=hstack([design, nothing, scale]),
        b_eq=np.zeros(len(target)),
        bounds=[(0, None)] * n + [(0, 1)] * n + [(1, None)],
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(f"The linear programme for impossible cells failed: {result.message}")
    return np.asarray(result.x[n : 2 * n] > 0.5)


def _newton(design: csr_array, target: Array, start: Array, tolerance: float) -> tuple[Array, float]:
    """Minimise ``sum exp(A' theta) - theta t``; the gap is ``theta (A r - t)`` plus the error of the mass (nats)."""
    theta, transposed = start, design.T.tocsr()

    def dual(at: Array) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(transposed @ at).sum() - at @ target)

    for _ in range(_MAX_STEPS):
        r = np.exp(transposed @ theta)
        residual = design @ r - target
        gap = abs(float(theta @ residual)) + abs(float(r.sum() - 1))
        if gap <= tolerance and np.abs(residual).max() <= 1e-13:
            break
        hessian = (design.multiply(r[None, :]) @ transposed).toarray()
        # The margins overlap, so theta is free in some directions; the ridge only picks one of them.
        hessian[np.diag_indices_from(hessian)] *= 1 + 1e-11
        direction = -cho_solve(cho_factor(hessian), residual)
        now, slope, length = dual(theta), float(residual @ direction), 1.0
        while dual(theta + length * direction) > now + 1e-4 * length * slope and length > 1e-6:
            length /= 2
        if length <= 1e-6:  # rounding: no further descent is possible
            break
        theta = theta + length * direction
    return r, gap
