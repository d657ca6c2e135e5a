"""Critics of a table that maximise J_tau: Newton steps; see :func:`interplay.estimation.dual.dual_information`."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["maximise"]

Array = NDArray[np.float64]

_STEPS = 50
_LONGEST = 5.0  # no critic moves further in one step, nats


def maximise(a: Array, b: Array, p1: Array, p2: Array, log_w: Array, tau: float) -> tuple[Array, Array]:
    """The critics ``(K1, k)``, ``(K2, k)`` that maximise J_tau, from a start ``a``, ``b``.

    Steps with the dense matrix of second derivatives, halved until the value rises. Methods that only multiply by that
    matrix take a hundred times as long on sparse tables, where it is close to singular.
    """
    value, share, softmax = _terms(a, b, p1, p2, log_w, tau)
    for _ in range(_STEPS):
        q = share[..., None] * softmax
        margins = np.concatenate([q.sum(1).ravel(), q.sum(0).ravel()])
        slope = margins - np.concatenate([p1.ravel(), p2.ravel()])
        step = -np.linalg.solve(_curvature(q, softmax, margins, tau), slope)
        step *= min(1.0, _LONGEST / max(np.abs(step).max(), 1e-300))
        if -slope @ step < 1e-14:
            break
        for size in 0.5 ** np.arange(30):
            to = a + size * step[: a.size].reshape(a.shape), b + size * step[a.size :].reshape(b.shape)
            found = _terms(*to, p1, p2, log_w, tau)
            if found[0] <= value + 1e-4 * size * float(slope @ step):
                break
        else:
            break  # rounding errors exceed what is left to gain
        (a, b), (value, share, softmax) = to, found
    return a, b


def _terms(a: Array, b: Array, p1: Array, p2: Array, log_w: Array, tau: float) -> tuple[float, Array, Array]:
    """-J_tau, each pair's share of the sum, and the softmax of each pair's logits."""
    logits = a[:, None] + b
    inner = logsumexp(logits, axis=2)
    log_z = logsumexp(log_w + tau * inner)
    value = float(log_z / tau - (p1 * a).sum() - (p2 * b).sum())
    return value, np.exp(log_w + tau * inner - log_z), np.exp(logits - inner[..., None])


def _curvature(q: Array, softmax: Array, margins: Array, tau: float) -> Array:
    """Second derivatives of -J_tau, and a little more on the diagonal: constants may move from one critic to the other.

    ``diag(margins) - tau margins margins'``, and for labels y, z of each pair ``(tau - 1) q_y softmax_z``.
    """
    k1, k2, k = q.shape
    i, j, y = np.arange(k1), np.arange(k2), np.arange(k)
    own1, own2 = np.zeros((k1, k, k1, k)), np.zeros((k2, k, k2, k))
    cross = (tau - 1) * q.transpose(0, 2, 1)[..., None] * softmax[:, None]
    own1[i, :, i] = cross.sum(2)
    own2[j, :, j] = cross.sum(0).transpose(1, 0, 2)
    cross[:, y, :, y] += q.transpose(2, 0, 1)
    cross = cross.reshape(k1 * k, k2 * k)
    whole = np.block([[own1.reshape(k1 * k, -1), cross], [cross.T, own2.reshape(k2 * k, -1)]])
    whole -= tau * np.outer(margins, margins)
    whole[np.diag_indices(len(whole))] += (1 + 1e-10) * margins + 1e-12 + 1e-14 * tau  # more than rounding errors
    return whole
