"""What several commands share: options, data from files, guarded output, tables."""

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console

    from interplay.data import MultimodalDataset

Target = Annotated[
    str | None, typer.Option("--target", "-t", help="Array or column that is to be predicted. [default: target]")
]
Modalities = Annotated[
    list[str] | None,
    typer.Option("--modalities", "-m", help="Modalities to use: repeat, or separate by commas. [default: all]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for scripts.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds something else.")]
Seed = Annotated[int, typer.Option("--seed", help="Same seed, same machine: same result.")]


def console(*, stderr: bool = False) -> "Console":
    """A rich console; plain text where the output is no terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def note(message: str) -> None:
    """Say something on standard error, which scripts may ignore."""
    typer.echo(f"note: {message}", err=True)


def listed(values: Iterable[str] | None) -> list[str] | None:
    """Names from repeated and comma-separated options; None if there are none."""
    names = [name.strip() for value in values or [] for name in value.split(",") if name.strip()]
    return names or None


def pairs(values: Iterable[str] | None, option: str) -> dict[str, str]:
    """``name=value`` options as a mapping."""
    found = {}
    for value in values or []:
        name, equals, choice = value.partition("=")
        if not (name and equals and choice):
            raise typer.BadParameter(f"{option} takes name=value, found {value!r}")
        found[name] = choice
    return found


def load_data(
    path: Path,
    *,
    target: str | None = None,
    modalities: list[str] | None = None,
    groups: str | None = None,
    beside: Iterable[str] = (),
) -> "MultimodalDataset":
    """A labelled data set from a file; ``beside`` names arrays that are no modalities."""
    from interplay.data import load

    return load(path, target=target, modalities=modalities, groups=groups, ignore=list(beside))


def load_marks(path: Path, name: str) -> Any:
    """Bool ``(n,)`` of the rows that an array or column of a file marks (true or not zero)."""
    from interplay.data import load
    from interplay.data.files import contents

    marks = load(path, target=name, modalities=contents(path, labels=[name])[:1]).target
    if marks is None or marks.dtype.kind not in "biu" or marks.ndim != 1:
        raise ValueError(f"{name!r} in {path.name!r} must hold true and false (or 1 and 0) to mark the test rows")
    return marks.astype(bool)


def load_for_model(
    path: Path, names: tuple[str, ...], target: str | None = None, groups: str | None = None
) -> "MultimodalDataset":
    """Data with the modalities that a model knows; what the file lacks counts as missing, and is said."""
    from interplay.data import MultimodalDataset, load
    from interplay.data.files import contents

    held = contents(path, labels=[name for name in (target, groups) if name is not None])
    known = [name for name in names if name in held]
    if not known:
        raise ValueError(f"{path.name!r} has none of the model's modalities {list(names)}, found {held}; rename them")
    found = load(path, target=target, modalities=known, groups=groups)
    absent = [name for name in names if name not in known]
    if not absent:
        return found
    note(f"{path.name!r} has no {', '.join(absent)}: counted as missing in all {len(found)} rows")
    return MultimodalDataset(
        {name: found.modalities.get(name) for name in names},
        found.target,
        present=found.present,
        lengths=found.lengths,
        ids=found.ids,
        class_names=found.class_names,
        groups=found.groups,
    )


def claim_folder(folder: Path, mark: str, force: bool) -> Path:
    """Make sure that a folder may be written: it is new, empty, holds our ``mark``, or ``force`` is given."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file() and not force:
        raise ValueError(f"{str(folder)!r} holds something else (no {mark}); choose another folder, or add --force")
    return folder


def claim_file(path: Path, *inputs: Path) -> Path:
    """Make sure that a file may be written: its folder exists and it is none of the inputs."""
    if not path.parent.is_dir():
        raise ValueError(f"no folder {str(path.parent)!r}; make it first")
    if any(path.exists() and path.samefile(given) for given in inputs):
        raise ValueError(f"{str(path)!r} is the input; write the output to another file")
    return path


def claim_table(path: Path, *inputs: Path) -> Path:
    """As `claim_file`, for a table: the suffix must name a format."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"a table's file must end in .csv or .parquet, found {path.name!r}")
    return claim_file(path, *inputs)


def claim_figure(path: Path, *inputs: Path) -> Path:
    """As `claim_file`, for a figure."""
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"a figure's file must end in .png, .svg or .pdf, found {path.name!r}")
    return claim_file(path, *inputs)


def write_figure(drawn: "Axes | Figure", path: Path) -> None:
    """Write a figure in one step; the suffix chooses the format."""
    from interplay.data.files import replacing

    figure: Any = drawn.figure
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table in one step; the suffix chooses the format."""
    write_tables([table], path)


def write_tables(tables: "Iterable[pd.DataFrame]", path: Path) -> None:
    """Write consecutive parts of a table as they come; the file takes its place when all are there."""
    from interplay.data.files import replacing

    write = _write_csv if path.suffix.lower() == ".csv" else _write_parquet
    with replacing(path) as temporary:
        write(tables, temporary)


def _write_csv(tables: "Iterable[pd.DataFrame]", path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        for number, table in enumerate(tables):
            table.to_csv(handle, header=number == 0)


def _write_parquet(tables: "Iterable[pd.DataFrame]", path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = iter(tables)
    first = pa.Table.from_pandas(next(parts))
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in parts:
            writer.write_table(pa.Table.from_pandas(table, schema=first.schema))


@contextmanager
def counted(what: str, total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that moves a bar on standard error by so many of ``total``."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task(what, total=total)
        yield lambda rows: bar.advance(task, rows)


def print_json(content: Any) -> None:
    """JSON on standard output; NaN becomes null."""
    typer.echo(json.dumps(_plain(content), ensure_ascii=False, indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_scores(table: "pd.DataFrame") -> None:
    """The table of `interplay.evaluation.evaluate`."""
    import numpy as np
    from rich.table import Table

    shown = Table("condition", box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        shown.add_column(str(column).replace("_", "-"), justify="right")
    for condition, row in table.iterrows():
        values = [str(int(v)) if c == "n" else "–" if np.isnan(v) else f"{v:.3f}" for c, v in row.items()]
        shown.add_row(_literal(condition), *values)
    console().print(shown)


def _literal(text: Any) -> Any:
    """Text that rich shows as it is: names may hold square brackets."""
    from rich.text import Text

    return Text(str(text))


def command_line() -> str:
    """What the user typed, to repeat it."""
    return shlex.join(["interplay", *sys.argv[1:]])
