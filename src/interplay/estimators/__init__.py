"""The scikit-learn face."""

from interplay.estimators.classifier import MultimodalClassifier

__all__ = ["MultimodalClassifier"]
