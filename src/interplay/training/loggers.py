"""Lightning's loggers by name: every record of an epoch, by stage."""

import math
import os
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from interplay.data.extras import require

LOGGERS = ("tensorboard", "wandb")
FOLDER = "runs"  # where TensorBoard looks by itself


def check_logger(choice: Any) -> None:
    """Refuse what is no logger, and those whose package is missing.

    Raises:
        ImportError: the extra ``tracking`` is not installed.
        ValueError: neither a name that is known nor a logger of Lightning.
    """
    if choice is None or isinstance(choice, Logger):
        return
    if choice not in LOGGERS:
        names = ", ".join(map(repr, LOGGERS))
        raise ValueError(f"logger must be None, {names} or a logger of pytorch_lightning.loggers, found {choice!r}")
    require(choice, "tracking", f"logger={choice!r}")


def make_logger(choice: Any, title: str) -> Logger | None:
    """The logger of a choice that :func:`check_logger` has passed.

    ``"tensorboard"`` writes to ``runs/<title>/version_<n>``. ``"wandb"`` writes to ``wandb``, without the network
    unless the environment variable ``WANDB_MODE`` is ``online``.
    """
    if choice == "tensorboard":
        return TensorBoardLogger(FOLDER, name=title)
    if choice == "wandb":
        return WandbLogger(project="interplay", name=title, offline=os.environ.get("WANDB_MODE") != "online")
    return choice if isinstance(choice, Logger) else None


def log_record(logger: Logger, record: Mapping[str, Any]) -> None:
    """One epoch of one stage: ``<stage>/<number>`` for each finite number, at the step of the epoch."""
    numbers = {
        f"{record['stage']}/{name}": float(value)
        for name, value in record.items()
        if name not in ("stage", "epoch") and isinstance(value, int | float) and math.isfinite(value)
    }
    logger.log_metrics(numbers, step=record["epoch"])
