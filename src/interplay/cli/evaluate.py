"""``interplay evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from interplay.cli.common import (
    AsJson,
    Force,
    Target,
    claim_folder,
    command_line,
    load_for_model,
    load_marks,
    note,
    print_json,
    print_scores,
)


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.", show_default=False)],
    data: Annotated[Path, typer.Option("--input", "-i", help="A .npz or .parquet file.", show_default=False)],
    target: Target = None,
    test: Annotated[
        str | None, typer.Option("--test", help="Use only the rows for which this array or column is true.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Folder for a report.", show_default=False)] = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Test a model as the data are, without each modality, and with each alone.

    **Example**: `interplay evaluate model --input test.npz --target label --report run`

    Columns: rows, accuracy, macro-F1, negative log-likelihood (nats), expected calibration error (15 bins), and the
    95 % interval of the accuracy. Chance answers with the class frequencies of these rows.

    Of a regressor: rows, R2, mean absolute error, root mean squared error, Pearson correlation, and the interval of
    R2. Chance answers with the mean.
    """
    from interplay.estimators import MultimodalEstimator
    from interplay.evaluation.missing import evaluate as test_model

    if report is not None:
        claim_folder(report, "results.json", force)
    fitted = MultimodalEstimator.load(model)
    dataset = load_for_model(data, fitted.modality_names_, target or "target")
    if test is not None:
        dataset = dataset[load_marks(data, test)]
    table = test_model(fitted, dataset, confidence=0.95)
    if json:
        print_json(table.reset_index().to_dict(orient="records"))
    else:
        print_scores(table)
    if report is not None:
        from interplay.evaluation.results import Results, Run
        from interplay.evaluation.study import add_details, describe, score_rows
        from interplay.report.html import write_report

        method = type(fitted.method_).__name__.lower()
        results = Results(
            title=f"{method} on {data.name}",
            data=describe(dataset, {"test": dataset}),
            scores=score_rows(fitted, dataset, method, 0),
            run=Run(command=command_line()),
        )
        add_details(results, fitted, dataset, method)
        report.mkdir(parents=True, exist_ok=True)
        results.save(report)
        note(f"report in {write_report(results, report)}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)
