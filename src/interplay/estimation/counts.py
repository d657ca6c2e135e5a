"""Tables of counts, entropies corrected for their size, and the joint without interaction of third order."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

__all__ = [
    "CORRECTED_ENTROPIES",
    "corrected_entropy",
    "corrected_information",
    "count_table",
    "pairwise_maximum_entropy",
]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def count_table(*codes: Codes, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Count how often each combination of codes occurs; shape ``shape``.

    >>> count_table(np.array([0, 0, 1]), np.array([1, 1, 0]), shape=(2, 2))
    array([[0, 2],
           [1, 0]])
    """
    flat = np.ravel_multi_index(codes, shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def _miller_madow(counts: Array, n: float) -> float:
    p = counts / n
    return float(-(p * np.log(p)).sum() + (len(counts) - 1) / (2 * n))


def _grassberger(counts: Array, n: float) -> float:
    """``H = log n - 1/n sum c G(c)``, ``G(c) = psi(c) + (-1)^c/2 [psi((c+1)/2) - psi(c/2)]``."""
    sign = np.where(counts % 2 == 0, 1.0, -1.0)
    g = digamma(counts) + sign / 2 * (digamma((counts + 1) / 2) - digamma(counts / 2))
    return float(np.log(n) - (counts * g).sum() / n)


def _chao_shen(counts: Array, n: float) -> float:
    """Horvitz-Thompson sum over probabilities shrunk by the Good-Turing coverage."""
    singletons = float((counts == 1).sum())
    coverage = 1 - (n - 1 if singletons == n else singletons) / n  # all singletons: leave a coverage of 1/n
    p = coverage * counts / n
    return float(-(p * np.log(p) / -np.expm1(n * np.log1p(-p))).sum()) if len(counts) > 1 else 0.0


CORRECTED_ENTROPIES = {"miller-madow": _miller_madow, "grassberger": _grassberger, "chao-shen": _chao_shen}


def corrected_entropy(counts: ArrayLike, method: str) -> float:
    """Entropy of the distribution behind counts, in bits, corrected for the sample's size.

    Args:
        counts: non-negative integers of any shape.
        method: "miller-madow" (plug-in + (cells - 1) / 2n), "grassberger" (Grassberger 2003) or "chao-shen" (Chao and
            Shen 2003).

    >>> round(corrected_entropy([5, 5], "miller-madow"), 4)
    1.0721
    """
    c = np.asarray(counts, dtype=np.float64)
    c = c[c > 0]
    return float(CORRECTED_ENTROPIES[method](c, float(c.sum())) / np.log(2))


def corrected_information(counts: NDArray[Any], method: str) -> float:
    """``I(X;Y) = H(X) + H(Y) - H(X,Y)`` of a table of counts ``(..., k)``, each entropy corrected; bits."""
    axes = tuple(range(counts.ndim - 1))
    parts = (counts.sum(-1), counts.sum(axes), counts)
    first, second, both = (corrected_entropy(part, method) for part in parts)
    return first + second - both


def _shrink(pair: Array, n: float) -> Array:
    """James-Stein estimate of a joint of two variables: pulled to independence as far as n samples are noisy."""
    target = np.outer(pair.sum(axis=1), pair.sum(axis=0))
    distance = float(((target - pair) ** 2).sum())
    weight = 1.0 if distance <= 0 else float(np.clip((1 - (pair**2).sum()) / (max(n - 1, 1) * distance), 0, 1))
    return weight * target + (1 - weight) * pair


def pairwise_maximum_entropy(
    table: ArrayLike, *, shrink: bool = False, tolerance: float = 1e-7, max_sweeps: int = 500
) -> Array:
    """Return the joint of largest entropy that has the pairwise tables of ``table``; shape ``(K1, K2, k)``, sums to 1.

    It is log-linear in the pairs (no interaction of third order), found by iterative proportional fitting. Zeros of the
    pairwise tables stay zero. Where the solution has further zeros, fitting only crawls towards them: this is a model
    to draw tables from, which needs no more than ``tolerance``.

    Args:
        table: counts ``(K1, K2, k)`` (or probabilities, without ``shrink``).
        shrink: pull each pairwise table to independence first (James-Stein, Hausser and Strimmer 2009). Tables with
            few samples a cell look dependent, and a model that believes them is too sparse.
        tolerance: largest error of the pairwise tables.
        max_sweeps: rounds of fitting at most.

    >>> exclusive_or = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
    >>> pairwise_maximum_entropy(exclusive_or).ravel()
    array([0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125])
    """
    counts = np.asarray(table, dtype=np.float64)
    n = float(counts.sum())
    targets = [counts.sum(axis=axis) / n for axis in range(3)]
    if shrink:
        targets = [_shrink(target, n) for target in targets]
    fitted = np.full_like(counts, 1 / counts.size)
    for _ in range(max_sweeps):
        worst = 0.0
        for axis, target in enumerate(targets):
            now = fitted.sum(axis=axis)
            worst = max(worst, float(np.abs(now - target).max()))
            fitted = fitted * np.expand_dims(np.divide(target, now, out=np.zeros_like(now), where=now > 0), axis)
        if worst < tolerance:
            break
    return fitted / fitted.sum()
