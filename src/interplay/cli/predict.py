"""``interplay predict``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interplay.cli.common import AsJson, claim_table, counted, note, print_json, write_tables

if TYPE_CHECKING:
    import pandas as pd

    from interplay.data import MultimodalDataset
    from interplay.estimators import MultimodalEstimator

ROWS = 4096  # in memory at a time


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.", show_default=False)],
    data: Annotated[Path, typer.Option("--input", "-i", help="A .npz or .parquet file.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file. [default: CSV on standard output]")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Add what each part contributed.")] = False,
    rows: Annotated[
        int, typer.Option("--rows", min=1, help="Rows in memory at a time, rounded up to whole batches of the model.")
    ] = ROWS,
    json: AsJson = False,
) -> None:
    """Predict the rows of a file. A modality that the file lacks counts as missing.

    **Example**: `interplay predict model --input new.parquet --output answers.parquet --explain`

    Columns: id, prediction; of a classifier its probability and `p:<class>` for each class; with --explain the
    contributions. From .parquet to a file, rows are read, predicted and written a batch at a time; the output takes its
    place when all rows are done.
    """
    import pandas as pd

    from interplay.data.streaming import open_rows
    from interplay.estimators import MultimodalEstimator

    if output is not None:
        claim_table(output, data)
    fitted = MultimodalEstimator.load(model)
    source = open_rows(data, fitted.modality_names_)
    if source.absent:
        note(f"{data.name!r} has no {', '.join(source.absent)}: counted as missing in all {source.count} rows")
    # Whole chunks of the forward pass: the answer does not depend on how the rows were cut, to the last bit.
    size = -(-rows // fitted.rows_at_once) * fitted.rows_at_once
    tables = _tables(fitted, source.batches(size), explain, source.count, sys.stderr.isatty() and not json)
    if output is not None and not json:
        write_tables(tables, output)
        return
    whole = pd.concat(tables)
    if output is not None:
        write_tables([whole], output)
    elif not json:
        typer.echo(whole.to_csv(), nl=False)
    if json:
        print_json(whole.reset_index().to_dict(orient="records"))


def _tables(
    model: "MultimodalEstimator",
    batches: "Iterator[MultimodalDataset]",
    explain: bool,
    total: int,
    progress: bool,
) -> "Iterator[pd.DataFrame]":
    with counted("rows", total, progress) as advance:
        for batch in batches:
            yield answers(model, batch, explain)
            advance(len(batch))


def answers(model: "MultimodalEstimator", dataset: "MultimodalDataset", explain: bool) -> "pd.DataFrame":
    """One row a sample, indexed by id."""
    explained = model.explain(dataset, probabilities=True)
    said = [name for name in map(str, explained) if name in ("prediction", "probability") or name.startswith("p:")]
    return explained if explain else explained[said]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)
