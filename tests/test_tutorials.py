"""The tutorials run as they stand, and each draws."""

import runpy
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "docs/tutorials").glob("*.py"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(path, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")  # of processes that it may start
    plt.switch_backend("agg")
    plt.close("all")
    started = time.process_time()
    try:
        runpy.run_path(str(path), run_name="__main__")
        # What the gallery shows are the figures of pyplot; one without marks would be a blank.
        figures = [plt.figure(number) for number in plt.get_fignums()]
        assert figures
        assert all(any(axes.has_data() for axes in figure.axes) for figure in figures)
    finally:
        plt.close("all")
    # Each is meant to take less than 20 seconds; a busy machine counts up to twice as many.
    assert time.process_time() - started < 40
    assert "0." in capsys.readouterr().out


def test_there_are_five():
    assert len(TUTORIALS) == 5
