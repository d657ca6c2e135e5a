"""``interplay evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interplay.cli.common import (
    AsJson,
    Force,
    Seed,
    Target,
    claim_figure,
    claim_folder,
    command_line,
    load_for_model,
    load_marks,
    note,
    print_json,
    print_scores,
    write_figure,
)

if TYPE_CHECKING:
    from interplay.data import MultimodalDataset
    from interplay.estimators import MultimodalEstimator
    from interplay.evaluation import Robustness


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.", show_default=False)],
    data: Annotated[Path, typer.Option("--input", "-i", help="A .npz or .parquet file.", show_default=False)],
    target: Target = None,
    test: Annotated[
        str | None, typer.Option("--test", help="Use only the rows for which this array or column is true.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option("--groups", help="Array or column of subjects: intervals are over subjects.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Test every subset of the modalities and missing rates, too.")
    ] = False,
    draws: Annotated[int, typer.Option("--draws", help="With --missing: masks drawn for each rate.")] = 5,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="With --missing: a .png, .svg or .pdf file for the curve.", show_default=False),
    ] = None,
    seed: Seed = 0,
    report: Annotated[Path | None, typer.Option("--report", help="Folder for a report.", show_default=False)] = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Test a model as the data are, without each modality, and with each alone.

    **Example**: `interplay evaluate model --input test.npz --target label --report run`

    Columns: rows, accuracy, macro-F1, negative log-likelihood (nats), expected calibration error (15 bins), and the
    95 % interval of the accuracy. Chance answers with the class frequencies of these rows.

    With `--missing`: accuracy (of a regressor the mean absolute error) for every subset of the modalities and over
    missing rates, 95 % interval, the share of the complete score that is kept, and which modality the model cannot do
    without. `--seed` draws the masks.

    **Example**: `interplay evaluate model --input test.npz --target label --missing --report run`

    Of a regressor: rows, R2, mean absolute error, root mean squared error, Pearson correlation, and the interval of
    R2. Chance answers with the mean.
    """
    from interplay.estimators import MultimodalEstimator

    if figure is not None:
        if not missing:
            raise typer.BadParameter("--figure draws the curve of --missing; add --missing")
        claim_figure(figure, data)
    if report is not None:
        claim_folder(report, "results.json", force)
    fitted = MultimodalEstimator.load(model)
    dataset = load_for_model(data, fitted.modality_names_, target or "target", groups)
    if test is not None:
        dataset = dataset[load_marks(data, test)]
    curve = _curve(fitted, dataset, draws, seed, figure, json) if missing else None
    if curve is None:
        _scores(fitted, dataset, json)
    if report is not None:
        _report(fitted, dataset, curve, data.name, report)


def _scores(model: "MultimodalEstimator", dataset: "MultimodalDataset", json: bool) -> None:
    from interplay.evaluation.missing import evaluate as test_model

    table = test_model(model, dataset, confidence=0.95)
    if json:
        print_json(table.reset_index().to_dict(orient="records"))
    else:
        print_scores(table)


def _curve(
    model: "MultimodalEstimator", dataset: "MultimodalDataset", draws: int, seed: int, figure: Path | None, json: bool
) -> "Robustness":
    from interplay.evaluation.robustness import robustness

    found = robustness(model, dataset, draws=draws, random_state=seed)
    if figure is not None:
        write_figure(found.plot(), figure)
    if json:
        print_json(found.to_dict())
        return found
    print_scores(found.table())
    typer.echo(f"mean of the smaller subsets {found.mean_subsets:.3f}, over missing rates {found.mean_rates:.3f}")
    typer.echo(f"relative robustness {found.relative:.3f}, effective robustness {found.effective():+.3f}")
    typer.echo(found.sentence())
    return found


def _report(
    model: "MultimodalEstimator", dataset: "MultimodalDataset", curve: "Robustness | None", source: str, folder: Path
) -> None:
    from interplay.evaluation.results import MissingCurve, Results, Run
    from interplay.evaluation.study import add_details, configuration_of, describe, score_rows
    from interplay.report.html import write_report

    method = type(model.method_).__name__.lower()
    results = Results(
        title=f"{method} on {source}",
        data=describe(dataset, {"test": dataset}),
        scores=score_rows(model, dataset, method, 0),
        curves={} if curve is None else {method: MissingCurve.of(curve)},
        run=Run(command=command_line(), configuration=configuration_of(model)),
    )
    add_details(results, model, dataset, method)
    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder)
    note(f"report in {write_report(results, folder)}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)
