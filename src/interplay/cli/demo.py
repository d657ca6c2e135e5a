"""``interplay demo``."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interplay.cli.common import AsJson, Force, Seed, claim_folder, command_line, console, print_json

if TYPE_CHECKING:
    from interplay.estimators import MultimodalClassifier
    from interplay.evaluation.results import Results

HALF = (8, 4)  # rows and columns of half a digit


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report.html and results.json.")] = Path(
        "interplay-demo"
    ),
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Repeat with so many seeds and give means.")] = 1,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Most epochs of a stage of training.")] = 60,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer epochs and resamples: a look, not a result.")] = False,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Do everything once on embedded data: 1797 handwritten digits, each cut into a left and a right half.

    **Example**: `interplay demo --output interplay-demo`

    Measures the interactions; trains each half alone, their ensemble, joint and dmil; tests them with both halves,
    with either missing and over missing rates; writes a report. Takes about a minute.
    """
    from interplay.data.datasets import load_digit_halves
    from interplay.estimation import measure
    from interplay.evaluation.study import study
    from interplay.report.html import write_report

    claim_folder(output, "results.json", force)
    started = time.monotonic()
    epochs = min(epochs, 5) if quick else epochs
    dataset, models = load_digit_halves(), demo_models(epochs)
    with _progress(1 + seeds * len(models)) as step:
        step("measuring the interactions")
        resamples = 20 if quick else 200
        measurement = measure(dataset, n_bootstrap=resamples, n_permutations=resamples, random_state=seed)
        results = study(
            models,
            dataset,
            seeds=range(seed, seed + seeds),
            measurement=measurement,
            images=dict.fromkeys(dataset.names, HALF),
            missing=True,
            title="Two halves of a handwritten digit",
            command=command_line(),
            configuration={"data": "digit halves, 1797 rows", "epochs": epochs, "test_size": 0.25},
            notice=step,
        )
    results.run.seconds = round(time.monotonic() - started, 1)
    output.mkdir(parents=True, exist_ok=True)
    results.save(output)
    path = write_report(results, output)
    if json:
        print_json(results.model_dump())
    else:
        _print_summary(results, path)


def demo_models(epochs: int) -> "dict[str, MultimodalClassifier]":
    """The models that the demo compares, by the name they are shown under."""
    from interplay.estimators import MultimodalClassifier
    from interplay.methods import Unimodal

    methods: dict[str, Any] = {f"{half} alone": Unimodal(half) for half in ("left", "right")}
    methods |= {name: name for name in ("ensemble", "joint", "dmil")}
    return {name: MultimodalClassifier(method, max_epochs=epochs) for name, method in methods.items()}


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """One bar on standard error; gives a function that names the next step. Nothing where it is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=total, completed=-1)
        yield lambda text: bar.update(task, description=text, advance=1)


def _print_summary(results: "Results", path: Path) -> None:
    from rich.table import Table

    from interplay.evaluation.missing import CHANCE
    from interplay.report.words import reading

    out = console()
    for sentence in reading(results.measurement):
        out.print(sentence, markup=False)
    summary = results.summary()
    conditions = [str(name) for name in summary if name != CHANCE]
    table = Table("accuracy", *conditions, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for method in summary.index:
        table.add_row(str(method), *(f"{summary.loc[method, name]:.3f}" for name in conditions))
    table.add_row("chance", *[f"{summary[CHANCE].mean():.3f}"] * len(conditions))
    out.print()
    out.print(table)
    out.print()
    out.print(f"{results.run.seconds:.0f} s; report in {path}", markup=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
