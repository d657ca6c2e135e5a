"""The code of the README and of the pages runs as it stands, and no page leads nowhere."""

import doctest
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

import interplay
from interplay import methods
from interplay.cli import app

ROOT = Path(__file__).parents[1]
RUN = [
    "README.md",
    "docs/quickstart.md",
    "docs/own_data.md",
    "docs/missing.md",
    "docs/missing_data.md",
    "docs/missing_sensor.md",
    "docs/regression.md",
    "docs/report.md",
    "docs/compare.md",
    "docs/howto_cluster.md",
    "docs/howto_data.md",
    "docs/howto_encoders.md",
    "docs/howto_groups.md",
    "docs/howto_pretrained.md",
    "docs/howto_sequences.md",
    "docs/howto_serve.md",
    "docs/advice.md",
    "docs/bounds.md",
    "docs/data.md",
    "docs/definitions.md",
    "docs/faithfulness.md",
    "docs/information.md",
    "docs/measure.md",
    "docs/methods/cyin.md",
    "docs/pretraining.md",
    "docs/total_correlation.md",
    "docs/explain_any.md",
]
BLOCK = re.compile(r"^```(python|console|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", RUN)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    ran = 0
    for language, code in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "python" and code.startswith(">>>"):
            as_doctest(code, namespace, page)
            ran += 1
        elif language == "python":
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


def as_doctest(code, namespace, page):
    """Run a block of examples with their output, in the page's namespace."""
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    told = []
    example = doctest.DocTestParser().get_doctest(code, namespace, page, page, 0)
    doctest.DocTestRunner(optionflags=options).run(example, out=told.append, clear_globs=False)
    namespace.update(example.globs)
    assert not told, "".join(told)


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


def test_first_screen_of_index_and_readme_agree():
    def screen(page):
        text = (ROOT / page).read_text(encoding="utf-8").replace("docs/images", "images")
        return text[: text.index("three seeds).*")]

    assert screen("docs/index.md") == screen("README.md")


TEMPLATE = (
    "When to use it",
    "When not",
    "What it computes",
    "Defaults",
    "Missing modalities",
    "Cost",
    "Measured",
    "Paper against ours",
)


@pytest.mark.parametrize("name", methods.names())
def test_method_has_a_page_from_the_template(name):
    text = (ROOT / f"docs/methods/{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    found = [heading.split(":")[0] for heading in re.findall(r"^## (.*)$", text, re.MULTILINE)]
    found = [heading for heading in found if heading in TEMPLATE]
    if name == "cyin":  # its cost and figures follow from what was mended, which it shows first
        assert sorted(found) == sorted(TEMPLATE)
    else:
        assert found == list(TEMPLATE)


FIGURE = re.compile(r"(?<![\d.])\d*\.\d{2,}(?!\d)|\d+(?:\.\d+)?e-\d+")


def test_figures_of_the_papers_page_stand_on_the_pages_it_links_to():
    text = (ROOT / "docs/papers.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        pages = set(re.findall(r"\]\(([\w/]+\.md)", section))
        known = "\n".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in pages)
        known = {figure.lstrip("0") for figure in FIGURE.findall(known)}
        for figure in FIGURE.findall(section):
            assert figure.lstrip("0") in known, f"docs/papers.md has {figure}, none of {sorted(pages)} has"


def test_reference_has_every_public_name():
    text = (ROOT / "docs/api/index.md").read_text(encoding="utf-8")
    rooms = set(re.findall(r"^   (interplay(?:\.\w+)+)$", text, re.MULTILINE))
    for name, home in interplay._HOMES.items():
        value = getattr(interplay, name)
        known = value.__name__ in rooms if isinstance(value, ModuleType) else f"   ~{home}.{name}\n" in text
        assert known, f"docs/api/index.md lacks ip.{name}"
    for room in ("data", "information", "estimation", "methods", "nn", "training", "estimators", "evaluation"):
        assert f"interplay.{room}" in rooms


@pytest.mark.parametrize("page", [*sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")), "README.md"])
def test_links_lead_somewhere(page):
    path = ROOT / page
    for address in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in address:
            assert (path.parent / address).exists(), f"{page} leads to {address}"
