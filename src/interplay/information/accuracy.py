"""How accurate can a predictor of Y from (X1, X2) be, when only three pairwise tables are known?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.sparse import csr_array, eye_array, hstack, vstack

from interplay.information._additive import Array, additive_fit, allowed_cells
from interplay.information._programme import Polytope, _rows, cell_limits, solve_programme
from interplay.information.tables import align_margins, check_margins, check_tables

MEDIUM = 12_000  # cells up to which its linear relaxation is solved
LARGE = 30_000  # cells up to which the smallest accuracy is solved exactly


@dataclass(frozen=True)
class GuaranteedRule:
    """An additive fusion rule and the accuracy it has at least, on every joint with the three tables.

    accuracy: the guaranteed accuracy. a (K1, k), b (K2, k): additive scores. rule (K1, K2, k): probability of
    answering each label, max(0, a + b - threshold) with the threshold that makes it sum to 1.
    """

    accuracy: float
    a: Array
    b: Array
    rule: Array


@dataclass(frozen=True)
class LargestAccuracy:
    """upper: no consistent joint allows more. attained: some consistent joint allows it (NaN if not searched).

    method: "linear relaxation" or "cells", the tighter one that was run.
    """

    upper: float
    attained: float
    method: str

    @property
    def gap(self) -> float:
        """How much of the upper end may be slack; NaN if no attained accuracy was searched."""
        return self.upper - self.attained


def threshold(scores: Array) -> Array:
    """The t with sum_y max(0, scores - t) = 1 along the last axis (projection on the simplex)."""
    ordered = -np.sort(-scores, axis=-1)
    finite = np.isfinite(ordered)
    sums = np.where(finite, ordered, 0.0).cumsum(-1)
    candidates = np.where(finite, (sums - 1) / np.arange(1, scores.shape[-1] + 1), -np.inf)
    return candidates.max(-1)


def smallest_accuracy(p1y: ArrayLike, p2y: ArrayLike, p12: ArrayLike) -> GuaranteedRule:
    r"""Smallest Bayes accuracy over all joints with the three tables, by a linear programme.

    .. math:: \min_r \sum_{x_1,x_2} \max_y r(x_1,x_2,y)
        = \max_{a,b} \langle a, p_{1y}\rangle + \langle b, p_{2y}\rangle - \sum p_{12}\, t(a + b)

    with t(z) the number that makes :math:`\sum_y \max(0, z_y - t) = 1`. The right side is what the randomised
    additive rule :math:`\max(0, a + b - t)` scores at least on every such joint, so the accuracy is not only
    guaranteed: this rule reaches it without one labelled pair. The value returned is the right side at the solver's
    weights, a rigorous lower bound whatever the solver's tolerance.

    Args:
        p1y: table (K1, k).
        p2y: table (K2, k).
        p12: table (K1, K2).

    Raises:
        ValueError: tables that no joint has.

    >>> import numpy as np
    >>> labels = np.array([[0.5, 0.0], [0.25, 0.25]])  # AND: either input alone reaches 0.75
    >>> round(smallest_accuracy(labels, labels, np.full((2, 2), 0.25)).accuracy, 9)
    1.0
    """
    one, two, pairs = check_tables(p1y, p2y, p12)
    check_margins(one, two, pairs)
    return _smallest(*align_margins(one, two, pairs))


def _smallest(p1y: Array, p2y: Array, p12: Array) -> GuaranteedRule:
    polytope = Polytope(p1y, p2y, p12)
    if polytope.size > LARGE:
        return _scaled_rule(p1y, p2y, p12)
    matrix, right = polytope.equalities
    n, pairs = polytope.size, int(polytope.pair.max()) + 1
    cost = np.concatenate([np.zeros(n), np.ones(pairs)])
    at_most = hstack([eye_array(n, format="csr"), -_rows(polytope.pair, pairs).T])
    equal = hstack([matrix, csr_array((matrix.shape[0], pairs))])
    found = solve_programme(
        cost,
        A_ub=at_most.tocsr(),
        b_ub=np.zeros(n),
        A_eq=equal.tocsr(),
        b_eq=right,
        method="highs-ds" if n < 1000 else "highs-ipm",
    )
    a, b = polytope.split_weights(found.eqlin.marginals)
    return guaranteed_rule(a, b, p1y, p2y, p12)


def _scaled_rule(p1y: Array, p2y: Array, p12: Array) -> GuaranteedRule:
    """Weights of the maximum-entropy fit at their best scale: valid, not the largest guarantee."""
    fit = additive_fit(p1y[None], p2y[None], p12[None], tolerance=1e-6)
    rules = (guaranteed_rule(s * fit.a[0], s * fit.b[0], p1y, p2y, p12) for s in np.geomspace(0.02, 2, 9))
    return max(rules, key=lambda rule: rule.accuracy)


def guaranteed_rule(a: Array, b: Array, p1y: Array, p2y: Array, p12: Array) -> GuaranteedRule:
    """The rule of any weights, its guaranteed accuracy under the tables; never below the better modality alone."""
    found = GuaranteedRule(guaranteed_accuracy(a, b, p1y, p2y, p12), a, b, rule_of(a, b))
    for alone in (True, False):
        a0 = np.eye(p1y.shape[1])[p1y.argmax(1)] if alone else np.zeros_like(p1y)
        b0 = np.zeros_like(p2y) if alone else np.eye(p2y.shape[1])[p2y.argmax(1)]
        if (value := guaranteed_accuracy(a0, b0, p1y, p2y, p12)) > found.accuracy:
            found = GuaranteedRule(value, a0, b0, rule_of(a0, b0))
    return found


def rule_of(a: Array, b: Array) -> Array:
    """Answering probabilities (K1, K2, k) of the additive rule with scores a (K1, k) and b (K2, k)."""
    z = a[:, None, :] + b[None, :, :]
    return np.maximum(0.0, z - threshold(z)[..., None])


def guaranteed_accuracy(a: Array, b: Array, p1y: Array, p2y: Array, p12: Array) -> float:
    """<a, p1y> + <b, p2y> - sum p12 threshold(a + b): at most the Bayes accuracy, for any weights.

    Linear in the three tables, so sample means estimate it without bias when a and b come from other samples.
    """
    allowed = allowed_cells(p1y, p2y, p12)
    z = np.where(allowed, a[:, None, :] + b[None, :, :], -np.inf)
    t = np.where(p12 > 0, threshold(z), 0.0)
    return float((a * p1y).sum() + (b * p2y).sum() - (p12 * t).sum())


def largest_accuracy(p1y: ArrayLike, p2y: ArrayLike, p12: ArrayLike) -> LargestAccuracy:
    r"""Upper bound of the Bayes accuracy over all joints with the three tables, and an accuracy that is attained.

    The exact maximum chooses a label for every pair, a mixed-integer programme. Its linear relaxation is solved, with
    the least and largest mass of every cell in it (up to 12 000 cells), and the value of the dual weights returned,
    which is valid whatever the solver's tolerance. Larger tables get :math:`\sum_{x_1,x_2} \max_y u(x_1,x_2,y)`
    with u the largest mass the cell can have.

    >>> import numpy as np
    >>> half = np.full((2, 2), 0.25)  # every table of XOR is uniform: accuracy may be anything from 1/2 to 1
    >>> round(largest_accuracy(half, half, half).upper, 6)
    1.0
    """
    one, two, pairs = check_tables(p1y, p2y, p12)
    check_margins(one, two, pairs)
    return _largest(*align_margins(one, two, pairs))


def _largest(p1y: Array, p2y: Array, p12: Array) -> LargestAccuracy:
    low, high = cell_limits(p1y, p2y, p12)
    cells = min(1.0, float(high.max(-1).sum()))
    polytope = Polytope(p1y, p2y, p12)
    if polytope.size > MEDIUM:
        return LargestAccuracy(cells, float("nan"), "cells")
    relaxed, chosen = _relaxed(polytope, low[polytope.cells], high[polytope.cells])
    attained = _attained(polytope, chosen)
    return LargestAccuracy(float(np.fmax(min(cells, relaxed), attained)), attained, "linear relaxation")


def _relaxed(polytope: Polytope, low: Array, high: Array) -> tuple[float, Array]:
    """Maximise sum u with u the mass of the label chosen (z = 1) for each pair: u <= high z, u <= r - low (1 - z).

    Returns the dual value and u (n,).
    """
    n, pairs = polytope.size, int(polytope.pair.max()) + 1
    matrix, right = polytope.equalities
    one: Any = eye_array(n, format="csr")
    none: Any = csr_array((n, n))
    side: Any = hstack
    stack: Any = vstack
    at_most = stack([side([-one, one, -one.multiply(low)]), side([none, one, -one.multiply(high)])]).tocsr()
    equal = stack(
        [
            side([matrix, csr_array((matrix.shape[0], 2 * n))]),
            side([csr_array((pairs, 2 * n)), _rows(polytope.pair, pairs)]),
        ]
    ).tocsr()
    limits, sums = np.concatenate([-low, np.zeros(n)]), np.concatenate([right, np.ones(pairs)])
    cost = np.concatenate([np.zeros(n), -np.ones(n), np.zeros(n)])
    box_low, box_high = np.concatenate([low, np.zeros(2 * n)]), np.concatenate([high, high, np.ones(n)])
    found = solve_programme(
        cost,
        A_ub=at_most,
        b_ub=limits,
        A_eq=equal,
        b_eq=sums,
        bounds=np.column_stack([box_low, box_high]),
        method="highs-ds" if n < 1000 else "highs-ipm",
    )
    # Lagrangian at the multipliers, minimised over the box: below the programme's value for any multipliers <= 0.
    first, second = np.minimum(found.ineqlin.marginals, 0.0), found.eqlin.marginals
    reduced = cost - at_most.T @ first - equal.T @ second
    value = first @ limits + second @ sums + np.minimum(reduced * box_low, reduced * box_high).sum()
    return min(1.0, -float(value)), found.x[n : 2 * n]


def _attained(polytope: Polytope, chosen: Array) -> float:
    """Bayes accuracy of a joint found by choosing each pair's likeliest label and raising its mass, again and again."""
    value, r = -1.0, chosen
    for _ in range(20):
        order = np.lexsort((r, polytope.pair))
        last = np.flatnonzero(np.diff(polytope.pair[order], append=-1))
        cost = np.zeros(polytope.size)
        cost[order[last]] = 1.0
        new_r, _ = polytope.maximise(cost)
        new = min(1.0, float(polytope.joint(new_r).max(-1).sum()))
        # A vertex that the solver returned without its tables is no joint.
        if new <= value + 1e-9 or abs(new_r.sum() - 1) > 1e-6:
            break
        value, r = new, new_r
    return value if value >= 0 else float("nan")


def accuracy_from_entropy(conditional_entropy: float, n_labels: int) -> tuple[float, float]:
    """Bounds of the Bayes accuracy from H(Y|X) in bits alone: 2^-H(Y|X) (and 1 - H/2) below, Fano above.

    Weaker than `smallest_accuracy`: kept for comparison with the literature, which also replaces H(Y) by log2 k.

    >>> accuracy_from_entropy(0.5, 2)
    (0.75, 0.889...)
    """
    h = min(max(conditional_entropy, 0.0), float(np.log2(n_labels)))
    low = max(2.0**-h, 1 - h / 2)

    def fano(error: float) -> float:
        inner = -sum(p * np.log2(p) for p in (error, 1 - error) if p > 0)
        return float(inner + error * np.log2(max(n_labels - 1, 1)) - h)

    most = 1 - 1 / n_labels
    error = 0.0 if h <= 0 else most if fano(most) <= 0 else float(brentq(fano, 0.0, most, xtol=1e-12))
    return low, 1 - error
