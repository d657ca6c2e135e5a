"""Figures of what a missing modality costs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from interplay.evaluation.missing import CHANCE
from interplay.report.plot._style import CURVES, HATCHES, MARKERS, SERIES, VERMILLION, axes_of, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def missing_bars(scores: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Accuracy (or R2) of each method as the data are and with modalities taken away.

    Args:
        scores: columns ``method``, ``condition`` and ``accuracy`` (or ``r2``), one row each for every seed; or what
            `interplay.evaluation.evaluate` returns for one model.
        ax: where to draw; a new figure if None.

    Returns:
        The axes: a group of bars a condition, a bar a method (mean over seeds, whisker one standard
        deviation), a dashed line at chance.
    """
    table = scores.reset_index() if "condition" not in scores else scores
    if "method" not in table:
        table = table.assign(method="model")
    metric = "accuracy" if "accuracy" in table else "r2"
    cells: dict[str, Any] = {"index": "condition", "columns": "method", "values": metric}
    mean, sd = (table.pivot_table(**cells, aggfunc=how, dropna=False) for how in ("mean", "std"))
    conditions = [name for name in table["condition"].unique() if name != CHANCE]
    methods = list(table["method"].unique())
    axes = axes_of(ax, (1.6 + 0.42 * len(conditions) * (len(methods) + 1), 3.4))
    width = 0.84 / len(methods)
    for i, method in enumerate(methods):
        at = np.arange(len(conditions)) + (i - (len(methods) - 1) / 2) * width
        height, spread = mean.loc[conditions, method], sd.loc[conditions, method].fillna(0)
        colour, hatch = SERIES[i % len(SERIES)], HATCHES[i % len(HATCHES)]
        axes.bar(at, height, width * 0.92, color=colour, hatch=hatch, edgecolor="white", label=plain(method))
        axes.errorbar(at, height, spread.where(spread > 0), fmt="none", ecolor="black", elinewidth=1)
        for x, value, top in zip(at, height, height + spread, strict=True):
            text = f"{value:.2f}".removeprefix("0")
            axes.annotate(text, (x, top), (0, 2), textcoords="offset points", ha="center", fontsize=7)
    if CHANCE in mean.index:
        chance = float(np.mean(mean.loc[CHANCE]))
        axes.axhline(chance, linestyle="--", color="black", linewidth=1, label="chance")
    axes.set_xticks(range(len(conditions)), [plain(name) for name in conditions])
    # R2 may fall below zero, and far below: the numbers on the bars tell.
    lowest = float(np.nanmin(mean.to_numpy()))
    axes.set_ylim(0 if lowest >= 0 else max(1.15 * lowest, -1), 1.08)
    axes.set_ylabel("accuracy" if metric == "accuracy" else "R2")
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] == "chance")
    entries = [handles[i] for i in order]
    axes.legend(handles=entries, frameon=False, fontsize="small", ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1))
    return axes


def missing_curve(results: Any, *, ax: "Axes | None" = None) -> "Axes":
    """Score over the missing rate, with the chosen modalities of one model as points.

    Args:
        results: a `Robustness` of one model, or name -> `Robustness` of several measured alike.
        ax: where to draw; a new figure if None.

    Returns:
        The axes: a line and its interval for each model over rates, a dashed line at the best constant answer. For one
        model also a diamond for every subset of modalities, at the share of modalities that it lacks (named up to 7).

    Raises:
        ValueError: the results have different metrics.
    """
    found = dict(results) if isinstance(results, Mapping) else {"any modalities missing": results}
    metrics = {result.metric for result in found.values()}
    if len(metrics) != 1:
        raise ValueError(f"missing_curve: expected results with one metric, found {sorted(metrics)}")
    (metric,) = metrics
    axes = axes_of(ax, (6.6, 4.2))
    for i, (name, result) in enumerate(found.items()):
        rates, colour = result.rates, CURVES[i % len(CURVES)]
        marker, dashes = MARKERS[i % len(MARKERS)], ("-", "--", "-.", ":")[i // len(CURVES) % 4]
        axes.fill_between(rates["rate"], rates["low"], rates["high"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(rates["rate"], rates[metric], dashes, marker=marker, color=colour, markersize=4, label=plain(name))
    chance = float(np.mean([result.chance for result in found.values()]))
    axes.axhline(chance, linestyle="--", color="black", linewidth=1, label="best constant answer", zorder=0)
    if not isinstance(results, Mapping):
        _subset_points(results, axes)
    axes.set_xlabel("share of the modalities that is missing")
    axes.set_ylabel({"mae": "mean absolute error"}.get(metric, metric))
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return axes


def _subset_points(result: Any, axes: "Axes") -> None:
    """A diamond for every proper subset, with its name where there are few."""
    table = result.subsets.iloc[1:]
    at = 1 - table["size"] / result.subsets["size"].iloc[0]
    axes.plot(at, table[result.metric], "D", color=VERMILLION, markersize=5, label="only these modalities present")
    if len(table) > 7:
        return
    axes.set_xlim(right=1.2 * at.max())  # room for names
    low, high = axes.get_ylim()
    for x, group in table.groupby(at):
        heights = _apart(group[result.metric].to_numpy(float), 0.045 * (high - low))
        for name, y in zip(group["subset"], heights, strict=True):
            axes.annotate(plain(name), (x, y), (7, 0), textcoords="offset points", va="center", fontsize=8)


def _apart(values: Any, least: float) -> Any:
    """The values moved up where needed so that no two are nearer than ``least``."""
    order = np.argsort(values)
    steps = least * np.arange(len(values))
    moved = np.empty(len(values))
    moved[order] = np.maximum.accumulate(values[order] - steps) + steps
    return moved
