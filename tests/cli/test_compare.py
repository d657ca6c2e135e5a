"""``interplay compare``: runs, resumes, shows, and says what is wrong in one sentence."""

import json
import re

import pytest
from typer.testing import CliRunner

from interplay.cli import app
from interplay.data.datasets import make_gates
from interplay.evaluation import Comparison

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
    assert "note: failed: xor, broken, seed 0: ValueError: Joint: fusion must be one of" in first.stderr
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


GOOD = "{data: {xor: xor.npz}, methods: [logistic, ensemble], seeds: 2, settings: {max_epochs: 1}"


@pytest.fixture
def plan(tmp_path):
    make_gates("XOR", n_samples=60, random_state=0).dataset.save(tmp_path / "xor.npz")
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD + "}")
    return path


def test_missing_shows_the_mean_over_subsets(plan):
    found = invoke("compare", plan, "--condition", "missing")
    assert found.exit_code == 0, found.stderr
    assert "mean_subsets, missing" in found.stdout
    assert "rank" in found.stdout
    same = json.loads(invoke("compare", plan, "--table", "--condition", "missing", "--json").stdout)
    kept = Comparison.load(plan.parent / "comparison").summary("mean_subsets", "missing")
    assert {row["method"]: row["mean"] for row in same} == kept.set_index("method")["mean"].to_dict()


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ("}", ("--baseline", "nobody"), "--baseline: expected one of .*'logistic', 'ensemble'.*found 'nobody'"),
        (", missing: false}", ("--condition", "missing"), "--condition: the plan says missing: false"),
        (", seeds: [1, 1]}", (), "field 'seeds'"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_run(plan, change, words, message):
    plan.write_text(GOOD.replace(", seeds: 2", "") + change)
    found = invoke("compare", plan, *words)
    assert found.exit_code == 1
    assert re.search(message, found.stderr)
    assert not found.stdout
    assert not (plan.parent / "comparison").exists()


def test_a_baseline_needs_another_method(plan):
    plan.write_text("{data: {xor: xor.npz}, methods: [logistic]}")
    found = invoke("compare", plan, "--baseline", "logistic")
    assert "error: --baseline: expected at least two methods in the plan" in found.stderr
    assert not (plan.parent / "comparison").exists()


def test_json_has_the_tests(plan):
    found = invoke("compare", plan, "--json", "--baseline", "logistic")
    assert found.exit_code == 0, found.stderr
    content = json.loads(found.stdout)
    assert [row["method"] for row in content["summary"]] == ["logistic", "ensemble"]
    (test,) = content["tests"]
    samples = Comparison.load(plan.parent / "comparison").predictions("xor", "logistic")["id"].nunique()
    assert (test["first"], test["second"], test["n"]) == ("ensemble", "logistic", samples)
    assert set(test) == {"dataset", "first", "second", "difference", "low", "high", "n", "p", "p_holm"}
    assert json.loads(invoke("compare", plan, "--table", "--json").stdout) == content["summary"]


def test_nothing_finished_says_what_to_do(plan):
    plan.write_text("{data: {xor: xor.npz}, methods: [{method: joint, params: {fusion: nope}}], seeds: 1}")
    ran = invoke("compare", plan)
    assert ran.exit_code == 1
    assert "note: failed: xor, joint, seed 0: ValueError: Joint: fusion must be" in ran.stderr
    assert "--retry" in ran.stderr
    assert "without --table" not in ran.stderr


def test_a_searched_grid_is_shown_without_repeating_the_search(plan):
    assert invoke("compare", plan, "--tune", 1).exit_code == 0
    shown = invoke("compare", plan, "--table")
    assert shown.exit_code == 0, shown.stderr
    assert "settings searched with 1 trials a cell" in shown.stdout
