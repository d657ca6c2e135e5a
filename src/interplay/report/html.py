"""The report: one HTML file that needs nothing else, written from `Results`.

Everything is escaped and nothing is requested. The page's own policy forbids foreign addresses and every script but
one, which it knows by its hash: the few lines of ``report.js`` that sort and filter tables.
"""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from interplay.data.files import replacing
from interplay.evaluation.results import Results
from interplay.report import tables
from interplay.report.figures import figures
from interplay.report.words import overview, reading

FILE_NAME = "report.html"


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
    environment.filters |= {
        "number": tables.number, "span": tables.span, "error": tables.error, "share": lambda x: f"{x:.1%}"
    }  # fmt: skip
    script = _own("report.js")
    return environment.get_template("template.html").render(
        r=results,
        policy=policy(script),
        style=_own("report.css"),
        script=script,
        sections=_sections(results),
        words=overview(results),
        reading=reading(results.measurement),
        interactions=tables.interaction_rows(results.measurement),
        sensitivity=tables.sensitivity_rows(results.measurement),
        accuracy=tables.accuracy_rows(results),
        quality=tables.quality_rows(results),
        metrics={name: tables.METRIC_NAMES[name] for name in results.metrics},
        missing=tables.missing_rows(results),
        unit="logits" if results.data.classes else "units of the target",
        telling=tables.columns_of(results.samples),
        table_of=tables.row_table(results),
        figures=figures(results),
    )


def policy(script: str) -> str:
    """What the page allows itself: pictures inside it, styles inside it, and this one script; nothing from outside."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _own(name: str) -> Markup:
    """A file of this package as it stands, with the line ends that a browser sees."""
    text = files("interplay.report").joinpath(name).read_text(encoding="utf-8")
    return Markup("\n".join(text.splitlines()))  # noqa: S704  # written by us, not made from data


def _sections(results: Results) -> dict[str, str]:
    """Headings by id, of what the run has, in the order of the page."""
    there = {
        "data": ("Data", True),
        "interactions": ("Interactions", results.measurement),
        "accuracy": ("Accuracy" if results.data.classes else "R2", results.scores),
        "missing": ("Missing modalities", results.curves),
        "calibration": ("Calibration", results.calibration),
        "training": ("Training", any(results.histories.values())),
        "composition": ("Composition by class", results.composition),
        "samples": ("Samples", results.samples or results.rows),
        "run": ("What was run", True),
    }
    return {name: heading for name, (heading, content) in there.items() if content}
