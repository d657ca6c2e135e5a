"""What a model does when a modality is taken, blurred or swapped: tests for any model."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from interplay.data import MultimodalDataset, as_dataset
from interplay.evaluation.comparison.entries import on_dataset
from interplay.evaluation.comparison.statistics import paired_bootstrap
from interplay.evaluation.metrics import Classifier, Regressor
from interplay.evaluation.projection import Data, centred_logits, has_probabilities, recombined

Rows = NDArray[np.intp]
TESTS = ("absent", "median", "shuffled", "shuffled within class")


def blindness(
    model: Classifier | Regressor,
    X: Data,
    target: Any = None,
    *,
    n_repeats: int = 5,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Is a model blind to a modality, or to how modalities belong together?

    Each modality in turn is

    - ``absent``: marked as missing (None for models that take mappings);
    - ``median``: replaced by its median over the rows, feature by feature, in all of them;
    - ``shuffled``: exchanged among the rows that have it, so that it tells nothing of its row;
    - ``shuffled within class``: exchanged among rows of the same class: it tells of the class what it told, but no
      longer belongs to the other modalities. A model without synergy loses nothing where modalities are independent
      given the class; one that solves XOR falls to chance.

    Args:
        model: fitted; ours, or any object with ``predict_proba`` (for numbers ``predict``) that takes a mapping.
        X: rows with a target.
        target: ``(n,)`` where ``X`` has none.
        n_repeats: shuffles; the interval draws rows (whole groups) and shuffles.
        confidence: of the intervals.
        random_state: seed of the shuffles.

    Returns:
        A row for each ``modality`` and ``test``: ``lost``, accuracy (in regression 1/variance of squared error) lost,
        with ``low`` and ``high`` and two-sided ``p_value`` (NaN with fewer than two groups);
        ``changed``, the share of predictions that change (mean absolute change of numbers). NaN where the model cannot
        answer, with its ``error``.

    Raises:
        ValueError: no target.

    Example:
        >>> from interplay.evaluation import ConcatenationClassifier
        >>> rng = np.random.default_rng(0)
        >>> x = {"a": rng.normal(size=(200, 1)), "b": rng.normal(size=(200, 1))}
        >>> y = x["a"][:, 0] > 0
        >>> found = blindness(ConcatenationClassifier().fit(x, y), x, y).set_index(["modality", "test"])["lost"]
        >>> bool(found["a", "shuffled"] > 0.3), bool(abs(found["b", "shuffled"]) < 0.05)
        (True, True)
    """
    dataset = as_dataset(X, target)
    if dataset.target is None:
        raise ValueError("blindness needs a target; pass one, or a data set that has one")
    asked, rng = on_dataset(model), np.random.default_rng(random_state)
    before = _predicted(asked, dataset)
    rows = []
    for name in dataset.names:
        for test in TESTS if dataset.task == "classification" else TESTS[:3]:
            row: dict[str, Any] = {"modality": name, "test": test, "error": None}
            changed = _changed(dataset, name, test, n_repeats, rng)
            try:
                after = np.stack([_predicted(asked, each) for each in changed])
            except Exception as error:  # somebody else's model may not take gaps
                row["error"] = f"{type(error).__name__}: {error}"
            else:
                row |= _compared(dataset, before, after, confidence, random_state)
            rows.append(row)
    columns = ["modality", "test", "lost", "low", "high", "p_value", "changed", "error"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _predicted(model: Any, dataset: MultimodalDataset) -> NDArray[Any]:
    found = centred_logits(model, dataset)
    if not has_probabilities(model):
        return found[:, 0]
    classes = getattr(model, "classes_", None)
    best = found.argmax(1)
    return best if classes is None else np.asarray(classes)[best]


def _changed(
    dataset: MultimodalDataset, name: str, test: str, n_repeats: int, rng: np.random.Generator
) -> list[MultimodalDataset]:
    if test == "absent":
        return [dataset.without(name)]
    here, values = dataset.present[name], dataset.modalities[name]
    if test == "median":
        if not here.any():
            return [dataset]
        middle = np.median(values[here], axis=0).astype(values.dtype)
        replaced = {**dataset.modalities, name: np.broadcast_to(middle, values.shape)}
        return [MultimodalDataset(replaced, present=dataset.present, lengths=dataset.lengths)]
    classes = dataset.codes if test == "shuffled within class" else np.zeros(len(dataset), int)
    return [recombined(dataset, _shuffled(dataset, name, classes, rng)) for _ in range(n_repeats)]


def _shuffled(
    dataset: MultimodalDataset, name: str, classes: NDArray[Any], rng: np.random.Generator
) -> dict[str, Rows | None]:
    """Rows to take each modality from: ``name`` exchanged among the rows of a class that have it."""
    own = np.arange(len(dataset))
    moved = own.copy()
    for label in np.unique(classes):
        members = np.flatnonzero((classes == label) & dataset.present[name])
        moved[members] = rng.permutation(members)
    return {other: moved if other == name else own for other in dataset.names}


def _compared(
    dataset: MultimodalDataset, before: NDArray[Any], after: NDArray[Any], confidence: float, seed: int
) -> dict[str, float]:
    truth = np.asarray(dataset.target)
    if dataset.task == "classification":
        lost = (before == truth).astype(float) - (after == truth)
        changed = float((after != before).mean())
    else:
        lost = ((after - truth) ** 2 - (before - truth) ** 2) / (np.var(truth) or 1.0)
        changed = float(np.abs(after - before).mean())
    found = paired_bootstrap(lost, dataset.groups, confidence=confidence, random_state=seed)
    return {"lost": found.value, "low": found.low, "high": found.high, "p_value": found.p_value, "changed": changed}
