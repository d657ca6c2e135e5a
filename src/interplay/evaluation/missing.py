"""How a model does with everything, without each modality, and with each one alone."""

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.evaluation.metrics import accuracy_interval, score

COMPLETE, CHANCE = "complete", "chance"


class Classifier(Protocol):
    """Anything that gives class probabilities for a dataset; ours or your own."""

    classes_: Any

    def predict_proba(self, X: Any, /) -> Any:
        """Probabilities ``(n, K)`` in the order of ``classes_``."""


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
    model: Classifier,
    dataset: MultimodalDataset,
    *,
    confidence: float | None = None,
    n_bootstrap: int = 2000,
    random_state: int | None = 0,
) -> pd.DataFrame:
    """Test a fitted classifier as the data are, without each modality, and with each alone.

    Args:
        model: fitted; its ``predict_proba`` takes the dataset.
        dataset: test data with a target.
        confidence: level of a bootstrap interval of the accuracy (columns ``low`` and ``high``); None leaves it out.
        n_bootstrap: resamples of the interval.
        random_state: seed of the interval.

    Returns:
        A row for each condition: ``complete`` (nothing taken away), ``without <modality>``, ``only <modality>``,
        and ``chance``, which answers with the class frequencies of these test data. Columns ``n``,
        ``accuracy``, ``macro_f1``, ``nll`` (nats) and ``ece`` (15 bins).

    Raises:
        ValueError: the dataset has no class labels, or labels that the model does not know.
    """
    classes = np.asarray(model.classes_)
    if dataset.target is None:
        raise ValueError("evaluate: expected a dataset with a target, found none; give labels by with_target(y)")
    if len(dataset) == 0:
        raise ValueError("evaluate: expected at least one row, found none; check how the test part was chosen")
    rows: dict[str, dict[str, float]] = {}
    for name, absent in patterns(dataset).items():
        probabilities = np.asarray(model.predict_proba(dataset.without(*absent)))
        rows[name] = _row(dataset.target, probabilities, classes, confidence, n_bootstrap, random_state)
    rows[CHANCE] = _row(dataset.target, _frequencies(dataset, classes), classes, confidence, n_bootstrap, random_state)
    return pd.DataFrame.from_dict(rows, orient="index").astype({"n": int}).rename_axis("condition")


def _row(
    target: NDArray[Any],
    probabilities: NDArray[Any],
    classes: NDArray[Any],
    confidence: float | None,
    n_bootstrap: int,
    random_state: int | None,
) -> dict[str, float]:
    row = {"n": len(target), **score(target, probabilities, classes)}
    if confidence is not None:
        predicted = classes[probabilities.argmax(1)]
        row["low"], row["high"] = accuracy_interval(
            target, predicted, confidence=confidence, n_bootstrap=n_bootstrap, random_state=random_state
        )
    return row


def _frequencies(dataset: MultimodalDataset, classes: NDArray[Any]) -> NDArray[np.float64]:
    """The class frequencies of the dataset as everyone's prediction ``(n, K)``."""
    shares = (np.asarray(dataset.target)[:, None] == classes).mean(0)
    return np.tile(shares, (len(dataset), 1))
