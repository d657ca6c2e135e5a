"""``interplay advise``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from interplay.cli.common import AsJson, Modalities, Seed, Target, listed, load_data, print_json


def advise(
    data: Annotated[Path, typer.Argument(help="A .npz or .parquet file.", show_default=False)],
    target: Target = None,
    modalities: Modalities = None,
    groups: Annotated[str | None, typer.Option("--groups", help="Array or column of subjects.")] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option("--methods", help="Ways of fusing to try, by commas. [default: ensemble,naivebayes,joint]"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Linear models only, no measurement: seconds.")] = False,
    folds: Annotated[int, typer.Option("--folds", help="Of the cross-validation.")] = 5,
    max_rows: Annotated[int, typer.Option("--max-rows", help="Of larger data so many rows are looked at.")] = 4000,
    least: Annotated[float, typer.Option("--least", help="Gains below this are not worth the trouble.")] = 0.01,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Say whether fusion is worth it, which modalities matter, which method to try first, and what to fear.

    **Example**: `interplay advise data.npz --target label --groups subject`

    Everything is cross-validated on this file, subjects kept whole; keep your test rows out of it.
    """
    from interplay.evaluation import advise as ask

    dataset = load_data(data, target=target, modalities=listed(modalities), groups=groups)
    found = ask(
        dataset,
        methods=listed(methods),
        quick=quick,
        folds=folds,
        max_rows=max_rows,
        least=least,
        random_state=seed,
        progress=sys.stderr.isatty(),
    )
    if json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(advise)
