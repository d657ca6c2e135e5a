"""``interplay faithfulness``."""

from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from interplay.cli.common import (
    AsJson,
    Seed,
    claim_file,
    claim_table,
    pairs,
    print_json,
    write_figure,
    write_table,
)
from interplay.cli.train import method_names, values

# Those of ip.measure, without importing it (a test compares).
ESTIMATORS = ("discrete", "classifiers", "batch", "dual")


def faithfulness(
    method: Annotated[
        str, typer.Argument(help=f"One of: {', '.join(method_names())}; or {', '.join(ESTIMATORS)}.")
    ] = "dmil",
    classes: Annotated[int, typer.Option("--classes", help="Number of classes.")] = 4,
    noise: Annotated[float, typer.Option("--noise", help="Standard deviation of the noise on the features.")] = 0.3,
    samples: Annotated[int, typer.Option("--samples", help="To train on (or to measure).")] = 8000,
    features: Annotated[int, typer.Option("--features", help="Of each modality.")] = 48,
    modalities: Annotated[int, typer.Option("--modalities", help="Number of modalities.")] = 2,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="kind=share, such as synergy=0.5; repeat. [default: equal shares of all]"),
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="The features do not tell the kind of a sample.")] = False,
    nonlinear: Annotated[bool, typer.Option("--nonlinear", help="Features through a random map and tanh.")] = False,
    epochs: Annotated[int, typer.Option("--epochs", help="Most epochs of a stage of training.")] = 40,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value of the method, repeat.")] = None,
    seed: Seed = 0,
    json: AsJson = False,
    table: Annotated[
        Path | None, typer.Option("--table", help="Also write a row a kind into this file (.csv, .parquet).")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Also draw kinds and parts into this file (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Train on generated data of known interactions and test whether the parts are what they are called.

    **Example**: `interplay faithfulness dmil --classes 2 --samples 2000 --figure parts.png`

    **Example**: `interplay faithfulness classifiers --param redundancy=pointwise_min --samples 2000`

    The method may also be an estimator of `interplay measure`; then --param are options of that.
    """
    from interplay.evaluation import faithfulness as test

    for path, claim in ((table, claim_table), (figure, claim_file)):
        if path is not None:
            claim(path)
    options = values(pairs(param, "--param"))
    measured = method in ESTIMATORS
    if measured:
        _check_options(method, options)
    training = {"max_epochs": epochs, "batch_size": 128, "learning_rate": 3e-3, "patience": 6}
    found = test(
        method if measured else _configured(method, options),
        composition={name: _share(name, text) for name, text in pairs(kind, "--kind").items()} or None,
        n_classes=classes,
        n_samples=samples,
        n_features=features,
        noise=noise,
        n_modalities=modalities,
        type_visible=not hidden,
        nonlinear=nonlinear,
        random_state=seed,
        **(options if measured else training),
    )
    if json:
        print_json({**found.to_dict(), "settings": {**found.settings, "method": method}})
    else:
        typer.echo(found.table().to_string(float_format=lambda value: f"{value:.3f}", na_rep=""))
        typer.echo(str(found))
    if table is not None:
        write_table(found.table().rename_axis("kind"), table)
    if figure is not None:
        write_figure(found.plot(), figure)


def _configured(method: str, options: dict[str, Any]) -> Any:
    from interplay.methods import make, names

    if method not in names():
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join((*names(), *ESTIMATORS))}")
    return make(method).set_params(**options)


def _check_options(estimator: str, options: dict[str, Any]) -> None:
    from interplay.estimation import measure

    known = [p.name for p in signature(measure).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"estimator {estimator!r} has no option {unknown[0]!r}; --param takes {', '.join(known)}")


def _share(name: str, text: str) -> float | list[float]:
    try:
        shares = [float(share) for share in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--kind {name}: expected a share such as 0.5, or one a class with commas, found {text!r}"
        ) from None
    return shares[0] if len(shares) == 1 else shares


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(faithfulness)
