"""Figures as functions: they take results and return matplotlib axes; no pyplot, no global state.

Colours are Okabe and Ito's, told apart under every common form of colour blindness; what matters is also written
or hatched, so the figures survive a grey print. Save a figure by ``axes.figure.savefig(path)``.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from interplay.evaluation.missing import CHANCE
from interplay.evaluation.parts import class_table, part_columns
from interplay.report.agreement import agreement as agreement
from interplay.report.words import distinguishable, interval, parts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, GREY = "#56B4E9", "#D55E00", "#888888"
UNIQUE = (ORANGE, GREEN, SKY, VERMILLION)
# Of pairs: other shades of the family's own, and none that a unique part has.
PAIRED = {"redundancy": ("#00446B", "#6C86B3", "#B3BFD9"), "synergy": ("#8C4A6F", "#E9C6D9", "#A83277")}
SERIES = (SKY, ORANGE, GREEN, BLUE, VERMILLION, PURPLE, GREY)
CURVES = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY)
MARKERS = ("o", "s", "^", "v", "P", "X", "d")
HATCHES = ("", "///", "\\\\\\", "...", "xx", "++", "oo")


def interactions(measurement: Any, *, ax: "Axes | None" = None) -> "Axes":
    """Bars in bits of redundancy, what is unique to each modality, and synergy, with their intervals.

    Args:
        measurement: a `Measurement` of two modalities or its ``to_dict()``.
        ax: where to draw; a new figure if None.

    Returns:
        The axes. Whiskers are the confidence intervals. A hollow bar is not distinguishable from none; a part that was
        withheld has no bar.

    Raises:
        ValueError: the measurement is of more than two modalities.
    """
    m = _mapping(measurement)
    parts = parts_of(m)
    if not parts:
        raise ValueError("interactions: expected a measurement of two modalities; name two by modalities=[...]")
    axes = _axes(ax, (6.6, 0.62 * len(parts) + 0.9))
    for y, (part, value) in enumerate(parts.items()):
        if value is None:
            axes.annotate("withheld", (0, y), (6, 0), textcoords="offset points", va="center")
            continue
        sure, colour = distinguishable(m, part), _colour(part, list(parts))
        axes.barh(y, value, 0.6, color=colour if sure else "none", edgecolor=colour, linewidth=1.5, zorder=2)
        low, high = interval(m, part)
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color="black", linewidth=1.4, marker="|", markersize=8, zorder=3)
        text = f"{value:.3f}" if sure else f"{value:.3f}, not distinguishable from none"
        end = max(value, high or 0, 0)
        axes.annotate(text, (end, y), (7, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(parts)), [_plain(part) for part in parts])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.14)
    axes.set_xlabel("information about the target, bits")
    return axes


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
    axes = _axes(ax, (1.6 + 0.42 * len(conditions) * (len(methods) + 1), 3.4))
    width = 0.84 / len(methods)
    for i, method in enumerate(methods):
        at = np.arange(len(conditions)) + (i - (len(methods) - 1) / 2) * width
        height, spread = mean.loc[conditions, method], sd.loc[conditions, method].fillna(0)
        colour, hatch = SERIES[i % len(SERIES)], HATCHES[i % len(HATCHES)]
        axes.bar(at, height, width * 0.92, color=colour, hatch=hatch, edgecolor="white", label=_plain(method))
        axes.errorbar(at, height, spread.where(spread > 0), fmt="none", ecolor="black", elinewidth=1)
        for x, value, top in zip(at, height, height + spread, strict=True):
            text = f"{value:.2f}".removeprefix("0")
            axes.annotate(text, (x, top), (0, 2), textcoords="offset points", ha="center", fontsize=7)
    if CHANCE in mean.index:
        chance = float(np.mean(mean.loc[CHANCE]))
        axes.axhline(chance, linestyle="--", color="black", linewidth=1, label="chance")
    axes.set_xticks(range(len(conditions)), [_plain(name) for name in conditions])
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
    axes = _axes(ax, (6.6, 4.2))
    for i, (name, result) in enumerate(found.items()):
        rates, colour = result.rates, CURVES[i % len(CURVES)]
        marker, dashes = MARKERS[i % len(MARKERS)], ("-", "--", "-.", ":")[i // len(CURVES) % 4]
        axes.fill_between(rates["rate"], rates["low"], rates["high"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(rates["rate"], rates[metric], dashes, marker=marker, color=colour, markersize=4, label=_plain(name))
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
            axes.annotate(_plain(name), (x, y), (7, 0), textcoords="offset points", va="center", fontsize=8)


def _apart(values: Any, least: float) -> Any:
    """The values moved up where needed so that no two are nearer than ``least``."""
    order = np.argsort(values)
    steps = least * np.arange(len(values))
    moved = np.empty(len(values))
    moved[order] = np.maximum.accumulate(values[order] - steps) + steps
    return moved


def contributions(explanations: pd.DataFrame, *, ax: "Axes | None" = None, max_rows: int = 12) -> "Axes":
    """What each part added to the logit of the predicted class, or to the predicted number, one row of bars a sample.

    Args:
        explanations: as from ``explain``: ``prediction``, a classifier's ``probability``, and one column for each part.
        ax: where to draw; a new figure if None.
        max_rows: the first so many samples are drawn.

    Returns:
        The axes. Bars to the right speak for the predicted class, or for a number above the mean; to the left against.

    Raises:
        ValueError: the method that made the explanations has no parts.
    """
    parts = part_columns(explanations)
    if not parts:
        raise ValueError(
            f"contributions: expected columns redundancy, unique:<modality>, synergy, found {list(explanations)}; "
            "use a method that has parts, such as 'dmil'"
        )
    rows = explanations.head(max_rows)
    axes = _axes(ax, (6.4, 0.42 * len(rows) + 1.3))
    ends = {1: np.zeros(len(rows)), -1: np.zeros(len(rows))}
    for i, part in enumerate(parts):
        value = rows[part].fillna(0).to_numpy(float)
        start = np.where(value >= 0, ends[1], ends[-1])
        style: dict[str, Any] = {"color": _colour(part, parts), "hatch": HATCHES[i % len(HATCHES)]}
        axes.barh(np.arange(len(rows)), value, 0.66, left=start, edgecolor="white", label=_plain(part), **style)
        ends[1] += value.clip(min=0)
        ends[-1] += value.clip(max=0)
    of_class = "probability" in rows
    labels = [_said(name, row, of_class) for name, row in zip(rows.index, rows.to_dict("records"), strict=True)]
    axes.set_yticks(range(len(rows)), [_plain(label) for label in labels])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    to = "the predicted class, logits" if of_class else "the predicted number, units of the target"
    axes.set_xlabel(f"contribution to {to}")
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return axes


def history(records: Any, *, ax: "Axes | None" = None) -> "Axes":
    """Loss and validation accuracy (or R2) over the epochs of all stages.

    Args:
        records: ``history_`` of a fitted estimator, or its list of records.
        ax: where to draw; a new figure if None.

    Returns:
        The axes of the losses; the accuracy or R2 has its own on the right.
    """
    table = pd.DataFrame(list(getattr(records, "records", records)))
    metric, name = ("accuracy",) * 2 if "validation_accuracy" in table else ("r2", "R2")
    axes = _axes(ax, (5.0, 2.7))
    right = axes.twinx()
    lines: list[Any] = []
    starts = np.flatnonzero(table["stage"].ne(table["stage"].shift()))
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        part = table[start:end]
        epoch = np.arange(start, end) + 1
        lines = [
            *axes.plot(epoch, part["loss"], color=ORANGE, label="training loss"),
            *axes.plot(epoch, part["validation_loss"], "--", color=VERMILLION, label="validation loss"),
            *right.plot(epoch, part[f"validation_{metric}"], ":", color=BLUE, linewidth=2, label=f"validation {name}"),
        ]
        if len(starts) > 1:
            axes.axvline(start + 0.5, color=GREY, linewidth=0.8)
            at: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(
                _plain(part["stage"].iloc[0]), (start + 0.5, 1), (3, -3), rotation=90, va="top", fontsize=7, **at
            )
    axes.set_xlim(0.5, len(table) + 0.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss, nats" if metric == "accuracy" else "loss")
    right.set_ylabel(name)
    right.set_ylim(0, 1.05)
    axes.legend(
        handles=lines, frameon=False, fontsize="x-small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0)
    )
    return axes


def class_composition(
    explanations: pd.DataFrame, target: Any = None, *, ax: "Axes | None" = None, max_rows: int = 20
) -> "Axes":
    """What the predictions of each class are made of, one stacked bar a class.

    Args:
        explanations: as from ``explain`` of a method with parts.
        target: true classes ``(n,)``; None groups by the predicted class.
        ax: where to draw; a new figure if None.
        max_rows: the most frequent so many classes are drawn.

    Returns:
        The axes: mean shares of the parts in what speaks for the predictions, with the number of samples.

    Raises:
        ValueError: the method that made the explanations has no parts.
    """
    table = class_table(explanations, target)
    table = table[table["n"].rank(method="first", ascending=False) <= max_rows]
    parts = part_columns(table)
    axes = _axes(ax, (6.4, 0.34 * len(table) + 1.3))
    start = np.zeros(len(table))
    for i, part in enumerate(parts):
        style: dict[str, Any] = {"color": _colour(part, parts), "hatch": HATCHES[i % len(HATCHES)]}
        axes.barh(range(len(table)), table[part], 0.7, left=start, edgecolor="white", label=_plain(part), **style)
        start = start + table[part].to_numpy()
    labels = [f"{name} (n = {n})" for name, n in table["n"].items()]
    axes.set_yticks(range(len(table)), [_plain(label) for label in labels])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("mean share of what speaks for the prediction")
    axes.set_ylabel("true class" if target is not None else "predicted class")
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return axes


def gate_usage(records: Any, *, ax: "Axes | None" = None) -> "Axes":
    """Mean gate weight of each part on the validation rows, over the epochs of all stages.

    Args:
        records: ``history_`` of a fitted estimator, or its list of records.
        ax: where to draw; a new figure if None.

    Raises:
        ValueError: the method keeps no record of a gate.
    """
    table = pd.DataFrame(list(getattr(records, "records", records)))
    used = {str(c).removeprefix("usage:"): c for c in table if str(c).startswith("usage:")}
    if not used:
        raise ValueError("gate_usage: expected records with the columns usage:<part>; use a method with a gate: 'dmil'")
    axes = _axes(ax, (6.0, 3.0))
    epoch = np.arange(len(table)) + 1
    style: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4}
    for i, (shares, part) in enumerate(zip(_stacked(table[list(used.values())]), used, strict=True)):
        hatch = HATCHES[i % len(HATCHES)]
        axes.fill_between(epoch, *shares, facecolor=_colour(part, list(used)), hatch=hatch, label=_plain(part), **style)
    for start in np.flatnonzero(table["stage"].ne(table["stage"].shift())):
        name, at = _plain(table["stage"].iloc[start]), start + (0.5 if start else 1)
        axes.axvline(at, color="black", linewidth=0.8)
        axes.annotate(name, (at, 1), (3, -3), textcoords="offset points", rotation=90, va="top", fontsize=7)
    axes.set_xlim(1, max(2, len(table)))
    axes.set_ylim(0, 1)
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean gate weight")
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return axes


def _stacked(table: pd.DataFrame) -> "list[tuple[Any, Any]]":
    """Lower and upper edge of each column's band."""
    upper = table.to_numpy(float).cumsum(1)
    lower = upper - table.to_numpy(float)
    return list(zip(lower.T, upper.T, strict=True))


