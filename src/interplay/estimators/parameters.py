"""What the parameters of an estimator may be, and the device that one of them names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from interplay.data.validation import Task
from interplay.methods import LOSSES
from interplay.training import PRECISIONS, check_logger


def check_parameters(params: Mapping[str, Any], task: Task, criterion: str) -> None:
    """Refuse what no training can use, before anything is read or built.

    Args:
        params: of the estimator, by name.
        task: what it predicts.
        criterion: the loss, the task's own where none was given.

    Raises:
        ValueError: naming the parameter, what was expected and what was found.
    """
    for name in ("max_epochs", "batch_size", "width", "patience"):
        if not isinstance(params[name], int | np.integer) or params[name] < 1:
            raise ValueError(f"{name} must be an integer >= 1, found {params[name]!r}")
    if not params["learning_rate"] > 0:
        raise ValueError(f"learning_rate must be > 0, found {params['learning_rate']!r}")
    if not 0 < params["validation_fraction"] < 1:
        raise ValueError(f"validation_fraction must lie between 0 and 1, found {params['validation_fraction']!r}")
    check_logger(params["logger"])
    if params["precision"] not in PRECISIONS:
        raise ValueError(f"precision must be {' or '.join(map(repr, PRECISIONS))}, found {params['precision']!r}")
    if criterion not in LOSSES[task]:
        raise ValueError(f"loss must be {' or '.join(map(repr, LOSSES[task]))} for {task}, found {params['loss']!r}")


def check_draws(n_draws: int, least: int) -> None:
    """Refuse numbers of draws that are neither 0 nor at least so many."""
    if n_draws != 0 and not (isinstance(n_draws, int | np.integer) and n_draws >= least):
        raise ValueError(
            f"n_draws must be 0 (no draws) or an integer of at least {least}, found {n_draws!r}; more draws, less noise"
        )


def chosen_device(name: str) -> torch.device:
    """The device of that name; "auto" is the first accelerator, else the CPU.

    Raises:
        ValueError: torch cannot use it here; the message says why.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ValueError(f"device {name!r} cannot be used ({reason}); use 'auto' or 'cpu'") from None
    return device
