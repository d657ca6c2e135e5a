"""Many methods on many data sets with many seeds: run, resume, test, tell."""

from interplay.evaluation.comparison.concatenation import ConcatenationClassifier, ConcatenationRegressor
from interplay.evaluation.comparison.grid import compare
from interplay.evaluation.comparison.plan import Plan
from interplay.evaluation.comparison.result import Comparison
from interplay.evaluation.comparison.sources import DataFile
from interplay.evaluation.comparison.store import ConfigurationError

__all__ = [
    "Comparison",
    "ConcatenationClassifier",
    "ConcatenationRegressor",
    "ConfigurationError",
    "DataFile",
    "Plan",
    "compare",
]
