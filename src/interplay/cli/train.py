"""``interplay train``."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interplay.cli.common import (
    AsJson,
    Force,
    Modalities,
    Seed,
    Target,
    claim_folder,
    command_line,
    listed,
    load_data,
    load_marks,
    note,
    pairs,
    print_json,
    print_scores,
)

if TYPE_CHECKING:
    from interplay.data import MultimodalDataset
    from interplay.estimators import MultimodalEstimator


def method_names() -> list[str]:
    """Names of the methods without importing them: one method a file of its name (a test compares)."""
    spec = find_spec("interplay")
    assert spec is not None
    assert spec.origin is not None
    files = (Path(spec.origin).parent / "methods").glob("[!_]*.py")
    return sorted(path.stem.replace("_", "") for path in files)


def train(
    data: Annotated[Path, typer.Argument(help="A .npz or .parquet file.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.", show_default=False)],
    target: Target = None,
    method: Annotated[str, typer.Option("--method", help=f"One of: {', '.join(method_names())}.")] = "dmil",
    modalities: Modalities = None,
    groups: Annotated[
        str | None, typer.Option("--groups", help="Array or column of subjects: none is in two parts.")
    ] = None,
    test_size: Annotated[
        float | None, typer.Option("--test-size", help="Share of the rows to test on, between 0 and 1.")
    ] = None,
    test: Annotated[
        str | None, typer.Option("--test", help="Array or column that is true for the rows to test on.")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Most epochs of a stage of training.")] = 100,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Rows a step.")] = 64,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Of AdamW.")] = 1e-3,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without improvement before the end.")] = 15,
    missing_rate: Annotated[
        float | None,
        typer.Option(
            "--missing-rate", help="Modality dropout: share of the modalities hidden in training, anew each epoch."
        ),
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder", help="modality=encoder (mlp, conv, transformer, hf:<model>), repeat. [default: from the shape]"
        ),
    ] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value of the method, repeat.")] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="classification or regression. [default: regression for a target of floats]"),
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="Of regression: huber, l1 or l2. [default: huber]")] = None,
    logger: Annotated[
        str | None, typer.Option("--logger", help="tensorboard or wandb: log every epoch (extra tracking).")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, ...")] = "auto",
    seed: Seed = 0,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder for a report on the test rows.", show_default=False)
    ] = None,
    measure: Annotated[
        bool, typer.Option(help="In the report: also what the modalities share about the target, on the training rows.")
    ] = True,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Train a model; with test rows, test it complete and without each modality.

    **Example**: `interplay train data.npz --target label --method joint --output model --test-size 0.25`

    **Example**: `interplay train clips.parquet --groups actor --test is_test --encoder face=conv --output model`

    **Example**: `interplay train clips.npz --target sentiment --loss l1 --test-size 0.25 --output model`

    Test rows are never trained on. A share of the others chooses the epoch. A target of floats makes a regressor.
    """
    from interplay.data import check_target
    from interplay.estimators import MultimodalClassifier, MultimodalRegressor
    from interplay.methods import make

    if task not in (None, "classification", "regression"):
        raise typer.BadParameter(f"--task is classification or regression, found {task!r}")
    if test is not None and test_size is not None:
        raise typer.BadParameter("give --test or --test-size, not both")
    if report is not None and test is None and test_size is None:
        raise typer.BadParameter("a report needs test rows; add --test-size 0.25 or --test NAME")
    claim_folder(output, "model.safetensors", force)
    if report is not None:
        claim_folder(report, "results.json", force)
    dataset = load_data(
        data, target=target, modalities=listed(modalities), groups=groups, beside=[test] if test is not None else []
    )
    kind = MultimodalRegressor if (task or dataset.task) == "regression" else MultimodalClassifier
    model = kind(
        make(method, **values(pairs(param, "--param"))),
        encoders=pairs(encoder, "--encoder") or None,
        max_epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        loss=loss,
        missing=missing_rate,
        logger=logger,
        device=device,
        random_state=seed,
        progress=sys.stderr.isatty() and not json,
    )
    if kind is MultimodalRegressor and dataset.target is not None:
        dataset = dataset.with_target(check_target(dataset, "regression"))
    training, held_out = _parts(dataset, data, test, test_size, seed)
    model.fit(training)
    model.save(output)
    _tell(model, training, held_out, output, json)
    if report is not None and held_out is not None:
        measured = _measure(training, seed) if measure else None
        _report(model, measured, dataset, {"train": training, "test": held_out}, report)


def _parts(
    dataset: "MultimodalDataset", path: Path, test: str | None, test_size: float | None, seed: int
) -> "tuple[MultimodalDataset, MultimodalDataset | None]":
    if test is not None:
        marks = load_marks(path, test)
        if not marks.any() or marks.all():
            raise ValueError(f"--test {test}: expected some rows true and some false, found {marks.mean():.0%} true")
        return dataset[~marks], dataset[marks]
    if test_size is not None:
        return dataset.split(test_size, random_state=seed)
    return dataset, None


def _tell(
    model: "MultimodalEstimator",
    training: "MultimodalDataset",
    held_out: "MultimodalDataset | None",
    output: Path,
    json: bool,
) -> None:
    from interplay.evaluation import evaluate

    table = None if held_out is None else evaluate(model, held_out)
    epochs = len(model.history_.records)
    if json:
        scores = None if table is None else table.reset_index().to_dict(orient="records")
        print_json({"model": str(output), "rows": len(training), "epochs": epochs, "scores": scores})
        return
    if table is not None:
        print_scores(table)
    typer.echo(f"trained on {len(training)} rows in {epochs} epochs; model in {output}")


def _measure(training: "MultimodalDataset", seed: int) -> dict[str, Any] | None:
    """Interactions in the training rows (the test rows are for the test); None where they cannot be measured."""
    from interplay.estimation import measure

    if training.task != "classification" or len(training.names) < 2:
        return None
    try:
        return measure(training, random_state=seed, progress=sys.stderr.isatty()).to_dict()
    except ValueError as error:
        note(f"interactions were not measured: {error}")
        return None


def _report(
    model: "MultimodalEstimator",
    measured: dict[str, Any] | None,
    dataset: "MultimodalDataset",
    parts: "dict[str, MultimodalDataset]",
    folder: Path,
) -> None:
    from interplay.evaluation.results import Results, Run
    from interplay.evaluation.study import add_curve, add_details, configuration_of, describe, score_rows
    from interplay.report.html import write_report

    seed = int(model.random_state)  # type: ignore[arg-type]  # set from --seed
    name, test = type(model.method_).__name__.lower(), parts["test"]
    results = Results(
        title=f"{name} on {' and '.join(test.names)}",
        data=describe(dataset, parts),
        measurement=measured,
        scores=score_rows(model, test, name, seed),
        run=Run(command=command_line(), seeds=[seed], configuration=configuration_of(model)),
    )
    add_details(results, model, test, name)
    add_curve(results, model, test, name)
    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder)
    note(f"report in {write_report(results, folder)}")


def values(texts: dict[str, str]) -> dict[str, Any]:
    """Numbers, booleans and null as such, everything else as text."""
    import json

    def value(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            return text

    return {name: value(text) for name, text in texts.items()}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(train)
