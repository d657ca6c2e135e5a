"""Two answers to "how much of this prediction is interaction": the additive projection's and a method's own."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import pearsonr, spearmanr

from interplay.evaluation.parts import family, part_columns
from interplay.report.plot._style import CURVES, GREY, MARKERS, axes_of, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from interplay.evaluation.projection import Projection


def agreement(
    projection: "Projection", explained: pd.DataFrame, kinds: ArrayLike | None = None, *, ax: "Axes | None" = None
) -> "Axes":
    """What a prediction is made of by its gate, against what its additive projection lacks; a point a sample.

    Args:
        projection: `additive_projection` of the model on the samples.
        explained: ``model.explain`` of the same samples, of a method with a part ``synergy``.
        kinds: ``(n,)`` what each sample is known, or thought, to be; each has its colour, marker and large mean.
        ax: where to draw; a new figure if None.

    Returns:
        The axes: the interaction in the centred logit of the predicted class across, the contributions of all
        synergy parts to the same logit upwards, the line of equality, and the correlations.

    Raises:
        ValueError: other samples, or no part of synergy.
    """
    parts = [part for part in part_columns(explained) if family(part) == "synergy"]
    if not parts:
        raise ValueError(
            f"agreement: expected a column synergy, found {list(explained)}; use a method with parts, such as 'dmil'"
        )
    if not np.array_equal(projection.ids, explained.index.to_numpy()):
        raise ValueError("agreement: the projection and the explanation are of different samples; take the same rows")
    x, y = projection.table["interaction"].to_numpy(float), explained[parts].sum(axis=1).to_numpy(float)
    labels = np.full(len(x), "samples") if kinds is None else np.asarray(kinds).astype(str)
    if labels.shape != x.shape:
        raise ValueError(f"agreement: expected {len(x)} kinds, as many as samples, found {labels.shape}")
    return _draw(x, y, labels, kinds is not None, ax)


def _draw(x: Any, y: Any, labels: Any, means: bool, ax: "Axes | None") -> "Axes":
    axes = axes_of(ax, (5.6, 4.6))
    low, high = min(x.min(), y.min(), 0), max(x.max(), y.max())
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle="--", zorder=1)
    for i, label in enumerate(dict.fromkeys(labels.tolist())):
        own, colour, marker = labels == label, CURVES[i % len(CURVES)], MARKERS[i % len(MARKERS)]
        axes.scatter(x[own], y[own], 12, color=colour, marker=marker, alpha=0.35, linewidths=0, zorder=2)
        axes.scatter(
            x[own].mean(), y[own].mean(), 110 if means else 0, color=colour, marker=marker, edgecolor="black",
            linewidth=1.2, zorder=3, label=f"{plain(label)} ({own.sum()})",
        )  # fmt: skip
    constant = np.ptp(x) == 0 or np.ptp(y) == 0
    said = "" if constant else f"correlation {pearsonr(x, y).statistic:.2f}, of ranks {spearmanr(x, y).statistic:.2f}"
    axes.annotate(said, (0.02, 0.98), xycoords="axes fraction", va="top", fontsize=9)
    axes.set_xlabel("interaction by additive projection, logit of the prediction")
    axes.set_ylabel("contribution of synergy by the gate, logit")
    if means:
        axes.legend(frameon=False, fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return axes
