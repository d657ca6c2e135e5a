"""Three pairwise tables p(x1,y), p(x2,y), p(x1,x2): checking, and reconciling tables from different samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, f

from interplay.information._additive import Array

CHECK = 5  # iterations between two looks at the certificate
NAMES = ("p1y", "p2y", "p12")
LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Reconciliation:
    """Three tables that some joint has exactly, nearest to three tables that need not agree.

    p1y (K1, k), p2y (K2, k), p12 (K1, K2): the reconciled tables. moved_bits, moved_variation: by table, the
    divergence KL(given || reconciled) in bits and the total variation distance. p_values: by shared margin, the
    likelihood-ratio (G) test that the two sources that have it share it; p_value: the smallest, times three. None and
    empty without sample sizes.
    gap: certified distance from the maximal mean log-likelihood, in bits a sample.
    """

    p1y: Array
    p2y: Array
    p12: Array
    moved_bits: tuple[float, float, float]
    moved_variation: tuple[float, float, float]
    p_values: Mapping[str, float]
    p_value: float | None
    gap: float

    def __str__(self) -> str:
        moved = ", ".join(f"{n} {v:.3g}" for n, v in zip(NAMES, self.moved_variation, strict=True))
        if self.p_value is None:
            return f"tables moved (total variation): {moved}"
        return f"tables moved (total variation): {moved}; same populations: p = {self.p_value:.3g}"


def check_tables(p1y: ArrayLike, p2y: ArrayLike, p12: ArrayLike) -> tuple[Array, Array, Array]:
    """The three tables as float64 arrays, each a distribution; ValueError names the table at fault."""
    tables = tuple(_check_table(name, table) for name, table in zip(NAMES, (p1y, p2y, p12), strict=True))
    (k1, k), (k2, k_other), shape = (t.shape for t in tables)
    if k != k_other:
        raise ValueError(f"p1y has {k} labels (columns) but p2y has {k_other}: give both the same labels")
    if shape != (k1, k2):
        raise ValueError(
            f"p12 has shape {shape}, expected {(k1, k2)}: rows are the symbols of x1 (rows of p1y), "
            "columns the symbols of x2 (rows of p2y)"
        )
    return tables[0], tables[1], tables[2]


def _check_table(name: str, table: ArrayLike) -> Array:
    array = np.array(table, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected a table with two axes")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{name} has negative, infinite or NaN entries, expected probabilities")
    if abs(array.sum() - 1) > 1e-8:
        raise ValueError(f"{name} sums to {array.sum():.9g}, expected 1: divide counts by their sum")
    return array / array.sum()


def check_margins(p1y: Array, p2y: Array, p12: Array, tolerance: float = 1e-8) -> None:
    """ValueError when the shared margins p(y), p(x1), p(x2) differ by more than the tolerance."""
    for margin, one, other, names in (
        ("p(y)", p1y.sum(0), p2y.sum(0), "p1y and p2y"),
        ("p(x1)", p1y.sum(1), p12.sum(1), "p1y and p12"),
        ("p(x2)", p2y.sum(1), p12.sum(0), "p2y and p12"),
    ):
        apart = float(np.abs(one - other).max())
        if apart > tolerance:
            raise ValueError(
                f"{names} disagree on {margin} by {apart:.3g}: no joint has these tables; tables from "
                "different samples never agree exactly, use reconcile=True"
            )


def align_margins(p1y: Array, p2y: Array, p12: Array) -> tuple[Array, Array, Array]:
    """Remove disagreement of the order of rounding: every table gets the mean of the shared margins."""
    py, p1, p2 = (p1y.sum(0) + p2y.sum(0)) / 2, (p1y.sum(1) + p12.sum(1)) / 2, (p2y.sum(1) + p12.sum(0)) / 2
    py, p1, p2 = py / py.sum(), p1 / p1.sum(), p2 / p2.sum()
    return round_table(p1y, p1, py), round_table(p2y, p2, py), round_table(p12, p1, p2)


def round_table(table: Array, rows: Array, columns: Array) -> Array:
    """The given margins exactly: scale rows down, columns down, add the product of the deficits."""
    table = table * np.minimum(1.0, rows / np.maximum(table.sum(1), 1e-300))[:, None]
    table *= np.minimum(1.0, columns / np.maximum(table.sum(0), 1e-300))
    short_rows, short_columns = rows - table.sum(1), columns - table.sum(0)
    if (short := short_rows.sum()) > 0:
        table += np.outer(short_rows, short_columns) / short
    return np.maximum(table, 0.0)


def reconcile(
    p1y: ArrayLike,
    p2y: ArrayLike,
    p12: ArrayLike,
    *,
    sizes: tuple[int, int, int] | None = None,
    subjects: tuple[int, int, int] | None = None,
) -> Reconciliation:
    r"""The likeliest joint's tables, given three tables counted on three different samples.

    Maximises :math:`\sum_t n_t \sum T_t \log (A_t r)` over joints r, where A_t r is the pairwise table of r, so the
    result not only agrees on the shared margins p(y), p(x1), p(x2): a joint with all three tables exists. Without
    sizes the three sources weigh the same and no test is made.

    Args:
        p1y: table (K1, k) of the labelled samples of modality 1.
        p2y: table (K2, k) of the labelled samples of modality 2.
        p12: table (K1, K2) of the unlabelled pairs.
        sizes: number of samples behind each table.
        subjects: independent subjects behind each table, where `sizes` are effective sizes estimated from them: the
            test then allows for that estimate (F in place of chi-square).

    Returns:
        The reconciled tables and how far each had to move.

    Raises:
        ValueError: a table is not a distribution, shapes do not match, or a size is not positive.

    >>> import numpy as np
    >>> found = reconcile([[0.3, 0.2], [0.1, 0.4]], [[0.25, 0.25], [0.2, 0.3]], np.full((2, 2), 0.25),
    ...                   sizes=(100, 100, 100))
    >>> found.p1y.sum(0).round(3), round(found.p_value, 2)
    (array([0.424, 0.576]), 1.0)
    """
    tables = check_tables(p1y, p2y, p12)
    if sizes is not None and min(sizes) <= 0:
        raise ValueError(f"sizes is {sizes}, expected three positive numbers of samples")
    weights = np.array([1.0, 1.0, 1.0] if sizes is None else sizes, dtype=np.float64)
    batch = (tables[0][None], tables[1][None], tables[2][None])
    *fitted, gap = reconcile_batch(*batch, weights / weights.sum())
    moved = [_divergence(t, f[0]) for t, f in zip(tables, fitted, strict=True)]
    variation = [float(np.abs(t - f[0]).sum() / 2) for t, f in zip(tables, fitted, strict=True)]
    p_values = {} if sizes is None else _same_margins(tables, sizes, subjects)
    return Reconciliation(
        p1y=fitted[0][0],
        p2y=fitted[1][0],
        p12=fitted[2][0],
        moved_bits=(moved[0] / LN2, moved[1] / LN2, moved[2] / LN2),
        moved_variation=(variation[0], variation[1], variation[2]),
        p_values=p_values,
        p_value=min(1.0, 3 * min(p_values.values())) if p_values else None,
        gap=float(gap[0]) / LN2,
    )


def _same_margins(
    tables: tuple[Array, Array, Array], sizes: tuple[int, int, int], subjects: tuple[int, int, int] | None
) -> dict[str, float]:
    """p-values of three G tests of homogeneity; symbols that neither source has seen add no freedom."""
    found = {}
    for name, (i, axis), (j, other_axis) in (
        ("p(y)", (0, 0), (1, 0)),
        ("p(x1)", (0, 1), (2, 1)),
        ("p(x2)", (1, 1), (2, 0)),
    ):
        first, second, n, m = tables[i].sum(axis), tables[j].sum(other_axis), sizes[i], sizes[j]
        pooled = (n * first + m * second) / (n + m)
        statistic = 2 * (n * _divergence(first, pooled) + m * _divergence(second, pooled))
        freedom = np.count_nonzero(pooled) - 1
        if not freedom:
            found[name] = 1.0
        elif subjects is None:
            found[name] = float(chi2.sf(statistic, freedom))
        else:
            found[name] = float(f.sf(statistic / freedom, freedom, max(subjects[i] + subjects[j] - 2, 1)))
    return found


def _divergence(given: Array, fitted: Array) -> float:
    seen = given > 0
    return max(0.0, float((given[seen] * np.log(given[seen] / fitted[seen])).sum()))


def reconcile_batch(
    p1y: Array, p2y: Array, p12: Array, weights: Array, *, tolerance: float = 1e-7, max_iterations: int = 2000
) -> tuple[Array, Array, Array, Array]:
    """Reconciled tables of a batch (B, ...) and the certified gap (B,) in nats a sample.

    Expectation-maximisation: r <- r g with g = sum_t w_t T_t / (A_t r). The problem is concave and the largest g
    bounds what is left: log max g. Any iterate is a joint, so its tables are consistent whatever the gap.
    """
    r = _start(p1y, p2y, p12)
    gap = np.zeros(len(r))
    active = np.arange(len(r))
    for step in range(1, max_iterations + 1):
        now = r[active]
        factor = _ratio(weights[0] * p1y[active], now.sum(2))[:, :, None, :]
        factor = factor + _ratio(weights[1] * p2y[active], now.sum(1))[:, None, :, :]
        factor += _ratio(weights[2] * p12[active], now.sum(3))[:, :, :, None]
        r[active] = now * factor
        if step % CHECK and step < max_iterations:
            continue
        gap[active] = np.log(np.maximum(factor.max((1, 2, 3)), 1.0))
        active = active[gap[active] > tolerance]
        if not active.size:
            break
    r[r < 1e-14] = 0.0  # cells on their way to zero
    r /= r.sum((1, 2, 3), keepdims=True)
    return r.sum(2), r.sum(1), r.sum(3), gap


def _start(p1y: Array, p2y: Array, p12: Array) -> Array:
    """A joint that is positive wherever some table asks for mass: averaged conditional independences."""
    py, p1, p2 = (p1y.sum(1) + p2y.sum(1)) / 2, (p1y.sum(2) + p12.sum(2)) / 2, (p2y.sum(2) + p12.sum(1)) / 2
    independent = p1[:, :, None, None] * p2[:, None, :, None] * py[:, None, None, :]
    given = p1y[:, :, None, :] * p2y[:, None, :, :] * p12[..., None]
    size = np.maximum(given.sum((1, 2, 3), keepdims=True), 1e-300)
    return 0.5 * independent + 0.5 * given / size


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
