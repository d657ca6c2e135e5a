"""Figures of what predictions are made of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from interplay.evaluation.parts import class_table, part_columns
from interplay.report.plot._style import HATCHES, axes_of, colour_of, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    axes = axes_of(ax, (6.4, 0.42 * len(rows) + 1.3))
    ends = {1: np.zeros(len(rows)), -1: np.zeros(len(rows))}
    for i, part in enumerate(parts):
        value = rows[part].fillna(0).to_numpy(float)
        start = np.where(value >= 0, ends[1], ends[-1])
        style: dict[str, Any] = {"color": colour_of(part, parts), "hatch": HATCHES[i % len(HATCHES)]}
        axes.barh(np.arange(len(rows)), value, 0.66, left=start, edgecolor="white", label=plain(part), **style)
        ends[1] += value.clip(min=0)
        ends[-1] += value.clip(max=0)
    of_class = "probability" in rows
    labels = [_said(name, row, of_class) for name, row in zip(rows.index, rows.to_dict("records"), strict=True)]
    axes.set_yticks(range(len(rows)), [plain(label) for label in labels])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    to = "the predicted class, logits" if of_class else "the predicted number, units of the target"
    axes.set_xlabel(f"contribution to {to}")
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return axes


def _said(name: Any, row: Mapping[Any, Any], of_class: bool) -> str:
    """Which sample it is and what was predicted."""
    said = row["prediction"]
    if of_class:
        return f"{name}: {said} ({row['probability']:.0%})"
    return f"{name}: {said if isinstance(said, str) else f'{said:.4g}'}"


def composition(
    explanations: pd.DataFrame, target: Any = None, *, ax: "Axes | None" = None, max_rows: int = 20
) -> "Axes":
    """What the predictions of each class are made of, one stacked bar a class.

    Args:
        explanations: as from ``explain`` of a method with parts; or `interplay.evaluation.class_table` of them, which
            is drawn as it is.
        target: true classes ``(n,)``; None groups by the predicted class.
        ax: where to draw; a new figure if None.
        max_rows: the most frequent so many classes are drawn.

    Returns:
        The axes: mean shares of the parts in what speaks for the predictions, with the number of samples.

    Raises:
        ValueError: the method that made the explanations has no parts.
    """
    table = explanations if explanations.index.name == "class" else class_table(explanations, target)
    true = target is not None or "accuracy" in table
    table = table[table["n"].rank(method="first", ascending=False) <= max_rows]
    parts = part_columns(table)
    axes = axes_of(ax, (6.4, 0.34 * len(table) + 1.3))
    start = np.zeros(len(table))
    for i, part in enumerate(parts):
        style: dict[str, Any] = {"color": colour_of(part, parts), "hatch": HATCHES[i % len(HATCHES)]}
        axes.barh(range(len(table)), table[part], 0.7, left=start, edgecolor="white", label=plain(part), **style)
        start = start + table[part].to_numpy()
    axes.set_yticks(range(len(table)), [f"{plain(name, 20)} (n = {n})" for name, n in table["n"].items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("mean share of what speaks for the prediction")
    axes.set_ylabel("true class" if true else "predicted class")
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return axes
