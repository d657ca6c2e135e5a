"""Patterns of missing modalities: who lacks what, drawn from one's own seed, the same for training and for testing.

A pattern only ever takes away: what a row does not have stays absent. It draws for all rows at once, so nothing depends
on the size of a batch; where the equation is one for each row, the first rows of a longer draw are those of a shorter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.data._dependent import Dependent
from interplay.data._pattern import Mask, Pattern, as_names, assign, check_probability
from interplay.data.validation import check_known, problem

__all__ = [
    "Dependent",
    "Independent",
    "Instance",
    "Observed",
    "Pattern",
    "Rate",
    "Subset",
    "as_pattern",
    "grid",
    "pattern_from",
    "rates",
    "subsets",
]

_ALL_SUBSETS_UP_TO = 6


@dataclass(frozen=True)
class Subset(Pattern):
    """The same modalities for every row.

    >>> present = {"a": np.array([True, True]), "b": np.array([True, False])}
    >>> Subset(("b",)).draw(present, np.random.default_rng(0))
    {'a': array([False, False]), 'b': array([ True, False])}

    Args:
        keep: names of the modalities that stay where they are present; rows that have none of them have nothing left.
    """

    keep: tuple[str, ...]

    def __post_init__(self) -> None:
        assign(self, keep=as_names(self.keep))

    def _keep(self, names: list[str], there: Mask, *_: Any) -> Mask:
        check_known(self.keep, names, "Subset")
        return np.broadcast_to(np.isin(names, self.keep), there.shape)


@dataclass(frozen=True)
class Rate(Pattern):
    r"""A missing rate: this share of what is there goes, and every row keeps at least one of those it had.

    Of a row with :math:`u` modalities one is spared, each as likely, and every other stays with probability

    .. math:: \frac{u (1 - r) - 1}{u - 1},

    so that :math:`u r` are taken in expectation. Possible for :math:`r \le 1 - 1/u`; rows with gaps of their own that
    have fewer modalities keep exactly one beyond that.

    Args:
        rate: :math:`r`, at most :math:`1 - 1/M` for :math:`M` modalities.
        exact: take exactly the nearest number to ``rate`` times what is there, over all rows together (as many as can
            go, where gaps of the data leave fewer).

    >>> present = {name: np.ones(3000, bool) for name in "abc"}
    >>> left = Rate(0.4, exact=True).draw(present, np.random.default_rng(0))
    >>> int(sum(mask.sum() for mask in left.values()))
    5400
    """

    rate: float
    exact: bool = False

    def __post_init__(self) -> None:
        check_probability("Rate: rate", self.rate)

    def _keep(self, names: list[str], there: Mask, rng: np.random.Generator, *_: Any) -> Mask:
        most = 1 - 1 / len(names)
        if self.rate > most + 1e-9:
            remedy = "a row keeps at least one modality; lower the rate"
            raise problem("Rate: rate", f"at most {most:.3g} with {len(names)} modalities", f"{self.rate:g}", remedy)
        uniform = rng.random((len(there), 2, len(names)))
        spared = _one_of(there, uniform[:, 0])
        if self.exact:
            return spared | ~self._taken(there & ~spared, there.sum(), rng)
        had = there.sum(1)
        stay = np.clip((had * (1 - self.rate) - 1) / np.maximum(had - 1, 1), 0, 1)
        return spared | (uniform[:, 1] < stay[:, None])

    def _taken(self, candidates: Mask, total: int, rng: np.random.Generator) -> Mask:
        """Exactly the wanted number of the candidates, each as likely."""
        at = np.flatnonzero(candidates)
        wanted = min(round(self.rate * int(total)), len(at))
        taken = np.zeros(candidates.size, bool)
        taken[rng.permutation(at)[:wanted]] = True
        return taken.reshape(candidates.shape)


@dataclass(frozen=True)
class Instance(Pattern):
    r"""A row is hit with a probability, and a row that is hit keeps one of its proper subsets, each as likely.

    A row with :math:`u \ge 2` modalities has :math:`2^u - 2` subsets that are neither empty nor all of it. The mean
    missing rate of complete data is half the probability.

    Args:
        probability: of a row to be hit.
        subsets: what a row that is hit keeps, drawn with equal chances; default every proper subset of what it has.
            A row that has nothing of the subset drawn is left as it is.

    >>> present = {name: np.ones(6, bool) for name in "ab"}
    >>> left = Instance(1.0).draw(present, np.random.default_rng(0))
    >>> (left["a"] ^ left["b"]).all()
    np.True_
    """

    probability: float
    subsets: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        check_probability("Instance: probability", self.probability)
        if self.subsets is not None:
            assign(self, subsets=tuple(map(as_names, self.subsets)))

    def _keep(self, names: list[str], there: Mask, rng: np.random.Generator, *_: Any) -> Mask:
        hit, which = rng.random((len(there), 2)).T
        if self.subsets is None:
            had = there.sum(1)
            # The subset's number in binary, one digit for each modality that the row has; 0 and all ones are left out.
            number = 1 + np.floor(which * np.maximum(2.0**had - 2, 1)).astype(np.int64)
            digit = np.maximum(np.cumsum(there, 1) - 1, 0)
            keep = (number[:, None] >> digit) % 2 == 1
            return np.where((hit < self.probability)[:, None] & (had > 1)[:, None], keep, True)
        keep = _table(names, self.subsets, "Instance: subsets")[(which * len(self.subsets)).astype(np.int64)]
        possible = (keep & there).any(1)
        return np.where(((hit < self.probability) & possible)[:, None], keep, True)


@dataclass(frozen=True)
class Independent(Pattern):
    """Missing completely at random: each modality of each row by itself.

    Args:
        rates: name -> probability to be missing, or one probability for all; what is not named stays.
        keep_one: where a row would lose everything, one of what it had stays, each as likely. Rates then come out
            lower than asked.

    >>> present = {name: np.ones(2000, bool) for name in "ab"}
    >>> left = Independent({"b": 0.3}).draw(present, np.random.default_rng(0))
    >>> float(left["a"].mean()), round(float(left["b"].mean()), 1)
    (1.0, 0.7)
    """

    rates: float | Mapping[str, float]
    keep_one: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.rates, int | float):
            assign(self, rates=dict(self.rates))
        for rate in self.rates.values() if isinstance(self.rates, Mapping) else [self.rates]:
            check_probability("Independent: rates", rate)

    def _keep(self, names: list[str], there: Mask, rng: np.random.Generator, *_: Any) -> Mask:
        if isinstance(self.rates, Mapping):
            check_known(self.rates, names, "Independent")
            rates = np.array([self.rates.get(name, 0.0) for name in names])
        else:
            rates = np.full(len(names), self.rates)
        uniform = rng.random((len(there), 2, len(names)))
        keep = uniform[:, 0] >= rates
        if self.keep_one:
            keep = np.where((keep & there).any(1, keepdims=True), keep, _one_of(there, uniform[:, 1]))
        return keep


@dataclass(frozen=True)
class Observed(Pattern):
    """Gaps as real data have them: each row gets the gaps of a row drawn from the data.

    Args:
        subsets: the different sets of modalities that occur.
        shares: how often each does; they sum to one.

    >>> masks = {"a": np.array([True, True, False, True]), "b": np.array([True, True, True, False])}
    >>> Observed.from_data(masks)
    Observed(subsets=(('b',), ('a',), ('a', 'b')), shares=(0.25, 0.25, 0.5))
    """

    subsets: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        assign(self, subsets=tuple(map(as_names, self.subsets)), shares=tuple(map(float, self.shares)))
        if len(self.subsets) != len(self.shares) or not np.isclose(sum(self.shares), 1) or min(self.shares) < 0:
            remedy = "use Observed.from_data(masks)"
            raise problem("Observed: shares", "one for each subset, that sum to 1", f"{self.shares}", remedy)

    @classmethod
    def from_data(cls, masks: Any) -> Observed:
        """Read the gaps of a data set, or of masks name -> bool ``(n,)``."""
        masks = getattr(masks, "present", masks)
        names = list(masks)
        rows, counts = np.unique(
            np.stack([np.asarray(masks[name], bool) for name in names], 1), axis=0, return_counts=True
        )
        subsets = tuple(tuple(name for name, here in zip(names, row, strict=True) if here) for row in rows)
        return cls(subsets, tuple((counts / counts.sum()).tolist()))

    def _keep(self, names: list[str], there: Mask, rng: np.random.Generator, *_: Any) -> Mask:
        which = np.searchsorted(np.cumsum(self.shares), rng.random(len(there)), side="right")
        table = _table(names, self.subsets, "Observed")
        return table[np.minimum(which, len(table) - 1)]


def as_pattern(missing: float | Pattern | None) -> Pattern | None:
    """A pattern from what a user gives: None or 0 for none, a number for that missing rate.

    >>> as_pattern(0.3)
    Rate(rate=0.3, exact=False)
    """
    if missing is None or isinstance(missing, Pattern):
        return missing
    if isinstance(missing, bool) or not isinstance(missing, int | float | np.number):
        remedy = "for example 0.3, or interplay.data.missing.Independent({'face': 0.5})"
        raise problem("missing", "None, a missing rate or a pattern", repr(missing), remedy)
    return Rate(float(missing)) if missing else None


def pattern_from(values: Mapping[str, Any]) -> Pattern:
    """Read what `Pattern.to_dict` gave.

    >>> pattern_from(Subset(("a",)).to_dict())
    Subset(keep=('a',))
    """
    kind = values.get("pattern")
    if kind not in Pattern.kinds:
        raise problem("pattern", f"one of {sorted(Pattern.kinds)}", repr(kind), "write it with pattern.to_dict()")
    return Pattern.kinds[kind](**{name: value for name, value in values.items() if name != "pattern"})


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Which modalities to try a model with: everything first, single ones last.

    All :math:`2^M - 1` up to 6 modalities; beyond that everything, all but one, and single ones.

    >>> subsets("abc")
    [('a', 'b', 'c'), ('a', 'b'), ('a', 'c'), ('b', 'c'), ('a',), ('b',), ('c',)]
    """
    m = len(names)
    sizes = range(m, 0, -1) if m <= _ALL_SUBSETS_UP_TO else (m, m - 1, 1)
    return [kept for size in sizes for kept in combinations(names, size)]


