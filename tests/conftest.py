"""Shared fixtures: where real data lies, and one thread for repeatable timing."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium without a window; one for each module, as Playwright keeps an event loop running."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: pages are not looked at in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a file in Chromium; ``page.complaints`` and ``page.requests`` hold what it said and asked for."""
    pages = []

    def visited(path: Path, **options: Any) -> Any:
        page = chromium.new_page(**options)
        pages.append(page)
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield visited
    for page in pages:
        page.close()
