"""Results of long runs, one JSON line a case; what is finished is skipped, so an interrupted run can go on."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Case = dict[str, Any]


def read(path: Path) -> list[dict[str, Any]]:
    """Every record of the file, empty if there is none."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_missing(path: Path, cases: Iterable[Case], run: Callable[..., dict[str, Any]]) -> None:
    """Append ``{"case": case, **run(**case)}`` for each case that the file lacks."""
    done = {json.dumps(record["case"], sort_keys=True) for record in read(path)}
    for case in cases:
        if json.dumps(case, sort_keys=True) not in done:
            record = {"case": case, **run(**case)}
            with path.open("a") as file:
                file.write(json.dumps(record) + "\n")
