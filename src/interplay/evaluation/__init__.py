"""What models are worth, complete and with modalities missing."""

from interplay.evaluation.faithfulness import Faithfulness, faithfulness, score_explanation
from interplay.evaluation.metrics import (
    METRICS,
    accuracy_interval,
    calibration_error,
    negative_log_likelihood,
    score,
)
from interplay.evaluation.missing import Classifier, evaluate, patterns
from interplay.evaluation.robustness import Robustness, robustness
from interplay.evaluation.synergy import SynergyIndicator, synergy_indicator

__all__ = [
    "METRICS",
    "Classifier",
    "Faithfulness",
    "Robustness",
    "SynergyIndicator",
    "accuracy_interval",
    "calibration_error",
    "evaluate",
    "faithfulness",
    "negative_log_likelihood",
    "patterns",
    "robustness",
    "score",
    "score_explanation",
    "synergy_indicator",
]
