"""The scikit-learn face."""

from interplay.estimators._base import MultimodalEstimator
from interplay.estimators.classifier import MultimodalClassifier
from interplay.estimators.imputation import Imputation
from interplay.estimators.regressor import MultimodalRegressor

__all__ = ["Imputation", "MultimodalClassifier", "MultimodalEstimator", "MultimodalRegressor"]
