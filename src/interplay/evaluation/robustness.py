"""How much a model keeps when modalities go missing: every subset, every rate, and what it cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

import interplay
from interplay.data import MultimodalDataset
from interplay.data.missing import Pattern, Rate, Subset
from interplay.data.missing import rates as rate_grid
from interplay.data.missing import subsets as all_subsets
from interplay.evaluation.metrics import Classifier, Regressor, answers, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = NDArray[np.float64]
COMPLETE = "complete"
SMALL = 0.1  # a loss up to this share of what is gained over chance makes no modality indispensable


@dataclass(frozen=True)
class Robustness:
    """What `robustness` found.

    Attributes:
        metric: ``"accuracy"``, or in regression ``"mae"``, the mean absolute error.
        chance: the metric of the best constant answer on these data.
        subsets: a row for each subset: ``subset`` (names joined by `` + ``, the first is everything), ``missing``,
            ``size``, the metric, its interval ``low`` and ``high``, ``relative``, and further metrics.
        rates: a row for each missing rate: ``rate``, ``taken`` (the share that went), the metric (mean over the
            draws), ``low``, ``high``, ``sd`` over the draws, ``relative``, and further metrics.
        costs: a row for each modality: what is lost without it (``cost``, positive is worse) with its paired interval.
        draws: how many masks were drawn for each rate.
        confidence: level of the intervals.
    """

    metric: str
    chance: float
    subsets: pd.DataFrame
    rates: pd.DataFrame
    costs: pd.DataFrame
    draws: int
    confidence: float

    @property
    def complete(self) -> float:
        """The metric with nothing taken away."""
        return float(self.subsets[self.metric].iloc[0])

    @property
    def mean_subsets(self) -> float:
        """Mean of the metric over all subsets but the whole."""
        return float(self.subsets[self.metric].iloc[1:].mean())

    @property
    def mean_rates(self) -> float:
        """Mean of the metric over all rates above 0."""
        return float(self.rates[self.metric].iloc[1:].mean())

    @property
    def relative(self) -> float:
        r"""Share of the complete score that is kept, :math:`\frac{1}{\rho} \int_0^\rho a(r) / a(0)\, dr` over rates."""
        return self._mean(self.rates["relative"].to_numpy(float))

    def effective(self, baseline: Robustness | None = None) -> float:
        r"""What is kept beyond what a reference with the same complete score keeps; positive is better.

        .. math:: \frac{1}{\rho} \int_0^\rho \big( a(r) - a(0) \big) - \big( b(r) - b(0) \big)\, dr

        Args:
            baseline: robustness of another model at the same rates, :math:`b`. None takes a model that reads one
                modality only: it falls to chance in proportion, :math:`b(r) - b(0) = r\,(\text{chance} - a(0))`.

        Reference:
            Taori et al., Measuring Robustness to Natural Distribution Shifts in Image Classification, NeurIPS 2020.
        """
        own = self.rates[self.metric].to_numpy(float) - self.complete
        grid = self.rates["rate"].to_numpy(float)
        if baseline is None:
            other = grid * (self.chance - self.complete)
        else:
            if baseline.metric != self.metric or not np.array_equal(baseline.rates["rate"], grid):
                raise ValueError("effective: expected a baseline with the same metric and rates; measure both alike")
            other = baseline.rates[self.metric].to_numpy(float) - baseline.complete
        return self._sign * self._mean(own - other)

    @property
    def _sign(self) -> int:
        """1 where more is better, -1 for errors."""
        return 1 if self.metric == "accuracy" else -1

    def _mean(self, values: Rows) -> float:
        grid = self.rates["rate"].to_numpy(float)
        return float(np.trapezoid(values, grid) / np.ptp(grid)) if np.ptp(grid) else float(values[0])

    def table(self) -> pd.DataFrame:
        """Subsets and rates in one frame: a row a condition; the metric, its interval and the share that is kept."""
        columns = [self.metric, "low", "high", "relative"]
        fixed = self.subsets.set_index("subset")[columns].rename(index={self.subsets["subset"].iloc[0]: COMPLETE})
        drawn = self.rates.iloc[1:].set_index("rate")[columns].rename(index=lambda rate: f"rate {rate:.3g}")
        return pd.concat([fixed, drawn]).rename_axis("condition")

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the curve over rates and the score of every subset; see `interplay.plot.missing_curve`."""
        # By name at run time: figures are a layer above, which evaluation does not import.
        axes: Axes = interplay.plot.missing_curve(self, ax=ax)
        return axes

    def sentence(self) -> str:
        """Say which modality the model cannot do without: one that costs over a tenth of what is gained over chance."""
        if len(self.costs) < 2:
            return "There is only one modality, so none can be missing."
        ranked = self.costs.sort_values("cost", ascending=False)
        first = ranked.iloc[0]
        word = self.metric if self.metric == "accuracy" else "mean absolute error"
        if np.isnan(first["low"]):
            return (
                f"The costliest to lose is {first['modality']}, with a loss of {first['cost']:.3g} in {word} (from "
                f"{self.complete:.3g}; best constant answer {self.chance:.3g}). How sure that is cannot be said: an "
                "interval needs at least two groups (where there are none, rows)."
            )
        if first["low"] <= 0 or first["cost"] <= self._sign * (self.complete - self.chance) * SMALL:
            interval = f"{self.confidence:.0%} interval {first['low']:.3g} to {first['high']:.3g}"
            return (
                f"No modality is indispensable: without any single one the {word} stays near {self.complete:.3g} "
                f"(largest loss {max(first['cost'], 0):.3g}, without {first['modality']}; {interval}"
                f"{', holds 0' if first['low'] <= 0 else ''}; best constant answer {self.chance:.3g})."
            )
        # Those that cannot be told from the costliest belong to it.
        alike = (ranked["low"] > 0) & (ranked["high"] >= first["low"])
        named, others = ranked[alike], ranked[~alike]
        scores = self.complete - self._sign * ranked["cost"]
        absent = "it is absent" if len(named) == 1 else "one of them is absent"
        text = (
            f"The model cannot do without {_listed(named['modality'], 'or')}: when {absent} the {word} goes from "
            f"{self.complete:.3g} to {_listed([f'{score:.3g}' for score in scores[alike]], 'and')} (best constant "
            f"answer {self.chance:.3g})"
        )
        if len(others):
            text += f"; the next costly to lose is {others['modality'].iloc[0]}, with {scores[~alike].iloc[0]:.3g}"
        return f"{text}."

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        summary = {name: getattr(self, name) for name in ("complete", "mean_subsets", "mean_rates", "relative")}
        return {
            "metric": self.metric,
            "chance": self.chance,
            **{name: None if np.isnan(value) else value for name, value in summary.items()},
            "effective": self.effective(),
            "draws": self.draws,
            "confidence": self.confidence,
            "sentence": self.sentence(),
            "subsets": _records(self.subsets),
            "rates": _records(self.rates),
            "costs": _records(self.costs),
        }


