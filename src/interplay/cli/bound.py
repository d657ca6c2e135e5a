"""``interplay bound``."""

from pathlib import Path
from typing import Annotated

import typer

from interplay.cli.common import AsJson, Seed, Target, pairs, print_json


def bound(
    labelled: Annotated[
        list[str],
        typer.Option("--labelled", "-l", help="modality=file with labelled samples of it; twice.", show_default=False),
    ],
    paired: Annotated[
        Path, typer.Option("--pairs", "-p", help="File with unlabelled pairs of both.", show_default=False)
    ],
    target: Target = None,
    groups: Annotated[
        str | None,
        typer.Option("--groups", help="Array or column of subjects, in all files.", show_default=False),
    ] = None,
    bins: Annotated[
        int | None, typer.Option("--bins", help="Symbols a modality is cut into. [default: from the data]")
    ] = None,
    confidence: Annotated[float, typer.Option("--confidence", help="Of each one-sided end.")] = 0.95,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Say how much fusion could gain before any pair is labelled.

    **Example**: `interplay bound -l audio=audio.npz -l face=face.npz --pairs pairs.npz --target label`

    The labelled files may hold other samples; labels of pairs are not needed, and not read. With --groups a subject's
    samples stay together; the same name is the same subject in all files.
    """
    from interplay.data import load
    from interplay.estimation import bound as estimate

    files = pairs(labelled, "--labelled")
    samples = {}
    for name, path in files.items():
        samples[name] = load(path, target=target, modalities=[name], groups=groups)
        if samples[name].target is None:
            raise ValueError(f"{path!r} has no labels; name their array or column with --target")
    both = load(paired, modalities=list(files), groups=groups, ignore=["target", target or "target"])
    found = estimate(samples, both, n_bins=bins, confidence=confidence, random_state=seed)
    if json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bound)
