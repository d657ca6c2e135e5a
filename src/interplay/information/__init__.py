"""Exact information theory on discrete joint distributions. Imports nothing from the package."""

from interplay.information.measures import (
    check_joint,
    co_information,
    conditional_mutual_information,
    entropy,
    mutual_information,
    o_information,
    pointwise_mutual_information,
    total_correlation,
)

__all__ = [
    "check_joint",
    "co_information",
    "conditional_mutual_information",
    "entropy",
    "mutual_information",
    "o_information",
    "pointwise_mutual_information",
    "total_correlation",
]
