"""Partial information decomposition of a discrete joint, under the definition of redundancy you choose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.information import definitions
from interplay.information.definitions._redundancy import Redundancy
from interplay.information.measures import check_joint, source_information
from interplay.information.pointwise import Pointwise, pointwise_parts

__all__ = [
    "Decomposition",
    "DecompositionBatch",
    "decompose",
    "decompose_batch",
    "one_against_rest",
    "pairwise_decompositions",
]

Array = NDArray[np.float64]

_TWO = ((0,), (1,))


@dataclass(frozen=True)
class Decomposition:
    """What two modalities tell about a target, in bits.

    Attributes:
        redundancy: told by each of them; ``redundancy + unique[m]`` is ``I(Xm;Y)``.
        unique: told by modality 1 alone, and by modality 2 alone.
        synergy: told only by both together; the four parts add up to ``total``.
        total: ``I(X1,X2;Y)``.
        gap: certified error of each part (duality gap of the convex programme); 0 for closed forms.
        definition: name of the definition of redundancy.
        pointwise: the parts at every outcome, whose means over the joint are the parts (for "broja" to the gap); None
            where the definition has none.
        coupling: distribution on which the definition attains its value, if it is an optimum.
    """

    redundancy: float
    unique: tuple[float, ...]
    synergy: float
    total: float
    gap: float
    definition: str
    pointwise: Pointwise | None = None
    coupling: Array | None = None

    def __str__(self) -> str:
        rows = [("redundancy", self.redundancy, "told by each of them")]
        rows += [(f"unique {m}", u, f"told by modality {m} alone") for m, u in enumerate(self.unique, 1)]
        rows += [("synergy", self.synergy, "told only by both together")]
        lines = [
            f"The modalities tell {self.total:.4f} bits about the target, of which ({self.definition}):",
            *(f"  {name:<10} {value + 0.0:8.4f} bits  {meaning}" for name, value, meaning in rows),
        ]
        if self.gap > 0:
            lines.append(f"Each part is certain to within {self.gap:.1e} bits.")
        return "\n".join(lines)


@dataclass(frozen=True)
class DecompositionBatch:
    """Decompositions of ``B`` joints, in bits: arrays ``(B,)``, and ``(B, 2)`` for ``unique``."""

    redundancy: Array
    unique: Array
    synergy: Array
    total: Array
    gap: Array
    definition: str


def decompose(
    joint: ArrayLike, *, redundancy: str = "broja", normalize: bool = False, tolerance: float = 1e-10
) -> Decomposition:
    """Redundancy, unique information and synergy of two modalities about a target.

    Whatever the definition of the redundancy ``R``, the other parts follow::

        U1 = I(X1;Y) - R      U2 = I(X2;Y) - R      S = I(X1,X2;Y) - I(X1;Y) - I(X2;Y) + R

    and the same outcome by outcome where the definition has pointwise values. Only "broja" and "mmi" promise four
    non-negative parts. Which to use when: ``docs/definitions.md``.

    Args:
        joint: probabilities ``(K1, K2, k)``, the target last.
        redundancy: "broja" (Bertschinger et al., 2014; the default), "ccs", "mmi", "pm", "pointwise_min" or "sx".
        normalize: accept counts and divide by their sum.
        tolerance: gap to reach, in bits, where a convex programme is solved.

    Raises:
        ValueError: not a distribution of two modalities and a target, or an unknown definition.

    >>> exclusive_or = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) / 4
    >>> print(decompose(exclusive_or, redundancy="mmi"))
    The modalities tell 1.0000 bits about the target, of which (mmi):
      redundancy   0.0000 bits  told by each of them
      unique 1     0.0000 bits  told by modality 1 alone
      unique 2     0.0000 bits  told by modality 2 alone
      synergy      1.0000 bits  told only by both together
    """
    p = check_joint(joint, normalize=normalize)
    if p.ndim != 3:
        raise ValueError(
            f"decompose expects two modalities and the target, shape (K1, K2, k); found shape {p.shape}. For more "
            "modalities use pairwise_decompositions, one_against_rest or redundancy_lattice."
        )
    p = p[None]
    shared = definitions.get(redundancy)(p, _TWO, tolerance=tolerance, details=True)
    parts = _parts(p, shared, redundancy)
    return Decomposition(
        redundancy=float(parts.redundancy[0]),
        unique=(float(parts.unique[0, 0]), float(parts.unique[0, 1])),
        synergy=float(parts.synergy[0]),
        total=float(parts.total[0]),
        gap=float(parts.gap[0]),
        definition=redundancy,
        pointwise=None if shared.pointwise is None else pointwise_parts(p[0], shared.pointwise[0]),
        coupling=None if shared.coupling is None else shared.coupling[0],
    )


def decompose_batch(
    joints: ArrayLike, *, redundancy: str = "broja", normalize: bool = False, tolerance: float = 1e-9
) -> DecompositionBatch:
    """`decompose` for many joints of one shape ``(B, K1, K2, k)``, without pointwise values.

    >>> joints = [[[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[[2, 0], [0, 0]], [[0, 0], [0, 2]]]]
    >>> decompose_batch(joints, redundancy="mmi", normalize=True).synergy
    array([1., 0.])
    """
    p = check_joint(joints, ndim=3, batch_axes=1, normalize=normalize)
    shared = definitions.get(redundancy)(p, _TWO, tolerance=tolerance, details=False)
    return _parts(p, shared, redundancy)


def _parts(p: Array, shared: Redundancy, name: str) -> DecompositionBatch:
    """The identities, for the means."""
    first, second, total = (source_information(p, kept) for kept in ((0,), (1,), (0, 1)))
    unique = np.stack([first, second], axis=1) - shared.value[:, None]
    # Written through unique[:, 1], not through 'second': the four parts then add up to the total to rounding.
    synergy = total - shared.value - unique[:, 0] - unique[:, 1]
    return DecompositionBatch(shared.value, unique, synergy, total, shared.gap, name)


def _check_many(joint: ArrayLike, normalize: bool) -> Array:
    p = check_joint(joint, normalize=normalize)
    if p.ndim < 3:
        raise ValueError(
            f"At least two modalities and the target are expected, shape (K1, ..., KM, k); found shape {p.shape}."
        )
    return p


def pairwise_decompositions(
    joint: ArrayLike, *, redundancy: str = "broja", normalize: bool = False, tolerance: float = 1e-10
) -> dict[tuple[int, int], Decomposition]:
    """Decompose every pair of modalities of a joint ``(K1, ..., KM, k)``, the others summed out.

    Returns:
        Decomposition by pair of axes ``(i, j)``, ``i < j``.

    >>> three_copies = np.zeros((2, 2, 2, 2)); three_copies[0, 0, 0, 0] = three_copies[1, 1, 1, 1] = 0.5
    >>> {pair: d.redundancy for pair, d in pairwise_decompositions(three_copies, redundancy="mmi").items()}
    {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0}
    """
    p = _check_many(joint, normalize)
    axes = range(p.ndim - 1)
    return {
        (i, j): decompose(
            p.sum(axis=tuple(a for a in axes if a not in (i, j))), redundancy=redundancy, tolerance=tolerance
        )
        for i in axes
        for j in axes
        if i < j
    }


def one_against_rest(
    joint: ArrayLike, *, redundancy: str = "broja", normalize: bool = False, tolerance: float = 1e-10
) -> dict[int, Decomposition]:
    """Decompose each modality of a joint ``(K1, ..., KM, k)`` against all the others seen together.

    Returns:
        Decomposition by modality axis; its ``unique[0]`` is what no combination of the others tells. Tables are of the
        shape ``(Km, product of the other K, k)``.

    >>> parity = np.zeros((2, 2, 2, 2)); cells = np.indices((2, 2, 2)); parity[(*cells, cells.sum(0) % 2)] = 1 / 8
    >>> [d.synergy for d in one_against_rest(parity, redundancy="mmi").values()]
    [1.0, 1.0, 1.0]
    """
    p = _check_many(joint, normalize)
    return {
        m: decompose(
            np.moveaxis(p, m, 0).reshape(p.shape[m], -1, p.shape[-1]), redundancy=redundancy, tolerance=tolerance
        )
        for m in range(p.ndim - 1)
    }
