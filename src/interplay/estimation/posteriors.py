"""Cross-fitted, calibrated class probabilities of each modality and of both together."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["Posteriors", "cross_fit"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Predict = Callable[[tuple[Array, Array]], Array]  # features of both modalities -> unnormalised log-probabilities

_LARGEST_SHARPENING = 3.0
_FLOOR = 1e-12


@dataclass(frozen=True)
class Posteriors:
    """Held-out log-probabilities in nats, each ``(n, k)``, and the log-prior of the rows they were fitted on."""

    first: Array
    second: Array
    both: Array
    prior: Array

    def information(self, y: Codes) -> Array:
        """Pointwise information ``log2 p(y|x) / p(y)`` of each row's own class; ``(3, n)``: first, second, both."""
        rows = np.arange(len(y))
        values = [(log[rows, y] - self.prior[rows, y]) / np.log(2) for log in (self.first, self.second, self.both)]
        return np.stack(values)


def _folds(y: Codes, groups: Codes | None, n_splits: int, seed: int) -> list[tuple[Codes, Codes]]:
    """Stratified folds; whole groups where there are groups."""
    if groups is not None:
        n_groups = int(groups.max()) + 1
        if n_groups < 2:
            raise ValueError("groups: expected at least 2, found 1; cross-fitting needs others to learn from")
        splitter = StratifiedGroupKFold(min(n_splits, n_groups), shuffle=True, random_state=seed)
    elif np.bincount(y)[np.unique(y)].min() >= n_splits:
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
    else:  # a class is rarer than there are folds
        splitter = KFold(n_splits, shuffle=True, random_state=seed)
    return list(splitter.split(y, y, groups))


def _log_prior(y: Codes, k: int) -> Array:
    """Log-frequencies with one pseudo-count shared by all classes: a class unseen in a fold keeps a probability."""
    return np.log((np.bincount(y, minlength=k) + 1 / k) / (len(y) + 1))


def _linear(seed: int) -> object:
    return LogisticRegression(C=0.1, max_iter=500)


def _network(seed: int) -> object:
    return MLPClassifier(
        (64,), alpha=1e-2, early_stopping=True, n_iter_no_change=15, learning_rate_init=3e-3, max_iter=200,
        random_state=seed,
    )  # fmt: skip


def _fit(make: Callable[[int], object], x: Array, y: Codes, k: int, seed: int) -> Callable[[Array], Array]:
    """Fit a classifier on standardised features; log-probabilities ``(n, k)`` of new rows."""
    model = make_pipeline(StandardScaler(), make(seed))
    with warnings.catch_warnings():
        # Stopping at max_iter is a choice here: what was reached is judged on held-out rows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)

    def predict(rows: Array) -> Array:
        p = np.full((len(rows), k), _FLOOR)
        p[:, model.classes_] += model.predict_proba(rows)
        logged: Array = np.log(p)
        return logged

    return predict


def _sharpen(log: Array, prior: Array, beta: float) -> Array:
    """``log q(y|x) = log p(y) + beta log p(y|x)/p(y)``, normalised: 0 is the prior, 1 leaves the classifier."""
    return np.asarray(log_softmax(prior + beta * (log - prior), axis=1))


def _calibrate(log: Array, prior: Array, y: Codes) -> tuple[float, float]:
    """Return the best sharpening on held-out rows and its mean log-loss there."""
    rows = np.arange(len(y))

    def loss(beta: float) -> float:
        return -float(_sharpen(log, prior, beta)[rows, y].mean())

    found = minimize_scalar(loss, bounds=(0.0, _LARGEST_SHARPENING), method="bounded", options={"xatol": 1e-3})
    return (float(found.x), float(found.fun)) if found.fun < loss(0.0) else (0.0, loss(0.0))


def _choose(candidates: list[Predict], x: tuple[Array, Array], y: Codes, prior: Array) -> Predict:
    """Take the candidate that predicts held-out rows best after calibration."""
    tried = [(candidate, *_calibrate(candidate(x), prior, y)) for candidate in candidates]
    best, beta, _ = min(tried, key=lambda entry: entry[2])
    return lambda rows: _sharpen(best(rows), prior, beta)


def _fit_three(
    x: tuple[Array, Array], y: Codes, groups: Codes | None, k: int, seed: int
) -> tuple[Predict, Predict, Predict, Array]:
    """Classifiers of the first, the second and both modalities; fitted on four fifths, chosen and calibrated on one."""
    fit, held = _folds(y, groups, 5, seed)[0]
    if len(np.unique(y[fit])) < 2:
        raise ValueError("a fold has one class only; give more rows or groups, or a smaller n_splits.")
    prior = _log_prior(y, k)
    out = (x[0][held], x[1][held])

    def candidates(view: Callable[[tuple[Array, Array]], Array]) -> list[Predict]:
        return [_viewed(_fit(make, view(x)[fit], y[fit], k, seed), view) for make in (_linear, _network)]

    first, second = (_choose(candidates(view), out, y[held], prior) for view in (_first, _second))
    # Without them the joint classifier may fall behind its own parts, which would read as negative synergy.
    parts: list[Predict] = [first, second, lambda rows: first(rows) + second(rows) - prior]
    return first, second, _choose(candidates(_both) + parts, out, y[held], prior), prior


def _viewed(predict: Callable[[Array], Array], view: Callable[[tuple[Array, Array]], Array]) -> Predict:
    return lambda rows: predict(view(rows))


def _first(x: tuple[Array, Array]) -> Array:
    return x[0]


def _second(x: tuple[Array, Array]) -> Array:
    return x[1]


def _both(x: tuple[Array, Array]) -> Array:
    return np.hstack(x)


def cross_fit(x: tuple[Array, Array], y: Codes, groups: Codes | None, *, n_splits: int, seed: int) -> Posteriors:
    """Predict every row by classifiers that never saw it (nor its group).

    Logistic regression and a network with early stopping, on standardised features; for both modalities also each alone
    and the product of the two. On a fifth of each fold's training rows the best of them is chosen and calibrated by one
    number, which scales its pointwise information (0: the prior).

    Args:
        x: features of the two modalities, ``(n, d1)`` and ``(n, d2)``.
        y: classes ``(n,)`` from 0.
        groups: codes ``(n,)``, or None.
        n_splits: folds.
        seed: of folds and networks.
    """
    k = int(y.max()) + 1
    results = np.empty((4, len(y), k))
    for fold, (train, test) in enumerate(_folds(y, groups, n_splits, seed)):
        within = None if groups is None else np.unique(groups[train], return_inverse=True)[1]
        *models, prior = _fit_three((x[0][train], x[1][train]), y[train], within, k, seed + fold)
        for place, model in enumerate(models):
            results[place, test] = model((x[0][test], x[1][test]))
        results[3, test] = prior
    return Posteriors(*results)
