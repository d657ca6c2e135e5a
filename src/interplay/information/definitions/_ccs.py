"""Common change in surprisal."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from interplay.information.definitions._maximum_entropy import fit
from interplay.information.definitions._redundancy import Array, Redundancy, Sources

# A change of surprisal smaller than this (bits) has no sign: the fit is exact to about 1e-12.
_NO_CHANGE = 1e-9


def ccs(joints: Array, sources: Sources, *, tolerance: float, details: bool) -> Redundancy:
    """Common change in surprisal: mean co-information of the outcomes on which all changes share one sign.

    Ince, Entropy 19, 2017, in the variant of that paper: local terms and their mean are taken on the maximum-entropy
    distribution with the data's ``p(x_i, y)`` of every source and ``p(x_1, ..., x_n)`` of the sources. An outcome
    counts where the sign of each ``i(x_i; y)``, of ``i(x_1...x_n; y)`` and of their co-information agree. Since the
    mean is taken on that distribution and not on the data's, there are no pointwise values over the data; the
    distribution is returned as the coupling. The gap is the duality gap of the fit, and no bound on the redundancy,
    which jumps where a change of surprisal passes zero.
    """
    parts = [_ccs(joint, sources) for joint in joints]
    coupling = None
    if details and sorted(set().union(*sources)) == list(range(joints.ndim - 2)):
        coupling = np.stack([table.reshape(joints.shape[1:]) for _, _, table in parts])
    return Redundancy(
        np.array([value for value, _, _ in parts]), np.array([gap for _, gap, _ in parts]), coupling=coupling
    )


def _ccs(joint: Array, sources: Sources) -> tuple[float, float, Array]:
    """Redundancy, gap and maximum-entropy table ``(cells of the union of sources, k)`` of one joint."""
    union = sorted(set().union(*sources))
    table = joint.sum(axis=tuple(a for a in range(joint.ndim - 1) if a not in union))
    shape, k = table.shape[:-1], table.shape[-1]
    table = table.reshape(-1, k)
    places = np.unravel_index(np.arange(len(table)), shape)

    def group(chosen: set[int]) -> NDArray[np.int_]:
        """Number of each cell's value of the chosen modalities, seen together."""
        axes = [union.index(a) for a in sorted(chosen)]
        return np.asarray(np.ravel_multi_index([places[a] for a in axes], [shape[a] for a in axes]))

    model, gap = fit(table, [group(set(source)) for source in sources])

    def local(chosen: tuple[tuple[int, ...], ...]) -> Array:
        """``i(x_T; y)`` of the chosen sources seen together, at every cell."""
        number = group(set().union(*chosen))
        summed = np.zeros((number.max() + 1, k))
        np.add.at(summed, number, model)
        posterior = summed / np.maximum(summed.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        return np.log2(posterior[number]) - np.log2(model.sum(axis=0))

    with np.errstate(divide="ignore", invalid="ignore"):
        local_terms = {
            chosen: local(chosen) for size in range(1, len(sources) + 1) for chosen in combinations(sources, size)
        }
        common = sum((-1) ** (len(chosen) + 1) * term for chosen, term in local_terms.items())
        signs = np.stack([_sign(term) for chosen, term in local_terms.items() if len(chosen) in (1, len(sources))])
        counts = (model > 0) & (signs == _sign(np.asarray(common))).all(axis=0)
    return float((model[counts] * np.asarray(common)[counts]).sum()), gap, model


def _sign(change: Array) -> Array:
    return np.where(np.abs(change) < _NO_CHANGE, 0.0, np.sign(change))