def _said(name: Any, row: Mapping[Any, Any], of_class: bool) -> str:
    """Which sample it is and what was predicted."""
    said = row["prediction"]
    if of_class:
        return f"{name}: {said} ({row['probability']:.0%})"
    return f"{name}: {said if isinstance(said, str) else f'{said:.4g}'}"


def comparison(
    result: Any, metric: str = "accuracy", *, condition: str = "complete", level: float = 0.05, ax: "Axes | None" = None
) -> "Axes":
    """Ranks of the methods of a `Comparison` over its data sets, and which are not told apart.

    Args:
        result: a `Comparison`.
        metric: what is ranked, mean over seeds; 1 is best.
        condition: such as ``"complete"``; see `Comparison.frame`.
        level: of Nemenyi's critical difference.
        ax: where to draw; a new figure if None.

    Returns:
        The axes: a row a method, best first; a dot at its mean rank, a small circle at its rank on each data set.
        Methods that one vertical line on the right spans are not told apart; with fewer than three methods or two data
        sets there are no lines.
    """
    from matplotlib.ticker import MaxNLocator

    from interplay.evaluation.comparison.statistics import cliques

    ranks = result.ranks(metric, condition)
    mean, each = ranks["mean"], ranks.drop(columns="mean")
    axes = _axes(ax, (6.6, 0.26 * len(ranks) + 1.3))
    rows = np.arange(len(ranks))
    for name in each:
        axes.plot(each[name], rows, "o", markersize=4, markerfacecolor="none", markeredgecolor=GREY, zorder=2)
    axes.plot(mean, rows, "o", color=BLUE, markersize=8, zorder=3)
    text = f"rank by {_plain(metric)}, {_plain(condition)}; {each.shape[1]} data set{'s'[: each.shape[1] > 1]}"
    if min(len(ranks) - 1, each.shape[1]) >= 2:
        found = result.friedman(metric, condition, level)
        text += f"\nFriedman p = {found.p_value:.2g}; critical difference {found.critical_difference:.1f}"
        text += f" (Nemenyi, {level:g})"
        for i, (first, last) in enumerate(cliques(mean, found.critical_difference)):
            x = len(ranks) * (1.04 + 0.025 * i)
            axes.plot([x, x], [first - 0.2, last + 0.2], color="black", linewidth=2, solid_capstyle="butt")
    axes.set_yticks(rows, [_plain(f"{name} {rank:.1f}", 40) for name, rank in mean.items()])
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.set_xlim(left=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", color="#dddddd", linewidth=0.7, zorder=0)
    axes.set_xlabel(text)
    return axes


def _mapping(result: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = result if isinstance(result, Mapping) else result.to_dict()
    return found


def _colour(part: str, parts: Sequence[Any]) -> str:
    if part in ("redundancy", "synergy"):
        return {"redundancy": BLUE, "synergy": PURPLE}[part]
    family = part.partition(":")[0]
    if family in PAIRED:
        pairs = [name for name in parts if str(name).startswith(f"{family}:")]
        return PAIRED[family][pairs.index(part) % len(PAIRED[family])]
    own = [name for name in parts if str(name).startswith("unique:")]
    return UNIQUE[own.index(part) % len(UNIQUE)]


def _plain(text: Any, limit: int = 28) -> str:
    """Text that matplotlib shows as it is: no mathematics between dollars, no overlong names."""
    short = " ".join(str(text).split())
    short = short if len(short) <= limit else short[: limit - 1] + "…"
    return short.replace("$", r"\$")


def _axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=size, layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return ax
