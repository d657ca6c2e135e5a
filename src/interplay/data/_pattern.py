"""What a pattern of missing modalities is: something that only takes away, drawn for all rows at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.data.validation import problem

Mask = NDArray[np.bool_]
Masks = Mapping[str, Mask]


@dataclass(frozen=True)
class Pattern(ABC):
    """Something that takes modalities away; see `interplay.data.missing`."""

    kinds: ClassVar[dict[str, type[Pattern]]] = {}

    def __init_subclass__(cls) -> None:
        cls.kinds[cls.__name__] = cls

    def draw(
        self,
        present: Masks,
        rng: np.random.Generator,
        *,
        target: ArrayLike | None = None,
        modalities: Mapping[str, ArrayLike] | None = None,
    ) -> dict[str, Mask]:
        """Draw what is left.

        Args:
            present: name -> bool ``(n,)``, what there is.
            rng: source of randomness.
            target: ``(n,)``, for patterns that depend on it.
            modalities: name -> ``(n, features)``, for patterns that depend on values; looked at only where present.

        Returns:
            name -> bool ``(n,)``, never true where ``present`` is false.

        Raises:
            ValueError: the pattern names a modality that is not there, asks for a rate that cannot be had, or lacks
                what it depends on.
        """
        there = np.stack([np.asarray(mask, bool) for mask in present.values()], 1)
        kept = there & self._keep(list(present), there, rng, target, modalities or {})
        return {name: kept[:, i] for i, name in enumerate(present)}

    @abstractmethod
    def _keep(
        self, names: list[str], there: Mask, rng: np.random.Generator, target: Any, modalities: Mapping[str, Any]
    ) -> Mask:
        """Bool ``(n, M)``: what may stay, given what is there."""

    def to_dict(self) -> dict[str, Any]:
        """The pattern as plain values for a file; `pattern_from` reads it."""
        return {"pattern": type(self).__name__} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def as_names(given: Any) -> tuple[str, ...]:
    """Names from one name or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def assign(pattern: Pattern, **values: Any) -> None:
    """Set fields of a frozen pattern, for use while it is made."""
    for name, value in values.items():
        object.__setattr__(pattern, name, value)


def check_probability(where: str, value: Any) -> None:
    """Raise unless ``value`` is a number from 0 to 1."""
    if not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise problem(where, "a number from 0 to 1", repr(value), "correct it")


def _plain(value: Any) -> Any:
    """Values as JSON has them; a mapping becomes pairs, so that labels keep their type."""
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(number)] for key, number in value.items()]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
