"""Figures of what was measured."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interplay.report.plot._style import axes_of, colour_of, plain
from interplay.report.words import distinguishable, interval, parts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    axes = axes_of(ax, (6.6, 0.62 * len(parts) + 0.9))
    for y, (part, value) in enumerate(parts.items()):
        if value is None:
            axes.annotate("withheld", (0, y), (6, 0), textcoords="offset points", va="center")
            continue
        sure, colour = distinguishable(m, part), colour_of(part, list(parts))
        axes.barh(y, value, 0.6, color=colour if sure else "none", edgecolor=colour, linewidth=1.5, zorder=2)
        low, high = interval(m, part)
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color="black", linewidth=1.4, marker="|", markersize=8, zorder=3)
        text = f"{value:.3f}" if sure else f"{value:.3f}, not distinguishable from none"
        end = max(value, high or 0, 0)
        axes.annotate(text, (end, y), (7, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(parts)), [plain(part) for part in parts])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.14)
    axes.set_xlabel("information about the target, bits")
    return axes


def _mapping(result: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = result if isinstance(result, Mapping) else result.to_dict()
    return found
