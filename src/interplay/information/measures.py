"""Entropies and informations of discrete joint distributions, in bits.

A joint is an array of probabilities with one axis a variable; by the package's convention the target is the
last axis. Cells of probability zero contribute nothing to any average.
"""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

__all__ = [
    "check_joint",
    "co_information",
    "conditional_mutual_information",
    "entropy",
    "mutual_information",
    "o_information",
    "pointwise_mutual_information",
    "total_correlation",
]

Array = NDArray[np.float64]


def check_joint(
    joint: ArrayLike,
    *,
    ndim: int | None = None,
    normalize: bool = False,
    tolerance: float = 1e-8,
    batch_axes: int = 0,
) -> Array:
    """Return the joint as float64 summing to exactly one (to rounding), or say what is wrong with it.

    Args:
        joint: non-negative array, one axis a variable. Counts are welcome with ``normalize=True``.
        ndim: number of variables required; None accepts any number from one.
        normalize: divide by the sum instead of insisting that it is one.
        tolerance: how far the sum may be from one.
        batch_axes: number of leading axes that count joints rather than variables; each joint is checked.

    Raises:
        ValueError: wrong rank, empty axis, NaN, infinite or negative entry, or a sum that is not one.

    >>> check_joint([[2, 0], [1, 1]], ndim=2, normalize=True)
    array([[0.5 , 0.  ],
           [0.25, 0.25]])
    """
    try:
        p = np.asarray(joint, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"A joint distribution must be a rectangular array of numbers: {error}") from None
    variables = p.ndim - batch_axes
    if variables < 1 or (ndim is not None and variables != ndim):
        wanted = "at least 1 axis" if ndim is None else f"{ndim} axes, one a variable (the target last)"
        ahead = f" after {batch_axes} leading batch axes" if batch_axes else ""
        raise ValueError(f"A joint distribution with {wanted}{ahead} is expected; found shape {p.shape}.")
    axes = tuple(range(batch_axes, p.ndim))
    if 0 in p.shape[batch_axes:]:
        raise ValueError(f"A joint distribution needs at least one symbol on every axis; found shape {p.shape}.")
    if not np.isfinite(p).all():
        raise ValueError("The joint distribution contains NaN or infinite entries; drop or impute them first.")
    if (p < 0).any():
        raise ValueError(
            f"Probabilities must not be negative; the smallest entry is {p.min():.3g}. "
            "Clip rounding errors to 0 and pass normalize=True."
        )
    total = p.sum(axis=axes, keepdims=True)
    if (total <= 0).any():
        raise ValueError("The joint distribution is zero everywhere; at least one entry must be positive.")
    off = np.abs(total - 1).max(initial=0)
    if not normalize and off > tolerance:
        worst = total.flat[np.abs(total - 1).argmax()]
        raise ValueError(
            f"The joint distribution must sum to 1 within {tolerance:g}; it sums to {worst:.12g}. "
            "Pass normalize=True to divide by the sum (counts are then welcome)."
        )
    return p / total


