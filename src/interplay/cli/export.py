"""``interplay export``."""

from pathlib import Path
from typing import Annotated

import typer

from interplay.cli.common import AsJson, claim_file, print_json


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.", show_default=False)],
    output: Annotated[Path, typer.Argument(help="The .onnx file to write.", show_default=False)],
    json: AsJson = False,
) -> None:
    """Write a model as an ONNX file, to be run where this library is not installed.

    **Example**: `interplay export model model.onnx`

    Inputs: for each modality its values and `present.<modality>`, for sequences `lengths.<modality>`. Needs the extra
    `export`.
    """
    from interplay.estimators import MultimodalEstimator
    from interplay.estimators.export import InferencePath

    claim_file(output)
    fitted = MultimodalEstimator.load(model)
    fitted.export(output)
    inputs = InferencePath(fitted).input_names
    if json:
        print_json({"model": str(output), "inputs": inputs, "output": fitted.answer.name})
    else:
        typer.echo(f"{output}: {', '.join(inputs)} -> {fitted.answer.name}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)
