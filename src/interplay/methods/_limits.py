"""Which values the parameters of a method may have: declared by the method, checked by :meth:`Method.check`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True)
class Range:
    """Finite numbers from ``low`` to ``high``.

    Attributes:
        low: the smallest.
        high: the largest.
        low_open: ``low`` itself is not one of them.
        high_open: ``high`` itself is not one of them.
        whole: integers only.
        optional: None is one, too.
    """

    low: float
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    whole: bool = False
    optional: bool = False

    def __contains__(self, value: object) -> bool:
        if value is None:
            return self.optional
        if not isinstance(value, Integral if self.whole else Real) or isinstance(value, bool):
            return False
        number = float(value)
        above = self.low < number if self.low_open else self.low <= number
        below = number < self.high if self.high_open or self.high == math.inf else number <= self.high
        return above and below

    def __str__(self) -> str:
        words = "an integer" if self.whole else "a number"
        if self.high == math.inf:
            words += f" {'>' if self.low_open else '>='} {self.low:g}"
        else:
            words += f" in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"
        return f"{words} or None" if self.optional else words


COUNT = Range(1, whole=True)
POSITIVE = Range(0, low_open=True)
NONNEGATIVE = Range(0)
FRACTION = Range(0, 1, high_open=True)
# Parameter -> numbers, or the values to choose from.
Limits = Mapping[str, Range | tuple[Any, ...]]


def check_limits(title: str, params: Mapping[str, Any], limits: Limits) -> None:
    """Refuse values outside their limits; parameters without limits may have any.

    Args:
        title: whose parameters they are.
        params: value by parameter.
        limits: numbers or choices by parameter.

    Raises:
        ValueError: naming the parameter, what was expected and what was found.

    >>> check_limits("MCR", {"permutations": 0}, {"permutations": COUNT})
    Traceback (most recent call last):
    ValueError: MCR: permutations must be an integer >= 1, found 0
    >>> check_limits("MCR", {"strategy": "shy"}, {"strategy": ("greedy", "independent")})
    Traceback (most recent call last):
    ValueError: MCR: strategy must be one of 'greedy', 'independent', found 'shy'
    """
    for name, value in params.items():
        if name in limits and value not in limits[name]:
            limit = limits[name]
            expected = limit if isinstance(limit, Range) else f"one of {', '.join(map(repr, limit))}"
            raise ValueError(f"{title}: {name} must be {expected}, found {value!r}")
