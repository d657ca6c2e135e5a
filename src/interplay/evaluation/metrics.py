"""What a prediction is worth: one score for both tasks, and the measures of predicted probabilities."""

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, f1_score

from interplay.data import MultimodalDataset
from interplay.evaluation.regression import r2_interval, regression_scores

Array = NDArray[Any]
# The first of each task is what its intervals, tables and figures are about.
METRICS = ("accuracy", "macro_f1", "nll", "ece")
REGRESSION_METRICS = ("r2", "mae", "rmse", "pearson")


class Classifier(Protocol):
    """Anything that gives class probabilities for a dataset; ours or your own."""

    classes_: Any

    def predict_proba(self, X: Any, /) -> Any:
        """Probabilities ``(n, K)`` in the order of ``classes_``."""


class Regressor(Protocol):
    """Anything that gives numbers for a dataset and has no ``classes_``; ours or your own."""

    def predict(self, X: Any, /) -> Any:
        """Numbers ``(n,)``."""


def answers(model: Classifier | Regressor, dataset: MultimodalDataset) -> Array:
    """What :func:`score` needs of a fitted model: probabilities ``(n, K)`` of a classifier, numbers ``(n,)`` else."""
    predict = getattr(model, "predict_proba" if hasattr(model, "classes_") else "predict")
    return np.asarray(predict(dataset))


def score_model(model: Classifier | Regressor, dataset: MultimodalDataset) -> dict[str, float]:
    """All measures of a fitted model's predictions for a dataset with a target; see :func:`score`."""
    if dataset.target is None:
        raise ValueError("score_model: expected a dataset with a target, found none; give one by with_target(y)")
    return score(dataset.target, answers(model, dataset), getattr(model, "classes_", None))


def score(target: ArrayLike, prediction: ArrayLike, classes: ArrayLike | None = None) -> dict[str, float]:
    """All four measures of predicted probabilities, or of predicted numbers.

    Args:
        target: labels ``(n,)``, each one of ``classes``; without classes numbers.
        prediction: probabilities ``(n, K)``, rows sum to one; without classes numbers ``(n,)``.
        classes: ``(K,)`` sorted labels, one a column; None for regression.

    Returns:
        ``accuracy`` and ``macro_f1`` of the most probable class, ``nll`` in nats and ``ece``; in regression ``r2``,
        ``mae``, ``rmse`` and ``pearson`` (:func:`~interplay.evaluation.regression_scores`).

    Raises:
        ValueError: shapes do not fit, or a label is not among the classes.

    Example:
        >>> found = score(["a", "b"], [[0.9, 0.1], [0.5, 0.5]], ["a", "b"])
        >>> {name: round(value, 3) for name, value in found.items()}
        {'accuracy': 0.5, 'macro_f1': 0.333, 'nll': 0.399, 'ece': 0.3}
    """
    if classes is None:
        return regression_scores(target, prediction)
    p, labels = np.asarray(prediction, np.float64), np.asarray(classes)
    codes = encode(target, labels)
    if p.shape != (len(codes), len(labels)):
        raise ValueError(f"probabilities: expected shape {(len(codes), len(labels))}, found {p.shape}")
    predicted = p.argmax(1)
    return {
        "accuracy": float(accuracy_score(codes, predicted)),
        # Over the classes that occur in target or prediction; a class never predicted counts 0.
        "macro_f1": float(f1_score(codes, predicted, average="macro", zero_division=0)),
        "nll": negative_log_likelihood(codes, p),
        "ece": calibration_error(codes, p),
    }


def encode(target: ArrayLike, classes: ArrayLike) -> NDArray[np.int64]:
    """Column ``(n,)`` of each label among the sorted classes.

    Raises:
        ValueError: a label is not among the classes.
    """
    y, labels = np.asarray(target), np.asarray(classes)
    unknown = np.setdiff1d(y, labels)
    if len(unknown):
        raise ValueError(
            f"target: the model knows the classes {labels.tolist()[:20]}, found {unknown.tolist()[:5]}; "
            "leave these rows out or train on data that have them"
        )
    return np.searchsorted(labels, y).astype(np.int64)


