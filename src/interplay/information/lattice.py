"""The redundancy lattice: which combinations of three (or four) modalities share what about the target."""

from dataclasses import dataclass
from itertools import combinations

from numpy.typing import ArrayLike

from interplay.information import definitions
from interplay.information.measures import check_joint

__all__ = ["RedundancyLattice", "redundancy_lattice"]

Node = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RedundancyLattice:
    """Redundancy and information atoms at every node, in bits.

    A node is a tuple of sources, a source a tuple of modality axes seen together: ``((0,), (1, 2))`` is what
    modality 1 and the pair (2, 3) share.

    Attributes:
        redundancy: what the sources of a node share; grows upwards in the lattice.
        atoms: its Moebius inversion: what they share and nothing below them does; adds up to ``total``.
        total: information of all modalities together.
        definition: name of the definition of redundancy.
    """

    redundancy: dict[Node, float]
    atoms: dict[Node, float]
    total: float
    definition: str

    def __str__(self) -> str:
        lines = [f"All modalities tell {self.total:.4f} bits about the target; atoms ({self.definition}):"]
        lines += [f"  {_label(node):<24} {value + 0.0:8.4f}" for node, value in self.atoms.items()]
        return "\n".join(lines)


def _label(node: Node) -> str:
    """Modalities counted from 1, as in the literature: ``{1}{23}``."""
    return "".join("{" + "".join(str(axis + 1) for axis in source) + "}" for source in node)


def _below(lower: Node, upper: Node) -> bool:
    """Every source above contains a source below (Williams and Beer, 2010)."""
    return all(any(set(a) <= set(b) for a in lower) for b in upper)


def nodes(modalities: int) -> list[Node]:
    """All antichains of non-empty sets of modalities, each after all that lie below it: 1, 4, 18, 166 of them.

    >>> nodes(2)
    [((0,), (1,)), ((0,),), ((1,),), ((0, 1),)]
    """
    subsets = [c for size in range(1, modalities + 1) for c in combinations(range(modalities), size)]
    chains: list[Node] = []

    def extend(chain: Node, start: int) -> None:
        for i, subset in enumerate(subsets[start:], start):
            if not any(set(member) <= set(subset) for member in chain):
                chains.append((*chain, subset))
                extend((*chain, subset), i + 1)

    extend((), 0)
    return sorted(chains, key=lambda node: (sum(_below(other, node) for other in chains), node))


def redundancy_lattice(
    joint: ArrayLike, *, redundancy: str = "sx", normalize: bool = False, tolerance: float = 1e-10
) -> RedundancyLattice:
    """Redundancy of all 18 combinations of sources of three modalities, and their Moebius inversion.

    Williams and Beer, arXiv:1004.2515, 2010: the redundancy of a node is the sum of the atoms at and below it.

    Args:
        joint: probabilities ``(K1, ..., KM, k)`` of two to four modalities and the target.
        redundancy: "mmi" (all atoms non-negative), "sx" (the default), "pm" or "ccs"; "broja" and
            "pointwise_min" have no lattice.
        normalize: accept counts and divide by their sum.
        tolerance: gap to reach, in bits, where a convex programme is solved.

    Raises:
        ValueError: not such a joint, or a definition without a lattice.

    >>> import numpy as np
    >>> three_copies = np.zeros((2, 2, 2, 2)); three_copies[0, 0, 0, 0] = three_copies[1, 1, 1, 1] = 0.5
    >>> lattice = redundancy_lattice(three_copies, redundancy="mmi")
    >>> len(lattice.atoms), lattice.atoms[(0,), (1,), (2,)], lattice.total
    (18, 1.0, 1.0)
    """
    p = check_joint(joint, normalize=normalize)
    if not 3 <= p.ndim <= 5:
        raise ValueError(
            "The lattice is built for two to four modalities and the target (its size explodes beyond: 7579 nodes for "
            f"five); found shape {p.shape}. For more modalities use pairwise_decompositions or one_against_rest."
        )
    definition = definitions.get(redundancy)
    shared: dict[Node, float] = {}
    atoms: dict[Node, float] = {}
    order = nodes(p.ndim - 1)
    # Single sources first: a definition without a lattice refuses there at once.
    for node in sorted(order, key=len):
        shared[node] = float(definition(p[None], node, tolerance=tolerance, details=False).value[0])
    for node in order:
        atoms[node] = shared[node] - sum(value for other, value in atoms.items() if _below(other, node))
    return RedundancyLattice({node: shared[node] for node in order}, atoms, shared[order[-1]], redundancy)
