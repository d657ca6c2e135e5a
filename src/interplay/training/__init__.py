"""The one training loop: stages, early stopping and best-epoch selection."""

from interplay.training.loop import History, Settings, evaluate, prepare, train
from interplay.training.tensors import to_batch

__all__ = ["History", "Settings", "evaluate", "prepare", "to_batch", "train"]