def robustness(
    model: Classifier | Regressor,
    dataset: MultimodalDataset,
    *,
    rates: Sequence[float] | Literal["auto"] = "auto",
    draws: int = 5,
    random_state: int | None = 0,
    confidence: float = 0.95,
) -> Robustness:
    r"""Test a fitted model with every subset of modalities and over missing rates; nothing is trained again.

    Masks of one draw are nested over the rates and the same for every model at one ``random_state``, so curves and
    models can be compared pairwise. Intervals are those of a mean over rows,

    .. math:: \bar v \pm t_{G-1} \frac1n \sqrt{\tfrac{G}{G-1} \sum_g \Big(\sum_{i \in g} (v_i - \bar v)\Big)^2},

    over whole subjects :math:`g` where the data have groups (else each row is its own), with :math:`v_i` the row's mean
    over the draws; they cover the choice of test rows and of masks, not that of another training. One group says
    nothing of others: its intervals are NaN.

    Args:
        model: fitted, with ``predict_proba`` and ``classes_`` (metric: accuracy) or only ``predict`` (mean absolute
            error).
        dataset: test data with a target; what it lacks anyway counts as there is.
        rates: missing rates (`interplay.data.missing.Rate`); ``"auto"``: 0, 0.1, ... to min(0.7, 1 - 1/M).
        draws: masks for each rate.
        random_state: seed of the masks.
        confidence: level of the intervals.

    Raises:
        ValueError: the data have no target or no rows, or a rate cannot be had.

    Example:
        >>> import interplay as ip
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat([0, 1], 200)
        >>> x = {"a": rng.normal(size=(400, 2)) + 3 * y[:, None], "b": rng.normal(size=(400, 2))}
        >>> data = ip.MultimodalDataset(x, y)
        >>> model = ip.MultimodalClassifier("joint", max_epochs=5, random_state=0).fit(data)
        >>> robustness(model, data).sentence()[:35]
        'The model cannot do without a: when'
    """
    _check(dataset, draws, confidence)
    names = [name for name in dataset.names if dataset.present[name].any()]
    grid = rate_grid(len(names)) if isinstance(rates, str) else sorted({0.0, *map(float, rates)})
    measure = _measure_of(model, dataset)
    groups = np.arange(len(dataset)) if dataset.groups is None else np.unique(dataset.groups, return_inverse=True)[1]

    def interval(values: Rows) -> dict[str, float]:
        return _interval(values, groups, confidence)

    fixed = {kept: measure(dataset.with_missing(Subset(kept))) for kept in all_subsets(names)}
    whole = fixed[tuple(names)]
    seeds = np.random.SeedSequence(random_state).generate_state(draws)
    drawn = {rate: [whole] if rate == 0 else [measure(_masked(dataset, Rate(rate), s)) for s in seeds] for rate in grid}
    metric, sign = ("accuracy", 1) if whole.classifies else ("mae", -1)
    subsets = pd.DataFrame(_subset_row(kept, names, found, interval) for kept, found in fixed.items())
    without = {name: fixed[tuple(n for n in names if n != name)] for name in names if len(names) > 1}
    lost = {name: sign * (whole.each - found.each) for name, found in without.items()}
    costs = [{"modality": name, "cost": float(each.mean()), **interval(each)} for name, each in lost.items()]
    return Robustness(
        metric=metric,
        chance=_chance(dataset, whole.classifies),
        subsets=_relative(subsets, metric),
        rates=_relative(pd.DataFrame(_rate_row(rate, f, metric, interval) for rate, f in drawn.items()), metric),
        costs=pd.DataFrame(costs, columns=["modality", "cost", "low", "high"]),
        draws=draws,
        confidence=confidence,
    )