def rates(n_modalities: int) -> list[float]:
    r"""Missing rates to try a model with: 0, 0.1, ... to :math:`\min(0.7, 1 - 1/M)`, which is always the last.

    >>> [round(rate, 3) for rate in rates(3)]
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.667]
    """
    last = min(0.7, 1 - 1 / n_modalities)
    return [*(k / 10 for k in range(8) if k / 10 < last - 1e-9), last]


def grid(names: Sequence[str]) -> dict[str, Pattern]:
    """Every test of the usual protocols by name: fixed `subsets` and missing `rates` above 0.

    >>> list(grid(["a", "b"]))
    ['a + b', 'a', 'b', 'rate 0.1', 'rate 0.2', 'rate 0.3', 'rate 0.4', 'rate 0.5']
    """
    fixed: dict[str, Pattern] = {" + ".join(kept): Subset(kept) for kept in subsets(names)}
    return fixed | {f"rate {rate:.3g}": Rate(rate) for rate in rates(len(names))[1:]}


def _one_of(there: Mask, uniform: NDArray[np.float64]) -> Mask:
    """Bool ``(n, M)``: one of what each row has, each as likely; none for rows that have nothing."""
    first = np.where(there, uniform, -1.0).argmax(1)
    return (np.arange(there.shape[1]) == first[:, None]) & there


def _table(names: list[str], kept: Sequence[Sequence[str]], where: str) -> Mask:
    """Bool ``(subsets, M)``."""
    check_known({name for subset in kept for name in subset}, names, where)
    return np.stack([np.isin(names, list(subset)) for subset in kept])
