"""The control that every comparison should have: an ordinary model on all features side by side."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression

from interplay.data import MultimodalDataset, as_dataset, check_target


class Concatenation(ClassifierMixin, BaseEstimator):
    r"""Any scikit-learn classifier on the concatenation of all features.

    Each feature is standardised by the training rows that have it, :math:`(x - \bar x) / s`; a modality that is absent
    in a row counts as zeros there, its training mean. Sequences and images are flattened.

    Args:
        estimator: what is fitted; None takes logistic regression.

    Attributes:
        classes_: sorted class labels.
        estimator_: the fitted estimator.

    Example:
        >>> x = {"a": [[0.0], [0.1], [1.0], [1.1]], "b": [[1.0], [0.0], [1.0], [0.0]]}
        >>> model = Concatenation().fit(x, ["no", "no", "yes", "yes"])
        >>> model.predict({"a": [[2.0]], "b": None})
        array(['yes'], dtype='<U3')
    """

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: MultimodalDataset | Mapping[str, Any], y: Any = None) -> Self:
        """Fit on a dataset or a mapping; ``y`` None takes the dataset's own target."""
        dataset = as_dataset(X, y)
        check_target(dataset, "classification")
        self.modality_names_ = dataset.names
        self.scale_ = {name: _scale(dataset, name) for name in dataset.names}
        given = LogisticRegression(max_iter=2000) if self.estimator is None else clone(self.estimator)
        self.estimator_ = given.fit(self._features(dataset), dataset.target)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X: MultimodalDataset | Mapping[str, Any]) -> NDArray[np.float64]:
        """Class probabilities ``(n, K)`` in the order of ``classes_``."""
        return self.estimator_.predict_proba(self._features(as_dataset(X, names=self.modality_names_)))

    def predict(self, X: MultimodalDataset | Mapping[str, Any]) -> NDArray[Any]:
        """The most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _features(self, dataset: MultimodalDataset) -> NDArray[np.float64]:
        blocks = []
        for name, (mean, sd) in self.scale_.items():
            block = np.zeros((len(dataset), len(mean)))
            here = dataset.present[name]
            if here.any():
                block[here] = (dataset.modalities[name][here].reshape(here.sum(), -1) - mean) / sd
            blocks.append(block)
        return np.concatenate(blocks, 1)


def _scale(dataset: MultimodalDataset, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = dataset.modalities[name][dataset.present[name]]
    flat = values.reshape(len(values), int(np.prod(dataset.modalities[name].shape[1:]))).astype(float)
    if not len(flat):
        return np.zeros(flat.shape[1]), np.ones(flat.shape[1])
    sd = flat.std(0)
    return flat.mean(0), np.where(sd > 0, sd, 1.0)
