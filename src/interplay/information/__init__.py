"""Exact information theory on discrete joint distributions, in bits. Imports nothing from the package."""

from interplay.information import definitions
from interplay.information.accuracy import GuaranteedRule, LargestAccuracy, largest_accuracy, smallest_accuracy
from interplay.information.bounds import SynergyBounds, disagreement_bound, synergy_bounds
from interplay.information.composition import Composition, pointwise_composition
from interplay.information.couplings import (
    GreedyCoupling,
    coupling_entropy_bound,
    coupling_profile_bound,
    greedy_coupling,
)
from interplay.information.decomposition import (
    Decomposition,
    DecompositionBatch,
    decompose,
    decompose_batch,
    one_against_rest,
    pairwise_decompositions,
)
from interplay.information.gates import gate
from interplay.information.lattice import RedundancyLattice, redundancy_lattice
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
from interplay.information.pointwise import pointwise_range
from interplay.information.tables import Reconciliation, reconcile

__all__ = [
    "Composition",
    "Decomposition",
    "DecompositionBatch",
    "GreedyCoupling",
    "GuaranteedRule",
    "LargestAccuracy",
    "Reconciliation",
    "RedundancyLattice",
    "SynergyBounds",
    "check_joint",
    "co_information",
    "conditional_mutual_information",
    "coupling_entropy_bound",
    "coupling_profile_bound",
    "decompose",
    "decompose_batch",
    "definitions",
    "disagreement_bound",
    "entropy",
    "gate",
    "greedy_coupling",
    "largest_accuracy",
    "mutual_information",
    "o_information",
    "one_against_rest",
    "pairwise_decompositions",
    "pointwise_composition",
    "pointwise_mutual_information",
    "pointwise_range",
    "reconcile",
    "redundancy_lattice",
    "smallest_accuracy",
    "synergy_bounds",
    "total_correlation",
]
