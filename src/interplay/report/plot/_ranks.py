"""The figure of a comparison."""

from typing import TYPE_CHECKING, Any

import numpy as np

from interplay.report.plot._style import BLUE, GREY, axes_of, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    axes = axes_of(ax, (6.6, 0.26 * len(ranks) + 1.3))
    rows = np.arange(len(ranks))
    for name in each:
        axes.plot(each[name], rows, "o", markersize=4, markerfacecolor="none", markeredgecolor=GREY, zorder=2)
    axes.plot(mean, rows, "o", color=BLUE, markersize=8, zorder=3)
    text = f"rank by {plain(metric)}, {plain(condition)}; {each.shape[1]} data set{'s'[: each.shape[1] > 1]}"
    if min(len(ranks) - 1, each.shape[1]) >= 2:
        found = result.friedman(metric, condition, level)
        text += f"\nFriedman p = {found.p_value:.2g}; critical difference {found.critical_difference:.1f}"
        text += f" (Nemenyi, {level:g})"
        for i, (first, last) in enumerate(cliques(mean, found.critical_difference)):
            x = len(ranks) * (1.04 + 0.025 * i)
            axes.plot([x, x], [first - 0.2, last + 0.2], color="black", linewidth=2, solid_capstyle="butt")
    axes.set_yticks(rows, [plain(f"{name} {rank:.1f}", 40) for name, rank in mean.items()])
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.set_xlim(left=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", color="#dddddd", linewidth=0.7, zorder=0)
    axes.set_xlabel(text)
    return axes
