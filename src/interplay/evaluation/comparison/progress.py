"""Progress of a grid: how much is done, what each cell gave, how long it will still take."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[Any], None]
PAUSE = 5.0  # seconds between two lines where there is no terminal


@contextmanager
def reporter(progress: bool | Callable[[str], None], total: int, kept: int) -> Iterator[Report]:
    """Give a function that is called with the outcome of each cell; see ``progress`` of `compare`."""
    started, ended = time.monotonic(), 0

    def words(outcome: Any) -> str:
        nonlocal ended
        ended += 1
        left = (time.monotonic() - started) / ended * (total - ended)
        kept_text = f", {kept} kept" if kept else ""
        return f"{ended}/{total}{kept_text}: {said(outcome)}; about {duration(left)} left"

    if callable(progress):
        yield lambda outcome: progress(words(outcome))
        return
    if progress and not sys.stderr.isatty():
        yield _lines(words, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not (progress and total)) as bar:
        task = bar.add_task("", total=total)
        yield lambda outcome: bar.update(task, advance=1, description=words(outcome).partition(": ")[2])


def _lines(words: Callable[[Any], str], total: int) -> Report:
    """A line a cell for logs, at most one in each `PAUSE` and one at the end; none for what takes less than that."""
    started = last = time.monotonic()
    ended = 0

    def report(outcome: Any) -> None:
        nonlocal last, ended
        ended += 1
        text, now = words(outcome), time.monotonic()
        if now - last >= PAUSE or (ended == total and now - started >= PAUSE):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
            last = now

    return report


def said(outcome: Any) -> str:
    """What became of a cell."""
    if outcome.state == "taken":
        return f"{outcome.cell}: another process has it"
    if outcome.state == "failed":
        return f"{outcome.cell}: FAILED, {outcome.error}"
    metric, value = outcome.score
    return f"{outcome.cell}: {metric} {value:.3f}, {duration(outcome.seconds)}"


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(5), duration(125), duration(7300)
    ('5 s', '2 min', '2 h 1 min')
    """
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
