"""What predicted numbers are worth: variance explained, errors, correlation, and the usual scores of sentiment."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import f1_score

Numbers = NDArray[np.float64]
_CELLS = 1 << 22  # resampled rows held at once


def regression_scores(target: ArrayLike, prediction: ArrayLike) -> dict[str, float]:
    r"""Four measures of predicted numbers.

    Args:
        target: ``(n,)`` numbers.
        prediction: ``(n,)`` numbers.

    Returns:
        ``r2`` :math:`1 - \sum_i (y_i - \hat y_i)^2 / \sum_i (y_i - \bar y)^2` (as scikit-learn, 1 or 0 for a constant
        target), ``mae`` :math:`\langle |y - \hat y| \rangle` and ``rmse`` :math:`\langle (y - \hat y)^2 \rangle^{1/2}`
        in units of the target, and ``pearson``, the linear correlation; 0 where either side is constant.

    Raises:
        ValueError: the two differ in shape, are empty, or hold what is no finite number.

    Example:
        >>> {name: round(value, 3) for name, value in regression_scores([1, 2, 3], [1, 2, 4]).items()}
        {'r2': 0.5, 'mae': 0.333, 'rmse': 0.577, 'pearson': 0.982}
    """
    y, f = _checked(target, prediction)
    error = y - f
    return {
        "r2": float(_explained((error**2).sum(), ((y - y.mean()) ** 2).sum())),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "pearson": _correlation(y, f),
    }


def r2_interval(
    target: ArrayLike,
    prediction: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of R2 over the rows, or over whole groups; NaN for a single group.

    >>> r2_interval([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], random_state=0)
    (1.0, 1.0)
    """
    y, f = _checked(target, prediction)
    y, f = y - y.mean(), f - y.mean()
    rng = np.random.default_rng(random_state)
    columns = np.stack([(y - f) ** 2, y, y**2, np.ones(len(y))], 1)
    if groups is not None:
        index = np.unique(np.asarray(groups), return_inverse=True)[1]
        columns = np.stack([np.bincount(index, weights=column) for column in columns.T], 1)
        if len(columns) < 2:
            return float("nan"), float("nan")
    n = len(columns)
    found, step = [], max(1, _CELLS // n)
    for start in range(0, n_bootstrap, step):
        # How often each row or group is drawn, instead of the rows.
        counts = rng.multinomial(n, np.full(n, 1 / n), min(step, n_bootstrap - start))
        residual, first, second, rows = (counts @ columns).T
        found.append(_explained(residual, second - first**2 / rows))
    low, high = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def rounded_accuracy(target: ArrayLike, prediction: ArrayLike, n_classes: int = 7) -> float:
    r"""Share of rows where both numbers, clipped to :math:`\pm (k - 1) / 2` and rounded, are the same.

    With seven classes the Acc7 of sentiment on -3..3, with five Acc5. Halves go to the even neighbour, as in published
    code.

    >>> rounded_accuracy([-3.0, 0.4, 2.0, 1.2], [-4.0, 0.0, 1.0, 0.8])
    0.75
    """
    y, f = _checked(target, prediction)
    if n_classes < 3 or n_classes % 2 == 0:
        raise ValueError(f"n_classes must be odd and at least 3, found {n_classes}")
    limit = (n_classes - 1) / 2
    return float((_rounded(y, limit) == _rounded(f, limit)).mean())


def sign_scores(target: ArrayLike, prediction: ArrayLike, *, zeros: bool = True) -> dict[str, float]:
    """Accuracy and weighted F1 of the sign of sentiment, by either of two conventions in use.

    Args:
        target: ``(n,)`` numbers, 0 is neutral.
        prediction: ``(n,)`` numbers.
        zeros: True for negative against not negative, all rows; False for negative against positive on the rows whose
            target is not 0.

    Returns:
        ``accuracy`` and ``weighted_f1``, F1 of each of the two classes weighted by how often it is the truth.

    Raises:
        ValueError: as `regression_scores`, or without zeros no row is left.

    Example:
        >>> sign_scores([-1.0, 0.0, 2.0], [-0.5, -0.5, 1.0])["accuracy"].__round__(3)
        0.667
        >>> sign_scores([-1.0, 0.0, 2.0], [-0.5, -0.5, 1.0], zeros=False)["accuracy"]
        1.0
    """
    y, f = _checked(target, prediction)
    if zeros:
        truth, said = y >= 0, f >= 0
    else:
        if not y.any():
            raise ValueError("sign_scores: every target is 0; use zeros=True")
        truth, said = y[y != 0] > 0, f[y != 0] > 0
    return {
        "accuracy": float((truth == said).mean()),
        "weighted_f1": float(f1_score(truth, said, average="weighted", zero_division=0)),
    }


def sentiment_scores(target: ArrayLike, prediction: ArrayLike) -> dict[str, float]:
    """What papers on sentiment in -3..3 report, in both conventions of the sign.

    Returns:
        ``acc7``, ``acc5``; ``acc2`` and ``f1`` (weighted) of negative against not negative; ``acc2_nonzero`` and
        ``f1_nonzero`` of negative against positive, neutral rows left out; ``mae`` and ``pearson``.

    Example:
        >>> found = sentiment_scores([-2.0, 0.0, 1.0, 3.0], [-1.6, -0.2, 1.4, 2.0])
        >>> {name: round(value, 2) for name, value in found.items() if name.startswith("acc")}
        {'acc7': 0.75, 'acc5': 1.0, 'acc2': 0.75, 'acc2_nonzero': 1.0}
    """
    every, signed = (sign_scores(target, prediction, zeros=zeros) for zeros in (True, False))
    plain = regression_scores(target, prediction)
    return {
        "acc7": rounded_accuracy(target, prediction, 7),
        "acc5": rounded_accuracy(target, prediction, 5),
        "acc2": every["accuracy"],
        "f1": every["weighted_f1"],
        "acc2_nonzero": signed["accuracy"],
        "f1_nonzero": signed["weighted_f1"],
        "mae": plain["mae"],
        "pearson": plain["pearson"],
    }


def _checked(target: ArrayLike, prediction: ArrayLike) -> tuple[Numbers, Numbers]:
    y, f = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    if y.ndim != 1 or y.shape != f.shape or not len(y):
        raise ValueError(f"expected as many predictions as targets, (n,) each, found {f.shape} and {y.shape}")
    for name, values in (("target", y), ("prediction", f)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite numbers, found {(~np.isfinite(values)).sum()} others")
    return y, f


def _explained(residual: ArrayLike, total: ArrayLike) -> Numbers:
    """R2 from two sums of squares; for a constant target 1 if it is met and 0 if not, as scikit-learn says."""
    residual, total = np.asarray(residual, float), np.asarray(total, float)
    share = 1 - np.divide(residual, total, out=np.ones_like(residual), where=total > 0)
    return np.where((total <= 0) & (residual == 0), 1.0, share)


def _correlation(x: Numbers, y: Numbers) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 0 else 0.0


def _rounded(values: Numbers, limit: float) -> Numbers:
    return np.clip(values, -limit, limit).round()
