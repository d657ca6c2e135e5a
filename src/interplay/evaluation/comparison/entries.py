"""The methods of a comparison: from what a user names to an unfitted estimator, and its description in plain words."""

import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from interplay import methods
from interplay.data import MultimodalDataset
from interplay.estimators import MultimodalClassifier, MultimodalRegressor
from interplay.evaluation.comparison.concatenation import ConcatenationClassifier, ConcatenationRegressor
from interplay.methods import Method

CONTROLS: dict[str, Any] = {"logistic": ConcatenationClassifier, "ridge": ConcatenationRegressor}
NOT_SETTINGS = ("random_state", "progress", "checkpoints", "logger")  # change no result, or are the cell's own


def entries(given: Mapping[str, Any] | Iterable[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Display name -> `Entry` or unfitted estimator.

    Raises:
        ValueError: an unknown name, a setting that the estimator lacks, an object that cannot fit and predict.
    """
    if isinstance(given, str):
        raise ValueError(f"methods: expected names or a mapping, found the text {given!r}; put it in a list")
    named = dict(given) if isinstance(given, Mapping) else {_text(name): name for name in given}
    if not named:
        raise ValueError("methods: expected at least one, found none; see ip.methods.names()")
    params = {*MultimodalClassifier().get_params(deep=False), *MultimodalRegressor().get_params(deep=False)}
    known = params - {"method", *NOT_SETTINGS}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ValueError(f"settings: unknown {unknown}; choose among {sorted(known)}")
    return {_text(name): _estimator(name, value, settings) for name, value in named.items()}


def _text(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"methods: expected names (text), found {name!r}; give objects in a mapping name -> object")
    return name


def _estimator(name: str, value: Any, settings: Mapping[str, Any]) -> Any:
    if isinstance(value, Entry):
        return value
    if isinstance(value, str) and value in CONTROLS:
        return CONTROLS[value]()
    if isinstance(value, str) and value not in methods.names():
        known = ", ".join([*methods.names(), *CONTROLS])
        raise ValueError(f"method {name!r}: unknown {value!r}; choose one of {known}")
    if isinstance(value, str | Method):
        return Entry(value, dict(settings))
    predict = "predict_proba" if hasattr(value, "predict_proba") else "predict"  # a regressor has but this
    lacking = [verb for verb in ("fit", predict, "get_params") if not hasattr(value, verb)]
    if lacking:
        raise ValueError(
            f"method {name!r}: expected a name, a configured method or an estimator, found {type(value).__name__} "
            f"without {', '.join(lacking)}"
        )
    return value


@dataclass(frozen=True)
class Entry:
    """A method and its settings; the task of the data chooses the estimator."""

    method: str | Method
    settings: Mapping[str, Any]

    def estimator(self, task: str | None) -> Any:
        """An unfitted classifier or regressor."""
        kind = MultimodalRegressor if task == "regression" else MultimodalClassifier
        return kind(self.method, **self.settings)


def seeded(estimator: Any, seed: int) -> Any:
    """A fresh copy with the seed set where it takes one."""
    fresh = clone(estimator)
    for name in fresh.get_params():
        if name == "random_state" or name.endswith("__random_state"):
            fresh.set_params(**{name: seed})
    return fresh


class OnMapping:
    """Lets an estimator that knows nothing of datasets be tested like ours.

    It is given a mapping from modality to array, with NaN (zeros in whole numbers) in rows where a modality is absent
    and None where it is absent in all rows.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, dataset: MultimodalDataset) -> "OnMapping":
        """Fit on the mapping and the target."""
        self.model = self.model.fit(_mapping(dataset), dataset.target)
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict(self, dataset: MultimodalDataset) -> Any:
        """As the model answers."""
        return self.model.predict(_mapping(dataset))

    def predict_proba(self, dataset: MultimodalDataset) -> Any:
        """As the model answers."""
        return self.model.predict_proba(_mapping(dataset))


def on_dataset(model: Any) -> Any:
    """The model itself where it takes datasets (all of ours do), else wrapped."""
    ours = type(model).__module__.partition(".")[0] == "interplay"
    return model if ours else OnMapping(model)


def _mapping(dataset: MultimodalDataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, x in dataset.modalities.items():
        here = dataset.present[name]
        found[name] = x if here.all() else None
        if here.any() and not here.all():
            found[name] = x.copy()
            found[name][~here] = np.nan if x.dtype.kind == "f" else 0
    return found


def described(entry: Any) -> Any:
    """What can be written down of an entry."""
    return describe(entry.estimator("classification") if isinstance(entry, Entry) else entry)


def describe(value: Any) -> Any:
    """What can be written down of a parameter, an estimator or a method, and compared later.

    Of objects with parameters only those that differ from their defaults count: a later version may add a parameter.
    """
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [describe(item) for item in value]
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]}"
    if hasattr(value, "get_params") and not inspect.isclass(value):
        return {type(value).__name__: _changed(value)}
    if inspect.isfunction(value) or inspect.isclass(value):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _changed(value: Any) -> dict[str, Any]:
    parameters = inspect.signature(type(value).__init__).parameters
    params = value.get_params() if isinstance(value, Method) else value.get_params(deep=False)
    found = {}
    for name, item in params.items():
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        # A method is what the entry is about: said even where it is the default.
        if name not in NOT_SETTINGS and (name == "method" or describe(item) != describe(default)):
            found[name] = describe(item)
    return found
