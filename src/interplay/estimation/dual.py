"""The dual of the decomposition's convex programme, solved by critics: of tables, and of continuous modalities."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, xlogy
from scipy.stats import norm

from interplay.data import MultimodalDataset
from interplay.data.validation import problem
from interplay.estimation._dual_newton import maximise
from interplay.estimation.classifiers import standard_error
from interplay.estimation.discrete import part_names
from interplay.estimation.discretise import rows_of
from interplay.estimation.measurement import Measurement
from interplay.estimation.posteriors import _folds, cross_fit
from interplay.estimation.resample import Track
from interplay.estimation.settings import Settings
from interplay.information import check_joint, entropy

__all__ = ["DualInformation", "dual_information", "dual_information_of_samples", "measure_dual"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_FLOOR = 1e-300
# Each round's power over that of the round before: with a constant one the last digits take hundreds of rounds.
_GROWTH, _LARGEST = 1.5, 1e5
_LARGEST_START = 1e3  # from a higher one Newton's method does not get going


@dataclass(frozen=True)
class DualInformation:
    """What two modalities tell if only their pairwise tables with the target count, in bits.

    Attributes:
        lower: certified lower bound of ``R + U1 + U2`` (for samples: an estimate, no bound).
        upper: certified upper bound; NaN for samples.
        critics: the two critics ``(K1, k)``, ``(K2, k)`` in nats, feasible, that give ``lower``; None for samples.
        standard_error: of ``lower`` for samples, rows taken as independent and critics as given; 0 for tables.
    """

    lower: float
    upper: float
    critics: tuple[Array, Array] | None = None
    standard_error: float = 0.0

    @property
    def gap(self) -> float:
        """Width of the bracket in bits; NaN for samples."""
        return self.upper - self.lower


def dual_information(
    joint: ArrayLike, *, tau: float = 30.0, tolerance: float = 1e-6, max_rounds: int = 200
) -> DualInformation:
    r"""Bracket :math:`R + U_1 + U_2` of a table by maximising one family of critics.

    .. math:: J_\tau(f_1, f_2) = E_p[f_1 + f_2] - \frac1\tau \log \sum_{x_1, x_2} w(x_1, x_2)
              \Big(\sum_y e^{f_1(x_1, y) + f_2(x_2, y)}\Big)^\tau

    With :math:`\tau = 1` and :math:`w = p(x_1) p(x_2)` this is the objective of TCMax. As :math:`\tau` grows the
    log-mean becomes the maximum over pairs, so that :math:`H(Y) + \max J` falls to :math:`\min_q I_q(X_1, X_2; Y)`, the
    value of the programme that ``ip.decompose`` solves. Here :math:`w` is replaced round by round by the weights that
    the terms of the sum have (a proximal method, with the same limit), and :math:`\tau` grows by half a round.

    The bracket is certified whatever the critics are: shifting :math:`f_1` by the largest constraint value of each row,
    then :math:`f_2` by that of each column, makes them feasible; the pair weights, rounded to the margins of ``joint``
    label by label, are a feasible coupling.

    Args:
        joint: probabilities ``(K1, K2, k)``, the last axis the target.
        tau: power of the inner sum in the first round, at most 1000.
        tolerance: width of the bracket in bits at which to stop.
        max_rounds: the most rounds. If the bracket is wider than ``tolerance`` after them, a ``RuntimeWarning`` says
            so; what is returned holds all the same, ``gap`` wide.

    Raises:
        ValueError: if ``joint`` is no joint distribution of three variables, or an option is out of range.

    >>> xor = np.zeros((2, 2, 2)); xor[0, 0, 0] = xor[1, 1, 0] = xor[0, 1, 1] = xor[1, 0, 1] = 0.25
    >>> found = dual_information(xor)
    >>> abs(round(found.lower, 4)), abs(round(found.upper, 4))  # all of XOR is synergy
    (0.0, 0.0)
    """
    p = check_joint(joint, ndim=3)
    for name, value, most in (
        ("tau", tau, _LARGEST_START),
        ("tolerance", tolerance, 1),
        ("max_rounds", max_rounds, 1e6),
    ):
        if not 0 < value <= most:
            raise problem(name, f"a number above 0, at most {most:g}", f"{value}", "leave it out for the default")
    p1, p2 = p.sum(1), p.sum(0)
    a, b = (np.log(np.maximum(m, _FLOOR)) - np.log(np.maximum(m.sum(1, keepdims=True), _FLOOR)) for m in (p1, p2))
    a, b = np.maximum(a, -50.0), np.maximum(b, -50.0) - np.log(np.maximum(p.sum((0, 1)), _FLOOR))
    log_w = np.log(np.maximum(np.outer(p1.sum(1), p2.sum(1)), _FLOOR))
    h = entropy(p.sum((0, 1)))
    best = DualInformation(-np.inf, np.inf)
    for _ in range(max_rounds):
        a, b = maximise(a, b, p1, p2, log_w, tau)
        inner = logsumexp(a[:, None] + b, axis=2)
        log_w = log_w + tau * inner
        log_w = np.maximum(log_w - logsumexp(log_w), np.log(_FLOOR))
        feasible = _shift(a, b)
        lower = h + float((p1 * feasible[0]).sum() + (p2 * feasible[1]).sum()) / np.log(2)
        q = np.exp((log_w - inner)[..., None] + a[:, None] + b)
        upper = h - _conditional_entropy(_round(q, p1, p2))
        critics = feasible if lower > best.lower else best.critics
        best = DualInformation(max(float(lower), best.lower), min(float(upper), best.upper), critics)
        if best.gap <= tolerance:
            return best
        tau = min(_GROWTH * tau, _LARGEST)
    warnings.warn(
        f"the bracket is {best.gap:.1e} bits wide after {max_rounds} rounds, not {tolerance:.1e} as asked for: "
        "it holds, but take more max_rounds or a larger tolerance",
        RuntimeWarning,
        stacklevel=2,
    )
    return best


def _shift(a: Array, b: Array) -> tuple[Array, Array]:
    """Critics that satisfy ``log sum_y exp(a + b) <= 0`` for every pair.

    After the rows all constraints hold; columns in which none is tight are then raised until one is.
    """
    a = a - logsumexp(a[:, None] + b, axis=2).max(1)[:, None]
    return a, b - logsumexp(a[:, None] + b, axis=2).max(0)[:, None]


def _round(q: Array, p1: Array, p2: Array) -> Array:
    """The coupling near ``q`` with exactly these margins: scale rows and columns down, add the product of deficits."""
    q = q * np.minimum(1, p1 / np.maximum(q.sum(1), _FLOOR))[:, None]
    q = q * np.minimum(1, p2 / np.maximum(q.sum(0), _FLOOR))
    rows, columns = np.maximum(p1 - q.sum(1), 0), np.maximum(p2 - q.sum(0), 0)
    return q + (rows / np.maximum(rows.sum(0), _FLOOR))[:, None] * columns


def _conditional_entropy(q: Array) -> float:
    """H(Y | X1, X2) of a table, bits."""
    return float(-xlogy(q, q / np.maximum(q.sum(2, keepdims=True), _FLOOR)).sum() / np.log(2))


def dual_information_of_samples(
    x: tuple[ArrayLike, ArrayLike],
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_splits: int = 4,
    epochs: int = 40,
    batch_size: int = 128,
    tau: float = 30.0,
    seed: int = 0,
) -> DualInformation:
    r"""Estimate :math:`R + U_1 + U_2` for modalities of any kind by cross-fitted neural critics.

    Critics :math:`f_1(x_1, y)`, :math:`f_2(x_2, y)` (perceptrons of one hidden layer) maximise :math:`J_\tau` over the
    pairs of each batch, with :math:`\tau` rising from 1 to ``tau``. On held-out rows they are made feasible over all
    pairs *of those rows* by the row and column shift, and :math:`H(Y) + E[f_1 + f_2]` is averaged over folds.

    No certificate: pairs that no held-out row shows are not constrained, which lets the value be too high, while weak
    critics and the constraint at every pair make it too low. Compare with ``dual_information`` on a discretised table.

    Args:
        x: the two modalities, each ``(n, d)``.
        y: class codes ``(n,)``.
        groups: groups ``(n,)`` that stay on one side, or None.
        n_splits: folds.
        epochs: passes over the training rows.
        batch_size: rows whose pairs form a step.
        tau: last power.
        seed: of folds, weights and batches.

    Raises:
        ValueError: if there are not two modalities, lengths differ, a value is not finite, or rows are too few.
    """
    first, second, labels, codes = _checked(x, y, groups, n_splits, batch_size)
    folds = _folds(labels, codes, n_splits, seed)
    values = _pointwise((first, second), labels, folds, epochs=epochs, batch_size=batch_size, tau=tau, seed=seed)
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return DualInformation(float(values.mean()), float("nan"), None, error)


def _checked(
    x: tuple[ArrayLike, ...], y: ArrayLike, groups: ArrayLike | None, n_splits: int, batch_size: int
) -> tuple[Array, Array, Codes, Codes | None]:
    """Rows of both modalities, codes of classes and of groups."""
    if len(x) != 2:
        raise problem("x", "two modalities", f"{len(x)}", "give pairs of modalities, one call each")
    if batch_size < 2:
        raise problem("batch_size", "at least 2, for pairs of rows", f"{batch_size}", "take a larger one")
    labels = np.asarray(y).reshape(-1)
    n = len(labels)
    if n < 2 * n_splits:
        raise problem("y", f"at least 2 rows for each of {n_splits} folds", f"{n} rows", "give more, or fewer n_splits")
    rows = [_finite_rows(f"x[{i}]", np.asarray(m, dtype=np.float64), n) for i, m in enumerate(x)]
    codes = np.unique(_finite_rows("y", labels, n), return_inverse=True)[1].astype(np.int64).reshape(-1)
    if groups is None:
        return rows[0], rows[1], codes, None
    owners = np.unique(_finite_rows("groups", np.asarray(groups), n), return_inverse=True)[1].astype(np.int64)
    return rows[0], rows[1], codes, owners.reshape(-1)


def _finite_rows(name: str, array: NDArray[Any], n: int) -> NDArray[Any]:
    array = array.reshape(len(array) if array.ndim else 1, -1)
    if len(array) != n:
        raise problem(name, f"as many rows as y, {n}", f"{len(array)}", "give all of the same samples")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(1))
        found = f"{len(bad)} rows with NaN or infinity, the first is row {bad[0]}"
        raise problem(name, "finite numbers", found, "leave out rows that lack a modality or a label")
    return array


def measure_dual(
    dataset: MultimodalDataset, y: Codes, groups: Codes | None, settings: Settings, track: Track
) -> Measurement:
    """Measure two modalities: I* by critics, the other informations by cross-fitted classifiers, on held-out rows."""
    if settings.redundancy != "broja":
        raise ValueError(f"estimator 'dual' is for redundancy 'broja', not {settings.redundancy!r}; use 'classifiers'.")
    names = (dataset.names[0], dataset.names[1])
    x = (rows_of(dataset, names[0]), rows_of(dataset, names[1]))
    seed = settings.seed % 2**31
    told = _pointwise(x, y, _folds(y, groups, settings.n_splits, seed), seed=seed)
    one, two, both = cross_fit(x, y, groups, n_splits=settings.n_splits, seed=seed).information(y)
    track(2 * (settings.n_bootstrap + settings.n_permutations))
    values = np.stack([one + two - told, told - two, told - one, both - told, both])
    estimate, error = values.mean(1), standard_error(values, groups)
    reach = norm.ppf((1 + settings.confidence) / 2) * error
    parts = part_names(names)
    p_values = norm.sf(estimate / np.maximum(error, 1e-12))
    return Measurement(
        names=names,
        redundancy=float(estimate[0]),
        unique={names[0]: float(estimate[1]), names[1]: float(estimate[2])},
        synergy=float(estimate[3]),
        total=float(estimate[4]),
        intervals={p: (float(v - r), float(v + r)) for p, v, r in zip(parts, estimate, reach, strict=True)},
        p_values=dict(zip(parts, p_values.tolist(), strict=True)),
        warnings=["the dual estimator has no certificate: imperfect critics make the synergy too high"],
        gap=float("nan"),
        definition="broja",
        estimator="dual",
        confidence=settings.confidence,
        n_samples=len(y),
        n_bins={},
    )


def _pointwise(
    x: tuple[Array, Array],
    y: Codes,
    folds: list[tuple[Codes, Codes]],
    *,
    epochs: int = 40,
    batch_size: int = 128,
    tau: float = 30.0,
    seed: int = 0,
) -> Array:
    """Each row's -log p(y) + f1 + f2 by critics fitted on other folds and feasible on its own, bits."""
    from interplay.estimation._critics import fit_critics  # loads torch

    k = int(y.max()) + 1
    values = -np.log2(np.bincount(y) / len(y))[y]
    for fold, (train, test) in enumerate(folds):
        critics = fit_critics(
            (x[0][train], x[1][train]), y[train], k, epochs=epochs, batch_size=batch_size, tau=tau, seed=seed + fold
        )
        found = critics((x[0][test], x[1][test]))
        a, b = _shift_samples(found[0], found[1])
        rows = np.arange(len(test))
        values[test] += (a[rows, y[test]] + b[rows, y[test]]) / np.log(2)
    return values


def _shift_samples(a: Array, b: Array, block: int = 256) -> tuple[Array, Array]:
    """As `_shift`, over pairs of rows, a block of rows at a time."""

    def largest(rows: Array, columns: Array) -> Array:
        parts = [rows[i : i + block] for i in range(0, len(rows), block)]
        return np.concatenate([logsumexp(part[:, None] + columns, axis=2).max(1) for part in parts])

    a = a - largest(a, b)[:, None]
    return a, b - largest(b, a)[:, None]
