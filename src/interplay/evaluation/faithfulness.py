"""Does a decomposition say what is there? Scores on data whose interactions are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from interplay.data.datasets import Interactions, make_interactions
from interplay.evaluation.scoring import Faithfulness, score_explanation

if TYPE_CHECKING:
    from interplay.estimation import Measurement
    from interplay.methods import Method

__all__ = ["faithfulness"]


def faithfulness(
    method: str | Method | Callable[..., Any] | Any = "dmil",
    *,
    composition: Mapping[str, float | Sequence[float]] | None = None,
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
    """Score what a method, or an estimator, says about single samples of generated data of known interactions.

    A method is trained on ``n_samples`` and scored on ``n_test`` fresh samples of the same population. An estimator of
    ``ip.measure``, or any function of a labelled data set, needs no training: it gets ``n_samples`` and is scored on
    them.

    Args:
        method: a method's name; a configured method; any unfitted estimator with ``fit(dataset)`` and
            ``explain(dataset)`` (columns as in ``MultimodalClassifier.explain``) or only ``predict(dataset)``; the
            name of an estimator of ``ip.measure`` (``"discrete"``, ``"classifiers"``, ``"batch"``, ``"dual"``); or a
            function from a labelled data set to a measurement, or to a table with a column a part.
        composition: kind -> share (or a share for each class); default equal shares.
        n_classes: number of classes.
        n_samples: for training, or for measuring.
        n_test: for scoring what was trained.
        n_features: of each modality.
        noise: standard deviation of the noise on the features.
        n_modalities: number of modalities.
        type_visible: whether the features tell the kind; see :func:`interplay.data.datasets.make_interactions`.
        nonlinear: pass the features through a random map and tanh.
        random_state: seed of the data and of the model.
        **params: of :class:`~interplay.MultimodalClassifier`, or of ``ip.measure``, where ``method`` is a name or a
            configured method.

    Raises:
        ValueError: unknown names, or an estimator that says nothing about single samples of these data.

    Example:
        >>> print(faithfulness("joint", n_classes=2, n_samples=400, max_epochs=5))
        accuracy 0...
    """
    settings: dict[str, Any] = {
        "composition": composition, "n_classes": n_classes, "n_features": n_features, "noise": noise,
        "n_modalities": n_modalities, "type_visible": type_visible, "nonlinear": nonlinear,
    }  # fmt: skip

    def draw(n: int, seed: int) -> Interactions:
        return make_interactions(**settings, n_samples=n, random_state=seed, structure_state=random_state)

    subject = _subject(method, {"random_state": random_state, **params})
    training = draw(n_samples, 2 * random_state + 1)
    if hasattr(subject, "fit"):
        test = draw(n_test, 2 * random_state + 2)
        subject.fit(training.dataset)
        found = score_explanation(_explain(subject, test), test)
    else:
        found = _score_measured(subject(training.dataset), training)
    label = method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)
    sizes = {"n_samples": n_samples, "random_state": random_state}
    return replace(found, settings={"method": label, **settings, **sizes})


def _subject(method: Any, params: dict[str, Any]) -> Any:
    """Something with ``fit``, or a function of a data set."""
    # Imported here, so that figures and reports, which read this room's results, need no torch.
    from interplay.estimation import ESTIMATORS
    from interplay.estimators import MultimodalClassifier
    from interplay.methods import Method

    if isinstance(method, str) and method in ESTIMATORS:
        return partial(_measure, estimator=method, **params)
    if isinstance(method, str | Method):
        return MultimodalClassifier(method, **params)
    return method


def _measure(dataset: Any, **params: Any) -> Measurement:
    from interplay.estimation import measure

    # Only single samples count here: no intervals, no tests to speak of.
    return measure(dataset, **{"sensitivity": False, "n_bootstrap": 20, "n_permutations": 20, **params})


def _explain(estimator: Any, made: Interactions) -> pd.DataFrame:
    if hasattr(estimator, "explain"):
        return estimator.explain(made.dataset)
    return pd.DataFrame({"prediction": estimator.predict(made.dataset)}, index=pd.Index(made.dataset.ids, name="id"))


def _score_measured(found: Measurement | pd.DataFrame, made: Interactions) -> Faithfulness:
    """A measurement is held against its own definition of the parts, on the exact joint of the symbols."""
    if isinstance(found, pd.DataFrame):
        return score_explanation(found, made)
    if found.samples is None:
        raise ValueError(
            f"estimator {found.estimator!r} with redundancy {found.definition!r} says nothing about single samples of "
            "these data; choose two modalities, or redundancy='pointwise_min' with estimator 'classifiers'"
        )
    if made.joint is None:
        return score_explanation(found.samples, made, expected={})
    from interplay.information import decompose

    exact = decompose(made.joint, redundancy=found.definition)
    own = {f"unique:{name}": float(bits) for name, bits in zip(found.names, exact.unique, strict=True)}
    expected = {"redundancy": float(exact.redundancy), **own, "synergy": float(exact.synergy)}
    return score_explanation(found.samples, made, expected=expected)
