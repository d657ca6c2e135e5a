"""The one training loop: stages, early stopping and best-epoch selection."""

from interplay.training.batches import Gaps
from interplay.training.loggers import check_logger, make_logger
from interplay.training.loop import PRECISIONS, History, Settings, evaluate, prepare, rows_at_once, train
from interplay.training.pretrain import Pretrained, pretrain
from interplay.training.tensors import to_batch

__all__ = [
    "PRECISIONS",
    "Gaps",
    "History",
    "Pretrained",
    "Settings",
    "check_logger",
    "evaluate",
    "make_logger",
    "prepare",
    "pretrain",
    "rows_at_once",
    "to_batch",
    "train",
]
