"""What all figures share: colours, hatches, axes, text as it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def colour_of(part: str, parts: Sequence[Any]) -> str:
    """Colour of a part, the same in every figure of the same parts."""
    if part in ("redundancy", "synergy"):
        return {"redundancy": BLUE, "synergy": PURPLE}[part]
    family = part.partition(":")[0]
    if family in PAIRED:
        pairs = [name for name in parts if str(name).startswith(f"{family}:")]
        return PAIRED[family][pairs.index(part) % len(PAIRED[family])]
    own = [name for name in parts if str(name).startswith("unique:")]
    return UNIQUE[own.index(part) % len(UNIQUE)]


def plain(text: Any, limit: int = 28) -> str:
    """Text that matplotlib shows as it is: no mathematics between dollars, no overlong names."""
    short = " ".join(str(text).split())
    short = short if len(short) <= limit else short[: limit - 1] + "…"
    return short.replace("$", r"\$")


def axes_of(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """The axes that were given, or those of a new figure of ``size`` inches, without a frame above and right."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=size, layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return ax
