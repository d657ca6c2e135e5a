"""Scores of a table of per-sample interactions against known kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from interplay.data.datasets import Interactions
from interplay.evaluation.parts import family, part_columns, positive_shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Faithfulness", "score_explanation"]


@dataclass(frozen=True)
class Faithfulness:
    r"""How true a decomposition is on data of known interactions.

    Attributes:
        accuracy: share of right predictions; None where the table has none (a measurement predicts nothing).
        accuracy_by_kind: the same for the samples of each kind of interaction.
        routing: balanced accuracy of the arg-max of the contributions against the true kind; None without parts. A
            kind of a pair counts as its whole family (``redundancy``, ``synergy``) where the table has no such part.
        gate_routing: the same of the gate's arg-max.
        confusion: true kind (rows) by kind of the largest contribution, shares that sum to 1 in a row.
        component_accuracy: accuracy of each part alone (rows) on the samples of each kind (columns).
        calibration_error: expected calibration error of the parts' shares of the positive contributions, read as
            the probability that the sample is of that kind.
        estimated: bits by part. Of a model: mean of share times :math:`\log_2 p(\hat y \mid x) / p(\hat y)`. Of a
            measurement: the mean of its samples.
        expected: bits by part, exact: of single samples where the kinds are visible; of a measurement those of its
            definition on the exact joint distribution.
        chance: accuracy of guessing, one over the number of classes.
        covered: share of samples about which the table says something.
        leak: part of the synergy family -> how far it alone is, at worst, from guessing on the kinds of other parts.
        settings: what was asked for.
    """

    accuracy: float | None
    accuracy_by_kind: dict[str, float]
    routing: float | None
    gate_routing: float | None
    confusion: pd.DataFrame | None
    component_accuracy: pd.DataFrame | None
    calibration_error: float | None
    estimated: dict[str, float]
    expected: dict[str, float]
    chance: float
    covered: float = 1.0
    leak: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def synergy_leak(self) -> float | None:
        """Largest `leak`: how far synergy alone is from chance on a kind that is not synergy; None without parts."""
        return max(self.leak.values(), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        frames = {
            name: None if frame is None else frame.to_dict("index")
            for name, frame in (("confusion", self.confusion), ("component_accuracy", self.component_accuracy))
        }
        plain = {name: value for name, value in self.__dict__.items() if name not in frames}
        return {**plain, **frames, "synergy_leak": self.synergy_leak}

    def table(self) -> pd.DataFrame:
        """One row a kind: accuracy, routing, each part alone, bits estimated and expected."""
        kinds = self.accuracy_by_kind or (() if self.confusion is None else self.confusion.index)
        rows = pd.DataFrame({"accuracy": self.accuracy_by_kind}, index=list(kinds))
        if not self.accuracy_by_kind:
            rows = rows.drop(columns="accuracy")
        if self.confusion is not None:
            parts = [str(part) for part in self.confusion]
            rows["routed"] = pd.Series({k: row[home(str(k), parts)] for k, row in self.confusion.iterrows()})
        if self.component_accuracy is not None:
            rows = rows.join(self.component_accuracy.T.add_prefix("alone:"))
        if self.estimated:
            rows["bits"] = pd.Series(self.estimated)
        if self.expected:
            rows["bits expected"] = pd.Series(self.expected)
        return rows

    def plot(self) -> Figure:
        """Maps side by side: true kind by routed kind and, where parts predict, the accuracy of each alone by kind.

        Raises:
            ValueError: if the model has no parts.
        """
        if self.confusion is None:
            raise ValueError("the model gives no parts to draw; choose a method with parts, such as 'dmil'")
        from matplotlib.figure import Figure as NewFigure

        panels = [("largest contribution", "kind of sample", self.confusion)]
        if self.component_accuracy is not None:
            panels.append(("kind of sample", "part alone: accuracy", self.component_accuracy))
        side = 1.6 + 0.5 * max(frame.size for *_, frame in panels) ** 0.5
        figure = NewFigure(figsize=((side + 0.9) * len(panels), side), layout="constrained")
        for axes, (across, down, frame) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            image = axes.imshow(frame.to_numpy(), vmin=0, vmax=1, cmap="Blues")
            axes.set(xlabel=across, ylabel=down)
            axes.set_xticks(range(frame.shape[1]), frame.columns, rotation=30, ha="right")
            axes.set_yticks(range(frame.shape[0]), frame.index)
            for (row, column), value in np.ndenumerate(frame.to_numpy()):
                shade = "white" if value > 0.6 else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=shade)
            figure.colorbar(image, ax=axes)
        return figure

    def __str__(self) -> str:
        said = [] if self.accuracy is None else [f"accuracy {self.accuracy:.3f}"]
        if self.covered < 1:
            said.append(f"{self.covered:.0%} of the samples covered")
        if self.routing is not None:
            said.append(f"samples routed to their own kind {self.routing:.3f} (balanced)")
        if self.synergy_leak is not None:
            said.append(f"synergy alone at most {self.synergy_leak:.3f} from chance where there is none")
        return ", ".join(said)


def score_explanation(
    explanation: pd.DataFrame, made: Interactions, *, expected: Mapping[str, float] | None = None
) -> Faithfulness:
    """Score a table of per-sample interactions against the truth.

    Args:
        explanation: one row a sample of ``made``, in its order. Contributions in columns named as the kinds
            (``redundancy``, ``unique:a``, ..., ``synergy``, ``synergy:a+b``; any subset), from a model's ``explain``
            or from the samples of ``ip.measure``; or ``prediction``; or both. Optionally ``probability``,
            ``gate:<part>`` and ``prediction:<part>``. Rows whose contributions are NaN count as not covered.
        made: the generated data and their true kinds.
        expected: bits by part to compare the mean with; None takes those of ``made``.

    Raises:
        ValueError: if the rows do not match, or the table has neither predictions nor parts.
    """
    parts = part_columns(explanation)
    if len(explanation) != len(made.kind) or not (parts or "prediction" in explanation):
        raise ValueError(
            f"explanation: expected a column 'prediction' or parts (redundancy, unique:<modality>, synergy) and "
            f"{len(made.kind)} rows, as many as samples; found {len(explanation)} rows and columns {list(explanation)}"
        )
    told = np.isfinite(explanation[parts].to_numpy(float)).all(1)
    covered, explanation, kind = float(told.mean()), explanation[told], made.kind[told]
    target = np.asarray(made.dataset.target)[told]
    occurring = [name for name in _ordered(made) if (kind == name).any()]

    def by_kind(column: str) -> dict[str, float]:
        right = np.asarray(explanation[column] == target, dtype=float)
        return {name: float(right[kind == name].mean()) for name in occurring}

    alone = {part: by_kind(f"prediction:{part}") for part in parts if f"prediction:{part}" in explanation}
    confusion = _confusion(explanation, parts, parts, kind, occurring)
    gates = _confusion(explanation, [f"gate:{part}" for part in parts], parts, kind, occurring)
    predicts = "prediction" in explanation
    truth = np.array([[home(name, parts) == part for part in parts] for name in kind]) if parts else None
    shares = positive_shares(explanation[parts].to_numpy(float))
    known = made.expected if expected is None else expected
    return Faithfulness(
        accuracy=float((explanation["prediction"] == target).mean()) if predicts else None,
        accuracy_by_kind=by_kind("prediction") if predicts else {},
        routing=_balanced(confusion, parts),
        gate_routing=_balanced(gates, parts),
        confusion=confusion,
        component_accuracy=pd.DataFrame(alone).T[occurring] if alone else None,
        calibration_error=None if truth is None else _calibration_error(shares, truth),
        estimated=_bits(shares, parts, explanation, target),
        expected={name: known[name] for name in dict.fromkeys([*occurring, *parts]) if name in known},
        chance=1 / len(made.dataset.classes),
        covered=covered,
        leak=_leak(alone, occurring, parts, made),
    )


def home(kind: str, parts: list[str]) -> str:
    """The part that a kind belongs to: its own, or its family's where pairs have none."""
    return kind if kind in parts else family(kind) if family(kind) in parts else kind