def negative_log_likelihood(codes: ArrayLike, probabilities: ArrayLike) -> float:
    r"""Mean surprise :math:`-\frac1n \sum_i \ln p_i(y_i)` in nats; probabilities below 1e-12 count as 1e-12.

    >>> round(negative_log_likelihood([0, 1], [[0.5, 0.5], [0.5, 0.5]]), 4)
    0.6931
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(codes)
    return float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-12, None)).mean())


def calibration_error(codes: ArrayLike, probabilities: ArrayLike, n_bins: int = 15) -> float:
    r"""Expected calibration error of the predicted class.

    .. math:: \sum_b \frac{n_b}{n} \left| \mathrm{accuracy}_b - \mathrm{confidence}_b \right|

    over ``n_bins`` bins of equal width of the largest probability, each closed on the right. It is biased upwards
    in small samples: compare models on the same data, not across data sets.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    >>> round(calibration_error([0, 1], [[0.8, 0.2], [0.8, 0.2]]), 2)
    0.3
    """
    table = calibration_table(codes, probabilities, n_bins)
    return float((table["n"] * (table["accuracy"] - table["confidence"]).abs()).sum() / table["n"].sum())


def calibration_table(codes: ArrayLike, probabilities: ArrayLike, n_bins: int = 15) -> pd.DataFrame:
    """What :func:`calibration_error` sums up: how sure the model was and how often it was right.

    Args:
        codes: column ``(n,)`` of the true class.
        probabilities: ``(n, K)``.
        n_bins: bins of equal width of the largest probability, each closed on the right.

    Returns:
        A row for each bin that has samples: how many (``n``), their mean ``confidence`` and their ``accuracy``.

    >>> calibration_table([0, 1, 1], [[0.8, 0.2], [0.8, 0.2], [0.4, 0.6]])
         n  confidence  accuracy
    bin
    8    1         0.6       1.0
    11   2         0.8       0.5
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(codes)
    confidence = p.max(1)
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    rows = pd.DataFrame({"confidence": confidence, "accuracy": p.argmax(1) == y}).groupby(pd.Series(bins, name="bin"))
    table = rows.mean()
    table.insert(0, "n", rows.size())
    return table


def accuracy_interval(
    target: ArrayLike,
    predicted: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the accuracy over the rows, or over whole groups; NaN for a single group.

    >>> accuracy_interval([0, 1, 1, 1], [0, 1, 1, 1], random_state=0)
    (1.0, 1.0)
    """
    hit = np.asarray(target) == np.asarray(predicted)
    rng = np.random.default_rng(random_state)
    if groups is None:
        # Resampled rows of a 0/1 column: the number of hits is binomial, no need to draw the rows.
        shares = rng.binomial(len(hit), hit.mean(), n_bootstrap) / len(hit)
    else:
        index = np.unique(np.asarray(groups), return_inverse=True)[1]
        sums = np.stack([np.bincount(index, weights=hit), np.bincount(index)], 1)
        if len(sums) < 2:
            return float("nan"), float("nan")
        hits, rows = (rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), n_bootstrap) @ sums).T
        shares = hits / rows
    low, high = np.quantile(shares, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def score_interval(
    target: ArrayLike,
    prediction: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Bootstrap interval of what :func:`score` names first: accuracy, or R2 without classes.

    Rows are drawn, or whole groups ``(n,)`` (subjects) where they are given; NaN for a single group.

    >>> score_interval(["a", "b"], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"], random_state=0)
    (1.0, 1.0)
    """
    how: dict[str, Any] = {"groups": groups, "confidence": confidence, "n_bootstrap": n_bootstrap}
    how["random_state"] = random_state
    if classes is None:
        return r2_interval(target, prediction, **how)
    return accuracy_interval(target, np.asarray(classes)[np.asarray(prediction).argmax(1)], **how)
