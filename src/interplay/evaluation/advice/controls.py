"""Cross-validated controls: what each modality is worth alone, and what ordinary ways of fusing them are worth."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from interplay.data import MultimodalDataset
from interplay.estimators import MultimodalClassifier, MultimodalRegressor
from interplay.evaluation.comparison.concatenation import ConcatenationClassifier, ConcatenationRegressor
from interplay.evaluation.comparison.sources import fold_rows

Array = NDArray[np.float64]
LINEAR = {"classification": "logistic", "regression": "ridge"}


@dataclass(frozen=True)
class Candidate:
    """A way to predict: a method, on all modalities or on one of them."""

    method: str
    modality: str | None = None

    def __str__(self) -> str:
        return self.method if self.modality is None else f"{self.modality} alone ({self.method})"


@dataclass
class Held:
    """What each candidate is worth on rows that it was not fitted on.

    Attributes:
        worth: by candidate, ``(n,)``: 1 where the class was right, else 0; in regression 1 - error^2 / variance, whose
            mean is R2.
        without: the same of candidates that use all modalities, by modality that was hidden from them.
        units: code ``(n,)`` of each row's subject, or of the row itself.
        seconds: of fitting, by candidate.
        failed: why a candidate could not be fitted.
    """

    worth: dict[Candidate, Array]
    without: dict[tuple[Candidate, str], Array]
    units: NDArray[np.int64]
    seconds: dict[Candidate, float] = field(default_factory=dict)
    failed: dict[Candidate, str] = field(default_factory=dict)

    @property
    def single(self) -> list[Candidate]:
        """Those that use one modality."""
        return [candidate for candidate in self.worth if candidate.modality is not None]

    @property
    def fused(self) -> list[Candidate]:
        """Those that use all."""
        return [candidate for candidate in self.worth if candidate.modality is None]


def cross_validated(
    dataset: MultimodalDataset,
    methods: Sequence[str],
    settings: Mapping[str, Any],
    folds: int,
    seed: int,
    step: Callable[[str], None],
) -> Held:
    """Fit every candidate on all folds but one and test it there, in turn.

    A linear model on all features and on those of each modality; each of ``methods`` on all modalities. The networks of
    single modalities are those of ``"ensemble"``, whose members know nothing of each other.
    """
    n = len(dataset)
    units = np.arange(n) if dataset.groups is None else np.unique(dataset.groups, return_inverse=True)[1]
    held = Held({}, {}, units)
    for fold, (train, test) in enumerate(fold_rows(dataset, folds, seed)):
        parts = dataset[train], dataset[test]
        _linear(held, *parts, test, step)
        for method in methods:
            _network(held, method, *parts, test, {**settings, "random_state": seed + fold}, step)
    for candidate in held.failed:
        held.worth.pop(candidate, None)
        held.without = {key: value for key, value in held.without.items() if key[0] != candidate}
    return held


def _linear(
    held: Held, train: MultimodalDataset, test: MultimodalDataset, rows: NDArray[Any], step: Callable[[str], None]
) -> None:
    classes = train.task == "classification"
    kind, name = (ConcatenationClassifier if classes else ConcatenationRegressor), LINEAR[str(train.task)]
    for modality in (*train.names, None):
        candidate, names = Candidate(name, modality), train.names if modality is None else (modality,)
        started = time.perf_counter()
        with warnings.catch_warnings():
            # A control that has not quite converged is still a control.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = kind().fit(train.select(names))
        _add_seconds(held, candidate, started)
        _keep(held, held.worth, candidate, rows, _worth(model, train, test.select(names)))
        for hidden in names if modality is None else ():
            _keep(held, held.without, (candidate, hidden), rows, _worth(model, train, test.without(hidden)))
        step(str(candidate))


def _network(
    held: Held,
    method: str,
    train: MultimodalDataset,
    test: MultimodalDataset,
    rows: NDArray[Any],
    settings: Mapping[str, Any],
    step: Callable[[str], None],
) -> None:
    candidate = Candidate(method)
    kind = MultimodalClassifier if train.task == "classification" else MultimodalRegressor
    started = time.perf_counter()
    try:
        model = kind(method, **settings).fit(train)
    except ValueError as error:  # a class too rare to be on both sides, a task the method does not know
        held.failed[candidate] = str(error)
        return
    _add_seconds(held, candidate, started)
    _keep(held, held.worth, candidate, rows, _worth(model, train, test))
    for name in test.names:
        _keep(held, held.without, (candidate, name), rows, _worth(model, train, test.without(name)))
        if method == "ensemble":
            only = test.without(*(other for other in test.names if other != name))
            _keep(held, held.worth, Candidate("unimodal", name), rows, _worth(model, train, only))
    step(str(candidate))


def _worth(model: Any, train: MultimodalDataset, test: MultimodalDataset) -> Array:
    target, said = np.asarray(test.target), np.asarray(model.predict(test))
    if train.task == "classification":
        return (said == target).astype(float)
    # The variance of the training part: a fold may hold few subjects.
    return 1 - (said - target) ** 2 / float(np.var(np.asarray(train.target)) or 1.0)


def _keep(held: Held, into: dict[Any, Array], key: Any, rows: NDArray[Any], values: Array) -> None:
    into.setdefault(key, np.full(len(held.units), np.nan))[rows] = values


def _add_seconds(held: Held, candidate: Candidate, started: float) -> None:
    held.seconds[candidate] = held.seconds.get(candidate, 0.0) + time.perf_counter() - started
