"""The scikit-learn face."""

from interplay.estimators._base import MultimodalEstimator
from interplay.estimators.classifier import MultimodalClassifier
from interplay.estimators.regressor import MultimodalRegressor

__all__ = ["MultimodalClassifier", "MultimodalEstimator", "MultimodalRegressor"]
