"""A search of settings inside the training part, with the same budget and the same search for every method (Optuna).

Optuna is imported only when something is tuned.
"""

import importlib.util
import inspect
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.base import clone

from interplay.data import MultimodalDataset
from interplay.data.files import replacing
from interplay.estimators import MultimodalEstimator
from interplay.evaluation.comparison.entries import Entry, describe, on_dataset, seeded
from interplay.evaluation.metrics import score_model
from interplay.methods import SearchSpace, make

# What every network is searched over, beside the space that its method declares.
SHARED: SearchSpace = {
    "learning_rate": (1e-4, 1e-2, "log"),
    "weight_decay": (1e-4, 1e-1, "log"),
    "dropout": (0.0, 0.5, "linear"),
    "width": [32, 64, 128],
}
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Tuned:
    """What a search chose.

    Attributes:
        estimator: unfitted, with the chosen settings.
        params: the chosen settings by name.
        score: on the validation part of the search: accuracy less a ten-thousandth of the cross-entropy, or R2.
        trials: how many were made; 0 where there is nothing to search.
    """

    estimator: Any
    params: dict[str, Any]
    score: float
    trials: int

    def notes(self) -> dict[str, Any]:
        """What is kept of it."""
        return {"params": self.params, "validation": self.score, "trials": self.trials}


def check_tune(tune: int | None) -> None:
    """Refuse a budget that is none, and a missing Optuna, before anything is run.

    Raises:
        ValueError: not a whole number of at least 1.
        ImportError: Optuna is not installed; names the extra.
    """
    if tune is None:
        return
    if not isinstance(tune, int) or isinstance(tune, bool) or tune < 1:
        raise ValueError(f"tune: expected a number of trials of at least 1, found {tune!r}; leave it out for no search")
    try:
        found = importlib.util.find_spec("optuna")
    except ValueError:  # set to None in sys.modules
        found = None
    if found is None:
        raise ImportError("tune needs Optuna; install it with: pip install 'interplay[tune]'")


def space(entry: Any) -> SearchSpace:
    """What is searched of an entry: nothing that the user has set.

    Networks have the shared space and, as ``method__<name>``, what their method declares; any other estimator what its
    attribute ``search_space`` says.
    """
    if not isinstance(entry, Entry | MultimodalEstimator):
        return dict(getattr(entry, "search_space", {}))
    method = make(entry.method)
    own = {f"method__{name}": choice for name, choice in type(method).search_space.items() if _default(method, name)}
    if isinstance(entry, Entry):
        return {name: choice for name, choice in SHARED.items() if name not in entry.settings} | own
    return {name: choice for name, choice in SHARED.items() if _default(entry, name)} | own


def _default(thing: Any, name: str) -> bool:
    default = inspect.signature(type(thing).__init__).parameters[name].default
    return bool(describe(getattr(thing, name)) == describe(default))


def tuned(
    estimator: Any, searched: SearchSpace, train: MultimodalDataset, trials: int, seed: int, diary: Path | None = None
) -> Tuned:
    """Search settings on a validation fifth of the training part, whole groups; the test part is not asked for.

    The first trial has the settings as they are, the others are drawn by a seeded tree-structured Parzen estimator.
    A trial that fails counts.

    Args:
        estimator: unfitted.
        searched: as `space` says.
        train: the training part.
        trials: the budget.
        seed: of the split, the sampler and every fit.
        diary: file of the finished trials: a search that was interrupted makes the same trials and takes the
            values of those that it finds there.

    Raises:
        ValueError: no trial succeeded.
    """
    if not searched:
        return Tuned(estimator, {}, float("nan"), 0)
    import optuna

    fitted, held_out = train.split(VALIDATION_SHARE, random_state=seed)
    known = _read(diary, searched)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(_as_they_are(estimator, searched))
    error: Exception | None = None
    for number in range(trials):
        trial = study.ask()
        params = {name: _suggest(trial, name, choice) for name, choice in searched.items()}
        if number == len(known):
            try:
                value = _score(_with(estimator, params), fitted, held_out, seed)
            except (ValueError, RuntimeError) as reason:
                value, error = None, reason
            known.append({"params": params, "value": value if value == value else None})
            _write(diary, searched, known)
        value = known[number]["value"]
        study.tell(trial, value, None if value is not None else optuna.trial.TrialState.FAIL)
    if all(each["value"] is None for each in known[:trials]):
        raise ValueError(f"none of {trials} trials of the search succeeded; the last said: {error}")
    best = study.best_trial
    return Tuned(_with(estimator, best.params), dict(best.params), float(best.value or 0.0), trials)


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna reports every trial on standard error; here only what goes wrong."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _score(estimator: Any, train: MultimodalDataset, held_out: MultimodalDataset, seed: int) -> float:
    model = on_dataset(seeded(estimator, seed))
    model.fit(train)
    found = score_model(model, held_out)
    return found["accuracy"] - 1e-4 * min(found["nll"], 100.0) if "accuracy" in found else found["r2"]


def _with(estimator: Any, params: Mapping[str, Any]) -> Any:
    """A copy with these settings; a method given by name becomes one that has parameters."""
    fresh = clone(estimator)
    if any(name.startswith("method__") for name in params):
        fresh.set_params(method=make(fresh.method))
    return fresh.set_params(**params)


def _as_they_are(estimator: Any, searched: SearchSpace) -> dict[str, Any]:
    """Present settings that lie in the space."""
    named = estimator.get_params()
    if isinstance(estimator, MultimodalEstimator):
        named |= {f"method__{name}": value for name, value in make(estimator.method).get_params().items()}
    return {name: named[name] for name, choice in searched.items() if name in named and _inside(named[name], choice)}


def _inside(value: Any, choice: Any) -> bool:
    return value in choice if isinstance(choice, list) else value is not None and choice[0] <= value <= choice[1]


def _suggest(trial: Any, name: str, choice: Any) -> Any:
    if isinstance(choice, list):
        return trial.suggest_categorical(name, choice)
    low, high, scale = choice
    return trial.suggest_float(name, low, high, log=scale == "log")


def _read(diary: Path | None, searched: SearchSpace) -> list[dict[str, Any]]:
    """Finished trials, if they are of the same search."""
    if diary is None or not diary.is_file():
        return []
    content = json.loads(diary.read_text(encoding="utf-8"))
    if content["space"] == _plain(searched):
        return list(content["trials"])
    warnings.warn(f"{diary.name}: trials of another search are left out", UserWarning, stacklevel=2)
    return []


def _write(diary: Path | None, searched: SearchSpace, known: list[dict[str, Any]]) -> None:
    if diary is None:
        return
    with replacing(diary) as temporary:
        temporary.write_text(json.dumps({"space": _plain(searched), "trials": known}, indent=1), encoding="utf-8")


def _plain(searched: SearchSpace) -> Any:
    return json.loads(json.dumps(searched))
