"""The bounds of many sets of tables at once, for the bootstrap."""

import numpy as np
from scipy.special import entr

from interplay.information._additive import Array, additive_fit, linear_bound
from interplay.information.bounds import cell_chords, independent_given_label
from interplay.information.broja import solve_batch

LN2 = float(np.log(2.0))
# Cooling stops here: the bound is rigorous at any temperature, and loses about this many nats times log k.
LEVELS = (1.0, 0.2, 0.05, 0.01)


def bounds_batch(p1y: Array, p2y: Array, p12: Array, *, upper: bool = True) -> dict[str, Array]:
    """Redundancy, unique, lower and upper bound of synergy in bits, each (B,), of consistent tables (B, ...).

    "unpaired" is the largest H_q(Y|X1,X2) over joints with the two label tables: H(Y) - I*.
    """
    h, h12 = _entropy(p1y.sum(1)), _entropy(p12)
    i1 = _entropy(p1y.sum(2)) + h - _entropy(p1y)
    i2 = _entropy(p2y.sum(2)) + h - _entropy(p2y)
    independent = independent_given_label(p1y, p2y)
    independent /= independent.sum((1, 2, 3), keepdims=True)
    star = np.maximum(solve_batch(independent, tolerance=1e-6).information, np.maximum(i1, i2))
    fit = additive_fit(p1y, p2y, p12, tolerance=1e-9)
    found = {
        "redundancy": i1 + i2 - star,
        "unique1": star - i2,
        "unique2": star - i1,
        "unpaired": h - star,
        "lower": np.maximum(h - fit.value / LN2 - star, 0.0),
    }
    if upper:
        slope, constant = cell_chords(p1y, p2y, p12)
        value = linear_bound(p1y, p2y, p12, slope, levels=LEVELS)[0]
        found["upper"] = np.maximum((value + constant) / LN2 + h12 + h - star, found["lower"])
    return found


def _entropy(tables: Array) -> Array:
    return entr(tables).reshape(len(tables), -1).sum(1) / LN2
