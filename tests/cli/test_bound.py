"""``interplay bound`` and the options of ``interplay measure`` that write more than a table."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from interplay.cli.app import app


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def files(tmp_path):
    """AND of two bits: separate labelled samples, and unlabelled pairs."""
    rng = np.random.default_rng(0)
    for name, column in (("a", 0), ("b", 1)):
        x = rng.integers(2, size=(1500, 2))
        np.savez(tmp_path / f"{name}.npz", **{name: x[:, [column]], "label": x[:, 0] & x[:, 1]})
    x = rng.integers(2, size=(1500, 2))
    np.savez(tmp_path / "pairs.npz", a=x[:, [0]], b=x[:, [1]])
    return tmp_path


def test_bound_from_three_files(files):
    words = [
        "bound",
        "-l",
        f"a={files / 'a.npz'}",
        "-l",
        f"b={files / 'b.npz'}",
        "-p",
        files / "pairs.npz",
        "-t",
        "label",
    ]
    result = invoke(*words)
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 120
    found = json.loads(invoke(*words, "--json").stdout)
    assert found["accuracy"][0] > 0.9  # with both bits, AND is certain; alone, three of four
    assert found["synergy"][0] > 0.3


def test_bound_with_subjects(files):
    for at, name in enumerate(("a", "b", "pairs")):
        held = dict(np.load(files / f"{name}.npz"))
        np.savez(files / f"{name}.npz", **held, actor=np.arange(1500) // 50 + 100 * at)
    words = [
        "bound",
        "-l",
        f"a={files / 'a.npz'}",
        "-l",
        f"b={files / 'b.npz'}",
        "-p",
        files / "pairs.npz",
        "-t",
        "label",
    ]
    found = json.loads(invoke(*words, "--groups", "actor", "--json").stdout)
    assert found["n_subjects"] == {"a": 30, "b": 30, "pairs": 30}
    assert json.loads(invoke(*words, "--json").stdout)["n_subjects"] == {}
    wrong = invoke(*words, "--groups", "nobody")
    assert wrong.exit_code == 1
    assert "nobody" in wrong.stderr


def test_labels_of_pairs_are_not_read(files):
    words = ["bound", "-l", f"a={files / 'a.npz'}", "-l", f"b={files / 'b.npz'}", "-p", files / "pairs.npz", "--json"]
    pairs = dict(np.load(files / "pairs.npz"))
    before = invoke(*words, "-t", "label").stdout
    np.savez(files / "pairs.npz", **pairs, target=np.full(1500, np.nan), label=np.zeros(1500))
    assert invoke(*words, "-t", "label").stdout == before
    assert json.loads(before)["n_samples"]["pairs"] == 1500


def test_bound_says_what_is_wrong(files):
    one = ["bound", "-l", f"a={files / 'a.npz'}", "-p", files / "pairs.npz", "-t", "label"]
    result = invoke(*one)
    assert result.exit_code == 1
    assert "expected exactly two" in result.stderr
    result = invoke(*one, "-l", "nothing")
    assert result.exit_code == 2
    assert "--labelled takes name=value" in result.stderr


def test_measure_writes_a_row_a_sample(tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 300, 1))
    np.savez(tmp_path / "data.npz", a=a, b=b, label=(a ^ b)[:, 0])
    words = ["measure", tmp_path / "data.npz", "-t", "label", "--per-sample", tmp_path / "out.parquet"]
    result = invoke(*words)
    assert result.exit_code == 0, result.stderr
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert len(table) == 300
    assert table["synergy"].mean() == pytest.approx(1, abs=0.1)
    wrong = invoke(*words[:-1], tmp_path / "out.txt")
    assert wrong.exit_code == 2
    assert not (tmp_path / "out.txt").exists()
