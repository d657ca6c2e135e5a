"""What models are worth, complete and with modalities missing."""

from interplay.evaluation.advice import Advice, advise
from interplay.evaluation.blindness import blindness
from interplay.evaluation.comparison import (
    Comparison,
    ConcatenationClassifier,
    ConcatenationRegressor,
    ConfigurationError,
    DataFile,
    Plan,
    compare,
)
from interplay.evaluation.faithfulness import faithfulness
from interplay.evaluation.metrics import (
    METRICS,
    REGRESSION_METRICS,
    Classifier,
    Regressor,
    accuracy_interval,
    answers,
    calibration_error,
    calibration_table,
    negative_log_likelihood,
    score,
    score_interval,
    score_model,
)
from interplay.evaluation.missing import evaluate, patterns
from interplay.evaluation.parts import class_table
from interplay.evaluation.projection import Projection, additive_projection
from interplay.evaluation.regression import (
    r2_interval,
    regression_scores,
    rounded_accuracy,
    sentiment_scores,
    sign_scores,
)
from interplay.evaluation.robustness import Robustness, robustness
from interplay.evaluation.scoring import Faithfulness, score_explanation
from interplay.evaluation.synergy import SynergyIndicator, synergy_indicator

__all__ = [
    "METRICS",
    "Plan",
    "REGRESSION_METRICS",
    "Advice",
    "Classifier",
    "Comparison",
    "ConcatenationClassifier",
    "ConcatenationRegressor",
    "ConfigurationError",
    "DataFile",
    "Faithfulness",
    "Projection",
    "Regressor",
    "Robustness",
    "SynergyIndicator",
    "accuracy_interval",
    "additive_projection",
    "advise",
    "answers",
    "blindness",
    "calibration_error",
    "calibration_table",
    "class_table",
    "compare",
    "evaluate",
    "faithfulness",
    "negative_log_likelihood",
    "patterns",
    "r2_interval",
    "regression_scores",
    "robustness",
    "rounded_accuracy",
    "score",
    "score_explanation",
    "score_interval",
    "score_model",
    "sentiment_scores",
    "sign_scores",
    "synergy_indicator",
]
