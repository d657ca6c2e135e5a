"""The one training loop: stages, early stopping and best-epoch selection."""

from interplay.training.loop import History, Settings, evaluate, train

__all__ = ["History", "Settings", "evaluate", "train"]
