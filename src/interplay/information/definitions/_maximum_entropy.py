"""The maximum-entropy table with given p(sources together) and p(each source, target)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, vstack

from interplay.information.definitions._redundancy import Array

_MAX_STEPS = 200


def fit(table: Array, groups: Sequence[NDArray[np.int_]]) -> tuple[Array, float]:
    """Maximise entropy over tables with the row sums and the grouped column sums of the given one.

    The solution is log-linear wherever it is not zero; the dual is convex and is solved by Newton's method. Cells that
    every such table leaves empty fall by a factor e a step, so they end near 1e-10 and not at zero.

    Args:
        table: ``(n, k)`` joint of the n outcomes of all sources together, and the target.
        groups: for each source ``(n,)``, the number of that source's value in each row.

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
    used = target > 0
    design, target = design[used], target[used]
    start = np.concatenate([np.log(margins[0][margins[0] > 0] / k), np.zeros(used[n:].sum())])
    values, gap = _newton(design, target, start)
    if gap > 1e-8:
        raise RuntimeError(f"The maximum-entropy fit did not converge; its gap is {gap / np.log(2):.2e} bits.")
    fitted = np.zeros(n * k)
    fitted[cells] = values
    return fitted.reshape(n, k), gap / np.log(2)


def _newton(design: csr_array, target: Array, start: Array) -> tuple[Array, float]:
    """Minimise ``sum exp(A' theta) - theta t``; the gap is ``theta (A r - t)`` plus the error of the mass (nats)."""
    theta, transposed = start, design.T.tocsr()

    def dual(at: Array) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(transposed @ at).sum() - at @ target)

    def state(at: Array) -> tuple[Array, Array, float]:
        r = np.exp(transposed @ at)
        residual = design @ r - target
        return r, residual, abs(float(at @ residual)) + abs(float(r.sum() - 1))

    r, residual, gap = state(theta)
    for _ in range(_MAX_STEPS):
        hessian = (design.multiply(r[None, :]) @ transposed).toarray()
        # The margins overlap, so theta is free in some directions; the ridge only picks one of them.
        hessian[np.diag_indices_from(hessian)] *= 1 + 1e-11
        direction = -cho_solve(cho_factor(hessian), residual)
        now, slope, length = dual(theta), float(residual @ direction), 1.0
        if -slope < 1e-10:  # too flat for the objective to see, so the residual judges the last full steps
            closer = state(theta + direction)
            if np.abs(closer[1]).max() >= 0.5 * np.abs(residual).max():
                break
            theta, (r, residual, gap) = theta + direction, closer
            continue
        while dual(theta + length * direction) > now + 1e-4 * length * slope:
            length /= 2
        theta = theta + length * direction
        r, residual, gap = state(theta)
    return r, gap
