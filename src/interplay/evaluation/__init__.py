"""What models are worth, complete and with modalities missing."""

from interplay.evaluation.comparison import Comparison, Concatenation, ConfigurationError, DataFile, compare
from interplay.evaluation.faithfulness import Faithfulness, faithfulness, score_explanation
from interplay.evaluation.metrics import (
    METRICS,
    accuracy_interval,
    calibration_error,
    negative_log_likelihood,
    score,
)
from interplay.evaluation.missing import Classifier, evaluate, patterns
from interplay.evaluation.synergy import SynergyIndicator, synergy_indicator

__all__ = [
    "METRICS",
    "Classifier",
    "Comparison",
    "Concatenation",
    "ConfigurationError",
    "DataFile",
    "Faithfulness",
    "SynergyIndicator",
    "accuracy_interval",
    "calibration_error",
    "compare",
    "evaluate",
    "faithfulness",
    "negative_log_likelihood",
    "patterns",
    "score",
    "score_explanation",
    "synergy_indicator",
]
