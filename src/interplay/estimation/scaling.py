"""The convex programme on samples: couplings of two sets of class probabilities by alternating scaling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Potentials", "couple", "rake"]

Array = NDArray[np.float64]

_TINY = 1e-300


@dataclass(frozen=True)
class Potentials:
    """Dual variables in nats, ``first`` (m, k) and ``second`` (m, k), and the duality ``gap`` in bits."""

    first: Array
    second: Array
    gap: float


def rake(posteriors: Array, prior: Array, *, sweeps: int = 200, tolerance: float = 1e-10) -> Array:
    """Move class probabilities ``(m, k)`` least so that rows sum to 1 and columns have the mean ``prior`` ``(k,)``.

    Without it the two modalities would ask a coupling for different numbers of samples of a class.
    """
    p = np.maximum(posteriors, 1e-12)
    for _ in range(sweeps):
        p = p * (prior / p.mean(axis=0))
        rows = p.sum(axis=1, keepdims=True)
        p = p / rows
        if np.abs(rows - 1).max() < tolerance:
            break
    return p


def couple(
    first: Array,
    second: Array,
    weights: tuple[Array, Array] | None = None,
    *,
    max_sweeps: int = 1000,
    tolerance: float = 2e-4,
) -> Potentials:
    r"""Minimise ``I_q(X1, X2; Y)`` over couplings of two samples with given class probabilities.

    The samples i of the first and j of the second modality have masses w_i and w_j, ``q(i, y) = w_i first[i, y]`` and
    ``q(j, y) = w_j second[j, y]``. With r = q(i, j), each class's slice r is scaled to its two margins and r replaced
    by the sum of the slices (Banerjee, Rauh and Montufar 2018), one scaling a step; at the optimum
    ``log q(y|i,j) = a(i, y) + b(j, y)`` on the support. A step is three matrix products of ``m1 m2 k`` each.

    Args:
        first: ``(m1, k)``, rows sum to 1, and the same column means as ``second`` (see `rake`).
        second: ``(m2, k)``.
        weights: masses ``(m1,)`` and ``(m2,)``, each summing to 1; default equal ones.
        max_sweeps: steps at most.
        tolerance: duality gap, in bits, at which to stop; it is tested every 50 steps.
    """
    mass1, mass2 = weights or tuple(np.full(len(p), 1 / len(p)) for p in (first, second))
    p1, p2 = first * mass1[:, None], second * mass2[:, None]
    r = np.outer(mass1, mass2)
    v = np.ones_like(p2)
    best = Potentials(np.log(p1), np.log(p2), np.inf)
    for sweep in range(1, max_sweeps + 1):
        u = p1 / np.maximum(r @ v, _TINY)
        v = p2 / np.maximum(r.T @ u, _TINY)
        v /= v.max(axis=0)  # u and v are free up to a factor a class
        u = p1 / np.maximum(r @ v, _TINY)
        r = r * (u @ v.T)
        if sweep % 50 == 0 or sweep == max_sweeps:
            found = _certify(u, v, r, p1, p2)
            best = min(best, found, key=lambda each: each.gap)
            if best.gap <= tolerance:
                break
    return best


def _certify(u: Array, v: Array, r: Array, p1: Array, p2: Array) -> Potentials:
    """Shift the dual to where it is feasible; the gap to the value of the coupling, up to its error in the margins."""
    a, b = np.log(np.maximum(u, _TINY)), np.log(np.maximum(v, _TINY))
    total = np.maximum(u @ v.T, _TINY)  # sum over y of exp(a + b), at most 1 where feasible
    shift = np.log(total.max(axis=1, keepdims=True))
    a = a - shift
    b = b - np.log((total / total.max(axis=1, keepdims=True)).max(axis=0))[:, None]
    dual = (a * p1).sum() + (b * p2).sum()
    # q = w u v with w = r / (u v') is the coupling just scaled; its -H(Y|X1,X2):
    w = r / total
    conditional = np.einsum("iy,jy,ij->", u * np.log(np.maximum(u, _TINY)), v, w)
    conditional += np.einsum("iy,jy,ij->", u, v * np.log(np.maximum(v, _TINY)), w)
    conditional -= (r * np.log(total)).sum()
    return Potentials(a, b, float(max(conditional - dual, 0.0) / np.log(2)))
