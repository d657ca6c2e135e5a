"""What holds for the package as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import interplay


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_is_light() -> None:
    """Under 0.3 s beyond starting Python, and nothing heavy loaded; the best of five, since the machine is shared."""
    code = (
        "import time, sys; start = time.perf_counter(); import interplay; "
        "print(time.perf_counter() - start, *{m.split('.')[0] for m in sys.modules})"
    )
    results = [run(code).split() for _ in range(5)]
    assert min(float(result[0]) for result in results) < 0.3
    heavy = {"torch", "pytorch_lightning", "matplotlib", "pandas", "sklearn", "scipy", "numpy"}
    assert not heavy & set(results[0][1:])


@pytest.mark.parametrize("name", [name for name in interplay.__all__ if name != "__version__"])
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(interplay, name) is not None
    assert name in dir(interplay)


def test_type_checkers_know_every_public_name() -> None:
    """They take "import x as x" for public, and cannot follow a list that is computed."""
    tree = ast.parse(Path(interplay.__file__).read_text())
    names = [name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names]
    assert sorted(name.name for name in names if name.asname == name.name) == sorted(interplay.__all__[1:])


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = interplay.nothing


def test_measuring_needs_no_torch() -> None:
    assert (
        "torch"
        not in run("import sys, interplay as ip; ip.decompose, ip.MultimodalDataset; print(*sys.modules)").split()
    )
