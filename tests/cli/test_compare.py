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


def test_the_search_of_settings(tmp_path):
    make_gates("AND", n_samples=60, random_state=0).dataset.save(tmp_path / "and.npz")
    plan, folder = tmp_path / "plan.yaml", tmp_path / "results"
    plan.write_text("{data: {and: and.npz}, methods: [logistic, ensemble], seeds: 1, settings: {max_epochs: 1}}")
    found = invoke("compare", plan, "--folder", folder, "--tune", 2)
    assert found.exit_code == 0, found.stderr
    assert "settings searched with 2 trials a cell" in found.stdout
    trials = {path.parent.name: json.loads(path.read_text()) for path in folder.rglob("*.trials.json")}
    assert {name: len(found["trials"]) for name, found in trials.items()} == {"logistic": 2, "ensemble": 2}
    # Tuned and untuned cells are never mixed in one folder.
    untuned = invoke("compare", plan, "--folder", folder)
    assert untuned.exit_code == 1
    assert "tune" in untuned.stderr
    assert invoke("compare", plan, "--tune", 0).exit_code == 2
