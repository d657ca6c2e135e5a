"""``interplay compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interplay.cli.common import AsJson, claim_figure, console, note, print_json, write_figure

if TYPE_CHECKING:
    import pandas as pd

    from interplay.evaluation import Comparison


def compare(
    plan: Annotated[Path, typer.Argument(help="A YAML file that says what to compare.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option("--folder", "-f", help="Folder of the results. [default: as the plan says]")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Processes; -1 for all processors.")] = None,
    tune: Annotated[
        int | None,
        typer.Option("--tune", min=1, help="Search settings first, so many trials a cell. [default: as the plan says]"),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try cells again that failed before.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Only show what is finished; run nothing.")] = False,
    metric: Annotated[
        str | None,
        typer.Option("--metric", help="What to show. [default: accuracy, in regression r2; of missing: mean_subsets]"),
    ] = None,
    condition: Annotated[
        str, typer.Option("--condition", help="complete, missing (means), the modalities that are left, or a pattern.")
    ] = "complete",
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="Test each method against this one, over samples and seeds.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Write a picture of the ranks (.png, .svg, .pdf).")
    ] = None,
    json: AsJson = False,
) -> None:
    """Train and test methods on data sets with several seeds; go on where an earlier run stopped.

    **Example**: `interplay compare plan.yaml --jobs 4`

    Finished cells are never run again, so the same command resumes after any interruption, and several processes may
    work on one folder. The table has mean and standard deviation over seeds.
    """
    from interplay.evaluation import Plan

    if figure is not None:
        claim_figure(figure, plan)
    read = Plan.load(plan)
    _check_shown(condition, table or bool(read.missing), baseline, list(read.entries()))
    found = read.found(folder, tune=tune) if table else read.run(folder=folder, jobs=jobs, tune=tune, retry=retry)
    for _, failed in found.failures.iterrows():
        note(f"failed: {failed['dataset']}, {failed['method']}, seed {failed['seed']}: {failed['error']}")
    if not found.cells:
        remedy = "run it without --table" if table else "mend what the notes say, and run it again with --retry"
        raise ValueError(f"no cell of the plan is finished in {str(read.path(folder))!r}; {remedy}")
    metric = metric or found.metric_of(condition)
    summary = found.summary(metric, condition)
    tested = "mae" if found.main_metric == "r2" else "accuracy"
    tests = None if baseline is None else found.tests(baseline, metric=tested)
    if json:
        rows = summary.to_dict(orient="records")
        print_json(rows if tests is None else {"summary": rows, "tests": tests.to_dict(orient="records")})
    else:
        _print(found, metric, condition)
        if tests is not None:
            console().print(f"{tested}, complete, against {baseline}", markup=False)
            _print_frame(tests)
    if figure is not None:
        write_figure(found.plot(metric, condition=condition), figure)


def _check_shown(condition: str, missing: bool, baseline: str | None, methods: list[str]) -> None:
    """Refuse before anything is run what no result can have."""
    whole = ("complete", "cost", "tuned")
    if not missing and condition not in whole:
        raise ValueError(f"--condition: the plan says missing: false, so expected one of {whole}, found {condition!r}")
    if baseline is not None and (baseline not in methods or len(methods) < 2):
        others = f"one of {methods}" if len(methods) > 1 else "at least two methods in the plan"
        raise ValueError(f"--baseline: expected {others}, found {baseline!r}")


def _print(found: "Comparison", metric: str, condition: str) -> None:
    text = found.table(metric, condition, text=True)
    try:
        ranks = found.ranks(metric, condition)["mean"]
        text = text.loc[ranks.index].assign(rank=[f"{rank:.1f}" for rank in ranks])
    except ValueError as reason:  # no data set on which all methods have finished
        note(str(reason))
    searched = f", settings searched with {found.trials} trials a cell" if found.trials else ""
    console().print(f"{metric}, {condition}{searched}", markup=False)
    _print_frame(text.rename_axis("method").reset_index())


def _print_frame(frame: "pd.DataFrame") -> None:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for column in frame:
        numeric = frame[column].dtype.kind in "fi"
        shown.add_column(Text(str(column)), justify="right" if numeric else "left")
    for row in frame.itertuples(index=False):
        shown.add_row(*(Text(f"{value:.3f}" if isinstance(value, float) else str(value)) for value in row))
    console().print(shown)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)
