"""Figures as functions: they take results and return matplotlib axes; no pyplot, no global state.

Colours are Okabe and Ito's, told apart under every common form of colour blindness; what matters is also written
or hatched, so the figures survive a grey print. Save a figure by ``axes.figure.savefig(path)``.
"""

from interplay.report.plot._agreement import agreement
from interplay.report.plot._calibration import calibration
from interplay.report.plot._information import interactions
from interplay.report.plot._missing import missing_bars, missing_curve
from interplay.report.plot._parts import composition, contributions
from interplay.report.plot._ranks import comparison
from interplay.report.plot._training import gate_usage, history

__all__ = [
    "agreement",
    "calibration",
    "comparison",
    "composition",
    "contributions",
    "gate_usage",
    "history",
    "interactions",
    "missing_bars",
    "missing_curve",
]
