"""Exact information theory on discrete joint distributions, in bits. Imports nothing from the package."""

from interplay.information import definitions
from interplay.information.composition import Composition, pointwise_composition
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

__all__ = [
    "Composition",
    "Decomposition",
    "DecompositionBatch",
    "RedundancyLattice",
    "check_joint",
    "co_information",
    "conditional_mutual_information",
    "decompose",
    "decompose_batch",
    "definitions",
    "entropy",
    "gate",
    "mutual_information",
    "o_information",
    "one_against_rest",
    "pairwise_decompositions",
    "pointwise_composition",
    "pointwise_mutual_information",
    "pointwise_range",
    "redundancy_lattice",
    "total_correlation",
]
