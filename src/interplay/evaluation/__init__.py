"""What models are worth, complete and with modalities missing."""

from interplay.evaluation.faithfulness import faithfulness
from interplay.evaluation.metrics import (
    METRICS,
    accuracy_interval,
    calibration_error,
    negative_log_likelihood,
    score,
)
from interplay.evaluation.missing import Classifier, evaluate, patterns
from interplay.evaluation.scoring import Faithfulness, score_explanation
from interplay.evaluation.synergy import SynergyIndicator, synergy_indicator

__all__ = [
    "METRICS",
    "Classifier",
    "Faithfulness",
    "SynergyIndicator",
    "accuracy_interval",
    "calibration_error",
    "evaluate",
    "faithfulness",
    "negative_log_likelihood",
    "patterns",
    "score",
    "score_explanation",
    "synergy_indicator",
]
