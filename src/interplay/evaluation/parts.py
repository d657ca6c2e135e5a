"""Which columns of a table of single samples are parts."""

import re

import pandas as pd

# An estimate's columns may come with deviations, as "redundancy:sd"; of two modalities says "+".
_PART = re.compile(r"(redundancy|synergy)(:.+\+.+)?|unique:(?!.*:sd$).+")


def part_columns(table: pd.DataFrame) -> list[str]:
    """Columns of an explanation that hold contributions, or of a measurement's samples that hold bits.

    >>> part_columns(pd.DataFrame(columns=["prediction", "redundancy", "redundancy:sd", "unique:a", "synergy:a+b"]))
    ['redundancy', 'unique:a', 'synergy:a+b']
    """
    return [name for name in map(str, table) if _PART.fullmatch(name)]


def family(part: str) -> str:
    """``redundancy``, ``unique`` or ``synergy``.

    >>> family("synergy:a+b")
    'synergy'
    """
    return part.partition(":")[0]
