"""Bootstrap of the three tables: rows, or whole subjects where there are subjects."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from interplay.estimation._bound_codes import Coded
from interplay.estimation._bound_folds import membership
from interplay.estimation._bound_input import Codes

Array = NDArray[np.float64]


def draw_tables(part: Coded, centre: tuple[Array, Array, Array], n_draws: int, rng: np.random.Generator) -> list[Array]:
    """Tables (B, ...) of as many rows or subjects as were seen, around `centre`.

    `centre` are tables of some joint, as those of the true populations are; the counted tables are not, and the
    bounds of tables drawn around them would be biased in another way than the bounds of the counted tables. Subjects
    that several sources have are drawn in all of them together; their rows weigh as much as moves the counted table
    to `centre`.
    """
    sources = list(zip(part.cells, (part.units1, part.units2, part.units12), part.grouped, centre, strict=True))
    weights = _times([units for _, units, grouped, _ in sources if grouped], n_draws, rng)
    found = []
    for cells, units, grouped, table in sources:
        if grouped:
            counted = np.bincount(cells, minlength=table.size)
            share = np.divide(table.ravel(), counted, out=np.zeros(table.size), where=counted > 0)
            members = csr_array((share[cells], (units, cells)), shape=(weights.shape[1], table.size))
            drawn = np.asarray(weights @ members)
        else:
            drawn = rng.multinomial(len(cells), table.ravel() / table.sum(), size=n_draws).astype(np.float64)
        found.append((drawn / drawn.sum(1, keepdims=True)).reshape(n_draws, *table.shape))
    return found


def _times(units: list[Codes], n_draws: int, rng: np.random.Generator) -> Array:
    """How often every unit is drawn (B, units): with replacement among those that are in the same sources."""
    if not units:
        return np.zeros((n_draws, 0))
    kind = membership(tuple(units), 1 + max(int(u.max()) for u in units))
    times = np.zeros((n_draws, len(kind)))
    for value in np.unique(kind[kind > 0]):
        members = np.flatnonzero(kind == value)
        times[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n_draws)
    return times


def effective_sizes(part: Coded) -> tuple[tuple[int, int, int], tuple[int, int, int] | None]:
    """Independent rows that would give tables as exact as these, and the subjects behind each if there are any.

    Rows divided by the mean design effect of their subjects.
    """
    sizes, found = [], []
    for cells, units, grouped, table in zip(
        part.cells, (part.units1, part.units2, part.units12), part.grouped, part.counts(), strict=True
    ):
        sizes.append(_effective_size(cells, units, table.ravel()) if grouped else len(cells))
        found.append(len(np.unique(units)))
    return (sizes[0], sizes[1], sizes[2]), (found[0], found[1], found[2]) if any(part.grouped) else None


def _effective_size(cells: Codes, units: Codes, counted: Array) -> int:
    n, p = len(cells), counted / counted.sum()
    which = np.unique(units, return_inverse=True)[1]
    groups = int(which.max()) + 1
    by_unit = np.asarray(csr_array((np.ones(n), (which, cells)), shape=(groups, len(p))).todense())
    apart = by_unit - by_unit.sum(1, keepdims=True) * p
    variance = float((apart**2).sum()) / n**2 * groups / (groups - 1)
    independent = float((p * (1 - p)).sum())
    return int(np.clip(round(independent / max(variance, 1e-300)), min(groups, n), n))
