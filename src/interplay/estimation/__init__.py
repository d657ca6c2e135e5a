"""From samples to information."""

from interplay.estimation.measure import measure
from interplay.estimation.measurement import Measurement

__all__ = ["Measurement", "measure"]
