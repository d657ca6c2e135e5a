"""What a comparison found: tidy, as tables, with tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from interplay.evaluation.comparison.store import Cell, Store
from interplay.evaluation.missing import COMPLETE

LOWER_IS_BETTER = ("nll", "ece", "mae", "validation_loss", "seconds", "processor_seconds", "memory_mb", "parameters")


class Comparison:
    """Finished cells of a grid.

    Attributes:
        frame: a row for each ``dataset``, ``method``, ``seed``, ``fold``, ``condition``, ``rate``, ``draw`` and
            ``metric``, with its ``value``. Condition ``complete`` is the test part as it is, ``cost`` what it took,
            ``chance`` the class frequencies' answer; ``rate`` is NaN outside missing rates.
        notes: a row for each cell: when it was finished, with which versions, what could not be computed.
        failures: a row for each cell that failed: ``dataset``, ``method``, ``seed``, ``fold``, ``error``.
    """

    def __init__(self, store: Store, cells: Sequence[Cell], methods: Sequence[str], datasets: Sequence[str]) -> None:
        self.store, self.cells = store, list(cells)
        self.methods, self.datasets = list(methods), list(datasets)
        read = [store.read(cell) for cell in cells]
        keys = ["dataset", "method", "seed", "fold", "condition", "rate", "draw", "metric", "value"]
        self.frame = pd.concat([rows for rows, _ in read], ignore_index=True)[keys] if read else pd.DataFrame(columns=keys)
        self.notes = pd.DataFrame([notes for _, notes in read])

    @classmethod
    def of(cls, store: Store, cells: Iterable[Cell]) -> "Comparison":
        """Those of the cells that are finished."""
        asked = list(cells)
        found = cls(
            store,
            [cell for cell in asked if store.done(cell)],
            list(dict.fromkeys(cell.method for cell in asked)),
            list(dict.fromkeys(cell.dataset for cell in asked)),
        )
        failed = [(cell, store.failure(cell)) for cell in asked if not store.done(cell)]
        found.failures = pd.DataFrame(
            [(c.dataset, c.method, c.seed, c.fold or 0, why["error"]) for c, why in failed if why],
            columns=["dataset", "method", "seed", "fold", "error"],
        )
        return found

    @classmethod
    def load(cls, folder: str | Path) -> "Comparison":
        """All finished cells of a folder.

        Raises:
            FileNotFoundError: it holds none.
        """
        store = Store(folder)
        cells = store.cells()
        if not cells:
            raise FileNotFoundError(f"no finished cell in {str(folder)!r}; give the folder of a comparison")
        return cls.of(store, cells)

    def __repr__(self) -> str:
        return (
            f"Comparison({_count(len(self.methods), 'method')}, {_count(len(self.datasets), 'data set')}, "
            f"{_count(len(self.cells), 'cell')})"
        )

    def values(self, metric: str = "accuracy", condition: str = COMPLETE) -> pd.DataFrame:
        """One number a cell: columns ``dataset``, ``method``, ``seed``, ``fold``, ``value``; draws are averaged.

        Raises:
            ValueError: no cell has such a number.
        """
        frame = self.frame
        chosen = frame[(frame["metric"] == metric) & (frame["condition"] == condition)]
        if chosen.empty:
            known = sorted(set(frame.loc[frame["condition"] == condition, "metric"]))
            where = f"condition {condition!r} has {known}" if known else f"conditions: {sorted(set(frame['condition']))}"
            raise ValueError(f"no metric {metric!r} for condition {condition!r}; {where}")
        return chosen.groupby(["dataset", "method", "seed", "fold"], sort=False)["value"].mean().reset_index()

    def table(self, metric: str = "accuracy", condition: str = COMPLETE, *, text: bool = False) -> pd.DataFrame:
        """Mean, standard deviation and number of cells: a row a method, columns ``(dataset, mean | sd | n)``.

        With ``text``, one column a data set that reads ``0.612 ± 0.021``, for people.
        """
        groups = self.values(metric, condition).groupby(["dataset", "method"], sort=False)["value"]
        cells = groups.agg(["mean", "std", "count"]).rename(columns={"std": "sd", "count": "n"})
        if text:
            said = cells.apply(lambda c: _said(c["mean"], c["sd"]), axis=1)
            return self._arranged(said.unstack("dataset")).fillna("")
        wide = cells.unstack("dataset").swaplevel(axis=1)
        return self._arranged(wide).reindex(columns=["mean", "sd", "n"], level=1)

    def _arranged(self, wide: pd.DataFrame) -> pd.DataFrame:
        """Methods and data sets in the order in which they were asked for."""
        level = 0 if wide.columns.nlevels > 1 else None
        order = [name for name in self.datasets if name in wide.columns.get_level_values(0)]
        return wide.reindex([name for name in self.methods if name in wide.index]).reindex(columns=order, level=level)


def _said(mean: float, sd: float) -> str:
    return f"{mean:.3f}" + ("" if pd.isna(sd) else f" ± {sd:.3f}")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


_ = Any
