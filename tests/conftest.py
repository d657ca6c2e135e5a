"""Shared fixtures: where real data lies, and one thread for repeatable timing."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Any]:
    """Loader of the real data sets, or a skip where the folder is not given."""
    root = os.environ.get("INTERPLAY_DATA")
    if not root:
        pytest.skip("INTERPLAY_DATA is not set: real data are not part of the project")
    spec = importlib.util.spec_from_file_location("loading", Path(root) / "loading.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["loading"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.load