@dataclass(frozen=True)
class _Found:
    """One test: metrics over all rows, what each row contributes to the first of them, and the share that was taken."""

    metrics: dict[str, float]
    each: Rows
    classifies: bool
    taken: float


def _measure_of(model: Classifier | Regressor, dataset: MultimodalDataset) -> Callable[[MultimodalDataset], _Found]:
    """What tests the model on the data with other masks."""
    target, before = np.asarray(dataset.target), _there(dataset)
    classes = getattr(model, "classes_", None)

    def measure(masked: MultimodalDataset) -> _Found:
        taken, said = 1 - _there(masked) / max(before, 1), answers(model, masked)
        metrics = score(target, said, classes)
        if classes is None:
            return _Found(metrics, np.abs(said.astype(np.float64) - target), False, taken)
        return _Found(metrics, (np.asarray(classes)[said.argmax(1)] == target).astype(np.float64), True, taken)

    return measure


def _there(dataset: MultimodalDataset) -> int:
    return int(sum(mask.sum() for mask in dataset.present.values()))


def _masked(dataset: MultimodalDataset, pattern: Pattern, seed: int) -> MultimodalDataset:
    return dataset.with_missing(pattern, random_state=int(seed))


def _subset_row(
    kept: Sequence[str], names: Sequence[str], found: _Found, interval: Callable[[Rows], dict[str, float]]
) -> dict[str, Any]:
    return {
        "subset": " + ".join(kept),
        "missing": ", ".join(name for name in names if name not in kept),
        "size": len(kept),
        **found.metrics,
        **interval(found.each),
    }


def _rate_row(
    rate: float, found: list[_Found], metric: str, interval: Callable[[Rows], dict[str, float]]
) -> dict[str, float]:
    metrics = {name: float(np.mean([f.metrics[name] for f in found])) for name in found[0].metrics}
    return {
        "rate": rate,
        "taken": float(np.mean([f.taken for f in found])),
        **metrics,
        **interval(np.mean([f.each for f in found], 0)),
        "sd": float(np.std([f.metrics[metric] for f in found], ddof=1)) if len(found) > 1 else 0.0,
    }


def _interval(values: Rows, groups: NDArray[Any], confidence: float) -> dict[str, float]:
    """Interval of the mean over rows, by whole groups."""
    n, mean = len(values), float(values.mean())
    sums = np.bincount(groups, weights=values - mean)
    g = len(sums)
    if g < 2:
        return {"low": np.nan, "high": np.nan}
    half = student.ppf((1 + confidence) / 2, g - 1) * np.sqrt(g / (g - 1) * np.square(sums).sum()) / n
    return {"low": mean - half, "high": mean + half}


def _relative(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Clip intervals to what the metric can be and add the share of the complete score that is kept."""
    complete = frame[metric].iloc[0]
    top = 1.0 if metric == "accuracy" else np.inf
    kept = frame[metric] / complete if metric == "accuracy" else complete / frame[metric]
    return frame.assign(low=frame["low"].clip(0, top), high=frame["high"].clip(0, top), relative=kept)


def _chance(dataset: MultimodalDataset, classifies: bool) -> float:
    target = np.asarray(dataset.target)
    if classifies:
        return float(np.unique(target, return_counts=True)[1].max() / len(target))
    return float(np.abs(target - np.median(target)).mean())


def _check(dataset: MultimodalDataset, draws: int, confidence: float) -> None:
    if dataset.target is None:
        raise ValueError("robustness: expected a dataset with a target, found none; give labels by with_target(y)")
    if len(dataset) == 0:
        raise ValueError("robustness: expected at least one row, found none; check how the test part was chosen")
    if draws < 1:
        raise ValueError(f"robustness: draws must be at least 1, found {draws}")
    if not 0 < confidence < 1:
        raise ValueError(f"robustness: confidence must lie between 0 and 1, found {confidence}")


def _listed(words: Iterable[str], last: str) -> str:
    *some, end = words
    return f"{', '.join(some)} {last} {end}" if some else end


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in frame.to_dict(orient="records")
    ]
