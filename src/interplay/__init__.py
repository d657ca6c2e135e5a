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

# "as" tells type checkers that the name is public; they cannot follow the list above.
if TYPE_CHECKING:
    from interplay import evaluation as evaluation
    from interplay import information as information
    from interplay import methods as methods
    from interplay.data import MultimodalDataset as MultimodalDataset
    from interplay.data import datasets as datasets
    from interplay.estimation import bound as bound
    from interplay.estimation import measure as measure
    from interplay.estimators import MultimodalClassifier as MultimodalClassifier
    from interplay.estimators import MultimodalRegressor as MultimodalRegressor
    from interplay.evaluation import advise as advise
    from interplay.evaluation import compare as compare
    from interplay.information import decompose as decompose
    from interplay.information import synergy_bounds as synergy_bounds
    from interplay.nn import losses as losses
    from interplay.report import plot as plot
    from interplay.training import pretrain as pretrain


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'interplay' has no attribute {name!r}")
    module = import_module(_HOMES[name])
    value = getattr(module, name, None) if module.__name__.rpartition(".")[2] != name else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
