"""Exact joints of small examples whose decompositions are known: the test bench of every definition."""

from collections import Counter
from collections.abc import Hashable, Iterable
from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["GATES", "from_outcomes", "gate"]

Array = NDArray[np.float64]

_BITS = (0, 1)


def from_outcomes(outcomes: Iterable[tuple[Hashable, ...]]) -> Array:
    """Joint of equally likely outcomes ``(x1, ..., xM, y)``; symbols are numbered in their order of appearance.

    >>> from_outcomes([("a", 0), ("a", 1), ("b", 1), ("b", 1)])
    array([[0.25, 0.25],
           [0.  , 0.5 ]])
    """
    counts = Counter(outcomes)
    numbers = [{symbol: i for i, symbol in enumerate(dict.fromkeys(axis))} for axis in zip(*counts, strict=True)]
    joint = np.zeros([len(number) for number in numbers])
    for outcome, count in counts.items():
        joint[tuple(number[symbol] for number, symbol in zip(numbers, outcome, strict=True))] = count
    return joint / joint.sum()


def _four_types(codes: int) -> list[tuple[Hashable, ...]]:
    """Equal mix of shared, unique, unique and synergistic samples; both modalities show the type."""
    outcomes: list[tuple[Hashable, ...]] = []
    for c, d in product(range(codes), repeat=2):
        outcomes += [(("R", c), ("R", c), c), (("U1", c), ("U1", d), c), (("U2", d), ("U2", c), c)]
        outcomes += [(("S", c), ("S", d), (c + d) % codes)]
    return outcomes


_TWO = list(product(_BITS, _BITS))

# name -> equally likely (x1, x2, y)
_OUTCOMES: dict[str, list[tuple[Hashable, ...]]] = {
    "redundant": [(a, a, a) for a in _BITS],
    "unique": [(a, b, a) for a, b in _TWO],
    "copy": [(a, b, (a, b)) for a, b in _TWO],
    "xor": [(a, b, a ^ b) for a, b in _TWO],
    "and": [(a, b, a & b) for a, b in _TWO],
    "or": [(a, b, a | b) for a, b in _TWO],
    "sum": [(a, b, a + b) for a, b in _TWO],
    "mod3": [(a, b, (a + b) % 3) for a, b in product(range(3), repeat=2)],
    "max4": [(a, b, max(a, b)) for a, b in product(range(4), repeat=2)],
    "and_hint": [((a, b), b, a & b) for a, b in _TWO],
    "xor_hint": [((a, b), b, a ^ b) for a, b in _TWO],
    "dyadic": [((a, b), (b, c), (c, a)) for a, b, c in product(_BITS, repeat=3)],
    "triadic": [((a, c), (b, c), (a ^ b, c)) for a, b, c in product(_BITS, repeat=3)],
    "bit_each": [((r, a, s), (r, b, t), (r, a, b, s ^ t)) for r, a, b, s, t in product(_BITS, repeat=5)],
    "four_types": _four_types(2),
    "four_types4": _four_types(4),
}

GATES = tuple(_OUTCOMES)


def gate(name: str) -> Array:
    """Joint ``(K1, K2, k)`` of an example by name.

    "redundant" (X1 = X2 = Y), "unique" (Y = X1), "copy" (Y = (X1, X2)), "xor", "and", "or", "sum", "mod3" (sum modulo
    3), "max4" (of two 4-level inputs), "and_hint" and "xor_hint" (X1 = (a, b), X2 = b), "dyadic" and "triadic" (James
    and Crutchfield, Entropy 19, 2017), "bit_each" (one bit of every part), "four_types" and "four_types4" (equal mix
    of redundant, unique and synergistic samples of visible type, 2 or 4 codes).

    Raises:
        ValueError: an unknown name.

    >>> gate("and")[:, :, 1]
    array([[0.  , 0.  ],
           [0.  , 0.25]])
    """
    if name not in _OUTCOMES:
        raise ValueError(f"Unknown gate {name!r}; choose one of {', '.join(GATES)}.")
    return from_outcomes(_OUTCOMES[name])
