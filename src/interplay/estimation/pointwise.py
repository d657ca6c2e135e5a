"""Parts of single samples, looked up in the decomposed table."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interplay.estimation.resample import Draw
from interplay.information import Decomposition, decompose

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sample_parts"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_TABLES = 20


def _of_cells(found: Decomposition) -> Array | None:
    """Pointwise parts and total of every cell ``(5, K1, K2, k)``, NaN where it is empty."""
    if found.pointwise is None:
        return None
    parts = [found.pointwise["redundancy"], *found.pointwise["unique"], found.pointwise["synergy"]]
    return np.stack([*parts, np.sum(parts, axis=0)])


def _deviation(draw: Draw, redundancy: str, rng: np.random.Generator) -> Array:
    """Standard deviation of each cell's parts over bootstrapped tables in which the cell occurs (twice at least)."""
    values = np.stack(
        [
            v
            for t in draw(rng, _TABLES)
            if (v := _of_cells(decompose(t, redundancy=redundancy, normalize=True))) is not None
        ]
    )
    seen = np.isfinite(values)
    n = seen.sum(axis=0)
    mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(n, 1)
    squares = np.where(seen, (values - mean) ** 2, 0.0).sum(axis=0)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def sample_parts(
    found: Decomposition,
    codes: tuple[Codes, Codes, Codes],
    names: tuple[str, ...],
    ids: NDArray[Any],
    draw: Draw,
    seed: int,
) -> "pd.DataFrame | None":
    """Return the parts of every row and their bootstrap deviations; NaN in cells that were never counted.

    Args:
        found: decomposition of the counted table.
        codes: of the two modalities and the target, each ``(n,)``; -1 where a value was not counted.
        names: of the five parts.
        ids: index of the result.
        draw: bootstrapped tables.
        seed: of these.
    """
    import pandas as pd

    values = _of_cells(found)
    if values is None:
        return None
    first, second, y = codes
    seen = (first >= 0) & (second >= 0)
    at = (slice(None), np.maximum(first, 0), np.maximum(second, 0), y)
    deviation = _deviation(draw, found.definition, np.random.default_rng([seed, 4]))
    columns: dict[str, Array] = {}
    for suffix, cells in (("", values), (":sd", deviation)):
        rows = np.where(seen, cells[at], np.nan)
        columns |= {name + suffix: row for name, row in zip(names, rows, strict=True)}
    return pd.DataFrame(columns, index=pd.Index(ids, name="id"))
