"""The demo: everything once, and its report in a browser."""

import json

import pytest
from typer.testing import CliRunner

from interplay.cli import app


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Standard output and folder of a short demo."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    words = ["demo", "--output", str(folder), "--quick", "--seeds", "2", "--epochs", "2"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.stdout, folder


def test_demo_quick(demo):
    text, folder = demo
    assert all(len(line) <= 80 for line in text.splitlines() if "report in" not in line)
    results = json.loads((folder / "results.json").read_text())
    methods_run = ["left alone", "right alone", "ensemble", "joint", "dmil"]
    for key in ("histories", "curves", "calibration"):
        assert list(results[key]) == methods_run
    assert {s["condition"] for s in results["scores"]} == {"complete", "without left", "without right", "chance"}
    assert {s["seed"] for s in results["scores"]} == {0, 1}
    assert results["measurement"]["names"] == ["left", "right"]
    assert len(results["rows"]) == results["data"]["rows"]["test"] == 449
    assert [row["label"] for row in results["composition"]] == [str(digit) for digit in range(10)]
    for name in methods_run:
        assert name in text
    assert 100_000 < (folder / "report.html").stat().st_size < 5_000_000


@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_in_a_browser(demo, visit, width):
    path = demo[1] / "report.html"
    page = visit(path, viewport={"width": width, "height": 800})
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:image/png;base64,")] == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    figures = page.locator("svg.figure").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
    assert len(figures) == 11
    assert min(figures) > 100
    assert page.locator("form [role=status]").inner_text() == "449 of 449 rows"
    page.locator("select[name=truth]").select_option("3")
    shown = page.locator("#rows tbody tr:visible")
    assert 0 < shown.count() < 100
    assert page.locator("#rows tbody tr:visible img").count() == 2 * shown.count()
