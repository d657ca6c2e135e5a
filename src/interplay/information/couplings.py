"""Couplings of small entropy: the majorisation bound below, the greedy coupling above."""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from interplay.information._additive import Array

LN2 = float(np.log(2.0))
GREEDY_EXCESS = 1 / LN2  # log2 e bits


@dataclass(frozen=True)
class GreedyCoupling:
    """A coupling as a list of cells: index (n, m), one column a marginal, and mass (n,).

    entropy: of the coupling, in bits. lower_bound: majorisation bound, in bits; no coupling has less, and the
    greedy one has at most log2(e) = 1.44 bits more.
    """

    index: NDArray[np.intp]
    mass: Array
    entropy: float
    lower_bound: float


def meet(*distributions: ArrayLike) -> Array:
    """Greatest distribution majorised by all of the given ones, in decreasing order.

    Sorted decreasingly, the pointwise minimum of the cumulative sums, differenced (Cicalese, Gargano, Vaccaro 2019).

    >>> meet([0.5, 0.5], [0.6, 0.2, 0.2])
    array([0.5, 0.3, 0.2])
    """
    flat = [_distribution(p, i) for i, p in enumerate(distributions)]
    longest = max(map(len, flat))
    sums = np.array([np.pad(-np.sort(-p), (0, longest - len(p))).cumsum() for p in flat])
    return np.maximum(np.diff(sums.min(0), prepend=0.0), 0.0)


def coupling_entropy_bound(*distributions: ArrayLike) -> float:
    """Majorisation lower bound of the entropy of any coupling, in bits: the entropy of the meet.

    >>> coupling_entropy_bound([0.5, 0.5], [0.5, 0.5])
    1.0
    """
    return float(entr(meet(*distributions)).sum()) / LN2


def greedy_coupling(*distributions: ArrayLike) -> GreedyCoupling:
    """Coupling of small entropy: again and again the largest masses left are put into one cell.

    Its entropy exceeds the majorisation bound by at most log2(e) bits for any number of marginals (Compton 2022).
    It is an upper bound of the smallest entropy; for an upper bound of synergy use the majorisation bound.

    Args:
        distributions: two or more vectors of probabilities.

    Raises:
        ValueError: fewer than two, or one is not a distribution.

    >>> found = greedy_coupling([0.5, 0.5], [0.6, 0.2, 0.2])
    >>> found.mass, round(found.entropy, 3)
    (array([0.5, 0.2, 0.2, 0.1]), 1.761)
    """
    if len(distributions) < 2:
        raise ValueError(f"{len(distributions)} distribution given, a coupling needs at least two")
    flat = [_distribution(p, i) for i, p in enumerate(distributions)]
    heaps = [[(-mass, state) for state, mass in enumerate(p) if mass > 0] for p in flat]
    for heap in heaps:
        heapify(heap)
    index, masses, left = [], [], 1.0
    while left > 1e-15 and all(heaps):
        tops = [heappop(heap) for heap in heaps]
        mass = min(-top for top, _ in tops)
        index.append([state for _, state in tops])
        masses.append(mass)
        left -= mass
        for heap, (top, state) in zip(heaps, tops, strict=True):
            if -top - mass > 1e-15:
                heappush(heap, (top + mass, state))
    mass_array = np.array(masses)
    return GreedyCoupling(
        np.array(index, dtype=np.intp),
        mass_array,
        float(entr(mass_array).sum()) / LN2,
        coupling_entropy_bound(*flat),
    )


def _distribution(p: ArrayLike, position: int) -> Array:
    array = np.asarray(p, dtype=np.float64).ravel()
    if not np.isfinite(array).all() or (array < 0).any() or abs(array.sum() - 1) > 1e-8:
        raise ValueError(f"distribution {position} has entries below 0 or does not sum to 1: divide by the sum")
    return array / array.sum()
