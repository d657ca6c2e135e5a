"""How a model does with everything, without each modality, and with each one alone."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.evaluation.metrics import Classifier, Regressor, answers, score, score_interval

COMPLETE, CHANCE = "complete", "chance"


def patterns(dataset: MultimodalDataset) -> dict[str, tuple[str, ...]]:
    """Conditions of the test by name, with the modalities that each takes away.

    With two modalities "without a" is "b alone", so only the first is listed. Modalities that no row has are left out.

    >>> two = MultimodalDataset({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    >>> patterns(two)
    {'complete': (), 'without a': ('a',), 'without b': ('b',)}
    """
    names = [name for name in dataset.names if dataset.present[name].any()]
    found: dict[str, tuple[str, ...]] = {COMPLETE: ()}
    if len(names) > 1:
        found |= {f"without {name}": (name,) for name in names}
    if len(names) > 2:
        found |= {f"only {name}": tuple(other for other in names if other != name) for name in names}
    return found


def evaluate(
    model: Classifier | Regressor,
    dataset: MultimodalDataset,
    *,
    confidence: float | None = None,
    n_bootstrap: int = 2000,
    random_state: int | None = 0,
) -> pd.DataFrame:
    """Test a fitted model as the data are, without each modality, and with each alone.

    Args:
        model: fitted; its ``predict_proba`` (without ``classes_`` its ``predict``) takes the dataset.
        dataset: test data with a target.
        confidence: level of a bootstrap interval of the accuracy or R2 (columns ``low`` and ``high``), over rows, or
            over whole groups where the data have groups (NaN for a single group); None leaves it out.
        n_bootstrap: resamples of the interval.
        random_state: seed of the interval.

    Returns:
        A row for each condition: ``complete`` (nothing taken away), ``without <modality>``, ``only <modality>``,
        and ``chance``, which answers with the class frequencies (regression: the mean) of these test data. Columns
        ``n``, ``accuracy``, ``macro_f1``, ``nll`` (nats) and ``ece`` (15 bins); in regression ``n``, ``r2``, ``mae``,
        ``rmse`` and ``pearson``.

    Raises:
        ValueError: the dataset has no class labels, or labels that the model does not know.
    """
    classes = getattr(model, "classes_", None)
    if dataset.target is None:
        raise ValueError("evaluate: expected a dataset with a target, found none; give one by with_target(y)")
    if len(dataset) == 0:
        raise ValueError("evaluate: expected at least one row, found none; check how the test part was chosen")
    rows: dict[str, dict[str, float]] = {}
    for name, absent in patterns(dataset).items():
        said = answers(model, dataset.without(*absent))
        rows[name] = _row(dataset, said, classes, confidence, n_bootstrap, random_state)
    rows[CHANCE] = _row(dataset, _chance(dataset, classes), classes, confidence, n_bootstrap, random_state)
    return pd.DataFrame.from_dict(rows, orient="index").astype({"n": int}).rename_axis("condition")


def _row(
    dataset: MultimodalDataset,
    prediction: NDArray[Any],
    classes: NDArray[Any] | None,
    confidence: float | None,
    n_bootstrap: int,
    random_state: int | None,
) -> dict[str, float]:
    target = np.asarray(dataset.target)
    row = {"n": len(target), **score(target, prediction, classes)}
    if confidence is not None:
        how: dict[str, Any] = {"confidence": confidence, "n_bootstrap": n_bootstrap, "random_state": random_state}
        row["low"], row["high"] = score_interval(target, prediction, classes, groups=dataset.groups, **how)
    return row


def _chance(dataset: MultimodalDataset, classes: NDArray[Any] | None) -> NDArray[np.float64]:
    """The class frequencies of the dataset as everyone's prediction ``(n, K)``, or its mean ``(n,)``."""
    target = np.asarray(dataset.target)
    if classes is None:
        return np.full(len(target), target.mean())
    return np.tile((target[:, None] == np.asarray(classes)).mean(0), (len(dataset), 1))
