"""The code of the README and of the pages runs as it stands, and no page leads nowhere."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interplay.cli import app

ROOT = Path(__file__).parents[1]
RUN = [
    "README.md",
    "docs/quickstart.md",
    "docs/missing.md",
    "docs/missing_data.md",
    "docs/missing_sensor.md",
    "docs/regression.md",
    "docs/report.md",
    "docs/compare.md",
    "docs/advice.md",
    "docs/explain_any.md",
]
BLOCK = re.compile(r"^```(python|console|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", RUN)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    ran = 0
    for language, code in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(code, page, "exec"), namespace)
            ran += 1
        if language == "yaml":
            Path("plan.yaml").write_text(code, encoding="utf-8")
        if language == "python" and page == "README.md":
            save_for_the_commands(namespace)
        for line in code.splitlines() if language == "console" else []:
            # make, pip and git are the reader's; a demo of its own is in the tests of the command
            if line.startswith("interplay ") and not line.startswith("interplay demo"):
                result = CliRunner().invoke(app, shlex.split(line)[1:])
                assert result.exit_code == 0, f"{line}: {result.stderr}"
                ran += 1
    assert ran


def save_for_the_commands(namespace):
    """README: its commands use the arrays of the example, as files."""
    data = namespace["data"]
    data.save("new.parquet")
    import pandas as pd

    pd.read_parquet("new.parquet").rename(columns={"target": "mood"}).drop(columns="ids").to_parquet("data.parquet")


def test_readme_example_is_short():
    code = next(code for language, code in BLOCK.findall((ROOT / "README.md").read_text()) if language == "python")
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 12
    assert all(len(line) <= 110 for line in lines)


def test_method_of_the_contributing_page_works():
    import numpy as np

    from interplay.estimators import MultimodalClassifier

    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = next(code for language, code in BLOCK.findall(text) if language == "python")
    namespace = {"__name__": "mean"}
    exec(compile(code, "CONTRIBUTING.md", "exec"), namespace)
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 100)
    x = {name: rng.normal(size=(200, 4)) + 2 * y[:, None] for name in "ab"}
    model = MultimodalClassifier(namespace["Mean"](), max_epochs=15, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.95
    assert (model.predict({"a": x["a"], "b": None}) == y).mean() > 0.9


@pytest.mark.parametrize("page", [*sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")), "README.md"])
def test_links_lead_somewhere(page):
    path = ROOT / page
    for address in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in address:
            assert (path.parent / address).exists(), f"{page} leads to {address}"
