"""All optimal duals of the convex programme behind "broja": their analytic centre and their extremes.

At the optimum ``a(x1,y) + b(x2,y) = log q(y|x1,x2)`` on every pair that the coupling q uses, and there the sum is
unique. Elsewhere it need only keep ``log sum_y exp(a + b) <= 0``. For one label the used pairs join the values of both
modalities into connected components, and what is left free is one shift a component: ``a + t`` on its values of
modality 1 and ``b - t`` on those of modality 2, which leaves the dual objective as it is, since q's mass in a component
is the same on both sides. So the optimal duals are a convex set of few dimensions, in which Newton's method is quick.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import logsumexp

from interplay.information.broja import BrojaSolution

Array = NDArray[np.float64]

_MAX_STEPS = 100


@dataclass(frozen=True)
class DualFace:
    """Optimal duals as ``total + shift`` with free component shifts.

    Attributes:
        total: ``(K1, K2, k)``, the solver's a + b in nats; -inf where a label is impossible.
        left, right: ``(K1, k)``, ``(K2, k)``, number of each value's component; one component a label is the gauge
            and has number ``size``, whose shift is 0.
        size: number of free shifts.
        pairs: ``(n,)`` flat index of the unused pairs, which bound the shifts.
        weights: ``(n,)``, p(x1) p(x2) of these pairs, adding up to 1: splitting a symbol into equal ones changes
            nothing.
        imbalance: ``(size,)``, change of the dual objective for a unit shift; 0 but for the solver's tolerance.
    """

    total: Array
    left: NDArray[np.int_]
    right: NDArray[np.int_]
    size: int
    pairs: NDArray[np.int_]
    weights: Array
    imbalance: Array

    def moved(self, shift: Array) -> Array:
        """The sum a + b after these shifts, ``(K1, K2, k)``."""
        t = np.append(shift, 0.0)
        return self.total + t[self.left][:, None] - t[self.right][None]


def dual_face(joint: Array, solution: BrojaSolution) -> DualFace:
    """The optimal duals of a joint ``(K1, K2, k)``, around those that the solver found."""
    p1, p2 = joint.sum(1), joint.sum(0)
    allowed = (p1 > 0)[:, None] & (p2 > 0)[None]
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.where(allowed, solution.a[:, None] + solution.b[None], -np.inf)
    mass = np.where(allowed, solution.coupling, 0.0)
    slack = -logsumexp(total, axis=-1)
    possible = allowed.any(-1)
    used = possible & ((mass.sum(-1) > slack) | (slack <= 0))
    joined = allowed & used[..., None]
    # Every value's mass goes somewhere, however small it is.
    joined |= allowed & (mass == mass.max(0, keepdims=True)) & (mass > 0)
    joined |= allowed & (mass == mass.max(1, keepdims=True)) & (mass > 0)

    left, right = np.zeros(p1.shape, dtype=int), np.zeros(p2.shape, dtype=int)
    size, gauges = 0, list[int]()
    for y in range(joint.shape[-1]):
        edges = np.nonzero(joined[..., y])
        n1, n2 = len(p1), len(p2)
        graph = csr_array((np.ones(len(edges[0])), (edges[0], n1 + edges[1])), shape=(n1 + n2, n1 + n2))
        _, label = connected_components(graph, directed=False)
        alive = np.concatenate([p1[:, y] > 0, p2[:, y] > 0])
        _, numbers = np.unique(label[alive], return_inverse=True)
        renamed = np.full(n1 + n2, -1)
        renamed[alive] = numbers + size + len(gauges)
        left[:, y], right[:, y] = renamed[:n1], renamed[n1:]
        if alive.any():
            gauges.append(size + len(gauges))
            size += numbers.max()
    number = np.full(size + len(gauges) + 1, size)  # the last entry is for dead values, which -1 reaches
    number[np.setdiff1d(np.arange(size + len(gauges)), gauges)] = np.arange(size)
    left, right = number[left], number[right]
    imbalance = _mass(left, p1, size) - _mass(right, p2, size)

    free = (left[:, None] != right[None]) & allowed
    pairs = np.flatnonzero(free.any(-1) & ~used)
    weights = (p1.sum(1)[:, None] * p2.sum(1)[None]).ravel()[pairs]
    return DualFace(total, left, right, size, pairs, weights / weights.sum(), imbalance)


def _mass(component: NDArray[np.int_], table: Array, size: int) -> Array:
    """Probability in each free component."""
    return np.bincount(component.ravel(), table.ravel(), size + 1)[:size].astype(np.float64)


def centre(face: DualFace, *, tolerance: float) -> Array:
    """The sum a + b (nats) at the analytic centre: the largest weighted mean of ``log(-log sum_y exp(a + b))``.

    The move away from the solver's dual is cut short where it would cost more than ``tolerance`` nats of objective.
    """
    if face.size == 0 or len(face.pairs) == 0:
        return face.total
    shift = _minimise(face, np.zeros(face.size), np.zeros(face.size), barrier=1.0, tolerance=1e-14)
    cost = -float(face.imbalance @ shift)
    return face.moved(shift * min(1.0, tolerance / cost) if cost > 0 else shift)


def extremes(face: DualFace, cells: NDArray[np.bool_], *, accuracy: float = 1e-8) -> tuple[Array, Array]:
    """Smallest and largest a + b (nats) over all optimal duals, at the given cells ``(K1, K2, k)``."""
    low, high = face.total.copy(), face.total.copy()
    if face.size == 0 or len(face.pairs) == 0:
        return low, high
    middle = _minimise(face, np.zeros(face.size), np.zeros(face.size), barrier=1.0, tolerance=1e-14)
    ends = np.stack(np.broadcast_arrays(face.left[:, None], face.right[None]), axis=-1)
    for i, j in np.unique(ends[cells], axis=0):
        if i == j:
            continue
        here = (ends == (i, j)).all(-1)
        direction = np.zeros(face.size + 1)
        direction[i] += 1
        direction[j] -= 1
        for sign, out in ((1.0, low), (-1.0, high)):
            shift, barrier = middle, 1.0
            while barrier > accuracy:
                barrier /= 10
                shift = _minimise(face, sign * direction[:-1], shift, barrier=barrier, tolerance=barrier / 100)
            out[here] = face.moved(shift)[here]
    return low, high


def _minimise(face: DualFace, pull: Array, shift: Array, *, barrier: float, tolerance: float) -> Array:
    """Newton's method for ``pull t - barrier sum_i w_i log(slack_i(t))``, from shifts with positive slack."""
    i, j = (
        ends.reshape(-1, face.total.shape[-1])[face.pairs]
        for ends in np.broadcast_arrays(face.left[:, None], face.right[None])
    )
    base = face.total.reshape(-1, i.shape[1])[face.pairs]
    w, n, row = barrier * face.weights, face.size + 1, np.arange(len(face.pairs))[:, None]

    def slacks(t: Array) -> tuple[Array, Array]:
        t = np.append(t, 0.0)
        exponent = base + t[i] - t[j]
        log_sum = logsumexp(exponent, axis=1)
        return -log_sum, np.exp(exponent - log_sum[:, None])

    def objective(t: Array) -> float:
        slack = slacks(t)[0]
        return float(pull @ t - w @ np.log(slack)) if (slack > 0).all() else np.inf

    def scatter(rows: NDArray[np.int_], columns: NDArray[np.int_], values: Array, height: int) -> Array:
        flat = np.bincount((rows * n + columns).ravel(), values.ravel(), height * n)
        return flat.astype(np.float64).reshape(height, n)[:, :-1]

    for _ in range(_MAX_STEPS):
        slack, share = slacks(shift)
        slope = scatter(row, i, share, len(w)) - scatter(row, j, share, len(w))
        gradient = pull + slope.T @ (w / slack)
        spread = share * (w / slack)[:, None]
        crossed = scatter(i, j, spread, n)[:-1]
        hessian = slope.T @ ((w / slack**2 - w / slack)[:, None] * slope) - crossed - crossed.T
        diagonal = np.bincount(i.ravel(), spread.ravel(), n) + np.bincount(j.ravel(), spread.ravel(), n)
        hessian[np.diag_indices_from(hessian)] += diagonal[:-1]
        hessian[np.diag_indices_from(hessian)] *= 1 + 1e-12
        step = -np.linalg.solve(hessian, gradient)
        decrement = -float(gradient @ step)
        if decrement < tolerance:
            break
        length, now = 1.0, objective(shift)
        while objective(shift + length * step) > now - 1e-4 * length * decrement and length > 1e-8:
            length /= 2
        if length <= 1e-8:  # rounding: as central as it gets
            break
        shift = shift + length * step
    return shift
