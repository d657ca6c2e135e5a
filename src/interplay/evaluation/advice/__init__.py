"""What to do with a data set: measured, cross-validated, said in words."""

from interplay.evaluation.advice.advise import advise
from interplay.evaluation.advice.gain import Estimate
from interplay.evaluation.advice.result import Advice
from interplay.evaluation.advice.worries import Worry

__all__ = ["Advice", "Estimate", "Worry", "advise"]
