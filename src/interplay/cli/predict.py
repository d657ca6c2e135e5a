"""``interplay predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interplay.cli.common import AsJson, claim_table, load_for_model, print_json, write_table

if TYPE_CHECKING:
    import pandas as pd

    from interplay.data import MultimodalDataset
    from interplay.estimators import MultimodalEstimator


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.", show_default=False)],
    data: Annotated[Path, typer.Option("--input", "-i", help="A .npz or .parquet file.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file. [default: CSV on standard output]")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Add what each part contributed.")] = False,
    json: AsJson = False,
) -> None:
    """Predict the rows of a file. A modality that the file lacks counts as missing.

    **Example**: `interplay predict model --input new.parquet --output answers.parquet --explain`

    Columns: id, prediction; of a classifier its probability and `p:<class>` for each class; with --explain the
    contributions.
    """
    from interplay.estimators import MultimodalEstimator

    if output is not None:
        claim_table(output, data)
    fitted = MultimodalEstimator.load(model)
    table = answers(fitted, load_for_model(data, fitted.modality_names_), explain)
    if output is not None:
        write_table(table, output)
    elif not json:
        typer.echo(table.to_csv(), nl=False)
    if json:
        print_json(table.reset_index().to_dict(orient="records"))


def answers(model: "MultimodalEstimator", dataset: "MultimodalDataset", explain: bool) -> "pd.DataFrame":
    """One row a sample, indexed by id."""
    import pandas as pd

    from interplay.estimators import MultimodalClassifier

    explained = model.explain(dataset)
    first = explained[[name for name in ("prediction", "probability") if name in explained]]
    columns = [first]
    if isinstance(model, MultimodalClassifier):
        names = [f"p:{label}" for label in model.classes_.tolist()]
        columns.append(pd.DataFrame(model.predict_proba(dataset), columns=names, index=first.index))
    if explain:
        columns.append(explained.drop(columns=first.columns))
    return pd.concat(columns, axis=1)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)
