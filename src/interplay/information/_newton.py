"""The Newton system of the interior point method: structured factorisation and conjugate gradients."""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from interplay.information._certificate import Array, Programme, divide, pairwise

# Regularisation relative to the marginals and to the diagonal, just enough that rounding rarely makes a
# factor fail; conjugate gradients on the matrix without it remove its trace.
RIDGE = 1e-14
ROUNDING = 1e-15
MAX_CONJUGATE_STEPS = 20


class NewtonMatrix:
    """``sum over pairs of w diag(pi) + (w/s - w) pi pi^T``, factored for several right-hand sides.

    It couples only ``x1`` with ``x2``: the first side is eliminated block by block (k x k), what remains is
    one dense system of size ``K2 k``. Its null space, ``a + t(y), b - t(y)``, is taken out by pinning
    ``<b(y, .), p2(y, .)>``.

    Args:
        problem: Tables of the batch.
        w: Multipliers (B, K1, K2).
        s: Slacks (B, K1, K2).
        pi: Softmax of the duals (B, k, K1, K2).
    """

    def __init__(self, problem: Programme, w: Array, s: Array, pi: Array):
        (n, k, k1), k2 = problem.p1.shape, problem.p2.shape[2]
        self.pi, self.w, self.excess = pi, w, w / s - w
        q, scaled = w[:, None] * pi, self.excess[:, None] * pi
        by_first, by_second = pi.transpose(0, 2, 3, 1), np.ascontiguousarray(pi.transpose(0, 3, 2, 1))
        block1 = scaled.transpose(0, 2, 1, 3) @ by_first  # (B, K1, k, k)
        block2 = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)) @ by_second  # (B, K2, k, k)
        _complete(block1, q.sum(axis=3), problem.p1)
        _complete(block2, q.sum(axis=2), problem.p2)
        self.root1 = _inverse_roots(block1)
        # root1 times the cross block, (B, K1, k, k, K2), without forming the cross block itself.
        turned = (self.root1 @ by_first.swapaxes(2, 3)) * self.excess[:, :, None, :]
        cross = self.root1[..., None] * w[:, :, None, None, :]
        cross += turned[:, :, :, None, :]
        cross *= pi.transpose(0, 2, 1, 3)[:, :, None]
        self.cross = cross.reshape(n, k1 * k, k * k2)
        schur = self.cross.swapaxes(1, 2) @ self.cross
        np.negative(schur, out=schur)
        view, label, symbol = schur.reshape(n, k, k2, k, k2), np.arange(k), np.arange(k2)
        view[:, :, symbol, :, symbol] += block2.swapaxes(0, 1)
        gauge = problem.p2 * np.sqrt(divide(np.ones(1), problem.p2.sum(axis=2, keepdims=True), 0.0))
        view[:, label, :, label, :] += (gauge[:, :, :, None] * gauge[:, :, None, :]).swapaxes(0, 1)
        self.factors = [_factor(matrix) for matrix in schur]

    def _precondition(self, r1: Array, r2: Array) -> tuple[Array, Array]:
        """Solve with the regularised factors."""
        n = len(r1)
        half = (self.root1 @ r1.swapaxes(1, 2)[..., None]).reshape(n, -1, 1)
        right = r2.reshape(n, -1) - (self.cross.swapaxes(1, 2) @ half)[..., 0]
        db = np.stack([dpotrs(factor, r, lower=1)[0] for factor, r in zip(self.factors, right, strict=True)])
        rest = (half - self.cross @ db[..., None]).reshape(*self.root1.shape[:3], 1)
        da = (self.root1.swapaxes(2, 3) @ rest)[..., 0].swapaxes(1, 2)
        return da, db.reshape(r2.shape)

    def _apply(self, da: Array, db: Array) -> tuple[Array, Array]:
        """The matrix itself, without regularisation, times a vector."""
        out = pairwise(da, db)
        mean = np.einsum("byij,byij->bij", self.pi, out)
        out *= self.w[:, None]
        out += (self.excess * mean)[:, None]
        out *= self.pi
        return out.sum(axis=3), out.sum(axis=2)

    def solve(self, r1: Array, r2: Array, accuracy: float) -> tuple[Array, Array]:
        """Solution by preconditioned conjugate gradients.

        Args:
            r1: Right-hand side of the first side (B, k, K1).
            r2: Right-hand side of the second side (B, k, K2).
            accuracy: Squared error, in the norm of the matrix and relative to the first solution, to reach.
        """
        x1, x2 = self._precondition(r1, r2)
        goal = accuracy * (_inner(r1, x1) + _inner(r2, x2))
        m1, m2 = self._apply(x1, x2)
        r1, r2 = r1 - m1, r2 - m2
        z1, z2 = d1, d2 = self._precondition(r1, r2)
        error = _inner(r1, z1) + _inner(r2, z2)
        for _ in range(MAX_CONJUGATE_STEPS):
            if (error <= goal).all():
                break
            m1, m2 = self._apply(d1, d2)
            curvature = _inner(m1, d1) + _inner(m2, d2)
            length = np.where(error > goal, divide(error, curvature, 0.0), 0.0)[:, None, None]
            x1, x2, r1, r2 = x1 + length * d1, x2 + length * d2, r1 - length * m1, r2 - length * m2
            z1, z2 = self._precondition(r1, r2)
            previous, error = error, _inner(r1, z1) + _inner(r2, z2)
            turn = divide(error, previous, 0.0)[:, None, None]
            d1, d2 = z1 + turn * d1, z2 + turn * d2
        return x1 + z1, x2 + z2


def _inner(x: Array, y: Array) -> Array:
    return np.einsum("bij,bij->b", x, y)


def _complete(block: Array, diagonal: Array, marginal: Array) -> None:
    """Add ``diagonal`` (B, k, K) to ``block`` (B, K, k, k); entries without mass get rows of the identity."""
    view = np.einsum("bkyy->byk", block)
    view += diagonal + RIDGE * marginal
    view *= 1.0 + ROUNDING
    view += marginal == 0


def _factor(matrix: Array) -> Array:
    """Lower Cholesky factor; with a growing ridge where rounding made it indefinite, NaN if nothing helps."""
    factor, failed = dpotrf(matrix.T, lower=1, clean=0)
    ridge = 1e-15
    while failed and ridge < 1e-6:
        factor, failed = dpotrf(matrix + np.diag(ridge * matrix.diagonal()), lower=1, clean=0)
        ridge *= 10.0
    return np.full_like(matrix, np.nan) if failed else factor


def _inverse_roots(blocks: Array) -> Array:
    """Inverses of the lower Cholesky factors of many small matrices (..., k, k)."""
    try:
        factors = np.linalg.cholesky(blocks)
    except np.linalg.LinAlgError:
        k = blocks.shape[-1]
        factors = np.stack([np.tril(_factor(block)) for block in blocks.reshape(-1, k, k)]).reshape(blocks.shape)
    inverse = np.zeros_like(factors)
    for i, unit in enumerate(np.eye(blocks.shape[-1])):  # forward substitution: accurate row by row
        rest = np.einsum("...j,...jl->...l", factors[..., i, :i], inverse[..., :i, :])
        inverse[..., i, :] = (unit - rest) / factors[..., i, i, None]
    return inverse
