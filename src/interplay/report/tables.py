"""What the tables of the report hold."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from interplay.evaluation.missing import CHANCE, COMPLETE
from interplay.evaluation.results import Results, Sample
from interplay.evaluation.robustness import Robustness
from interplay.report.words import distinguishable, interval, parts_of

METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "nll": "neg. log-likelihood",
    "ece": "ECE",
    "r2": "R2",
    "mae": "mean abs. error",
    "rmse": "root mean sq. error",
    "pearson": "Pearson r",
}


def interaction_rows(m: Any) -> list[dict[str, Any]]:
    """Value, interval, p-value and verdict of each part, in bits; empty without a measurement of two modalities."""
    parts = parts_of(m) if m else {}
    if not parts:
        return []
    p_values = m.get("p_values") or {}
    return [
        {"part": part, "value": value, "interval": interval(m, part), "p": p_values.get(part),
         "sure": distinguishable(m, part)}
        for part, value in (parts | {"total": m["total"]}).items()
    ]  # fmt: skip


def sensitivity_rows(m: Any) -> list[dict[str, Any]]:
    """The parts again with other numbers of cells, mean over repeats."""
    records = (m or {}).get("sensitivity")
    if not records:
        return []
    mean = pd.DataFrame(records).drop(columns="repeat", errors="ignore").groupby("n_bins", as_index=False).mean()
    rows: list[dict[str, Any]] = mean.to_dict(orient="records")  # type: ignore[assignment]  # names are strings
    return rows


def accuracy_rows(results: Results) -> dict[str, Any]:
    """Mean and standard deviation over seeds for each method and condition; chance once, as its own row."""
    if not results.scores:
        return {}
    table = results.score_frame()
    mean = results.summary()
    sd = table.groupby(["method", "condition"])[results.metrics[0]].std()
    conditions = [c for c in mean.columns if c != CHANCE]
    rows = {
        method: [(mean.loc[method, c], sd.get((method, c)) if len(results.run.seeds) > 1 else None) for c in conditions]
        for method in mean.index
    }
    return {"conditions": conditions, "rows": rows, "chance": mean[CHANCE].mean() if CHANCE in mean else None}


def quality_rows(results: Results) -> list[dict[str, Any]]:
    """The other metrics with everything there, mean over seeds."""
    if not results.scores:
        return []
    table = results.score_frame()
    table = table[table["condition"] == COMPLETE]
    mean = table.groupby("method", sort=False)[[*results.metrics, "low", "high"]].mean().astype(object)
    rows: list[dict[str, Any]] = mean.where(mean.notna(), None).reset_index().to_dict(orient="records")  # type: ignore[assignment]
    return rows


def missing_rows(results: Results) -> dict[str, Any]:
    """Scores of every method with subsets of the modalities and over missing rates, and what each modality costs."""
    found = {method: curve.robustness() for method, curve in results.curves.items()}
    if not found:
        return {}
    first = next(iter(found.values()))
    tables = {method: (result.table(), result.metric) for method, result in found.items()}
    return {
        "metric": "Accuracy" if first.metric == "accuracy" else "Mean absolute error",
        "draws": first.draws,
        "confidence": first.confidence,
        "sentences": {method: result.sentence() for method, result in found.items()},
        "rows": {
            str(name): [_with_ends(table.loc[name], metric) for table, metric in tables.values()]
            for name in first.table().index
        },
        "modalities": [str(name) for name in first.costs["modality"]],
        "costs": [_cost_row(method, result) for method, result in found.items()],
    }


def _with_ends(row: Any, value: str) -> tuple[float, tuple[float, float]]:
    return row[value], (row["low"], row["high"])


def _cost_row(method: str, result: Robustness) -> dict[str, Any]:
    costs = [_with_ends(row, "cost") for row in result.costs.to_dict(orient="records")]
    return {"method": method, "relative": result.relative, "effective": result.effective(), "costs": costs}


def columns_of(samples: list[Sample]) -> dict[str, Any]:
    """Which of the columns that not every run has a table of samples needs."""
    return {
        "pictured": _once(name for sample in samples for name in sample.pictures),
        "text": any(sample.text for sample in samples),
        "missing": any(sample.missing for sample in samples),
    }


def row_table(results: Results) -> dict[str, Any]:
    """About the table of the test rows: its columns, what it can be filtered by, and whether all rows are there."""
    rows = results.rows
    columns = columns_of(rows)
    choices: dict[str, list[str]] = {}
    if results.data.classes:
        known = {name: i for i, name in enumerate(results.data.classes)}
        for key, said in (("truth", {s.target for s in rows}), ("prediction", {s.prediction for s in rows})):
            choices[key] = sorted(said, key=lambda name: (known.get(name, len(known)), name))
        choices["right"] = ["yes", "no"]
    if columns["missing"]:
        choices["missing"] = sorted({s.missing or "none" for s in rows})
    n = results.data.rows.get("test", len(rows))
    return {**columns, "choices": choices, "n": n, "all": n <= len(rows)}


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def number(value: Any, digits: int = 3) -> str:
    """Some digits after the point; a dash where there is no number."""
    return "–" if value is None or not np.isfinite(float(value)) else f"{float(value):.{digits}f}"


def span(ends: tuple[Any, Any]) -> str:
    """An interval in words; a dash where there is none."""
    low, high = map(number, ends)
    return "–" if "–" in (low, high) else f"{low} to {high}"


def error(sample: Sample) -> str:
    """How far the prediction of a number lies from the truth."""
    return f"{float(sample.prediction) - float(sample.target):+.4g}"