def _entropy(p: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(entr(p).sum(axis=axes) / np.log(2))


def _marginal_entropies(p: Array, size: int) -> dict[tuple[int, ...], float]:
    """Entropy of every marginal over ``size`` of the variables."""
    everything = range(p.ndim)
    return {kept: entropy(p.sum(axis=tuple(set(everything) - set(kept)))) for kept in combinations(everything, size)}


def entropy(p: ArrayLike) -> float:
    """Joint entropy of all variables, ``-sum p log2 p``, in bits.

    >>> entropy([0.5, 0.25, 0.25])
    1.5
    """
    p = check_joint(p)
    return float(_entropy(p, tuple(range(p.ndim))))


def mutual_information(joint: ArrayLike) -> Array:
    """Mutual information ``I(X;Y) = H(X) + H(Y) - H(X,Y)`` in bits.

    Args:
        joint: ``(..., K, k)``; leading axes count joints.

    Returns:
        Array of the leading shape (0-dimensional for one joint), never below zero by rounding.

    >>> float(mutual_information([[0.5, 0], [0, 0.5]]))
    1.0
    """
    p = np.asarray(joint, dtype=np.float64)
    p = check_joint(p, ndim=2, batch_axes=max(p.ndim - 2, 0))
    information = _entropy(p.sum(-1), (-1,)) + _entropy(p.sum(-2), (-1,)) - _entropy(p, (-2, -1))
    return np.maximum(information, 0.0)


def conditional_mutual_information(joint: ArrayLike) -> Array:
    """Conditional mutual information ``I(X;Y|Z)`` in bits; the condition ``Z`` is the last axis.

    Args:
        joint: ``(..., X, Y, Z)``; leading axes count joints.

    Returns:
        Array of the leading shape (0-dimensional for one joint), never below zero by rounding.

    >>> xor = [[[0.25, 0], [0, 0.25]], [[0, 0.25], [0.25, 0]]]
    >>> float(conditional_mutual_information(xor))
    1.0
    """
    p = np.asarray(joint, dtype=np.float64)
    p = check_joint(p, ndim=3, batch_axes=max(p.ndim - 3, 0))
    information = (
        _entropy(p.sum(-2), (-2, -1))
        + _entropy(p.sum(-3), (-2, -1))
        - _entropy(p.sum((-3, -2)), (-1,))
        - _entropy(p, (-3, -2, -1))
    )
    return np.maximum(information, 0.0)


def total_correlation(joint: ArrayLike) -> float:
    """Total correlation (multi-information) ``sum_i H(X_i) - H(X_1,...,X_n)`` in bits.

    Watanabe, 1960. Zero exactly for independent variables; for two it is their mutual information.

    >>> total_correlation([[[0.5, 0], [0, 0]], [[0, 0], [0, 0.5]]])
    2.0
    """
    p = check_joint(joint)
    return max(0.0, sum(_marginal_entropies(p, 1).values()) - entropy(p))


def o_information(joint: ArrayLike) -> float:
    """O-information ``(n-2) H(X) + sum_i [H(X_i) - H(X without X_i)]`` in bits.

    Rosas, Mediano, Gastpar and Jensen, Physical Review E 100, 2019. Above zero redundancy prevails, below
    zero synergy. All axes are treated alike, the target too; for three variables it is the co-information.

    >>> o_information([[[0.5, 0], [0, 0]], [[0, 0], [0, 0.5]]])
    1.0
    >>> o_information([[[0.25, 0], [0, 0.25]], [[0, 0.25], [0.25, 0]]])
    -1.0
    """
    p = check_joint(joint)
    if p.ndim < 2:
        raise ValueError("The O-information needs at least two variables; found a joint with one axis.")
    ones, rests = _marginal_entropies(p, 1), _marginal_entropies(p, p.ndim - 1)
    return (p.ndim - 2) * entropy(p) + sum(ones.values()) - sum(rests.values())


def co_information(joint: ArrayLike) -> float:
    """Co-information ``-sum over subsets T of (-1)^|T| H(T)`` in bits; for two variables mutual information.

    Bell, 2003. For two modalities and a target it is ``I(X1;Y) + I(X2;Y) - I(X1,X2;Y)``: redundancy minus
    synergy, under every definition of redundancy.

    >>> co_information([[[0.25, 0], [0, 0.25]], [[0, 0.25], [0.25, 0]]])
    -1.0
    """
    p = check_joint(joint)
    return sum(
        (-1) ** (size + 1) * value for size in range(1, p.ndim + 1) for value in _marginal_entropies(p, size).values()
    )


def pointwise_mutual_information(joint: ArrayLike, *, sources: tuple[int, ...] | None = None) -> Array:
    """Pointwise information ``i(x_A; y) = log2 p(x_A, y) / (p(x_A) p(y))`` of modalities about the target.

    Args:
        joint: ``(K1, ..., KM, k)``, the target last.
        sources: axes of the modalities ``A`` that are seen together; None takes all.

    Returns:
        Array shaped like the joint, in bits, whose mean over the joint is ``I(X_A;Y)``; NaN where the joint is
        zero, since what never happens carries no information and enters no mean.

    >>> pointwise_mutual_information([[0.5, 0.25], [0, 0.25]]).round(3)
    array([[ 0.415, -0.585],
           [   nan,  1.   ]])
    """
    p = check_joint(joint)
    if p.ndim < 2:
        raise ValueError("Pointwise mutual information needs at least one modality axis and the target axis.")
    modalities = p.ndim - 1
    chosen = tuple(range(modalities)) if sources is None else tuple(sources)
    if not chosen or not set(chosen) <= set(range(modalities)):
        raise ValueError(f"sources must name some of the modality axes 0 to {modalities - 1}; found {sources}.")
    return np.asarray(pointwise_information(p[None], chosen)[0])


def marginal(joints: Array, kept: tuple[int, ...], *, target: bool) -> Array:
    """Marginal over some modalities (and the target) of a batch ``(B, K1, ..., KM, k)``, ready to broadcast."""
    dropped = [axis + 1 for axis in range(joints.ndim - 2) if axis not in kept]
    return joints.sum(axis=tuple(dropped if target else [*dropped, joints.ndim - 1]), keepdims=True)


def pointwise_information(joints: Array, kept: tuple[int, ...]) -> Array:
    """`pointwise_mutual_information` for a batch ``(B, K1, ..., KM, k)`` of checked joints."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (
            np.log2(marginal(joints, kept, target=True))
            - np.log2(marginal(joints, kept, target=False))
            - np.log2(marginal(joints, (), target=True))
        )
        return np.where(joints > 0, value, np.nan)


def source_information(joints: Array, kept: tuple[int, ...]) -> Array:
    """``I(X_A;Y)`` in bits for a batch ``(B, K1, ..., KM, k)`` of checked joints; shape ``(B,)``."""
    table = marginal(joints, kept, target=True)
    return mutual_information(table.reshape(len(joints), -1, joints.shape[-1]))
