"""``interplay report``."""

from pathlib import Path
from typing import Annotated

import typer

from interplay.cli.common import AsJson, print_json


def report(
    run: Annotated[Path, typer.Argument(help="Folder with a results.json.", show_default=False)],
    json: AsJson = False,
) -> None:
    """Write report.html of a run again, from its results.json.

    **Example**: `interplay report interplay-demo`

    Runs are written by `interplay demo --output`, `interplay train --report` and `interplay evaluate --report`.
    """
    from interplay.evaluation.results import Results
    from interplay.report.html import write_report

    path = write_report(Results.load(run), run)
    if json:
        print_json({"report": str(path)})
    else:
        typer.echo(f"report in {path}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)
