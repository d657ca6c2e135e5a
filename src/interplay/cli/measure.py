"""``interplay measure``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from interplay.cli.common import (
    AsJson,
    Modalities,
    Seed,
    Target,
    claim_file,
    claim_table,
    listed,
    load_data,
    print_json,
    write_figure,
    write_table,
)


def measure(
    data: Annotated[Path, typer.Argument(help="A .npz or .parquet file.", show_default=False)],
    target: Target = None,
    modalities: Modalities = None,
    redundancy: Annotated[
        str, typer.Option("--redundancy", help="Definition of redundancy; definitions disagree, see the docs.")
    ] = "broja",
    bins: Annotated[
        int | None, typer.Option("--bins", help="Clusters a modality is cut into. [default: from the data]")
    ] = None,
    estimator: Annotated[
        str, typer.Option("--estimator", help="discrete (tables), classifiers, batch or dual (many dimensions).")
    ] = "discrete",
    controls: Annotated[
        bool, typer.Option("--controls", help="Also measure three cases of known synergy at this size.")
    ] = False,
    groups: Annotated[str | None, typer.Option("--groups", help="Array or column of subjects.")] = None,
    per_sample: Annotated[
        Path | None, typer.Option("--per-sample", help="Also write a row a sample into this file (.parquet, .csv).")
    ] = None,
    seed: Seed = 0,
    json: AsJson = False,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Also draw the bars into this file (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Say what the modalities share about the target, what each has alone, what appears only together.

    **Example**: `interplay measure data.npz --target label --modalities audio,face --figure bars.png`

    Figures are bits, with intervals and a test of the synergy against none.
    """
    from interplay.estimation import measure as estimate

    if figure is not None:
        claim_file(figure, data)
    if per_sample is not None:
        claim_table(per_sample, data)
    dataset = load_data(data, target=target, modalities=listed(modalities), groups=groups)
    found = estimate(
        dataset,
        redundancy=redundancy,
        estimator=estimator,
        n_bins=bins,
        controls=controls,
        random_state=seed,
        progress=_terminal(),
    )
    if figure is not None:
        draw(found, figure)
    if per_sample is not None:
        if found.samples is None:
            raise ValueError(
                f"redundancy {redundancy!r} with estimator {estimator!r} gives no values for single samples on these "
                "data; choose two modalities, or --redundancy pointwise_min --estimator classifiers"
            )
        write_table(found.samples, per_sample)
    if json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))


def draw(measurement: Any, path: Path) -> None:
    """Write the bars of a measurement; the suffix chooses the format."""
    from interplay.report import plot

    write_figure(plot.interactions(measurement), path)


def _terminal() -> bool:
    import sys

    return sys.stderr.isatty()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(measure)
