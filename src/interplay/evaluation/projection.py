"""How much of a prediction is interaction: a model's best additive stand-in, for any model (EMAP)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from interplay.data import MultimodalDataset, as_dataset
from interplay.evaluation.comparison.entries import on_dataset
from interplay.evaluation.metrics import Classifier, Regressor

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Data = MultimodalDataset | Mapping[str, ArrayLike | None]
_FLOOR = 1e-12


@dataclass(frozen=True)
class Projection:
    """A model's predictions and those of its projection on sums of one function a modality.

    Attributes:
        logits: of the model ``(n, K)``, centred: log-probabilities less their mean over classes. Regression: the
            predicted numbers ``(n, 1)``.
        additive: of the projection, the same shape.
        centre: mean of the projection where modalities are drawn independently, ``(n, K)``; it differs only between
            rows that have different modalities.
        ids: of the rows.
        classes: labels ``(K,)``, None in regression.
        target: ``(n,)`` or None.
    """

    logits: Array
    additive: Array
    centre: Array
    ids: NDArray[Any]
    classes: NDArray[Any] | None
    target: NDArray[Any] | None

    @property
    def interaction(self) -> Array:
        """What the projection lacks, ``logits - additive`` ``(n, K)``: 0 everywhere for an additive model."""
        return self.logits - self.additive

    @property
    def shares(self) -> Array:
        r"""Share of interaction in each prediction ``(n,)``.

        .. math:: \frac{\|f - \hat f\|}{\|f - \hat f\| + \|\hat f - \bar f\|}
        """
        apart, own = np.linalg.norm(self.interaction, axis=1), np.linalg.norm(self.additive - self.centre, axis=1)
        total = apart + own
        return np.divide(apart, total, out=np.zeros_like(total), where=total > 0)

    @property
    def share(self) -> float:
        r"""Share of interaction in all predictions.

        .. math:: \frac{\sum_i \|f_i - \hat f_i\|^2}{\sum_i \|f_i - \hat f_i\|^2 + \|\hat f_i - \bar f\|^2}
        """
        apart, own = (self.interaction**2).sum(), ((self.additive - self.centre) ** 2).sum()
        return float(apart / (apart + own)) if apart + own > 0 else 0.0

    @property
    def score(self) -> float:
        """Accuracy of the model, in regression R2; NaN without a target."""
        return self._score(self.logits)

    @property
    def score_additive(self) -> float:
        """The same of the projection: what is left when every interaction is taken out."""
        return self._score(self.additive)

    @property
    def table(self) -> pd.DataFrame:
        """A row a sample.

        ``prediction``; ``prediction:additive``, what the projection says; ``additive`` and ``interaction``, what each
        adds to the centred logit of the predicted class (regression: to the number, the first less its mean);
        ``share``.
        """
        rows, best = np.arange(len(self.logits)), self.logits.argmax(1)
        return pd.DataFrame(
            {
                "prediction": self._said(self.logits),
                "prediction:additive": self._said(self.additive),
                "additive": (self.additive if self.classes is not None else self.additive - self.centre)[rows, best],
                "interaction": self.interaction[rows, best],
                "share": self.shares,
            },
            index=pd.Index(self.ids, name="id"),
        )

    def _said(self, values: Array) -> NDArray[Any]:
        return values[:, 0] if self.classes is None else self.classes[values.argmax(1)]

    def _score(self, values: Array) -> float:
        if self.target is None:
            return float("nan")
        said = self._said(values)
        if self.classes is not None:
            return float((said == self.target).mean())
        return float(1 - ((said - self.target) ** 2).mean() / (np.var(self.target) or 1.0))

    def __str__(self) -> str:
        scores = ""
        if self.target is not None:
            name = "accuracy" if self.classes is not None else "R2"
            scores = f"; {name} {self.score:.3f}, of the projection {self.score_additive:.3f}"
        return f"interaction is {self.share:.1%} of what {len(self.logits)} predictions vary{scores}"


def additive_projection(
    model: Classifier | Regressor,
    X: Data,
    *,
    references: int = 200,
    batch_rows: int = 16384,
    random_state: int = 0,
) -> Projection:
    r"""Project a fitted model on sums of one function a modality.

    .. math:: \hat f(x_i) = \sum_m \mathbb E\, f(x_i^m, X^{-m}) - (M - 1)\, \mathbb E\, f(X),

    the modalities in the expectations drawn independently of each other from the rows of ``X``: the first-order part
    of the functional ANOVA. With two modalities this is EMAP,
    :math:`\frac1n \sum_j f(a_i, b_j) + \frac1n \sum_j f(a_j, b_i) - \frac1{n^2} \sum_{jk} f(a_j, b_k)`. :math:`f` are
    centred logits, so that only what changes a prediction counts; in regression the numbers.

    A row keeps its gaps: what is said is of the modalities that it has, and with one modality nothing interacts. The
    cost is ``len(X) * references * M`` predictions, and of memory ``batch_rows`` rows.

    Args:
        model: fitted; ours, or any object with ``predict_proba`` (for numbers ``predict``) that takes a mapping from
            modality to array.
        X: rows to explain; they are the reference, too.
        references: rows that stand for all; with as many as ``X`` has, two modalities give EMAP without an error of
            sampling. An additive model has no interaction with any number.
        batch_rows: rows of one call of the model.
        random_state: seed of the choice.

    Raises:
        ValueError: fewer than two references.

    Reference:
        Hessel and Lee, Does my multimodal model learn cross-modal interactions? It's harder to tell than you might
        think!, EMNLP 2020.

    Example:
        >>> from interplay.evaluation import ConcatenationClassifier
        >>> rng = np.random.default_rng(0)
        >>> x = {"a": rng.normal(size=(100, 2)), "b": rng.normal(size=(100, 2))}
        >>> model = ConcatenationClassifier().fit(x, x["a"][:, 0] * x["b"][:, 0] > 0)
        >>> bool(abs(additive_projection(model, x).interaction).max() < 1e-9)  # a linear model cannot interact
        True
    """
    if references < 2 or batch_rows < 1:
        raise ValueError(f"references must be at least 2, batch_rows at least 1, found {references} and {batch_rows}")
    dataset, asked = as_dataset(X), on_dataset(model)
    rng = np.random.default_rng(random_state)
    chosen = {name: _references(here, references, rng) for name, here in dataset.present.items()}
    logits = centred_logits(asked, dataset, batch_rows)
    additive, centre = logits.copy(), np.zeros_like(logits)
    patterns = np.stack([dataset.present[name] for name in dataset.names], axis=1)
    for pattern in np.unique(patterns, axis=0):
        rows = np.flatnonzero((patterns == pattern).all(1))
        names = [name for name, here in zip(dataset.names, pattern, strict=True) if here]
        if len(names) > 1:
            additive[rows], centre[rows] = _project(asked, dataset, names, rows, chosen, batch_rows)
    classes = getattr(model, "classes_", None)
    if classes is None and logits.shape[1] > 1:
        classes = np.arange(logits.shape[1])
    return Projection(
        logits, additive, centre, dataset.ids, None if classes is None else np.asarray(classes), dataset.target
    )


def has_probabilities(model: Any) -> bool:
    """A classifier, perhaps wrapped by `on_dataset`."""
    return hasattr(getattr(model, "model", model), "predict_proba")


def centred_logits(model: Any, dataset: MultimodalDataset, batch_rows: int = 16384) -> Array:
    """Log-probabilities less their mean over classes ``(n, K)``, below 1e-12 as 1e-12; numbers ``(n, 1)`` without."""
    blocks = []
    for start in range(0, len(dataset), batch_rows):
        part = dataset[start : start + batch_rows]
        if has_probabilities(model):
            log = np.log(np.clip(np.asarray(model.predict_proba(part), np.float64), _FLOOR, None))
            blocks.append(log - log.mean(1, keepdims=True))
        else:
            blocks.append(np.asarray(model.predict(part), np.float64).reshape(len(part), 1))
    return np.concatenate(blocks)


def recombined(dataset: MultimodalDataset, rows: Mapping[str, Rows | None]) -> MultimodalDataset:
    """Rows whose modalities come from different rows; None for a modality that all of them lack."""
    n = next(len(index) for index in rows.values() if index is not None)
    taken = {name: np.zeros(n, np.intp) if index is None else index for name, index in rows.items()}
    absent = {name: np.full(n, index is not None) for name, index in rows.items()}
    return MultimodalDataset(
        {name: dataset.modalities[name][index] for name, index in taken.items()},
        present={name: dataset.present[name][index] & absent[name] for name, index in taken.items()},
        lengths={name: steps[taken[name]] * absent[name] for name, steps in dataset.lengths.items()},
    )


def _references(here: NDArray[np.bool_], most: int, rng: np.random.Generator) -> Rows:
    """Rows that have the modality, in an order of its own: side by side they are independent draws."""
    return rng.permutation(np.flatnonzero(here))[:most]


def _project(
    model: Any,
    dataset: MultimodalDataset,
    names: list[str],
    rows: Rows,
    chosen: Mapping[str, Rows],
    batch_rows: int,
) -> tuple[Array, Array]:
    """Projection of rows that have exactly ``names``, and the mean of the model over independent draws."""
    size = min(len(chosen[name]) for name in names)
    drawn = {name: chosen[name][:size] for name in names}

    def mean_over_others(name: str, of: Rows) -> Array:
        """Mean prediction of each row's ``name`` beside every draw of the other modalities."""
        sums = []
        for block in _blocks(of, max(1, batch_rows // size)):
            index: dict[str, Rows | None] = dict.fromkeys(dataset.names)
            index |= {other: np.tile(drawn[other], len(block)) for other in names}
            index[name] = np.repeat(block, size)
            found = centred_logits(model, recombined(dataset, index), batch_rows)
            sums.append(found.reshape(len(block), size, -1).mean(1))
        return np.concatenate(sums)

    effects = [mean_over_others(name, rows) for name in names]
    centre = mean_over_others(names[0], drawn[names[0]]).mean(0)
    return np.sum(effects, axis=0) - (len(names) - 1) * centre, np.broadcast_to(centre, effects[0].shape)


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
