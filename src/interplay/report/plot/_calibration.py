"""The figure of how sure a model is and how often it is right."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from interplay.report.plot._style import CURVES, MARKERS, axes_of, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def calibration(tables: pd.DataFrame | Mapping[str, pd.DataFrame], *, ax: "Axes | None" = None) -> "Axes":
    """Reliability diagram: accuracy over confidence.

    Args:
        tables: what `interplay.evaluation.metrics.calibration_table` gives, or several by name.
        ax: where to draw; a new figure if None.

    Returns:
        The axes: a line for each model through its bins, marks larger where there are more samples; a dashed diagonal,
        on which confidence is earned. Below it the model is too sure of itself.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    found = {"model": tables} if isinstance(tables, pd.DataFrame) else dict(tables)
    axes = axes_of(ax, (5.4, 4.6))
    axes.plot([0, 1], [0, 1], "--", color="black", linewidth=1, label="as sure as right", zorder=0)
    for i, (name, table) in enumerate(found.items()):
        look: dict[str, Any] = {"color": CURVES[i % len(CURVES)]}
        axes.plot(table["confidence"], table["accuracy"], linewidth=1, alpha=0.6, **look)
        size = 12 + 120 * np.sqrt(table["n"] / table["n"].sum())
        marker = MARKERS[i % len(MARKERS)]
        axes.scatter(table["confidence"], table["accuracy"], size, marker=marker, label=plain(name), **look)
    axes.set_xlim(0, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("mean probability of the predicted class")
    axes.set_ylabel("accuracy")
    legend = axes.legend(frameon=False, fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([36])  # type: ignore[union-attr]  # those of scatter
    return axes
