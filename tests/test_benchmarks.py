"""The benchmarks still fit the package. They run for minutes to hours, so here they are only loaded."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_benchmark_loads(path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    try:
        runpy.run_path(str(path), run_name="benchmark")
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "interplay" or (FOLDER / f"{package}.py").exists():
            raise
        pytest.skip(f"needs {package}, a reference that it compares with")
