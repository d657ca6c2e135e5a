"""Definitions of redundancy: how much of what several sources tell about the target is the same.

A definition is one function. It takes a batch of checked joints ``(B, K1, ..., KM, k)`` and the sources to compare,
each a tuple of modality axes that are seen together, and returns a `Redundancy`; unique information and synergy
follow from it by the identities in `interplay.information.decompose`. Being in ``__all__`` is the registration.
"""

from interplay.information.definitions._broja import broja
from interplay.information.definitions._ccs import ccs
from interplay.information.definitions._mmi import mmi
from interplay.information.definitions._pm import pm
from interplay.information.definitions._pointwise_min import pointwise_min
from interplay.information.definitions._redundancy import Definition
from interplay.information.definitions._sx import sx

__all__ = ["broja", "ccs", "mmi", "pm", "pointwise_min", "sx"]


def get(name: str) -> Definition:
    """The definition of this name; a ValueError lists the choices."""
    if name not in __all__:
        raise ValueError(f"Unknown redundancy definition {name!r}; choose one of {', '.join(__all__)}.")
    definition: Definition = globals()[name]
    return definition


def names() -> list[str]:
    """Names of all definitions, as ``redundancy=`` takes them."""
    return list(__all__)
