"""A grid that is killed goes on where it stopped; no cell is lost, run twice or half-written."""

import json
import multiprocessing
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import interplay as ip
from interplay.evaluation import Comparison, ConcatenationClassifier, ConfigurationError
from interplay.evaluation.comparison.store import Cell, Store

GRID = """
import time
import interplay as ip
from interplay.evaluation import ConcatenationClassifier

class Logged(ConcatenationClassifier):
    "Writes down every fit, and takes long enough to be killed in the middle."

    def fit(self, X, y=None):
        with open(log, "a") as file:
            file.write("fit\\n")
        time.sleep(0.1)
        return super().fit(X, y)

Logged.__module__ = "interplay.own"  # takes datasets
data = {name: ip.datasets.make_gates(name, n_samples=80, random_state=0).dataset for name in ("XOR", "AND")}
ip.compare({"one": Logged(), "two": Logged()}, data, seeds=3, folder=folder, progress=False)
"""


@pytest.fixture(scope="module")
def grid():
    """Start the grid in a process of its own, which is forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["interplay.evaluation"])

    def start(folder, log):
        process = context.Process(target=exec, args=(GRID, {"folder": str(folder), "log": str(log)}))
        process.start()
        return process

    with pytest.MonkeyPatch.context() as patch:
        # The server preloads before it is told of our sys.path.
        patch.setenv("PYTHONPATH", str(Path(ip.__file__).parents[1]))
        yield start


def kill_after(n_fits, process, log):
    """SIGKILL when the log holds so many fits: the last of them is under way."""
    until = time.monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) < n_fits:
        assert process.exitcode is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_killed_twice_and_resumed(tmp_path, grid):
    folder, log = tmp_path / "grid", tmp_path / "log"
    kill_after(3, grid(folder, log), log)
    first = {cell: Store(folder).path(cell).read_bytes() for cell in Store(folder).cells()}
    assert len(first) == 2
    kill_after(3 + 4, grid(folder, log), log)
    second = Store(folder).cells()
    assert len(second) == 5
    last = grid(folder, log)
    last.join()
    assert last.exitcode == 0
    # Twelve cells, and the two fits that were killed.
    assert len(log.read_text().splitlines()) == 12 + 2
    found = Comparison.load(folder)
    key = ["dataset", "method", "seed", "condition", "rate", "metric"]
    assert not found.frame.duplicated(key).any()
    assert len(found.values()) == 12
    assert all(Store(folder).path(cell).read_bytes() == content for cell, content in first.items())
    assert not [path for path in folder.rglob("*") if path.suffix == ".tmp"]
    data = {name: ip.datasets.make_gates(name, n_samples=80, random_state=0).dataset for name in ("XOR", "AND")}
    again = ip.compare(
        {"one": ConcatenationClassifier(), "two": ConcatenationClassifier()},
        data,
        seeds=3,
        folder=tmp_path / "whole",
        progress=False,
    )
    assert again.values()["value"].tolist() == found_in(again, found)


def found_in(order: Comparison, found: Comparison) -> list[float]:
    keys = ["dataset", "method", "seed"]
    return found.values().set_index(keys).loc[list(map(tuple, order.values()[keys].to_numpy())), "value"].tolist()


def test_two_processes_share_the_work(tmp_path, grid):
    folder, log = tmp_path / "grid", tmp_path / "log"
    both = [grid(folder, log) for _ in range(2)]
    for process in both:
        process.join()
        assert process.exitcode == 0
    assert len(log.read_text().splitlines()) == 12
    assert len(Comparison.load(folder).cells) == 12


class Fragile(BaseEstimator):
    """Fails while the file exists."""

    def __init__(self, path=""):
        self.path = path

    def fit(self, X, y):
        if Path(self.path).exists():
            raise RuntimeError("no such luck")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        n = len(next(x for x in X.values() if x is not None)) if any(x is not None for x in X.values()) else 20
        return np.tile(1 / len(self.classes_), (n, len(self.classes_)))


@pytest.fixture
def gates():
    return {"XOR": ip.datasets.make_gates("XOR", n_samples=80, random_state=0).dataset}


def test_failure_is_written_down_survived_and_retried(tmp_path, gates):
    broken = tmp_path / "broken"
    broken.touch()
    methods = {"fragile": Fragile(str(broken)), "logistic": "logistic"}
    said = []
    found = ip.compare(methods, gates, seeds=2, folder=tmp_path / "grid", progress=said.append)
    assert found.failures["error"].tolist() == ["RuntimeError: no such luck"] * 2
    assert [cell.method for cell in found.cells] == ["logistic"] * 2
    assert sum("FAILED, RuntimeError: no such luck" in line for line in said) == 2
    failure = json.loads((tmp_path / "grid/cells/XOR/fragile/0.failed.json").read_text())
    assert "raise RuntimeError" in failure["traceback"]
    broken.unlink()
    again = ip.compare(methods, gates, seeds=2, folder=tmp_path / "grid", progress=said.append)
    assert len(again.failures) == 2  # only if asked
    retried = ip.compare(methods, gates, seeds=2, folder=tmp_path / "grid", retry=True, progress=False)
    assert retried.failures.empty
    assert len(retried.cells) == 4


def test_other_method_of_the_same_name_is_refused(tmp_path, gates):
    ip.compare(["ensemble"], gates, seeds=1, folder=tmp_path, settings={"max_epochs": 2}, progress=False)
    with pytest.raises(ConfigurationError, match=r"another method 'ensemble': .*max_epochs was 2 there and is 3 now"):
        ip.compare(["ensemble"], gates, seeds=1, folder=tmp_path, settings={"max_epochs": 3}, progress=False)


@pytest.mark.parametrize("lazy", [False, True])
def test_other_data_of_the_same_name_are_refused(tmp_path, gates, lazy):
    other = ip.datasets.make_gates("XOR", n_samples=80, random_state=1).dataset
    ip.compare(["logistic"], gates, seeds=1, folder=tmp_path, progress=False)
    methods = ["logistic", "unimodal"] if lazy else ["logistic"]  # what is finished asks for no data
    content = (lambda: other) if lazy else other
    with pytest.raises(ConfigurationError, match="another data set 'XOR': fingerprint was"):
        ip.compare(methods, {"XOR": content}, seeds=1, folder=tmp_path, progress=False)


def test_values_under_a_false_mask_are_no_other_data(tmp_path):
    x = {"a": np.arange(40.0)[:, None] % 7, "b": np.arange(40.0)[:, None] % 5}
    here = np.arange(40) % 4 > 0
    y = np.arange(40) % 2
    for junk in (np.nan, 1e9):
        b = np.where(here[:, None], x["b"], junk)
        data = {"one": ip.MultimodalDataset({"a": x["a"], "b": b}, y, present={"b": here})}
        found = ip.compare(["logistic"], data, seeds=1, folder=tmp_path, progress=False)
    assert len(found.cells) == 1


def test_names_come_back_from_the_folder(tmp_path):
    names = ["a/b", "..", "x.y", "ünï", "per%cent", "a b"]
    store = Store(tmp_path)
    for name in names:
        store.path(Cell(name, name, 0)).parent.mkdir(parents=True)
        store.path(Cell(name, name, 0)).touch()
    assert {cell.dataset for cell in store.cells()} == set(names) == {cell.method for cell in store.cells()}
    assert all(store.path(cell).parent.parent.parent == tmp_path / "cells" for cell in store.cells())
