"""The controls that every comparison should have: an ordinary model on all features side by side."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.linear_model import LogisticRegression, RidgeCV

from interplay.data import MultimodalDataset, as_dataset, check_target
from interplay.data.validation import Task

Data = MultimodalDataset | Mapping[str, Any]


class _Concatenation(BaseEstimator):
    _task: Task
    search_space: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _default(self) -> Any:
        raise NotImplementedError

    def set_params(self, **params: Any) -> Self:
        """As scikit-learn; parameters of the estimator may be set where it is the default, too."""
        if self.estimator is None and any(name.startswith("estimator__") for name in params):
            self.estimator = self._default()
        return super().set_params(**params)

    def fit(self, X: Data, y: Any = None) -> Self:
        """Fit on a dataset or a mapping; ``y`` None takes the dataset's own target."""
        dataset = as_dataset(X, y)
        check_target(dataset, self._task)
        self.modality_names_ = dataset.names
        self.scale_ = {name: _scale(dataset, name) for name in dataset.names}
        given = self._default() if self.estimator is None else clone(self.estimator)
        self.estimator_ = given.fit(self._features(dataset), dataset.target)
        return self

    def predict(self, X: Data) -> NDArray[Any]:
        """The estimator's answer for each row."""
        return self.estimator_.predict(self._features(as_dataset(X, names=self.modality_names_)))

    def _features(self, dataset: MultimodalDataset) -> NDArray[np.float64]:
        blocks = []
        for name, (mean, sd) in self.scale_.items():
            block = np.zeros((len(dataset), len(mean)))
            here = dataset.present[name]
            if here.any():
                block[here] = (dataset.modalities[name][here].reshape(here.sum(), -1) - mean) / sd
            blocks.append(block)
        return np.concatenate(blocks, 1)


class ConcatenationClassifier(ClassifierMixin, _Concatenation):
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
        >>> model = ConcatenationClassifier().fit(x, ["no", "no", "yes", "yes"])
        >>> model.predict({"a": [[2.0]], "b": None})
        array(['yes'], dtype='<U3')
    """

    _task = "classification"

    @property
    def search_space(self) -> Mapping[str, Any]:  # type: ignore[override]
        """The penalty of logistic regression; nothing of an estimator that was given."""
        return {"estimator__C": (1e-3, 1e3, "log")} if self.estimator is None else {}

    @property
    def classes_(self) -> NDArray[Any]:
        """Sorted class labels."""
        return self.estimator_.classes_

    def _default(self) -> Any:
        return LogisticRegression(max_iter=2000)

    def predict_proba(self, X: Data) -> NDArray[np.float64]:
        """Class probabilities ``(n, K)`` in the order of ``classes_``."""
        return self.estimator_.predict_proba(self._features(as_dataset(X, names=self.modality_names_)))


class ConcatenationRegressor(RegressorMixin, _Concatenation):
    r"""Any scikit-learn regressor on the concatenation of all features; see `ConcatenationClassifier`.

    Args:
        estimator: what is fitted; None takes ridge regression, its penalty chosen among :math:`10^{-3} \dots 10^3` by
            leave-one-out on the training rows.

    Example:
        >>> x = {"a": [[0.0], [1.0], [2.0], [3.0]], "b": [[1.0], [0.0], [0.0], [1.0]]}
        >>> ConcatenationRegressor().fit(x, [0.0, 1.0, 2.0, 3.0]).predict({"a": [[4.0]], "b": None}).round(1)
        array([4.])
    """

    _task = "regression"

    def _default(self) -> Any:
        return RidgeCV(np.logspace(-3, 3, 13))


def _scale(dataset: MultimodalDataset, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = dataset.modalities[name][dataset.present[name]]
    flat = values.reshape(len(values), int(np.prod(dataset.modalities[name].shape[1:]))).astype(float)
    if not len(flat):
        return np.zeros(flat.shape[1]), np.ones(flat.shape[1])
    sd = flat.std(0)
    return flat.mean(0), np.where(sd > 0, sd, 1.0)
