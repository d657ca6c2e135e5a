"""Additive fit: the dual of every problem over the joints with three given pairwise tables.

For tables p(x1,y), p(x2,y), p(x1,x2), a cost C(x1,x2,y) and a temperature t > 0

    max over joints r with these tables of  sum r C + t H_r(Y|X1,X2)
  = min over a, b of  F(a,b) = sum p12 t log sum_y exp((C + a + b) / t) - <a, p1y> - <b, p2y>,

with a(x1,y) and b(x2,y). Every (a, b) gives a valid upper bound. C = 0, t = 1 is maximum entropy, that is
multinomial logistic regression on additive one-hot inputs; t -> 0 is a linear programme. Nats throughout.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TEMPERATURES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)


@dataclass(frozen=True)
class AdditiveFit:
    """Weights of a batch: a (B, K1, k), b (B, K2, k); value F(a,b) (B,); decrement (B,), about the error of F."""

    a: Array
    b: Array
    value: Array
    decrement: Array
    iterations: int


def allowed_cells(p1y: Array, p2y: Array, p12: Array) -> NDArray[np.bool_]:
    """Cells (..., K1, K2, k) that no zero of a table forbids."""
    by_label = (p1y[..., :, None, :] > 0) & (p2y[..., None, :, :] > 0)
    return by_label & (p12[..., None] > 0)


def scores(a: Array, b: Array, offset: Array) -> Array:
    """C + a + b on all cells; offset is -inf on forbidden cells."""
    return offset + a[..., :, None, :] + b[..., None, :, :]


def hard_value(a: Array, b: Array, offset: Array, p1y: Array, p2y: Array, p12: Array) -> Array:
    """Value of the dual at temperature 0: a rigorous bound of max sum r C for any weights."""
    top = scores(a, b, offset).max(-1)
    top[p12 <= 0] = 0.0
    return (p12 * top).sum((-1, -2)) - (a * p1y).sum((-1, -2)) - (b * p2y).sum((-1, -2))


def additive_fit(
    p1y: Array,
    p2y: Array,
    p12: Array,
    *,
    offset: Array | None = None,
    temperature: float = 1.0,
    start: tuple[Array, Array] | None = None,
    tolerance: float = 1e-13,
    max_iterations: int = 100,
) -> AdditiveFit:
    """Damped Newton on F for a batch of tables, (B, K1, k), (B, K2, k), (B, K1, K2).

    Where the optimum lies at infinity (a cell is forced to zero) the error still falls by about e a step, so no
    linear programme has to find these cells first.
    """
    allowed = allowed_cells(p1y, p2y, p12)
    base = np.where(allowed, 0.0 if offset is None else offset, -np.inf)
    a, b = (np.zeros_like(p1y), np.zeros_like(p2y)) if start is None else (start[0].copy(), start[1].copy())
    value, softmax = _value(a, b, base, p1y, p2y, p12, temperature)
    decrement = np.full(len(p1y), np.inf)
    active, step = np.arange(len(p1y)), 0
    while active.size and step < max_iterations:
        step += 1
        tables = (p1y[active], p2y[active], p12[active])
        da, db, decrement[active], slope = _newton_step(softmax[active], *tables, temperature)
        keep = decrement[active] > tolerance
        active, moving, slope = active[keep], (da[keep], db[keep]), slope[keep]
        if not active.size:
            break
        tables = (p1y[active], p2y[active], p12[active])
        a[active], b[active], new, softmax[active] = _line_search(
            a[active], b[active], moving, base[active], tables, temperature, value[active], slope
        )
        improved = new < value[active]
        value[active] = new
        active = active[improved]
    return AdditiveFit(a, b, value, decrement, step)


def conditional(fit: AdditiveFit, p1y: Array, p2y: Array, p12: Array) -> Array:
    """p(y|x1,x2) (B, K1, K2, k) of the fitted joint at temperature 1; zero for pairs that do not occur."""
    base = np.where(allowed_cells(p1y, p2y, p12), 0.0, -np.inf)
    return _value(fit.a, fit.b, base, p1y, p2y, p12, 1.0)[1]


def _value(
    a: Array, b: Array, base: Array, p1y: Array, p2y: Array, p12: Array, temperature: float
) -> tuple[Array, Array]:
    z = scores(a, b, base) / temperature
    top = z.max(-1, keepdims=True)
    top[~np.isfinite(top)] = 0.0
    z -= top
    np.exp(z, out=z)
    total = z.sum(-1, keepdims=True)
    total[total == 0] = 1.0
    z /= total
    log_sum: Array = temperature * (top + np.log(total))[..., 0]
    value = (p12 * log_sum).sum((-1, -2)) - (a * p1y).sum((-1, -2)) - (b * p2y).sum((-1, -2))
    return value, z


def _newton_step(
    softmax: Array, p1y: Array, p2y: Array, p12: Array, temperature: float
) -> tuple[Array, Array, Array, Array]:
    """Newton direction, cut to a sane length; half its squared decrement before and after the cut."""
    size, k1, k2, k = softmax.shape
    joint = p12[..., None] * softmax
    m1, m2 = k1 * k, k2 * k
    gradient = np.concatenate([(joint.sum(2) - p1y).reshape(size, m1), (joint.sum(1) - p2y).reshape(size, m2)], axis=1)
    hessian = np.zeros((size, m1 + m2, m1 + m2))
    labels = np.arange(k)
    diagonal1 = -np.einsum("nijy,nijz->niyz", joint, softmax, optimize=True)
    diagonal2 = -np.einsum("nijy,nijz->njyz", joint, softmax, optimize=True)
    diagonal1[:, :, labels, labels] += joint.sum(2)
    diagonal2[:, :, labels, labels] += joint.sum(1)
    for i in range(k1):
        hessian[:, i * k : (i + 1) * k, i * k : (i + 1) * k] = diagonal1[:, i]
    for j in range(k2):
        at = m1 + j * k
        hessian[:, at : at + k, at : at + k] = diagonal2[:, j]
    cross = -joint[..., :, None] * softmax[..., None, :]
    cross[..., labels, labels] += joint
    cross = cross.transpose(0, 1, 3, 2, 4).reshape(size, m1, m2)
    hessian[:, :m1, m1:] = cross
    hessian[:, m1:, :m1] = cross.transpose(0, 2, 1)
    hessian /= temperature
    step = -_solve(hessian, gradient)
    decrement = np.maximum(-(step * gradient).sum(1), 0.0) / 2
    longest = np.abs(step).max(1, keepdims=True) / temperature
    shrink = np.minimum(1.0, 10.0 / np.maximum(longest, 1e-300))
    step *= shrink
    return step[:, :m1].reshape(size, k1, k), step[:, m1:].reshape(size, k2, k), decrement, shrink[:, 0] * decrement


def _solve(hessian: Array, gradient: Array) -> Array:
    """Newton equations. Weights are free up to a(x1,.) + c and a + t(y), b - t(y): a ridge picks one of equal steps."""
    diagonal = np.einsum("nii->ni", hessian)
    scale = diagonal.max(1, keepdims=True)
    for ridge in (1e-13, 1e-11, 1e-8):
        diagonal += ridge * scale + 1e-300
        try:
            return np.asarray(np.linalg.solve(hessian, gradient[..., None])[..., 0], dtype=np.float64)
        except np.linalg.LinAlgError:  # rounding made it singular: a larger ridge
            continue
    return gradient / (diagonal + 1e-300)


def _line_search(
    a: Array,
    b: Array,
    direction: tuple[Array, Array],
    base: Array,
    tables: tuple[Array, Array, Array],
    temperature: float,
    value: Array,
    slope: Array,
) -> tuple[Array, Array, Array, Array]:
    """Halve the step of each problem until F falls enough; a problem that cannot move keeps its weights."""
    length = np.ones(len(value))
    best, softmax = _value(a, b, base, *tables, temperature)
    found_a, found_b, found = a.copy(), b.copy(), best.copy()
    pending = np.arange(len(value))
    for _ in range(40):
        t = length[pending, None, None]
        try_a, try_b = a[pending] + t * direction[0][pending], b[pending] + t * direction[1][pending]
        part = (tables[0][pending], tables[1][pending], tables[2][pending])
        new, new_softmax = _value(try_a, try_b, base[pending], *part, temperature)
        good = new <= value[pending] - 0.1 * length[pending] * slope[pending]
        rows = pending[good]
        found_a[rows], found_b[rows], found[rows] = try_a[good], try_b[good], new[good]
        softmax[rows] = new_softmax[good]
        pending = pending[~good]
        if not pending.size:
            break
        length[pending] /= 2
    return found_a, found_b, found, softmax


def linear_bound(
    p1y: Array, p2y: Array, p12: Array, cost: Array, *, levels: tuple[float, ...] = TEMPERATURES
) -> tuple[Array, Array, Array]:
    """Upper bound of max sum r C over joints with the three tables: (value (B,), a, b).

    Cools the smoothed problem; whatever the accuracy of the fit, the value is rigorous (`hard_value`).
    """
    offset = np.where(allowed_cells(p1y, p2y, p12), cost, -np.inf)
    best_a, best_b = np.zeros_like(p1y), np.zeros_like(p2y)
    best = hard_value(best_a, best_b, offset, p1y, p2y, p12)
    start = None
    for temperature in levels:
        fit = additive_fit(
            p1y, p2y, p12, offset=cost, temperature=temperature, start=start, tolerance=temperature * 1e-3
        )
        start = (fit.a, fit.b)
        value = hard_value(fit.a, fit.b, offset, p1y, p2y, p12)
        better = value < best
        best[better], best_a[better], best_b[better] = value[better], fit.a[better], fit.b[better]
    return best, best_a, best_b
