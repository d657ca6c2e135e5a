"""What a table of single samples says part by part."""

import re

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

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


def positive_shares(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares ``(n, parts)`` of the positive contributions; zeros where none is positive."""
    positive = np.clip(contributions, 0, None)
    total = positive.sum(1, keepdims=True)
    return np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)


def class_table(explained: pd.DataFrame, target: ArrayLike | None = None) -> pd.DataFrame:
    """What the predictions of each class are made of.

    Args:
        explained: as from ``explain`` of a method with parts.
        target: true classes ``(n,)``; then samples are grouped by these instead of by the predicted class.

    Returns:
        A row a class: ``n``, with ``target`` the ``accuracy``, and the mean share of each part in what speaks for the
        prediction (negative contributions count as none; shares sum to 1 where every prediction has something for it).

    Raises:
        ValueError: without parts, or if the lengths differ.

    >>> explained = pd.DataFrame({"prediction": [0, 0, 1], "redundancy": [1.0, 3.0, 0.0], "synergy": [3.0, -1.0, 2.0]})
    >>> class_table(explained)
           n  redundancy  synergy
    class
    0      2       0.625    0.375
    1      1       0.000    1.000
    """
    parts = part_columns(explained)
    if not parts:
        raise ValueError(
            f"expected columns redundancy, unique:<modality>, synergy, found {list(explained)}; "
            "use a method that has parts, such as 'dmil'"
        )
    said = explained["prediction"].to_numpy()
    label = said if target is None else np.asarray(target)
    if label.shape != said.shape:
        raise ValueError(f"target: expected {len(said)} classes, as many as explained samples, found {label.shape}")
    columns = {} if target is None else {"accuracy": said == label}
    shares = positive_shares(explained[parts].to_numpy(float)).T
    table = pd.DataFrame({**columns, **dict(zip(parts, shares, strict=True))})
    by_class = table.groupby(pd.Series(label, name="class"))
    means = by_class.mean()
    means.insert(0, "n", by_class.size())
    return means