def _ordered(made: Interactions) -> list[str]:
    own = [f"unique:{name}" for name in made.dataset.names]
    pairs = sorted(set(made.kind.tolist()) - {"redundancy", "synergy", *own})
    of = {f: [name for name in pairs if family(name) == f] for f in ("redundancy", "synergy")}
    return ["redundancy", *of["redundancy"], *own, *of["synergy"], "synergy"]


def _confusion(
    explanation: pd.DataFrame, columns: list[str], parts: list[str], kind: NDArray[np.str_], occurring: list[str]
) -> pd.DataFrame | None:
    if not columns or not set(columns) <= set(explanation) or not len(kind):
        return None
    routed = np.array(parts)[explanation[columns].to_numpy(float).argmax(1)]
    labels = [*occurring, *(part for part in parts if part not in occurring)]
    counts = confusion_matrix(kind, routed, labels=labels, normalize="true")
    shown = [label for label in labels if label in parts or home(label, parts) == label]
    return pd.DataFrame(counts[: len(occurring)], index=occurring, columns=labels)[shown]


def _balanced(confusion: pd.DataFrame | None, parts: list[str]) -> float | None:
    if confusion is None:
        return None
    return float(np.mean([confusion.loc[kind, home(str(kind), parts)] for kind in confusion.index]))


def _leak(
    alone: dict[str, dict[str, float]], kinds: list[str], parts: list[str], made: Interactions
) -> dict[str, float]:
    """Distance of synergy parts from what an answer that ignores the sample reaches, on kinds of other parts."""
    even = 1 / len(made.dataset.classes)
    found = {}
    for part in (part for part in alone if family(part) == "synergy"):
        others = [kind for kind in kinds if home(kind, parts) != part]
        distances = [0.0]
        for kind in others:
            classes = made.class_shares.get(kind, np.array([even]))
            distances += [alone[part][kind] - classes.max(), classes.min() - alone[part][kind]]
        if others:
            found[part] = float(max(distances))
    return found


def _calibration_error(shares: NDArray[np.float64], truth: NDArray[np.bool_], n_bins: int = 10) -> float:
    """Mean distance between stated share and observed frequency over equal-width bins, weighted by their counts."""
    bins = np.minimum((shares.ravel() * n_bins).astype(int), n_bins - 1)
    surplus = np.bincount(bins, shares.ravel() - truth.ravel(), minlength=n_bins)
    return float(np.abs(surplus).sum() / shares.size)


def _bits(
    shares: NDArray[np.float64], parts: list[str], explanation: pd.DataFrame, target: NDArray[Any]
) -> dict[str, float]:
    """Mean bits by part: a measurement's own; a model's information on each sample split by its shares."""
    if "prediction" not in explanation:
        means = explanation[parts].mean()
    elif "probability" in explanation:
        classes, counts = np.unique(target, return_counts=True)
        prior = (counts / counts.sum())[np.searchsorted(classes, explanation["prediction"])]
        information = np.log2(explanation["probability"].to_numpy(float) / prior)
        means = pd.Series((shares * information[:, None]).mean(0), index=parts)
    else:
        return {}
    return {part: float(means[part]) for part in parts}
