"""Couplings of small entropy: the majorisation and the profile bound below, the greedy coupling above."""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, xlogy

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


def coupling_profile_bound(*distributions: ArrayLike) -> float:
    r"""Profile lower bound of the entropy of any coupling, in bits.

    A cell is no larger than the state of each marginal that it lies in. With all states laid side by side on [0, 1],
    largest first, let :math:`p_m(t)` be the size of marginal m's state at t. Then the coupling's cells, laid out in the
    same way, are nowhere larger than :math:`\min_m p_m(t)`, hence

    .. math:: H \ge \int_0^1 \log_2 \frac1{\min_m p_m(t)} \, dt

    Often tighter than `coupling_entropy_bound`, but not always: take the larger (idea: Compton et al. 2023).

    >>> coupling_profile_bound([0.5, 0.5], [0.5, 0.5])
    1.0
    >>> round(coupling_profile_bound([0.6, 0.4], [0.5, 0.5]), 3), coupling_entropy_bound([0.6, 0.4], [0.5, 0.5])
    (1.129, 1.0)
    """
    flat = [-np.sort(-_distribution(p, i)) for i, p in enumerate(distributions)]
    ends = [p.cumsum() for p in flat]
    cuts = np.unique(np.clip(np.concatenate(ends), 0.0, 1.0))
    lengths = np.diff(cuts, prepend=0.0)
    middles = cuts - lengths / 2
    sizes = [p[np.minimum(np.searchsorted(e, middles), len(p) - 1)] for p, e in zip(flat, ends, strict=True)]
    smallest = np.min(sizes, axis=0)
    # A sliver of length 0 left by rounding may lie in a state of mass 0.
    return float(-xlogy(lengths, np.where(smallest > 0, smallest, 1.0)).sum()) / LN2


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
