"""One cell: train, test, measure what it costs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from interplay.data import MultimodalDataset
from interplay.data.missing import Pattern
from interplay.evaluation.comparison.conditions import COST, ROW, TUNED, conditions, masked, rows
from interplay.evaluation.comparison.entries import Entry, on_dataset, seeded
from interplay.evaluation.comparison.tuning import quiet, space, tuned
from interplay.evaluation.metrics import answers, score_model
from interplay.evaluation.missing import COMPLETE
from interplay.evaluation.results import versions

Metric = Callable[[Any, MultimodalDataset], float]


@dataclass
class Trial:
    """What a cell found.

    Attributes:
        rows: ``condition``, ``rate``, ``metric``, ``value``.
        predictions: a row for each row of the test part.
        notes: what else is written down: versions, what could not be computed and why.
    """

    rows: pd.DataFrame
    predictions: pd.DataFrame
    notes: dict[str, Any] = field(default_factory=dict)


def trial(
    estimator: Any,
    train: MultimodalDataset,
    test: MultimodalDataset,
    seed: int,
    *,
    metrics: Mapping[str, Metric] | None = None,
    missing: bool | Mapping[str, Pattern] = True,
    tune: int | None = None,
    diary: Path | None = None,
) -> Trial:
    """Fit a fresh copy on ``train`` and test it on ``test``, complete and with modalities missing.

    With ``tune``, settings are searched on ``train`` before.

    Raises:
        ValueError: a pattern of ``missing`` does not fit the data; said before anything is fitted.
    """
    gaps = masked(test, missing if isinstance(missing, Mapping) else {})
    chosen = estimator.estimator(train.task) if isinstance(estimator, Entry) else estimator
    notes: dict[str, Any] = {"versions": versions(), "problems": {}}
    blocks = []
    if tune is not None:
        started = time.perf_counter()
        with quiet():
            search = tuned(chosen, space(estimator), train, tune, seed, diary)
        chosen, notes["tuned"] = search.estimator, search.notes()
        numbers = {name: v for name, v in search.params.items() if isinstance(v, int | float)}
        known = {"trials": search.trials, "validation": search.score, "seconds": time.perf_counter() - started}
        blocks.append(rows(TUNED, numbers | known))
    model = on_dataset(seeded(chosen, seed))
    _reset_peak()
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(train)
    costs = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    costs |= {"memory_mb": _peak_mb(), **_size(model)}
    started = time.perf_counter()
    blocks.insert(0, rows(COMPLETE, score_model(model, test)))
    predictions = predict(model, test)
    if missing:
        blocks += conditions(model, test, gaps, notes["problems"])
    tested = time.perf_counter()
    blocks.append(rows(COMPLETE, _own(model, test, metrics or {}, notes["problems"])))
    costs |= {"test_seconds": tested - started, "metric_seconds": time.perf_counter() - tested}
    blocks.append(rows(COST, costs))
    notes["finished"] = pd.Timestamp.now("UTC").isoformat(timespec="seconds")
    return Trial(pd.concat(blocks, ignore_index=True)[ROW], predictions, notes)


def predict(model: Any, test: MultimodalDataset) -> pd.DataFrame:
    """Answers on the complete test part.

    ``id``, ``group`` where there are subjects, ``target``, ``predicted``, and of classifiers ``probability`` (of the
    target) and ``probabilities`` (of all classes, in their order).
    """
    said = answers(model, test)
    frame: dict[str, Any] = {"id": test.ids, "target": test.target}
    if test.groups is not None:
        frame["group"] = test.groups
    if (classes := getattr(model, "classes_", None)) is None:
        return pd.DataFrame(frame | {"predicted": said})
    codes = np.searchsorted(classes, np.asarray(test.target))
    frame["predicted"] = np.asarray(classes)[said.argmax(1)]
    frame["probability"] = said[np.arange(len(test)), codes]
    frame["probabilities"] = list(said.astype(np.float32))
    return pd.DataFrame(frame)


def _own(
    model: Any, test: MultimodalDataset, metrics: Mapping[str, Metric], problems: dict[str, str]
) -> dict[str, float]:
    """The user's metrics, and the method's own diagnostics at its last best epoch; a metric that fails is noted."""
    found: dict[str, float] = _diagnostics(model)
    for name, metric in metrics.items():
        try:
            found[name] = float(metric(getattr(model, "model", model), test))
        except Exception as error:
            problems[f"metric {name}"] = f"{type(error).__name__}: {error}"
            found[name] = float("nan")
    return found


def _diagnostics(model: Any) -> dict[str, float]:
    history = getattr(model, "history_", None)
    if history is None or not history.records:
        return {}
    last = history.records[-1]["stage"]
    best = [r for r in history.records if r["stage"] == last and r["epoch"] == history.best_epochs.get(last)]
    numbers = best[-1] if best else history.records[-1]
    return {k: float(v) for k, v in numbers.items() if isinstance(v, float) and k != "loss"}


def _size(model: Any) -> dict[str, float]:
    found = {}
    if (method := getattr(model, "method_", None)) is not None:
        found["parameters"] = float(sum(p.numel() for p in method.parameters()))
    inner: Any = getattr(model, "estimator_", None)
    if hasattr(inner, "coef_"):
        found["parameters"] = float(np.size(inner.coef_) + np.size(inner.intercept_))
    if (history := getattr(model, "history_", None)) is not None:
        found["epochs"] = float(len(history.records))
    return found


def _reset_peak() -> None:
    """Start the kernel's high-water mark of resident memory anew, where the system can (Linux)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return


def _peak_mb() -> float:
    """High-water mark of resident memory since then, in MB; NaN where the system does not tell."""
    try:
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        return float(lines["VmHWM"].split()[0]) / 1024
    except (OSError, KeyError):
        return float("nan")
