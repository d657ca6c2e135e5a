"""What rows in groups are worth: design effects of survey statistics."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from interplay.estimation.counts import pairwise_maximum_entropy

__all__ = ["design_effects", "effective_rows"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def effective_rows(table: NDArray[Any], cells: Codes, groups: Codes | None) -> tuple[int, int]:
    """Return how many independent rows the rows are worth: for what pairs tell, for synergy.

    The model that weighs the cells is fitted to as many rows as the synergy's are worth by a first round: one that
    believes all rows gives the groups' favourite cells too much mass, and finds the groups less alike than they are.

    Args:
        table: counts ``(K1, K2, k)``.
        cells: ``(n,)``, flat index of each row's cell.
        groups: ``(n,)`` codes from 0, or None: all rows are independent.
    """
    n = len(cells)
    if groups is None:
        return n, n
    effect = 1.0
    for _ in range(2):
        pairs, effect = design_effects(cells, groups, pairwise_maximum_entropy(table / effect, shrink=True))
    return max(2, round(n / pairs)), max(2, round(n / effect))


def design_effects(cells: Codes, groups: Codes, model: Array) -> tuple[float, float]:
    r"""Return by how much groups inflate the sampling variance of a table: of what pairs tell, of synergy.

    Spurious information is a quadratic form in the sampling error of the cells' shares: for synergy in the
    contrasts of third order, which the three pairwise tables do not see; for what one modality tells, in those
    of its table with the target. If whole groups are the independent units, it is larger in the mean by the factor

    .. math:: \delta = \sum_g \lVert P \textstyle\sum_{i \in g} z_i \rVert^2 \Big/ \sum_i \lVert P z_i \rVert^2,
              \qquad z_i = D^{-1/2}(e_i - \hat p),\ D = \mathrm{diag}(\text{model}),

    with P the projection on these contrasts (the mean generalised design effect of Rao and Scott 1981). So n rows are
    worth about :math:`n / \delta` independent ones. It is 1 where rows of a group are not alike *in these contrasts*,
    and the size of the groups where all rows of a group are the same. Below 1 it is raised to 1.

    Args:
        cells: ``(n,)``, flat index of each row's cell.
        groups: ``(n,)`` codes from 0.
        model: joint ``(K1, K2, k)`` whose cells weigh the errors.
    """
    n, sizes = len(cells), np.bincount(groups).astype(np.float64)
    if len(sizes) < 2:
        return 1.0, 1.0
    # A cell that hardly occurs in the model must not outweigh all others.
    scale = 1 / np.sqrt(np.maximum(model.ravel(), 0.1 / n))
    rows = csr_array((np.ones(n), (groups, cells)), shape=(len(sizes), model.size))
    counts = np.bincount(cells, minlength=model.size).astype(np.float64)
    margins, pairs, triples = _bases(model.shape, 1 / scale)

    def squares(basis: Array | None) -> tuple[float, float]:
        """Squared length of the projected sums of groups, and of rows."""
        if basis is None:  # no projection
            centre = counts / n * scale
            own = (rows.multiply(rows) @ scale**2).sum() - 2 * (sizes * (rows @ (scale * centre))).sum()
            return float(own + (sizes**2).sum() * (centre**2).sum()), float(
                (counts * scale**2).sum() - n * (centre**2).sum()
            )
        weighted = basis * scale[:, None]
        centre = (counts / n) @ weighted
        sums = rows @ weighted - sizes[:, None] * centre
        return float((sums**2).sum()), float((counts[:, None] * weighted**2).sum() - n * (centre**2).sum())

    def ratio(larger: Array | None, smaller: Array) -> float:
        by_group, by_row = np.subtract(squares(larger), squares(smaller))
        units = len(sizes)
        return max(1.0, float(by_group / by_row * units / (units - 1))) if by_row > 1e-9 * n else 1.0

    return ratio(pairs, margins), ratio(None, triples)


def _bases(shape: tuple[int, ...], root: Array) -> tuple[Array, Array, Array]:
    """Orthonormal bases of functions of single variables; also of (x1,y), (x2,y); also of (x1,x2): times ``root``."""
    places = np.indices(shape).reshape(3, -1)

    def indicators(*axes: int) -> Array:
        numbers = np.ravel_multi_index(tuple(places[list(axes)]), tuple(shape[a] for a in axes))
        return np.asarray(np.eye(int(numbers.max()) + 1)[numbers])

    single = np.hstack([indicators(axis) for axis in range(3)])
    with_target = np.hstack([single, indicators(0, 2), indicators(1, 2)])
    everything = np.hstack([with_target, indicators(0, 1)])
    return tuple(_orthonormal(design * root[:, None]) for design in (single, with_target, everything))  # type: ignore[return-value]


def _orthonormal(design: Array) -> Array:
    values, vectors = np.linalg.eigh(design.T @ design)
    kept = values > 1e-9 * values.max()
    return np.asarray(design @ (vectors[:, kept] / np.sqrt(values[kept])))
