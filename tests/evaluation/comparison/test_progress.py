"""What a run says while it goes on."""

from types import SimpleNamespace

import pytest

import interplay as ip
from interplay.evaluation.comparison import progress
from interplay.evaluation.comparison.store import Cell


def outcomes(n):
    return [SimpleNamespace(cell=Cell("x", "joint", s), state="done", seconds=1, score=("r2", 0.5)) for s in range(n)]


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(at=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.at)
    return now


@pytest.mark.parametrize(
    ("seconds", "lines"),
    [(1.0, ["5/7", "7/7"]), (6.0, [f"{i}/7" for i in range(1, 8)]), (0.1, [])],  # of a cell
)
def test_lines_where_there_is_no_terminal(capsys, clock, seconds, lines):
    with progress.reporter(True, 7, 2) as report:
        for outcome in outcomes(7):
            clock.at += seconds
            report(outcome)
    said = capsys.readouterr()
    assert [line.partition(",")[0] for line in said.err.splitlines()] == lines
    assert not said.out
    if lines:
        assert said.err.splitlines()[-1] == "7/7, 2 kept: x, joint, seed 6: r2 0.500, 1 s; about 0 s left"


def test_a_run_writes_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    data = {"xor": ip.datasets.make_gates("XOR", n_samples=60, random_state=0).dataset}
    options = {"seeds": 2, "missing": False}
    ip.compare(["logistic"], data, folder=tmp_path / "said", **options)
    assert capsys.readouterr().err.count("xor, logistic, seed") == 2
    ip.compare(["logistic"], data, folder=tmp_path / "quiet", progress=False, **options)
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_instead(capsys, clock, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    with progress.reporter(True, 1, 0) as report:
        clock.at = 100
        report(outcomes(1)[0])
    assert "1/1: x" not in capsys.readouterr().err
