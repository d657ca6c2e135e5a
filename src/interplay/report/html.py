"""The report: one HTML file that needs nothing else, written from `Results`.

Everything is escaped, nothing is requested and nothing runs: the page forbids scripts and foreign addresses itself.
"""

import io
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from interplay.data.files import replacing
from interplay.evaluation.missing import CHANCE, COMPLETE
from interplay.evaluation.results import Results
from interplay.report import plot
from interplay.report.words import distinguishable, interval, overview, parts_of, reading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE_NAME = "report.html"
METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "nll": "neg. log-likelihood",
    "ece": "ECE",
    "r2": "R2",
    "mae": "mean abs. error",
    "rmse": "root mean sq. error",
    "pearson": "Pearson r",
}


def write_report(results: Results, folder: str | Path) -> Path:
    """Write ``report.html`` into an existing folder in one step and return its path."""
    path = Path(folder) / FILE_NAME
    text = render(results)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def render(results: Results) -> str:
    """The report as HTML text."""
    environment = Environment(
        loader=PackageLoader("interplay.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "share": lambda x: f"{x:.1%}"}
    return environment.get_template("template.html").render(
        r=results,
        words=overview(results),
        reading=reading(results.measurement),
        interactions=_interaction_rows(results.measurement),
        sensitivity=_sensitivity_rows(results.measurement),
        accuracy=_accuracy_rows(results),
        quality=_quality_rows(results),
        metrics={name: METRIC_NAMES[name] for name in results.metrics},
        figures=_figures(results),
        parts=list(results.samples[0].contributions) if results.samples else [],
        pictured=list(dict.fromkeys(name for sample in results.samples for name in sample.pictures)),
    )


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


def _figures(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = {"interactions": None, "accuracy": None, "contributions": None, "history": {}}
    m = results.measurement
    if _interaction_rows(m):
        label = "Bar chart of redundancy, unique information and synergy in bits; the table below has the numbers."
        found["interactions"] = svg(lambda: plot.interactions(m), label, "interactions")
    if results.scores:
        name = METRIC_NAMES[results.metrics[0]]
        label = f"Bar chart of the {name} of each method by condition; the table below has the numbers."
        found["accuracy"] = svg(lambda: plot.missing_bars(results.score_frame()), label, "accuracy")
    if results.samples:
        label = "Bar chart of contributions to each sample's prediction; the table below has the numbers."
        found["contributions"] = svg(lambda: plot.contributions(_sample_frame(results)), label, "contributions")
    for i, (method, records) in enumerate(results.histories.items()):
        if records:
            name = METRIC_NAMES[results.metrics[0]]
            label = f"Training and validation loss and validation {name} of {method} by epoch."
            found["history"][method] = svg(partial(plot.history, records), label, f"history{i}")
    return found


def _sample_frame(results: Results) -> pd.DataFrame:
    sure = [{} if s.probability is None else {"probability": s.probability} for s in results.samples]
    rows = [{"prediction": s.prediction, **p, **s.contributions} for s, p in zip(results.samples, sure, strict=True)]
    return pd.DataFrame(rows, index=[s.id for s in results.samples])


def _interaction_rows(m: Any) -> list[dict[str, Any]]:
    """Value, interval, p-value and verdict of each part, in bits; empty without a measurement of two modalities."""
    parts = parts_of(m) if m else {}
    if not parts:
        return []
    p_values = m.get("p_values") or {}
    return [
        {"part": part, "value": value, "interval": interval(m, part), "p": p_values.get(part),
         "sure": distinguishable(m, part)}
        for part, value in (parts | {"total": m["total"]}).items()
    ]  # fmt: skip


def _sensitivity_rows(m: Any) -> list[dict[str, Any]]:
    """The parts again with other numbers of cells, mean over repeats."""
    records = (m or {}).get("sensitivity")
    if not records:
        return []
    mean = pd.DataFrame(records).drop(columns="repeat", errors="ignore").groupby("n_bins", as_index=False).mean()
    rows: list[dict[str, Any]] = mean.to_dict(orient="records")  # type: ignore[assignment]  # names are strings
    return rows


def _accuracy_rows(results: Results) -> dict[str, Any]:
    """Mean and standard deviation over seeds for each method and condition; chance once, as its own row."""
    if not results.scores:
        return {}
    table = results.score_frame()
    mean = results.summary()
    sd = table.groupby(["method", "condition"])[results.metrics[0]].std()
    conditions = [c for c in mean.columns if c != CHANCE]
    rows = {
        method: [(mean.loc[method, c], sd.get((method, c)) if len(results.run.seeds) > 1 else None) for c in conditions]
        for method in mean.index
    }
    return {"conditions": conditions, "rows": rows, "chance": mean[CHANCE].mean() if CHANCE in mean else None}


def _quality_rows(results: Results) -> list[dict[str, Any]]:
    """The other metrics with everything there, mean over seeds."""
    if not results.scores:
        return []
    table = results.score_frame()
    table = table[table["condition"] == COMPLETE]
    mean = table.groupby("method", sort=False)[[*results.metrics, "low", "high"]].mean().astype(object)
    rows: list[dict[str, Any]] = mean.where(mean.notna(), None).reset_index().to_dict(orient="records")  # type: ignore[assignment]
    return rows


def _number(value: Any, digits: int = 3) -> str:
    return "–" if value is None else f"{float(value):.{digits}f}"
