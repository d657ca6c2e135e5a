"""Figures of what went on in training."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from interplay.report.plot._style import BLUE, GREY, HATCHES, ORANGE, VERMILLION, axes_of, colour_of, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    axes = axes_of(ax, (5.0, 2.7))
    right = axes.twinx()
    lines: list[Any] = []
    starts = np.flatnonzero(table["stage"].ne(table["stage"].shift()))
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        part = table[start:end]
        epoch = np.arange(start, end) + 1
        seen: dict[str, Any] = {"marker": "." if len(part) == 1 else None}  # a line of one point shows nothing
        told = part[f"validation_{metric}"]
        lines = [
            *axes.plot(epoch, part["loss"], color=ORANGE, label="training loss", **seen),
            *axes.plot(epoch, part["validation_loss"], "--", color=VERMILLION, label="validation loss", **seen),
            *right.plot(epoch, told, ":", color=BLUE, linewidth=2, label=f"validation {name}", **seen),
        ]
        if len(starts) > 1:
            axes.axvline(start + 0.5, color=GREY, linewidth=0.8)
            at: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(
                plain(part["stage"].iloc[0]), (start + 0.5, 1), (3, -3), rotation=90, va="top", fontsize=7, **at
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
    axes = axes_of(ax, (6.0, 3.0))
    epoch = np.arange(len(table)) + 1
    style: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4}
    for i, (shares, part) in enumerate(zip(_stacked(table[list(used.values())]), used, strict=True)):
        hatch = HATCHES[i % len(HATCHES)]
        axes.fill_between(
            epoch, *shares, facecolor=colour_of(part, list(used)), hatch=hatch, label=plain(part), **style
        )
    for start in np.flatnonzero(table["stage"].ne(table["stage"].shift())):
        name, at = plain(table["stage"].iloc[start]), start + (0.5 if start else 1)
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
