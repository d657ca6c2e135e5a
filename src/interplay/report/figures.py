"""The figures of the report as inline SVG, each with words for those who do not see it."""

import io
import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from interplay.evaluation.results import Results
from interplay.report import plot
from interplay.report.tables import METRIC_NAMES, interaction_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(results: Results) -> dict[str, Any]:
    """SVG by name, None where the run has nothing to show; ``history`` by method."""
    metric = METRIC_NAMES[results.metrics[0]] if results.metrics else ""
    return {
        "interactions": _if(
            interaction_rows(results.measurement),
            partial(plot.interactions, results.measurement),
            "Bar chart of redundancy, unique information and synergy in bits; the table below has the numbers.",
            "interactions",
        ),
        "accuracy": _if(
            results.scores,
            lambda: plot.missing_bars(results.score_frame()),
            f"Bar chart of the {metric} of each method by condition; the table below has the numbers.",
            "accuracy",
        ),
        "missing": _if(
            results.curves,
            lambda: plot.missing_curve(_curves(results)),
            "Score of each method over the share of modalities that is missing; the table below has the numbers.",
            "missing",
        ),
        "calibration": _if(
            results.calibration,
            lambda: plot.calibration(_bins(results)),
            "Lines of accuracy over confidence for each method; the table below has the numbers.",
            "calibration",
        ),
        "composition": _if(
            results.composition,
            lambda: plot.composition(_composition(results)),
            "Stacked bars of the mean share of each part by true class; the table below has the numbers.",
            "composition",
        ),
        "contributions": _if(
            results.parts and results.samples,
            lambda: plot.contributions(_samples(results)),
            "Bar chart of contributions to each sample's prediction; the table below has the numbers.",
            "contributions",
        ),
        "history": {
            method: svg(
                partial(plot.history, records),
                f"Training and validation loss and validation {metric} of {method} by epoch.",
                f"history{i}",
            )
            for i, (method, records) in enumerate(results.histories.items())
            if records
        },
    }


def svg(draw: Callable[[], "Axes"], label: str, prefix: str) -> Markup:
    """A figure as inline SVG: its text stays text, black follows the page's colour, ids are made its own."""
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix, "font.size": 10}), warnings.catch_warnings():
        # The browser has more letters than matplotlib's font, which only measures here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure: Any = draw().figure
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    body = re.search(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>(.*)</svg>', file.getvalue(), re.DOTALL)
    assert body is not None, "matplotlib wrote no SVG"
    box, content = body[1], re.sub(r"<metadata>.*?</metadata>", "", body[2], flags=re.DOTALL)
    content = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{prefix}-", content)
    content = re.sub(r"\b(fill|stroke): #000000", r"\1: currentColor", content)
    width = float(box.split()[2])
    # Only `content` is taken as markup: it is matplotlib's, which escapes every text that it was given.
    opening = Markup('<svg class="figure" role="img" aria-label="{}" viewBox="{}" style="max-width:{:.0f}pt">')
    return opening.format(label, box, width) + Markup(content) + Markup("</svg>")  # noqa: S704


def _if(there: Any, draw: Callable[[], "Axes"], label: str, prefix: str) -> Markup | None:
    return svg(draw, label, prefix) if there else None


def _curves(results: Results) -> Any:
    """One result alone is drawn with its subsets."""
    found = {method: curve.robustness() for method, curve in results.curves.items()}
    return found if len(found) > 1 else next(iter(found.values()))


def _bins(results: Results) -> dict[str, pd.DataFrame]:
    return {m: pd.DataFrame([row.model_dump() for row in bins]) for m, bins in results.calibration.items()}


def _composition(results: Results) -> pd.DataFrame:
    rows = [{"n": row.n, "accuracy": row.accuracy, **row.shares} for row in results.composition]
    return pd.DataFrame(rows, index=pd.Index([row.label for row in results.composition], name="class"))


def _samples(results: Results) -> pd.DataFrame:
    sure = [{} if s.probability is None else {"probability": s.probability} for s in results.samples]
    rows = [{"prediction": s.prediction, **p, **s.contributions} for s, p in zip(results.samples, sure, strict=True)]
    return pd.DataFrame(rows, index=[s.id for s in results.samples])
