"""``interplay compare``: runs, resumes, shows, and says what is wrong in one sentence."""

import json

from typer.testing import CliRunner

from interplay.cli import app
from interplay.data.datasets import make_gates

PLAN = """
data: {xor: xor.npz, and: and.npz}
methods: [logistic, ensemble, {method: joint, params: {fusion: nope}, name: broken}]
seeds: 2
settings: {max_epochs: 2}
"""


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_compare_runs_resumes_and_shows(tmp_path):
    for name in ("XOR", "AND"):
        make_gates(name, n_samples=60, random_state=0).dataset.save(tmp_path / f"{name.lower()}.npz")
    plan, folder = tmp_path / "plan.yaml", tmp_path / "results"
    plan.write_text(PLAN)
    nothing = invoke("compare", plan, "--folder", folder, "--table")
    assert nothing.exit_code == 1
    assert "run it without --table" in nothing.stderr
    first = invoke("compare", plan, "--folder", folder)
    assert first.exit_code == 0, first.stderr
    assert "note: failed: xor, broken, seed 0: ValueError: fusion must be one of" in first.stderr
    assert "logistic" in first.stdout
    assert "±" in first.stdout
    cells = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert len(cells) == 2 * 2 * 2 * 2  # cells and their predictions
    plan.write_text(PLAN.replace(", {method: joint, params: {fusion: nope}, name: broken}", ""))
    figure = tmp_path / "ranks.png"
    again = invoke("compare", plan, "--folder", folder, "--baseline", "logistic", "--figure", figure)
    assert again.exit_code == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == cells
    assert "p_holm" in again.stdout
    assert "rank" in again.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
    shown = invoke("compare", plan, "--folder", folder, "--table", "--metric", "nll", "--json")
    rows = json.loads(shown.stdout)
    assert (rows[0]["dataset"], rows[0]["method"], rows[0]["n"]) == ("xor", "logistic", 2)
    plan.write_text(PLAN.replace("max_epochs", "epochs"))
    wrong = invoke("compare", plan)
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("error: 'plan.yaml', unknown field 'settings.epochs'")
