"""Does a decomposition say what is there? Scores on data whose interactions are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from interplay.data.datasets import Interactions, make_interactions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interplay.methods import Method

__all__ = ["Faithfulness", "faithfulness", "score_explanation"]


@dataclass(frozen=True)
class Faithfulness:
    r"""How true a model's decomposition is on data of known interactions.

    Attributes:
        accuracy: share of right predictions.
        accuracy_by_kind: the same for the samples of each kind of interaction.
        routing: balanced accuracy of the arg-max of the contributions against the true kind; None without parts.
        gate_routing: the same of the gate's arg-max.
        confusion: true kind (rows) by kind of the largest contribution, shares that sum to 1 in a row.
        component_accuracy: accuracy of each part alone (rows) on the samples of each kind (columns).
        calibration_error: expected calibration error of the parts' shares of the positive contributions, read as
            the probability that the sample is of that kind.
        estimated: bits by part: mean of share times :math:`\log_2 p(\hat y \mid x) / p(\hat y)`.
        expected: bits by kind, exact, where the kinds are visible.
        chance: accuracy of guessing, one over the number of classes.
    """

    accuracy: float
    accuracy_by_kind: dict[str, float]
    routing: float | None
    gate_routing: float | None
    confusion: pd.DataFrame | None
    component_accuracy: pd.DataFrame | None
    calibration_error: float | None
    estimated: dict[str, float]
    expected: dict[str, float]
    chance: float
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def synergy_leak(self) -> float | None:
        """Largest distance from chance of synergy alone on a kind that is not synergy; None without parts."""
        if self.component_accuracy is None or "synergy" not in self.component_accuracy.index:
            return None
        alone = self.component_accuracy.drop(columns="synergy", errors="ignore").loc["synergy"].to_numpy(float)
        return float(np.abs(alone - self.chance).max()) if len(alone) else None

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
        rows = pd.DataFrame({"accuracy": self.accuracy_by_kind})
        if self.confusion is not None and self.component_accuracy is not None:
            rows["routed"] = {kind: self.confusion.loc[kind, kind] for kind in self.confusion.index}
            alone = self.component_accuracy.T.add_prefix("alone:")
            rows = rows.join(alone)
            rows["bits"] = pd.Series(self.estimated)
        if self.expected:
            rows["bits expected"] = pd.Series(self.expected)
        return rows

    def plot(self) -> Figure:
        """Two maps side by side: true kind by routed kind, and the accuracy of each part alone by kind.

        Raises:
            ValueError: if the model has no parts.
        """
        if self.confusion is None or self.component_accuracy is None:
            raise ValueError("the model gives no parts to draw; choose a method with parts, such as 'dmil'")
        from matplotlib.figure import Figure as NewFigure

        figure = NewFigure(figsize=(9, 3.6), layout="constrained")
        panels = (
            ("largest contribution", "kind of sample", self.confusion),
            ("kind of sample", "part alone: accuracy", self.component_accuracy),
        )
        for axes, (across, down, frame) in zip(figure.subplots(1, 2), panels, strict=True):
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
        text = f"accuracy {self.accuracy:.3f}"
        if self.routing is not None:
            text += f", samples routed to their own kind {self.routing:.3f} (balanced)"
        if self.synergy_leak is not None:
            text += f", synergy alone at most {self.synergy_leak:.3f} from chance where there is none"
        return text


def faithfulness(
    method: str | Method | Any = "dmil",
    *,
    composition: Mapping[str, float] | None = None,
    n_classes: int = 4,
    n_samples: int = 8000,
    n_test: int = 4000,
    n_features: int = 48,
    noise: float = 0.3,
    n_modalities: int = 2,
    type_visible: bool = True,
    nonlinear: bool = False,
    random_state: int = 0,
    **params: Any,
) -> Faithfulness:
    """Train on generated data of known interactions and score what the model says about fresh samples of them.

    Args:
        method: a method's name, a configured method, or any unfitted estimator with ``fit(dataset)`` and
            ``explain(dataset)`` (columns as in ``MultimodalClassifier.explain``) or only ``predict(dataset)``.
        composition: kind -> share; default equal shares.
        n_classes: number of classes.
        n_samples: for training.
        n_test: for scoring.
        n_features: of each modality.
        noise: standard deviation of the noise on the features.
        n_modalities: number of modalities.
        type_visible: whether the features tell the kind; see :func:`interplay.data.datasets.make_interactions`.
        nonlinear: pass the features through a random map and tanh.
        random_state: seed of the data and of the model.
        **params: of :class:`~interplay.MultimodalClassifier`, where ``method`` is not an estimator.

    Example:
        >>> print(faithfulness("joint", n_classes=2, n_samples=400, max_epochs=5))
        accuracy 0...
    """

    def draw(n: int, seed: int) -> Interactions:
        return make_interactions(
            composition,
            n_classes=n_classes,
            n_samples=n,
            n_features=n_features,
            noise=noise,
            n_modalities=n_modalities,
            type_visible=type_visible,
            nonlinear=nonlinear,
            random_state=seed,
            structure_state=random_state,
        )

    training, test = draw(n_samples, 2 * random_state + 1), draw(n_test, 2 * random_state + 2)
    estimator: Any = method
    # Imported here, so that figures and reports, which read this room's results, need no torch.
    from interplay.estimators import MultimodalClassifier
    from interplay.methods import Method

    if isinstance(method, str | Method):
        estimator = MultimodalClassifier(method, **{"random_state": random_state, **params})
    estimator.fit(training.dataset)
    return score_explanation(_explain(estimator, test), test)


def _explain(estimator: Any, made: Interactions) -> pd.DataFrame:
    if hasattr(estimator, "explain"):
        return estimator.explain(made.dataset)
    return pd.DataFrame({"prediction": estimator.predict(made.dataset)}, index=pd.Index(made.dataset.ids, name="id"))


def score_explanation(explanation: pd.DataFrame, made: Interactions) -> Faithfulness:
    """Score a table of per-sample interactions against the truth.

    Args:
        explanation: one row a sample of ``made``, in its order: ``prediction``; contributions in columns named as
            the kinds (``redundancy``, ``unique:a``, ..., ``synergy``; any subset); optionally ``probability``,
            ``gate:<part>`` and ``prediction:<part>``. Any estimator of sample-wise interactions will do.
        made: the generated data and their true kinds.

    Raises:
        ValueError: if the rows do not match, or the table has no predictions.
    """
    if len(explanation) != len(made.kind) or "prediction" not in explanation:
        raise ValueError(
            f"explanation: expected a column 'prediction' and {len(made.kind)} rows, as many as samples; "
            f"found {len(explanation)} rows and columns {list(explanation.columns)}"
        )
    target = made.dataset.target
    assert target is not None, "generated data have targets"
    kinds = ("redundancy", *(f"unique:{name}" for name in made.dataset.names), "synergy")
    occurring = [kind for kind in kinds if (made.kind == kind).any()]
    right = np.asarray(explanation["prediction"] == target, dtype=float)

    def by_kind(values: NDArray[np.float64]) -> dict[str, float]:
        return {kind: float(values[made.kind == kind].mean()) for kind in occurring}

    parts = [kind for kind in kinds if kind in explanation]
    alone = {
        part: by_kind(np.asarray(explanation[f"prediction:{part}"] == target, dtype=float))
        for part in parts
        if f"prediction:{part}" in explanation
    }
    confusion = _confusion(explanation, parts, parts, made.kind, occurring)
    gates = _confusion(explanation, [f"gate:{part}" for part in parts], parts, made.kind, occurring)
    shares = _shares(explanation[parts].to_numpy(float)) if parts else None
    return Faithfulness(
        accuracy=float(right.mean()),
        accuracy_by_kind=by_kind(right),
        routing=_balanced(confusion),
        gate_routing=_balanced(gates),
        confusion=confusion,
        component_accuracy=pd.DataFrame(alone).T[occurring] if alone else None,
        calibration_error=None if shares is None else _calibration_error(shares, made.kind[:, None] == np.array(parts)),
        estimated={} if shares is None else _bits(shares, parts, explanation, target),
        expected={kind: bits for kind, bits in made.expected.items() if kind in occurring},
        chance=1 / len(np.unique(target)),
    )


def _confusion(
    explanation: pd.DataFrame, columns: list[str], parts: list[str], kind: NDArray[np.str_], occurring: list[str]
) -> pd.DataFrame | None:
    if not columns or not set(columns) <= set(explanation):
        return None
    routed = np.array(parts)[explanation[columns].to_numpy(float).argmax(1)]
    labels = [*occurring, *(part for part in parts if part not in occurring)]
    counts = confusion_matrix(kind, routed, labels=labels, normalize="true")
    return pd.DataFrame(counts[: len(occurring)], index=occurring, columns=labels)


def _balanced(confusion: pd.DataFrame | None) -> float | None:
    return None if confusion is None else float(np.mean([confusion.loc[kind, kind] for kind in confusion.index]))


def _shares(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the positive contributions; zeros where none is positive."""
    positive = np.clip(contributions, 0, None)
    total = positive.sum(1, keepdims=True)
    return np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)


def _calibration_error(shares: NDArray[np.float64], truth: NDArray[np.bool_], n_bins: int = 10) -> float:
    """Mean distance between stated share and observed frequency over equal-width bins, weighted by their counts."""
    bins = np.minimum((shares.ravel() * n_bins).astype(int), n_bins - 1)
    surplus = np.bincount(bins, shares.ravel() - truth.ravel(), minlength=n_bins)
    return float(np.abs(surplus).sum() / shares.size)


def _bits(
    shares: NDArray[np.float64], parts: list[str], explanation: pd.DataFrame, target: NDArray[Any]
) -> dict[str, float]:
    """Mean bits by part, the sample's information split by its shares; empty without probabilities."""
    if "probability" not in explanation:
        return {}
    classes, counts = np.unique(target, return_counts=True)
    prior = (counts / counts.sum())[np.searchsorted(classes, explanation["prediction"])]
    information = np.log2(explanation["probability"].to_numpy(float) / prior)
    return dict(zip(parts, (shares * information[:, None]).mean(0).tolist(), strict=True))
