"""The scikit-learn face: ``MultimodalRegressor``."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from torch import Tensor

from interplay.data import MultimodalDataset, as_dataset, check_target
from interplay.data.validation import Task
from interplay.estimators._base import Data, MultimodalEstimator
from interplay.estimators.answer import Answer, Numbers
from interplay.estimators.explanation import Columns
from interplay.methods import Output


class MultimodalRegressor(RegressorMixin, MultimodalEstimator):
    r"""Predict a number for samples that have several modalities.

    Takes those methods of :mod:`interplay.methods` whose ``tasks`` include ``"regression"``. The target is standardised
    with the part of the data that is trained on, so that learning rate and loss weights mean the same for every unit;
    predictions come back in the target's own. Where no modality is present, the mean of that part is the answer.

    Args:
        loss: what an error of :math:`e` standard deviations of the target costs: ``"huber"`` (:math:`e^2 / 2` up to
            :math:`|e| = 1`, :math:`|e| - 1/2` beyond), ``"l1"`` (:math:`|e|`) or ``"l2"`` (:math:`e^2`); None is
            ``"huber"``. It is what training minimises and what chooses epochs.

    All other parameters are those of :class:`~interplay.MultimodalClassifier`.

    Attributes:
        target_mean_: mean of the training target.
        target_scale_: its standard deviation; 1 for a constant target.
        modality_names_: names of the modalities, in the order of training.
        n_features_in_: number of values a sample has, over all modalities.
        method_: the trained method, a ``torch.nn.Module``; its outputs are in standard deviations from the mean.
        history_: one record an epoch, and the best epoch of each stage.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = {"a": rng.normal(size=(200, 3)), "b": rng.normal(size=(200, 2))}
        >>> y = 100 + x["a"][:, 0] + x["b"][:, 1]
        >>> model = MultimodalRegressor("joint", max_epochs=30, random_state=0).fit(x, y)
        >>> model.predict({"a": np.array([[2.0, 0, 0]]), "b": None}).round()
        array([102.])
    """

    _task: ClassVar[Task] = "regression"
    target_mean_: float
    target_scale_: float

    def predict(self, X: Data, *, n_draws: int = 0) -> NDArray[np.float64]:
        """Predicted number ``(n,)`` of each row.

        Args:
            X: rows.
            n_draws: 0 predicts from the means of the latents. Otherwise the mean over so many draws of the latents from
                their posteriors (``"dmil"``, ``"cyin"``; without any it is the same); always the same draws.
        """
        return self._predicted(X, lambda output: self._numbers(output.logits), n_draws)

    def score(self, X: Data, y: Any = None, sample_weight: Any = None) -> float:
        """Share of the variance that is explained, R2; ``y`` None takes the data set's own target."""
        if y is None:
            y = as_dataset(X).target
        if y is None:
            raise ValueError("score needs numbers: pass y, or a data set with a target")
        return float(r2_score(y, self.predict(X), sample_weight=sample_weight))

    def _labelled(self, dataset: MultimodalDataset) -> MultimodalDataset:
        # As floats, so that no split takes the numbers for classes.
        return dataset.with_target(check_target(dataset, self._task))

    def _learn_target(self, dataset: MultimodalDataset, training: MultimodalDataset) -> None:
        target = np.asarray(training.target)
        self.target_mean_, self.target_scale_ = float(target.mean()), float(target.std()) or 1.0

    def _encode_target(self, dataset: MultimodalDataset) -> NDArray[np.float32]:
        target = check_target(dataset, self._task)
        return ((target - self.target_mean_) / self.target_scale_).astype(np.float32)

    def _prior(self, target: Tensor) -> Tensor:
        return target.new_zeros(1)

    def _numbers(self, logits: Tensor) -> NDArray[np.float64]:
        standardised: NDArray[np.float64] = logits[:, 0].double().cpu().numpy()
        return self.target_mean_ + self.target_scale_ * standardised

    def _columns(self, output: Output) -> Columns:
        return Columns(
            {"prediction": self._numbers(output.logits)},
            uncertain=("prediction", lambda drawn: self._numbers(drawn.logits)),
            push=lambda logits: self.target_scale_ * logits[:, 0].double(),
            say=self._numbers,
        )

    @property
    def answer(self) -> Answer:
        """Numbers from logits."""
        return Numbers(self.target_mean_, self.target_scale_)

    def _target_config(self) -> dict[str, Any]:
        return {"target_mean": self.target_mean_, "target_scale": self.target_scale_}

    def _restore_target(self, config: Mapping[str, Any]) -> None:
        self.target_mean_, self.target_scale_ = float(config["target_mean"]), float(config["target_scale"])
