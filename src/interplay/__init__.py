"""Measure, learn and explain how modalities interact.

The names below are loaded on first use, so ``import interplay`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

# public name -> module that defines it; a module that is its own attribute is the public name itself
_HOMES = {
    "MultimodalDataset": "interplay.data",
    "advise": "interplay.evaluation",
    "bound": "interplay.estimation",
    "compare": "interplay.evaluation",
    "datasets": "interplay.data.datasets",
    "decompose": "interplay.information",
    "evaluation": "interplay.evaluation",
    "information": "interplay.information",
    "losses": "interplay.nn.losses",
    "measure": "interplay.estimation",
    "methods": "interplay.methods",
    "MultimodalClassifier": "interplay.estimators",
    "MultimodalRegressor": "interplay.estimators",
    "plot": "interplay.report.plot",
    "pretrain": "interplay.training",
    "synergy_bounds": "interplay.information",
}

__all__ = ["__version__", *sorted(_HOMES)]

if TYPE_CHECKING:
    from interplay import evaluation, information, methods
    from interplay.data import MultimodalDataset, datasets
    from interplay.estimation import bound, measure
    from interplay.estimators import MultimodalClassifier, MultimodalRegressor
    from interplay.evaluation import advise, compare
    from interplay.information import decompose, synergy_bounds
    from interplay.nn import losses
    from interplay.report import plot
    from interplay.training import pretrain


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'interplay' has no attribute {name!r}")
    module = import_module(_HOMES[name])
    value = getattr(module, name, None) if module.__name__.rpartition(".")[2] != name else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
