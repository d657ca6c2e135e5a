"""Optional packages: imported when asked for; an error names the extra that brings them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional package.

    Raises:
        ImportError: it is not installed; the message says how to get it.

    Example:
        >>> require("no_such_package", "tracking", "logger='wandb'")
        Traceback (most recent call last):
        ImportError: logger='wandb' needs no_such_package, which is not installed; pip install 'interplay[tracking]'
    """
    try:
        return import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, but something that it needs is not
        raise ImportError(
            f"{purpose} needs {module.partition('.')[0]}, which is not installed; pip install 'interplay[{extra}]'",
            name=error.name,
        ) from None
