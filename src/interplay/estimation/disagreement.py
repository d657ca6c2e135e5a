"""Lower bound of synergy from how often two calibrated unimodal classifiers disagree on unlabelled pairs."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interplay.estimation._bound_folds import Fold, clustered_error, cut
from interplay.estimation._bound_input import Codes, Rows, Sources
from interplay.information.bounds import disagreement_bound, independent_given_label
from interplay.information.broja import solve

Array = NDArray[np.float64]
LN2 = float(np.log(2.0))
COUPLING_BINS = 8
DRAWS = 20_000


@dataclass(frozen=True)
class Disagreement:
    """alpha and its standard error over pairs; I(X1;Y), I(X2;Y), I* of a feasible coupling and the bound, in bits."""

    alpha: float
    error: float
    information: tuple[float, float]
    union: float
    bound: float


def disagreement_of_samples(sources: Sources, n_splits: int, seed: int) -> Disagreement:
    """Cross-fitted classifiers, their disagreement on the pairs, and the bound `disagreement_bound`.

    The bound is proven for calibrated outputs f(x) = p(y|f(x)) and concerns the synergy of the outputs. U1 and U2 come
    from a coupling that keeps both tables of outputs and labels: I* is then too large, never too small.
    """
    folds = cut(sources, n_splits, seed)
    held, pairs = zip(*(_cross_fit(sources, m, folds, seed) for m in (0, 1)), strict=True)
    apart = [first - second for first, second in zip(*pairs, strict=True)]
    # One distance for all pairs: the larger mean of the two, both are valid.
    squares = [(d**2).sum(1) for d in apart]
    halves = [np.abs(d).sum(1) ** 2 / 2 for d in apart]
    distances = max(squares, halves, key=_mean_of_means)
    alpha = _mean_of_means(distances)
    added = [(d - d.mean()) / (len(d) * len(folds)) for d in distances]
    error = clustered_error([(each, sources.units[2][fold.pairs]) for each, fold in zip(added, folds, strict=True)])
    py = np.mean([np.bincount(y, minlength=len(sources.classes)) / len(y) for y in sources.y], axis=0)
    h = float(entr(py).sum())
    known = [h + _mean_log(f, y, py) for f, y in zip(held, sources.y, strict=True)]
    union = max(_coupled_information(held, sources.y, py, seed), *known)
    found = disagreement_bound(alpha, (union - known[1]) / LN2, (union - known[0]) / LN2)
    return Disagreement(alpha, error, (known[0] / LN2, known[1] / LN2), union / LN2, found)


def _mean_of_means(parts: list[Array]) -> float:
    return float(np.mean([part.mean() for part in parts]))


def _cross_fit(sources: Sources, m: int, folds: list[Fold], seed: int) -> tuple[Array, list[Array]]:
    """Probabilities of the labelled rows by the classifier that did not see them; of the pairs by each classifier."""
    x, y = sources.x[m], sources.y[m]
    held, pairs = np.zeros((len(y), len(sources.classes))), []
    for fold in folds:
        train, test = fold.fit[m], fold.counted[m]
        subjects = sources.units[m][train] if sources.grouped[m] else None
        model = _classifier(x[train], y[train], subjects, seed % 2**31)
        held[test] = model.predict_proba(x[test])
        pairs.append(_positive(model.predict_proba(sources.pairs[m][fold.pairs])))
    return _positive(held), pairs


def _classifier(x: Rows, y: Codes, subjects: Codes | None, seed: int) -> CalibratedClassifierCV | LogisticRegression:
    base = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    folds = min(3, int(np.bincount(y)[np.unique(y)].min()))
    if folds < 2:  # too few samples of a class to calibrate on
        return base.fit(x, y)
    if subjects is None:
        return CalibratedClassifierCV(base, method="sigmoid", cv=folds).fit(x, y)
    folds = min(folds, len(np.unique(subjects)))
    if folds < 2:
        return base.fit(x, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # looked at below
        splits = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(x, y, subjects))
    if any(len(np.unique(y[train])) < len(np.unique(y)) or len(test) == 0 for train, test in splits):
        return base.fit(x, y)  # too few subjects to calibrate on
    return CalibratedClassifierCV(base, method="sigmoid", cv=splits).fit(x, y)


def _positive(p: Array) -> Array:
    p = np.maximum(p, 1e-9)
    return p / p.sum(1, keepdims=True)


def _mean_log(f: Array, y: Codes, py: Array) -> float:
    """E log f(y|x) with classes weighted by py, nats."""
    own = np.log(f[np.arange(len(y)), y])
    return float(sum(py[c] * own[y == c].mean() for c in range(len(py))))


def _coupled_information(held: tuple[Array, ...], y: tuple[Codes, ...], py: Array, seed: int) -> float:
    """I_q(F1,F2;Y) in nats for q = the optimal coupling of binned outputs, independent inside (bin 1, bin 2, y)."""
    bins, tables = [], []
    for f, labels in zip(held, y, strict=True):
        clusters = KMeans(min(COUPLING_BINS, len(np.unique(f, axis=0))), n_init=2, random_state=seed % 2**31).fit(f)
        code = clusters.labels_.astype(np.int64)
        table = np.zeros((code.max() + 1, len(py)))
        np.add.at(table, (code, labels), 1.0)
        bins.append(code)
        tables.append(table / table.sum(0) * py)
    q = solve(independent_given_label(*tables)).coupling
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(DRAWS, np.maximum(q, 0).ravel() / np.maximum(q, 0).sum()).reshape(q.shape)
    i, j, label = (np.repeat(index, cells[cells > 0]) for index in np.nonzero(cells))
    log_posterior = np.log(np.maximum(q[i, j], 1e-300))
    for f, code, labels, table, symbol in zip(held, bins, y, tables, (i, j), strict=True):
        rows = _draw(code * len(py) + labels, symbol * len(py) + label, rng)
        with np.errstate(divide="ignore"):
            log_posterior += np.log(f[rows]) - np.where(table[symbol] > 0, np.log(table[symbol]), 0.0)
    log_posterior -= np.logaddexp.reduce(log_posterior, axis=1, keepdims=True)
    own = log_posterior[np.arange(len(label)), label].mean()
    expected = (np.exp(log_posterior) * log_posterior).sum(1).mean()
    # Equal for calibrated outputs; the larger keeps I* from being too small.
    return float(entr(py).sum() + max(own, expected))


def _draw(groups: Codes, wanted: Codes, rng: np.random.Generator) -> Codes:
    """For every wanted group a random row of that group."""
    order = np.argsort(groups, kind="stable")
    start = np.searchsorted(groups[order], wanted, side="left")
    stop = np.searchsorted(groups[order], wanted, side="right")
    return order[start + (rng.random(len(wanted)) * (stop - start)).astype(np.int64)]
