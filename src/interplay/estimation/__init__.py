"""From samples to information."""

from interplay.estimation.bound import bound
from interplay.estimation.bound_result import Bound
from interplay.estimation.measurement import Measurement
from interplay.estimation.measuring import ESTIMATORS, measure

__all__ = ["ESTIMATORS", "Bound", "Measurement", "bound", "measure"]
