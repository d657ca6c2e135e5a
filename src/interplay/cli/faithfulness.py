"""``interplay faithfulness``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interplay.cli.common import (
    AsJson,
    Seed,
    claim_file,
    claim_table,
    method_names,
    pairs,
    print_json,
    values,
    write_figure,
    write_table,
)

if TYPE_CHECKING:
    from interplay.evaluation import Faithfulness

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
    epochs: Annotated[int, typer.Option("--epochs", help="Most epochs, over all stages.")] = 40,
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
    found = test(
        method if method in ESTIMATORS else _configured(method, options),
        composition={name: _share(name, share) for name, share in pairs(kind, "--kind").items()} or None,
        n_classes=classes,
        n_samples=samples,
        n_features=features,
        noise=noise,
        n_modalities=modalities,
        type_visible=not hidden,
        nonlinear=nonlinear,
        random_state=seed,
        **(options if method in ESTIMATORS else _training(epochs)),
    )
    if table is not None:
        write_table(found.table(), table)
    if figure is not None:
        write_figure(found.plot(), figure)
    if json:
        print_json({**found.to_dict(), "settings": {**found.settings, "method": method}})
    else:
        _tell(found)
