"""What a comparison found: tidy, as tables, with tests."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from interplay.evaluation.comparison.statistics import (
    Difference,
    Friedman,
    friedman,
    holm,
    mean_ranks,
    paired_bootstrap,
    wilcoxon,
)
from interplay.evaluation.comparison.store import Cell, Store
from interplay.evaluation.missing import COMPLETE

LOWER_IS_BETTER = (
    *("nll", "ece", "mae", "rmse", "validation_loss", "cost"),
    *("seconds", "processor_seconds", "memory_mb", "parameters"),
)

MEANS_OF_ROBUSTNESS = ("mean_subsets", "mean_rates")


class Comparison:
    """Finished cells of a grid.

    Attributes:
        frame: a row for each ``dataset``, ``method``, ``seed``, ``fold``, ``condition``, ``rate`` and ``metric``, with
            its ``value``; ``fold`` is NA without cross-validation. Condition ``complete`` is the test part as it is;
            the names of modalities are what is left of it; ``rate 0.1`` is a missing rate; ``without <modality>`` has
            the ``cost`` of losing it; ``missing`` has means over subsets and rates; own patterns have their names;
            ``chance`` is the best constant answer; ``cost`` is what training took.
        notes: a row for each cell: when it was finished, with which versions, what could not be computed.
        failures: a row for each cell that failed: ``dataset``, ``method``, ``seed``, ``fold``, ``error``.
    """

    failures: pd.DataFrame

    def __init__(self, store: Store, cells: Sequence[Cell], methods: Sequence[str], datasets: Sequence[str]) -> None:
        self.store, self.cells = store, list(cells)
        self.methods, self.datasets = list(methods), list(datasets)
        read = [store.read(cell) for cell in cells]
        keys = ["dataset", "method", "seed", "fold", "condition", "rate", "metric", "value"]
        # One table from all files: a frame for each would take most of the time.
        whole = pa.concat_tables([rows for rows, _ in read]).to_pandas() if read else pd.DataFrame(columns=keys)
        self.frame = whole[keys].astype({"fold": "Int64"})
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
            [(c.dataset, c.method, c.seed, c.fold, why["error"]) for c, why in failed if why],
            columns=["dataset", "method", "seed", "fold", "error"],
        ).astype({"fold": "Int64"})
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

    @property
    def main_metric(self) -> str:
        """``"accuracy"``, or ``"r2"`` where nothing was classified."""
        return "accuracy" if (self.frame["metric"] == "accuracy").any() else "r2"

    @property
    def trials(self) -> int:
        """How many settings were tried for each method in each cell; 0 where none were searched."""
        counts = self.frame.loc[(self.frame["condition"] == "tuned") & (self.frame["metric"] == "trials"), "value"]
        return int(counts.max()) if len(counts) else 0

    def metric_of(self, condition: str) -> str:
        """What a condition is about: `main_metric`, or the first that it has, as ``missing`` ``mean_subsets``."""
        found = self.frame.loc[self.frame["condition"] == condition, "metric"]
        return self.main_metric if found.empty or (found == self.main_metric).any() else str(found.iloc[0])

    def summary(self, metric: str = "accuracy", condition: str = COMPLETE) -> pd.DataFrame:
        """The numbers of `table`, a row for each data set and method: ``mean``, ``sd``, ``n``."""
        groups = self.values(metric, condition).groupby(["dataset", "method"], sort=False)["value"]
        return groups.agg(["mean", "std", "count"]).rename(columns={"std": "sd", "count": "n"}).reset_index()

    def values(self, metric: str = "accuracy", condition: str = COMPLETE) -> pd.DataFrame:
        """One number a cell: columns ``dataset``, ``method``, ``seed``, ``fold``, ``value``.

        Raises:
            ValueError: no cell has such a number.
        """
        frame = self.frame
        chosen = frame[(frame["metric"] == metric) & (frame["condition"] == condition)]
        if chosen.empty:
            known = sorted(set(frame.loc[frame["condition"] == condition, "metric"]))
            where = (
                f"condition {condition!r} has {known}" if known else f"conditions: {sorted(set(frame['condition']))}"
            )
            raise ValueError(f"no metric {metric!r} for condition {condition!r}; {where}")
        key = ["dataset", "method", "seed", "fold"]
        return chosen.groupby(key, sort=False, dropna=False)["value"].mean().reset_index()

    def table(self, metric: str = "accuracy", condition: str = COMPLETE, *, text: bool = False) -> pd.DataFrame:
        """Mean, standard deviation and number of cells: a row a method, columns ``(dataset, mean | sd | n)``.

        With ``text``, one column a data set that reads ``0.612 ± 0.021``, for people.
        """
        cells: dict[str, Any] = {"index": "method", "columns": "dataset", "values": "value", "sort": False}
        statistics: dict[str, Any] = {"mean": "mean", "sd": "std", "n": "count"}
        wide = {
            name: self._arranged(self.values(metric, condition).pivot_table(**cells, aggfunc=how, dropna=False))
            for name, how in statistics.items()
        }
        if text:
            mean, sd = wide["mean"], wide["sd"]
            return pd.DataFrame({name: list(map(_said, mean[name], sd[name])) for name in mean}, index=mean.index)
        tidy = pd.concat(wide, axis=1).swaplevel(axis=1)
        return tidy[[(dataset, name) for dataset in wide["mean"] for name in statistics]]

    def means(self, metric: str = "accuracy", condition: str = COMPLETE) -> pd.DataFrame:
        """Mean over seeds and folds: a row a data set, a column a method; NaN where no cell is finished."""
        cells = self.values(metric, condition).pivot_table(index="method", columns="dataset", values="value")
        return self._arranged(cells).T

    def ranks(self, metric: str = "accuracy", condition: str = COMPLETE) -> pd.DataFrame:
        """Rank of each method on each data set (1 is best, of the means over seeds), and the mean rank, best first.

        Only data sets on which every method has finished count.
        """
        scores = self._complete(metric, condition)
        ranks = scores.rank(axis=1).T
        ranks["mean"] = mean_ranks(-scores.to_numpy())
        return ranks.sort_values("mean")

    def friedman(self, metric: str = "accuracy", condition: str = COMPLETE, level: float = 0.05) -> Friedman:
        """Friedman's test over data sets and Nemenyi's critical difference; ranks in the order of `means`."""
        return friedman(-self._complete(metric, condition).to_numpy(), level)

    def tests(
        self,
        baseline: str | None = None,
        *,
        methods: Sequence[str] | None = None,
        metric: str = "accuracy",
        over: str = "samples",
        confidence: float = 0.95,
        n_bootstrap: int = 2000,
        random_state: int = 0,
    ) -> pd.DataFrame:
        """Paired tests with Holm's correction over all rows of the table.

        Args:
            baseline: compare each method with this one; None compares all pairs.
            methods: only these (and the baseline): Holm's correction counts every row, and the smallest bootstrap p is
                about ``2 / n_bootstrap``, so that of very many rows none can be called significant.
            metric: for ``over="samples"`` ``"accuracy"``, ``"nll"`` or ``"mae"``; otherwise any metric.
            over: ``"samples"``: a row for each data set and pair, bootstrap over test samples (whole subjects, where
                there are any) and seeds; ``"datasets"``: a row a pair, Wilcoxon's signed ranks over means of data sets.
            confidence: of the bootstrap interval.
            n_bootstrap: number of resamples.
            random_state: seed of the resamples.

        Returns:
            ``dataset`` (samples only), ``first``, ``second``, ``difference`` (first minus second), ``low`` and ``high``
            (samples only), ``n`` (samples or data sets), ``p``, ``p_holm``.

        Raises:
            ValueError: an unknown baseline, metric or ``over``, or a single method.
        """
        pairs = self._pairs(baseline, self.methods if methods is None else list(methods))
        if over == "datasets":
            rows = self._over_datasets(pairs, metric)
        elif over == "samples":
            options = {"confidence": confidence, "n_bootstrap": n_bootstrap, "random_state": random_state}
            rows = self._over_samples(pairs, metric, options)
        else:
            raise ValueError(f"over must be 'samples' or 'datasets', found {over!r}")
        table = pd.DataFrame(rows)
        return table.assign(p_holm=holm(table["p"])) if len(table) else table

    def cost(self) -> pd.DataFrame:
        """What a training took, mean over all cells of a method.

        ``seconds`` (wall) and ``processor_seconds`` of fitting, ``test_seconds`` of all tests, ``memory_mb`` (peak
        resident memory of the process while fitting), ``parameters``, ``epochs``.
        """
        rows = self.frame[self.frame["condition"] == "cost"]
        return (
            rows.pivot_table(index="method", columns="metric", values="value").reindex(self.methods).dropna(how="all")
        )

    def predictions(self, dataset: str, method: str) -> pd.DataFrame:
        """Answers of all seeds on the complete test part.

        ``seed``, ``fold``, ``id``, ``group`` where there are subjects, ``target``, ``predicted``, and of classifiers
        ``probability`` (of the target) and ``probabilities`` (of all classes).
        """
        cells = [cell for cell in self.cells if (cell.dataset, cell.method) == (dataset, method)]
        if not cells:
            raise ValueError(f"no finished cell of {method!r} on {dataset!r}")
        frames = [self.store.read_predictions(cell).assign(seed=cell.seed, fold=cell.fold) for cell in cells]
        return pd.concat(frames, ignore_index=True).astype({"fold": "Int64"})

    def plot(self, metric: str = "accuracy", **options: Any) -> Any:
        """`ip.plot.comparison` of this."""
        import interplay

        return interplay.plot.comparison(self, metric, **options)

    def _pairs(self, baseline: str | None, methods: Sequence[str]) -> list[tuple[str, str]]:
        for name in (*methods, *([] if baseline is None else [baseline])):
            if name not in self.methods:
                raise ValueError(f"tests: no method {name!r}; choose from {self.methods}")
        others = [name for name in methods if name != baseline]
        if len(others) < (2 if baseline is None else 1):
            raise ValueError(f"tests: expected at least two methods, found {list(methods)}")
        return list(combinations(others, 2)) if baseline is None else [(name, baseline) for name in others]

    def _complete(self, metric: str, condition: str) -> pd.DataFrame:
        """Means that are better when lower, on the data sets that every method has finished."""
        means = self.means(metric, condition).dropna()
        if means.empty:
            raise ValueError("no data set on which every method has finished; run the rest, or compare fewer methods")
        if metric not in MEANS_OF_ROBUSTNESS:
            return means if metric in LOWER_IS_BETTER else -means
        # They are of the accuracy, and in regression of the mean absolute error.
        classified = set(self.frame.loc[self.frame["metric"] == "accuracy", "dataset"])
        return means.mul([-1.0 if dataset in classified else 1.0 for dataset in means.index], axis=0)

    def _over_datasets(self, pairs: Iterable[tuple[str, str]], metric: str) -> list[dict[str, Any]]:
        means, rows = self.means(metric), []
        for first, second in pairs:
            both = means[[first, second]].dropna()
            difference = float((both[first] - both[second]).mean())
            p = wilcoxon(both[first], both[second])
            rows.append({"first": first, "second": second, "difference": difference, "n": len(both), "p": p})
        return rows

    def _over_samples(
        self, pairs: Iterable[tuple[str, str]], metric: str, options: dict[str, Any]
    ) -> list[dict[str, Any]]:
        rows = []
        for dataset in self.datasets:
            finished = [m for m in self.methods if any((c.dataset, c.method) == (dataset, m) for c in self.cells)]
            tables = {method: _by_sample(self.predictions(dataset, method), metric) for method in finished}
            for first, second in pairs:
                if first not in tables or second not in tables:
                    continue
                (one, clusters), (other, _) = tables[first], tables[second]
                difference = (one - other).dropna(axis=0, how="all").dropna(axis=1, how="all")
                if difference.empty:
                    continue
                groups = None if clusters is None else clusters.loc[difference.columns]
                found: Difference = paired_bootstrap(difference.to_numpy(), groups, **options)
                pair = {"dataset": dataset, "first": first, "second": second}
                row = {"difference": found.value, "low": found.low, "high": found.high, "n": difference.shape[1]}
                rows.append(pair | row | {"p": found.p_value})
        return rows

    def _arranged(self, wide: pd.DataFrame) -> pd.DataFrame:
        """Methods and data sets in the order in which they were asked for."""
        rows, columns = set(wide.index), set(wide.columns)
        return wide.loc[[m for m in self.methods if m in rows], [d for d in self.datasets if d in columns]]


def _by_sample(predictions: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, "pd.Series[Any] | None"]:
    """The metric of each sample, a row a seed and a column a sample, and the subjects by sample."""
    if metric == "accuracy":
        values = (predictions["predicted"] == predictions["target"]).astype(float)
    elif metric == "nll":
        values = -np.log(predictions["probability"].clip(lower=1e-12))
    elif metric == "mae":
        values = (predictions["predicted"] - predictions["target"]).abs()
    else:
        raise ValueError(f"tests over samples know the metrics 'accuracy', 'nll' and 'mae', found {metric!r}")
    # Under cross-validation the folds of a seed together test every sample once.
    table = predictions.assign(value=values).pivot_table(index="seed", columns="id", values="value")
    groups = predictions.drop_duplicates("id").set_index("id")["group"] if "group" in predictions else None
    return table, groups


def _said(mean: float, sd: float) -> str:
    """Mean and spread for people; nothing where no cell is finished."""
    if pd.isna(mean):
        return ""
    return f"{mean:.3f}" + ("" if pd.isna(sd) else f" ± {sd:.3f}")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
