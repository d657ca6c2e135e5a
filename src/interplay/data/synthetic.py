"""Data whose interactions are known: samples of one kind each, and logic gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.data.dataset import MultimodalDataset
from interplay.data.validation import problem

Seed = int | np.random.Generator | None
Integers = NDArray[np.int64]

_LARGEST_JOINT = 1 << 24  # entries, 128 MiB


@dataclass(frozen=True)
class Interactions:
    """Generated data and what is known about them.

    Attributes:
        dataset: modalities ``a``, ``b``, ... and the class ``0..n_classes-1`` of each sample.
        kind: ``(n,)`` strings, the interaction that carries the class of each sample.
        symbols: ``(n, n_modalities)``, the discrete symbol that the features of each modality stand for.
        joint: exact distribution of the symbols and the class, ``(n_symbols, ..., n_symbols, n_classes)``;
            None where it would have more than 2^24 entries.
        expected: bits. ``total`` is I(all symbols; class), exact. Where the kind is visible also
            ``redundancy``, ``unique:<modality>`` and ``synergy`` (and those of pairs): what a decomposition sample
            by sample gives. With shares that are the same in every class: share of the kind times log2(n_classes).
            Otherwise seeing the kind tells something about the class, by each modality: that much is redundancy.
        class_shares: kind -> p(class | kind), ``(n_classes,)``, of the kinds that occur.
    """

    dataset: MultimodalDataset
    kind: NDArray[np.str_]
    symbols: Integers
    joint: NDArray[np.float64] | None
    expected: dict[str, float]
    class_shares: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def make_interactions(
    composition: Mapping[str, float | Sequence[float]] | None = None,
    *,
    n_classes: int = 2,
    n_samples: int = 1000,
    n_features: int = 16,
    noise: float = 0.3,
    n_modalities: int = 2,
    type_visible: bool = True,
    nonlinear: bool = False,
    random_state: Seed = None,
    structure_state: Seed = None,
) -> Interactions:
    r"""Draw samples whose class is carried by one known kind of interaction each.

    Each sample draws a kind, a class :math:`y` and a code :math:`c_m` in each modality, all uniform but for
    the kind:

    - ``redundancy``: every :math:`c_m = y`;
    - ``unique:m``: :math:`c_m = y`, the other codes are random;
    - ``synergy``: the codes are random up to :math:`\sum_m c_m = y \bmod K`;
    - ``redundancy:a+b`` and ``synergy:a+b``, three and more modalities: the same for two, the other codes are random.

    The features of modality :math:`m` are a code vector :math:`v \sim N(0, I_D)`, one for each (kind, code)
    where the kind is visible and one for each code where it is not, plus noise: :math:`x = v + \mathrm{noise}
    \cdot \epsilon`, and :math:`\tanh(x R)`, :math:`R_{ij} \sim N(0, 1/D)` with ``nonlinear``.

    Args:
        composition: kind -> share, summing to 1; default equal shares of all kinds but those of pairs. Modalities
            are ``a``, ``b``, ... A sequence of ``n_classes`` shares makes the kind depend on the class: they have
            to sum to 1 in each class.
        n_classes: K.
        n_samples: number of samples, drawn independently.
        n_features: D.
        noise: standard deviation of the noise. `Interactions.joint` and `expected` are about the codes: noisy
            features carry less.
        n_modalities: from 2 to 26.
        type_visible: the kind of a sample can be read off its features. With hidden kinds only the total of
            `Interactions.expected` is known without choosing a definition of redundancy.
        nonlinear: pass the features through a random linear map and tanh.
        random_state: seed of the samples (and of the code vectors, unless ``structure_state`` is given).
        structure_state: seed of code vectors and maps; two draws that share it are samples of one population,
            whatever their compositions (with pairs and without apart).

    Returns:
        Dataset (float32 features), kinds, symbols, exact joint distribution and expected bits.

    Raises:
        ValueError: unknown kinds, shares that are negative or do not sum to 1, sizes out of range.

    Note:
        A decomposition of the whole distribution need not follow the kinds of single samples. On equal shares
        of the four visible kinds the BROJA programme couples unique samples with others and finds
        R = S = 1/2 log2 K without anything unique, though each kind has a quarter of log2 K in `expected`.

    Example:
        >>> made = make_interactions({"redundancy": 0.5, "synergy": 0.5}, n_classes=4, random_state=0)
        >>> made.dataset
        MultimodalDataset(1000 samples, classification with 4 classes, a (16,), b (16,))
        >>> made.expected
        {'redundancy': 1.0, 'unique:a': 0.0, 'unique:b': 0.0, 'synergy': 1.0, 'total': 2.0}
    """
    _check_sizes(n_classes, n_samples, n_features, noise, n_modalities)
    names = tuple(ascii_lowercase[:n_modalities])
    kinds = _kinds(names, composition)
    shares = _check_composition(composition, tuple(kinds), n_classes)
    rng, structure = _generators(random_state, structure_state)

    kind, y = _draw_kinds(shares, n_samples, rng)
    codes = _carry(kind, y, rng.integers(n_classes, size=(n_samples, n_modalities)), n_classes, kinds)
    # Symbols of the joint number the kinds that occur; code vectors all kinds, so that compositions share
    # them.
    occurring = np.flatnonzero(shares.any(axis=1))
    position = np.searchsorted(occurring, kind) if type_visible else np.zeros_like(kind)
    vector = (kind if type_visible else np.zeros_like(kind))[:, None] * n_classes + codes
    n_vectors = n_classes * (len(kinds) if type_visible else 1)

    arrays = {}
    for m, name in enumerate(names):
        x = _embed(vector[:, m], n_vectors, n_features, noise, rng, structure)
        if nonlinear:
            x = np.tanh(x @ structure.normal(scale=n_features**-0.5, size=(n_features, n_features)))
        arrays[name] = x.astype(np.float32)
    joint = _joint(shares, n_classes, n_modalities, type_visible, kinds)
    expected = {}
    if type_visible:
        expected = _visible_bits(shares, tuple(kinds))
        expected["total"] = float(np.log2(n_classes))
    elif joint is not None:
        expected["total"] = _total(joint)
    return Interactions(
        dataset=MultimodalDataset(arrays, y),
        kind=np.array(list(kinds))[kind],
        symbols=position[:, None] * n_classes + codes,
        joint=joint,
        expected=expected,
        class_shares={name: s / s.sum() for name, s in zip(kinds, shares, strict=True) if s.any()},
    )


# Equally likely outcomes (x1, x2, y) of each gate.
_BITS = [(0, 0), (0, 1), (1, 0), (1, 1)]
_GATES = {
    "AND": [(a, b, a & b) for a, b in _BITS],
    "OR": [(a, b, a | b) for a, b in _BITS],
    "XOR": [(a, b, a ^ b) for a, b in _BITS],
    "COPY": [(a, b, 2 * a + b) for a, b in _BITS],
    "SUM": [(a, b, a + b) for a, b in _BITS],
    "UNIQUE": [(a, b, a) for a, b in _BITS],
    "REDUNDANT": [(0, 0, 0), (1, 1, 1)],
}


def make_gates(
    gate: str,
    *,
    n_samples: int = 1000,
    n_features: int = 1,
    noise: float = 0.0,
    random_state: Seed = None,
    structure_state: Seed = None,
) -> Interactions:
    """Draw samples of a logic gate of two fair bits, the modalities ``a`` and ``b``.

    Args:
        gate: ``AND``, ``OR``, ``XOR``, ``COPY`` (class 2a + b), ``SUM`` (a + b), ``UNIQUE`` (a, with b an
            independent bit) or ``REDUNDANT`` (a = b = class).
        n_samples: number of samples, drawn independently.
        n_features: 1 gives the bit itself, more a code vector ~ N(0, I) for each value of it.
        noise: standard deviation of Gaussian noise on the features.
        random_state: seed of the samples (and of the code vectors, unless ``structure_state`` is given).
        structure_state: seed of the code vectors.

    Returns:
        Dataset (integer bits without noise, float32 otherwise), ``kind`` (the gate's name), bits as
        ``symbols``, exact joint distribution ``(2, 2, n_classes)`` and ``expected["total"]``.

    Raises:
        ValueError: an unknown gate or sizes out of range.

    Example:
        >>> made = make_gates("AND", random_state=0)
        >>> made.joint[1, 1]
        array([0.  , 0.25])
        >>> round(made.expected["total"], 3)
        0.811
    """
    if not isinstance(gate, str) or gate.upper() not in _GATES:
        raise problem("gate", f"one of {', '.join(_GATES)}", repr(gate), "choose one of these")
    outcomes = np.array(_GATES[gate.upper()])
    n_classes = int(outcomes[:, 2].max()) + 1
    _check_sizes(n_classes, n_samples, n_features, noise, 2)
    rng, structure = _generators(random_state, structure_state)
    joint = np.zeros((2, 2, n_classes))
    joint[tuple(outcomes.T)] = 1 / len(outcomes)
    drawn = outcomes[rng.integers(len(outcomes), size=n_samples)]

    def features(bit: Integers) -> NDArray[Any]:
        if n_features > 1:
            return _embed(bit, 2, n_features, noise, rng, structure).astype(np.float32)
        if noise == 0:
            return bit[:, None]
        return (bit[:, None] + noise * rng.normal(size=(n_samples, 1))).astype(np.float32)

    return Interactions(
        dataset=MultimodalDataset({"a": features(drawn[:, 0]), "b": features(drawn[:, 1])}, drawn[:, 2]),
        kind=np.full(n_samples, gate.upper()),
        symbols=drawn[:, :2],
        joint=joint,
        expected={"total": _total(joint)},
    )


def _kinds(names: Sequence[str], composition: Mapping[str, Any] | None) -> dict[str, tuple[int, ...]]:
    """Positions of the modalities by kind; kinds of pairs only where the composition names one."""
    every = tuple(range(len(names)))
    kinds = {"redundancy": every, **{f"unique:{name}": (m,) for m, name in enumerate(names)}, "synergy": every}
    if len(names) > 2:
        two = {"+".join(names[m] for m in pair): pair for pair in combinations(every, 2)}
        pairs = {f"{family}:{label}": pair for family in ("redundancy", "synergy") for label, pair in two.items()}
        if composition is not None and set(composition) & set(pairs):
            kinds |= pairs
    return kinds


def _draw_kinds(shares: NDArray[np.float64], n: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Kind and class of each sample, from shares ``(kinds, classes)`` that sum to 1 in each class."""
    n_classes = shares.shape[1]
    kind = rng.choice(len(shares), size=n, p=shares.mean(axis=1))
    if (shares == shares[:, :1]).all():
        return kind, rng.integers(n_classes, size=n)
    cumulated = np.cumsum(shares / shares.sum(axis=1, keepdims=True).clip(1e-300), axis=1)[kind]
    return kind, np.minimum((rng.random((n, 1)) >= cumulated).sum(axis=1), n_classes - 1)


def _carry(kind: Integers, y: Integers, codes: Integers, n_classes: int, kinds: Mapping[str, Any]) -> Integers:
    """Return ``codes`` changed so that those of the kind's modalities carry ``y``."""
    codes = codes.copy()
    for number, (name, members) in enumerate(kinds.items()):
        rows = kind == number
        if name.startswith("synergy"):
            codes[rows, members[-1]] = (y[rows] - codes[rows][:, members[:-1]].sum(axis=1)) % n_classes
        else:
            codes[np.ix_(rows, members)] = y[rows, None]
    return codes


def _visible_bits(shares: NDArray[np.float64], kinds: tuple[str, ...]) -> dict[str, float]:
    """Bits by kind where kinds are seen: what the kind itself tells about the class is redundant, the rest its own."""
    n_classes = shares.shape[1]
    weight = shares / n_classes
    given_kind = weight / weight.sum(axis=1, keepdims=True).clip(1e-300)
    told = np.log2(np.maximum(given_kind * n_classes, 1))
    # In a redundant sample everything is.
    told[0] = np.log2(n_classes)
    own = (weight * (np.log2(n_classes) - told)).sum(axis=1)
    own[0] = (weight * told).sum()
    return dict(zip(kinds, own.tolist(), strict=True))


def _joint(
    shares: NDArray[np.float64], n_classes: int, n_modalities: int, visible: bool, kinds: Mapping[str, Any]
) -> NDArray[np.float64] | None:
    """Enumerate every class and every draw of codes for each kind that occurs."""
    occurring = np.flatnonzero(shares.any(axis=1))
    n_symbols = n_classes * (len(occurring) if visible else 1)
    if n_symbols**n_modalities * n_classes > _LARGEST_JOINT:
        return None
    grid = np.indices((n_classes,) * (n_modalities + 1)).reshape(n_modalities + 1, -1)
    y, free = grid[0], grid[1:].T
    joint = np.zeros((n_symbols,) * n_modalities + (n_classes,))
    for position, kind in enumerate(occurring):
        codes = _carry(np.full(len(y), kind), y, free, n_classes, kinds)
        symbols = codes + (position * n_classes if visible else 0)
        np.add.at(joint, (*symbols.T, y), shares[kind, y] / len(y))
    return joint


def _total(joint: NDArray[np.float64]) -> float:
    """Return I(all symbols; class) in bits."""
    table = joint.reshape(-1, joint.shape[-1])
    independent = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    some = table > 0
    return float((table[some] * np.log2(table[some] / independent[some])).sum())


def _embed(
    symbol: Integers,
    n_symbols: int,
    n_features: int,
    noise: float,
    rng: np.random.Generator,
    structure: np.random.Generator,
) -> NDArray[np.float64]:
    vectors = structure.normal(size=(n_symbols, n_features))
    return vectors[symbol] + noise * rng.normal(size=(len(symbol), n_features))


def _generators(random_state: Seed, structure_state: Seed) -> tuple[np.random.Generator, np.random.Generator]:
    rng = np.random.default_rng(random_state)
    return rng, rng.spawn(1)[0] if structure_state is None else np.random.default_rng(structure_state)


def _check_sizes(n_classes: int, n_samples: int, n_features: int, noise: float, n_modalities: int) -> None:
    limits = {
        "n_classes": (n_classes, 2, None),
        "n_samples": (n_samples, 1, None),
        "n_features": (n_features, 1, None),
        "n_modalities": (n_modalities, 2, len(ascii_lowercase)),
    }
    for name, (value, low, high) in limits.items():
        if not isinstance(value, int | np.integer) or value < low or (high is not None and value > high):
            expected = f"an integer of at least {low}" + ("" if high is None else f" and at most {high}")
            raise problem(name, expected, f"{value!r}", "choose another number")
    if not 0 <= noise < np.inf:
        raise problem("noise", "a standard deviation of at least 0", f"{noise!r}", "choose another number")


def _check_composition(
    composition: Mapping[str, float | Sequence[float]] | None, kinds: tuple[str, ...], n_classes: int
) -> NDArray[np.float64]:
    """Shares ``(kinds, classes)``."""
    if composition is None:
        return np.full((len(kinds), n_classes), 1 / len(kinds))
    unknown = [kind for kind in composition if kind not in kinds]
    if unknown:
        raise problem("composition", f"kinds among {list(kinds)}", f"{unknown}", "correct these names")
    shares = np.zeros((len(kinds), n_classes))
    for kind, share in composition.items():
        if np.shape(share) not in ((), (n_classes,)):
            expected = f"one share or {n_classes}, one a class, for {kind!r}"
            raise problem("composition", expected, f"{np.shape(share)} shares", "give one for each class")
        shares[kinds.index(kind)] = share
    sums = shares.sum(axis=0)
    if not (shares >= 0).all() or (np.abs(sums - 1) > 1e-8).any():
        found = f"{dict(composition)} with sum {sums[np.abs(sums - 1).argmax()]:g}"
        raise problem("composition", "shares of at least 0 that sum to 1", found, "rescale them")
    return np.asarray(shares / sums)
