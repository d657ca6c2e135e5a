"""One learning method a file. Being in ``__all__`` is the registration."""

import inspect
from typing import Any

from interplay.methods._base import Method, SearchSpace, Stage
from interplay.methods._criteria import LOSSES
from interplay.methods._values import Batch, Imputed, Loss, Output
from interplay.methods.agm import AGM
from interplay.methods.cyin import CyIN
from interplay.methods.dmil import DMIL
from interplay.methods.ensemble import Ensemble
from interplay.methods.gated_mixture import GatedMixture
from interplay.methods.gblending import GBlending
from interplay.methods.i2m2 import I2M2
from interplay.methods.joint import Joint
from interplay.methods.knn_impute import KNNImpute
from interplay.methods.mcr import MCR
from interplay.methods.mla import MLA
from interplay.methods.mmpareto import MMPareto
from interplay.methods.naivebayes import NaiveBayes
from interplay.methods.ogm import OGM
from interplay.methods.opm import OPM
from interplay.methods.pmr import PMR
from interplay.methods.poe import PoE
from interplay.methods.qmf import QMF
from interplay.methods.tcmax import TCMax
from interplay.methods.unimodal import Unimodal

__all__ = [
    "AGM",
    "Batch",
    "CyIN",
    "DMIL",
    "Ensemble",
    "GatedMixture",
    "GBlending",
    "I2M2",
    "Imputed",
    "LOSSES",
    "Joint",
    "KNNImpute",
    "Loss",
    "MCR",
    "MLA",
    "MMPareto",
    "Method",
    "NaiveBayes",
    "OGM",
    "OPM",
    "Output",
    "PMR",
    "PoE",
    "QMF",
    "SearchSpace",
    "Stage",
    "TCMax",
    "Unimodal",
    "make",
    "names",
]


def _classes() -> dict[str, type[Method]]:
    found = (globals()[name] for name in __all__)
    return {
        c.__name__.lower(): c
        for c in found
        if inspect.isclass(c) and issubclass(c, Method) and not inspect.isabstract(c)
    }


def names() -> list[str]:
    """Names that ``method=`` and ``--method`` take.

    >>> "joint" in names()
    True
    """
    return sorted(_classes())


def make(method: "str | Method", **params: Any) -> Method:
    """A fresh, unbuilt method by name or from a configured one.

    Raises:
        ValueError: for an unknown name, with those that exist.
    """
    if isinstance(method, Method):
        return type(method)(**{**method.get_params(), **params})
    if method not in _classes():
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(names())}")
    return _classes()[method](**params)
