"""One cell: train, test, measure what it costs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from interplay.data import MultimodalDataset
from interplay.evaluation.comparison.entries import on_dataset, seeded
from interplay.evaluation.missing import CHANCE, COMPLETE, evaluate
from interplay.evaluation.results import versions

Metric = Callable[[Any, MultimodalDataset], float]
ROW = ["condition", "rate", "draw", "metric", "value"]


@dataclass
class Trial:
    """What a cell found.

    Attributes:
        rows: ``condition``, ``rate``, ``draw``, ``metric``, ``value``.
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
    missing: bool = True,
) -> Trial:
    """Fit a fresh copy on ``train`` and test it on ``test``, complete and with modalities missing."""
    model = on_dataset(seeded(estimator, seed))
    _reset_peak()
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(train)
    costs = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    costs |= {"memory_mb": _peak_mb(), **_size(model)}
    started = time.perf_counter()
    notes: dict[str, Any] = {"versions": versions(), "finished": "", "problems": {}}
    conditions = _conditions(model, test, missing)
    predictions = predict(model, test)
    own = _own(model, test, metrics or {}, notes["problems"])
    costs["test_seconds"] = time.perf_counter() - started
    frame = pd.concat([conditions, _rows("cost", costs), _rows(COMPLETE, own)], ignore_index=True)
    notes["finished"] = pd.Timestamp.now("UTC").isoformat(timespec="seconds")
    return Trial(frame[ROW], predictions, notes)


def predict(model: Any, test: MultimodalDataset) -> pd.DataFrame:
    """Answers on the complete test part: ``id``, ``group``, ``target``, ``predicted`` and the probabilities of all
    classes in their order.
    """
    probabilities = np.asarray(model.predict_proba(test))
    frame = {"id": test.ids, "target": test.target, "predicted": np.asarray(model.classes_)[probabilities.argmax(1)]}
    if test.groups is not None:
        frame["group"] = test.groups
    codes = np.searchsorted(model.classes_, test.target)
    frame["probability"] = probabilities[np.arange(len(test)), codes]
    frame["probabilities"] = list(probabilities.astype(np.float32))
    return pd.DataFrame(frame)


def _conditions(model: Any, test: MultimodalDataset, missing: bool) -> pd.DataFrame:
    table = evaluate(model, test)
    table = table if missing else table.loc[[COMPLETE, CHANCE]]
    wide = table.drop(columns="n").assign(rate=np.nan, draw=0).reset_index()
    return wide.melt(["condition", "rate", "draw"], var_name="metric", value_name="value")


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
    return {k: float(v) for k, v in numbers.items() if isinstance(v, float) and k not in ("loss",)}


def _size(model: Any) -> dict[str, float]:
    found = {}
    if (method := getattr(model, "method_", None)) is not None:
        found["parameters"] = float(sum(p.numel() for p in method.parameters()))
    elif hasattr(inner := getattr(model, "estimator_", None), "coef_"):
        found["parameters"] = float(np.size(inner.coef_) + np.size(inner.intercept_))
    if (history := getattr(model, "history_", None)) is not None:
        found["epochs"] = float(len(history.records))
    return found


def _rows(condition: str, values: Mapping[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame({"metric": list(values), "value": [float(v) for v in values.values()]})
    return frame.assign(condition=condition, rate=np.nan, draw=0)


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
