"""From samples to information."""

from interplay.estimation.bound import bound
from interplay.estimation.bound_result import Bound
from interplay.estimation.measure import measure
from interplay.estimation.measurement import Measurement

__all__ = ["Bound", "Measurement", "bound", "measure"]
