"""How much synergy can there be? Bounds from three pairwise tables, without one labelled pair."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, xlogy

from interplay.information import broja, tables
from interplay.information._additive import Array, additive_fit, allowed_cells, conditional, hard_value, linear_bound
from interplay.information._programme import Polytope, cell_limits
from interplay.information.accuracy import _largest, _smallest, accuracy_from_entropy
from interplay.information.couplings import coupling_entropy_bound, coupling_profile_bound

LN2 = float(np.log(2.0))
EXACT = 3_000  # cells up to which the cell bound is solved by HiGHS rather than by cooling
SEARCH = 6_000  # cells up to which vertices are searched for an attained value


@dataclass(frozen=True)
class SynergyBounds:
    """What three pairwise tables say about synergy (bits) and about the accuracy that fusion can reach.

    lower, upper: every joint with the three tables has its synergy between them; lower is attained.
    inner: largest synergy found on some such joint (NaN if not searched): what is above may be slack.
    redundancy, unique: exact, they need no pairs. gap: certified error of them and of both bounds from the solver.
    information: I(X1;Y), I(X2;Y). entropy: H(Y).
    lower_bounds, upper_bounds: each bound by name; the largest and the smallest are binding.
    accuracy_lower, accuracy_upper: every such joint has its Bayes accuracy between them.
    accuracy_inner: largest Bayes accuracy found on such a joint. accuracy_unimodal: of each modality alone.
    accuracy_additive: Bayes accuracy of the maximum-entropy joint, what to expect if nothing interacts beyond pairs.
    accuracy_entropy: the interval of accuracy from entropies alone (literature; weaker).
    rule (K1, K2, k): answering probabilities of an additive fusion rule that has accuracy_lower at least.
    scores: the a (K1, k) and b (K2, k) behind the rule.
    reconciliation: how the tables were moved, None where they were used as given.
    """

    lower: float
    upper: float
    inner: float
    redundancy: float
    unique: tuple[float, float]
    information: tuple[float, float]
    entropy: float
    gap: float
    lower_bounds: Mapping[str, float]
    upper_bounds: Mapping[str, float]
    accuracy_lower: float
    accuracy_upper: float
    accuracy_inner: float
    accuracy_unimodal: tuple[float, float]
    accuracy_additive: float
    accuracy_entropy: tuple[float, float]
    rule: Array = field(repr=False)
    scores: tuple[Array, Array] = field(repr=False)
    reconciliation: tables.Reconciliation | None = None

    @property
    def binding(self) -> tuple[str, str]:
        """Names of the largest lower and the smallest upper bound."""
        return max(self.lower_bounds, key=self.lower_bounds.__getitem__), min(
            self.upper_bounds, key=self.upper_bounds.__getitem__
        )

    def __str__(self) -> str:
        low, high = self.binding
        best = max(self.accuracy_unimodal)
        lines = [
            f"synergy between {self.lower:.4f} ({low}) and {self.upper:.4f} bits ({high}), {self.inner:.4f} attained",
            f"redundancy {self.redundancy:.4f}, unique {self.unique[0]:.4f} and {self.unique[1]:.4f} bits (exact)",
            f"accuracy of the pair between {self.accuracy_lower:.4f} and {self.accuracy_upper:.4f}, "
            f"{self.accuracy_inner:.4f} attained; best single modality {best:.4f}",
        ]
        return "\n".join(lines if self.reconciliation is None else [*lines, str(self.reconciliation)])


def synergy_bounds(
    p1y: ArrayLike,
    p2y: ArrayLike,
    p12: ArrayLike,
    *,
    reconcile: bool = False,
    sizes: tuple[int, int, int] | None = None,
    starts: int = 4,
) -> SynergyBounds:
    r"""Bounds of the synergy S and of the Bayes accuracy over all joints with three given pairwise tables.

    .. math:: S = H(Y) - H(Y|X_1,X_2) - I^*, \qquad I^* = \min_{q(x_1,y), q(x_2,y)} I_q(X_1,X_2;Y)

    The lower bound puts the maximum-entropy joint in place of the unknown one and is exact. The upper bound is
    the smallest of several (`upper_bounds`); the exact maximum is NP-hard.

    Args:
        p1y: table (K1, k) of modality 1 and the label.
        p2y: table (K2, k) of modality 2 and the label.
        p12: table (K1, K2) of the two modalities.
        reconcile: move tables that disagree to the nearest three that a joint has.
        sizes: samples behind each table, the weights of the reconciliation.
        starts: searches for an attained synergy (0: none).

    Raises:
        ValueError: a table is not a distribution, or no joint has the three tables and `reconcile` is off.

    >>> import numpy as np
    >>> labels = np.array([[0.5, 0.0], [0.25, 0.25]])
    >>> found = synergy_bounds(labels, labels, np.full((2, 2), 0.25))  # AND
    >>> round(found.lower, 6), round(found.upper, 6), round(found.accuracy_lower, 6), found.accuracy_unimodal
    (0.5, 0.5, 1.0, (0.75, 0.75))
    """
    moved = None
    if reconcile:
        moved = tables.reconcile(p1y, p2y, p12, sizes=sizes)
        three = (moved.p1y, moved.p2y, moved.p12)
    else:
        three = tables.check_tables(p1y, p2y, p12)
        tables.check_margins(*three)
    three = tables.align_margins(*three)
    pairwise = _pairwise(*three)
    lowers, gap, given_pair = _lower_bounds(*three, pairwise)
    uppers = _upper_bounds(*three, pairwise)
    lower = max(lowers.values())
    upper = max(min(uppers.values()), lower)
    smallest, largest = _smallest(*three), _largest(*three)
    known = pairwise["entropy"] - pairwise["star"]
    entropy_form = (
        accuracy_from_entropy(known - lower, three[0].shape[1])[0],
        accuracy_from_entropy(known - upper, three[0].shape[1])[1],
    )
    return SynergyBounds(
        lower=lower,
        upper=upper,
        inner=_attained(*three, starts) - pairwise["star"] if starts else float("nan"),
        redundancy=pairwise["redundancy"],
        unique=(pairwise["unique1"], pairwise["unique2"]),
        information=(pairwise["i1"], pairwise["i2"]),
        entropy=pairwise["entropy"],
        gap=max(pairwise["gap"], gap),
        lower_bounds=lowers,
        upper_bounds=uppers,
        accuracy_lower=smallest.accuracy,
        accuracy_upper=max(largest.upper, smallest.accuracy),
        accuracy_inner=largest.attained,
        accuracy_unimodal=(float(three[0].max(1).sum()), float(three[1].max(1).sum())),
        accuracy_additive=float((three[2] * given_pair.max(-1)).sum()),
        accuracy_entropy=entropy_form,
        rule=smallest.rule,
        scores=(smallest.a, smallest.b),
        reconciliation=moved,
    )


def disagreement(p1y: ArrayLike, p2y: ArrayLike, p12: ArrayLike) -> float:
    """Mean distance of p(y|x1) and p(y|x2) over pairs: the larger of squared l2 and half squared l1.

    >>> disagreement([[0.5, 0], [0, 0.5]], [[0.5, 0], [0, 0.5]], [[0.25, 0.25], [0.25, 0.25]])
    1.0
    """
    one, two, pairs = (np.asarray(t, dtype=np.float64) for t in (p1y, p2y, p12))
    apart = _conditional(one)[:, None, :] - _conditional(two)[None, :, :]
    return max(float((pairs * (apart**2).sum(-1)).sum()), float((pairs * np.abs(apart).sum(-1) ** 2).sum() / 2))


def disagreement_bound(alpha: float, unique1: float, unique2: float) -> float:
    r"""Lower bound of synergy in bits from the disagreement of the two best unimodal predictors.

    In nats, :math:`\sqrt\alpha \le \sqrt{S+U_1} + \sqrt{S+U_2}`, hence with :math:`\alpha \ge |U_1 - U_2|`

    .. math:: S \ge \frac{\alpha^2 + (U_1-U_2)^2}{4\alpha} - \frac{U_1+U_2}{2}

    alpha: expectation over pairs of the squared l2 or half the squared l1 distance of p(y|x1) and p(y|x2).
    unique1, unique2: in bits; values too large by the same amount (from any feasible coupling) keep it valid.

    >>> round(disagreement_bound(0.5, 0.0, 0.0), 4)  # 0.125 nats
    0.1803
    >>> disagreement_bound(0.1, 0.3, 0.0)
    0.0
    """
    u1, u2 = unique1 * LN2, unique2 * LN2
    if alpha <= 0 or alpha < abs(u1 - u2):
        return 0.0
    return max(0.0, (alpha**2 + (u1 - u2) ** 2) / (4 * alpha) - (u1 + u2) / 2) / LN2


def _conditional(table: Array) -> Array:
    mass = table.sum(1, keepdims=True)
    return np.divide(table, mass, out=np.zeros_like(table), where=mass > 0)


def _entropy(p: Array) -> float:
    return float(entr(p).sum()) / LN2


def _pairwise(p1y: Array, p2y: Array, p12: Array) -> dict[str, float]:
    """Everything that p(x1,y) and p(x2,y) settle, bits; star is I*, star_high and star_low its certificate."""
    h = _entropy(p1y.sum(0))
    i1 = _entropy(p1y.sum(1)) + h - _entropy(p1y)
    i2 = _entropy(p2y.sum(1)) + h - _entropy(p2y)
    found = broja.solve(independent_given_label(p1y, p2y))
    high, low = h + found.primal / LN2, h + found.dual / LN2
    high, low = max(high, i1, i2), max(low, i1, i2)
    return {
        "entropy": h,
        "i1": i1,
        "i2": i2,
        "star": high,
        "star_low": min(low, high),
        "gap": max(high - low, 0.0),
        "redundancy": max(i1 + i2 - high, 0.0),
        "unique1": high - i2,
        "unique2": high - i1,
        "mutual": _entropy(p12.sum(1)) + _entropy(p12.sum(0)) - _entropy(p12),
    }


def independent_given_label(p1y: Array, p2y: Array) -> Array:
    """p(x1,y) p(x2,y) / p(y), batched on leading axes: the joint with these tables that uses no pair."""
    py = np.maximum(p1y.sum(-2), 1e-300)
    return p1y[..., :, None, :] * (p2y / py[..., None, :])[..., None, :, :]


def _lower_bounds(p1y: Array, p2y: Array, p12: Array, known: dict[str, float]) -> tuple[dict[str, float], float, Array]:
    """Named lower bounds in bits, error of the fit in bits, p(y|x1,x2) (K1, K2, k) of the maximum-entropy joint."""
    fit = additive_fit(p1y[None], p2y[None], p12[None])
    if fit.value[0] < -1e-7:
        raise ValueError(
            "no joint has these three tables although their margins agree "
            f"(H(Y|X1,X2) would be {fit.value[0] / LN2:.3g} bits): use reconcile=True"
        )
    exact = known["entropy"] - float(fit.value[0]) / LN2 - known["star"]
    alpha = disagreement(p1y, p2y, p12)
    found = {
        "three tables": max(exact, 0.0),
        "disagreement": disagreement_bound(alpha, known["unique1"], known["unique2"]),
    }
    return found, float(fit.decrement[0]) / LN2, conditional(fit, p1y[None], p2y[None], p12[None])[0]


def _upper_bounds(p1y: Array, p2y: Array, p12: Array, known: dict[str, float]) -> dict[str, float]:
    """Named upper bounds of S: upper bounds of I(X1,X2;Y) less the certified lower end of I*."""
    star = known["star_low"]
    h, h1, h2, h12 = known["entropy"], _entropy(p12.sum(1)), _entropy(p12.sum(0)), _entropy(p12)
    three = p12.ravel(), p1y.ravel(), p2y.ravel()
    published = max(
        coupling_entropy_bound(p12.ravel(), p1y.sum(0)),
        coupling_entropy_bound(p1y.ravel(), p12.sum(0)),
        coupling_entropy_bound(p2y.ravel(), p12.sum(1)),
    )
    return {
        "cells": cell_information(p1y, p2y, p12) - star,
        "profile": h12 + h - coupling_profile_bound(*three) - star,
        "majorisation": h12 + h - coupling_entropy_bound(*three) - star,
        "coupling (published)": h12 + h - published - star,
        "H(X1|X2) - U1": h12 - h2 + known["i2"] - star,
        "H(X2|X1) - U2": h12 - h1 + known["i1"] - star,
        "H(Y) - I*": h - star,
    }


def cell_chords(p1y: Array, p2y: Array, p12: Array) -> tuple[Array, Array]:
    """Slope (..., K1, K2, k) and constant (...) with sum r log r <= constant + sum slope * r on the polytope, nats.

    r log r is convex, so between the least and the largest mass of a cell it lies below its chord.
    """
    low, high = cell_limits(p1y, p2y, p12)
    wide = high - low > 1e-12
    rise = xlogy(high, high) - xlogy(low, low)
    slope = np.divide(rise, high - low, out=np.zeros_like(low), where=wide)
    constant = np.where(wide, xlogy(low, low) - slope * low, xlogy(high, high))
    return slope, constant.sum((-1, -2, -3))


def cell_information(p1y: Array, p2y: Array, p12: Array) -> float:
    """Upper bound of I(X1,X2;Y) in bits by one linear programme over the joints with the three tables."""
    slope, constant = cell_chords(p1y, p2y, p12)
    batch = (p1y[None], p2y[None], p12[None])
    if np.count_nonzero(allowed_cells(p1y, p2y, p12)) <= EXACT:
        value = _exact_linear(p1y, p2y, p12, slope)
    else:
        value = float(linear_bound(*batch, slope[None])[0][0])
    return (value + float(constant)) / LN2 + _entropy(p12) + _entropy(p1y.sum(0))


def _exact_linear(p1y: Array, p2y: Array, p12: Array, cost: Array) -> float:
    """Largest sum r * cost by HiGHS, as the value of its dual weights: rigorous whatever its tolerance."""
    a, b = Polytope(p1y, p2y, p12).dual_weights(cost)
    offset = np.where(allowed_cells(p1y, p2y, p12), cost, -np.inf)
    return float(hard_value(a[None], b[None], offset[None], p1y[None], p2y[None], p12[None])[0])


def _attained(p1y: Array, p2y: Array, p12: Array, starts: int) -> float:
    """Largest I(X1,X2;Y) in bits found at a vertex, by successive linear programmes (each raises sum r log r)."""
    polytope = Polytope(p1y, p2y, p12)
    if polytope.size > SEARCH:
        return float("nan")
    rng = np.random.default_rng(0)
    slope = cell_chords(p1y, p2y, p12)[0][polytope.cells]
    best = -np.inf
    for start in range(starts):
        cost = slope if start == 0 else rng.normal(size=polytope.size)
        value = -np.inf
        for _ in range(30):
            r, _ = polytope.maximise(cost)
            new = float(xlogy(r, r).sum())
            # A vertex that the solver returned without its tables is no joint.
            if new <= value + 1e-10 or abs(r.sum() - 1) > 1e-6:
                break
            value, cost = new, np.log(np.maximum(r, 1e-9))
        best = max(best, value)
    return best / LN2 + _entropy(p12) + _entropy(p1y.sum(0)) if np.isfinite(best) else float("nan")
