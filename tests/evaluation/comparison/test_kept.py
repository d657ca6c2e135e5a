"""A folder of finished cells answers only what it was asked: other data, parts or tests are refused before all else."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import interplay as ip
from interplay.data import missing
from interplay.evaluation import Comparison, ConfigurationError, DataFile, Plan
from interplay.evaluation.comparison.store import KEY, Store

NEW = ("split", "file", "tests")  # what cells of earlier versions do not note


def table(seed=0, n=60):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    labels = {"mood": np.arange(n) % 2, "speaker": np.arange(n) // 2 % 3, "test_rows": np.arange(n) % 3 == 0}
    return {"voice": x[:, :2], "face": x[:, 2:], **labels}


@pytest.fixture
def here(tmp_path):
    """A finished plan on one file; gives the folder."""
    np.savez(tmp_path / "x.npz", **table())
    write(tmp_path)
    assert len(Plan.load(tmp_path / "plan.yaml").run(progress=False).cells) == 2
    return tmp_path


def write(folder, data=None, **change):
    fields = {"file": "x.npz", "target": "mood", "modalities": ["voice", "face"], **(data or {})}
    plan = {"data": {"x": fields}, "methods": ["logistic"], "seeds": 2, "folder": "results", "missing": False}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan | change))


def forget(folder, names=NEW):
    """Make the cells those of an earlier version."""
    store = Store(folder / "results")
    for cell in store.cells():
        read = pq.read_table(store.path(cell), partitioning=None)
        notes = {name: value for name, value in store.notes(cell).items() if name not in names}
        assert len(notes) < len(store.notes(cell))
        pq.write_table(read.replace_schema_metadata({KEY: json.dumps(notes).encode()}), store.path(cell))


OTHERS = [
    ({"target": "speaker"}, {}, "file.target was 'mood' there and is 'speaker' now"),
    ({"modalities": ["face"]}, {}, r"file.modalities was \['voice', 'face'\] there and is \['face'\] now"),
    ({"groups": "speaker"}, {}, "file.groups was None there and is 'speaker' now"),
    ({"test": "test_rows"}, {}, "split.test_size was 0.25 there and is None now"),
    ({}, {"test_size": 0.5}, "split.test_size was 0.25 there and is 0.5 now"),
    ({}, {"folds": 3}, "split.folds was None there and is 3 now"),
    ({}, {"missing": True}, r"tested without missing modalities \(x, logistic, seed 0\)"),
]


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize(("data", "change", "message"), OTHERS)
def test_another_plan_is_refused_though_all_cells_are_finished(here, data, change, message, shown):
    write(here, data, **change)
    plan = Plan.load(here / "plan.yaml")
    before = sorted(here.rglob("*"))
    with pytest.raises(ConfigurationError, match=message):
        plan.found() if shown else plan.run(progress=False)
    assert sorted(here.rglob("*")) == before
    write(here)
    assert len(Plan.load(here / "plan.yaml").run(progress=False).cells) == 2


@pytest.mark.parametrize(("data", "change"), [(data, change) for data, change, _ in OTHERS[:6]])
def test_cells_of_an_earlier_version_tell_other_data_by_the_fingerprint(here, data, change):
    forget(here)
    write(here)
    assert len(Plan.load(here / "plan.yaml").run(progress=False).cells) == 2
    write(here, data, **change)
    with pytest.raises(ConfigurationError, match="another data set 'x'"):
        Plan.load(here / "plan.yaml").run(progress=False)


def test_what_an_earlier_version_does_not_note_is_not_held_against_it(tmp_path):
    data = ip.datasets.make_gates("XOR", n_samples=60, random_state=0).dataset
    options = {"folder": tmp_path / "results", "progress": False}
    ip.compare(["logistic"], {"xor": lambda: data}, seeds=1, missing=False, **options)
    forget(tmp_path, ("split", "tests"))
    metrics = {"one": lambda model, test: 1.0}
    found = ip.compare(["logistic"], {"xor": lambda: data}, seeds=2, metrics=metrics, **options)
    assert len(found.values("one")) == 1
    assert len(found.cells) == 2
    # The second cell is ours and notes that it has no other metric.
    with pytest.raises(ConfigurationError, match=r"tested without metric 'two' \(xor, logistic, seed 1\)"):
        ip.compare(["logistic"], {"xor": lambda: data}, seeds=2, metrics=dict.fromkeys(["two"], len), **options)


def test_content_of_a_file(here):
    stamp = (here / "x.npz").stat()
    np.savez(here / "x.npz", **table(seed=1))
    os.utime(here / "x.npz", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # size and time are those of before
    assert (here / "x.npz").stat().st_size == stamp.st_size
    with pytest.raises(ConfigurationError, match=r"another data set 'x': file\.sha256 was"):
        Plan.load(here / "plan.yaml").run(progress=False)
    # Other bytes, the same data: nothing has changed.
    np.savez_compressed(here / "x.npz", **table())
    assert len(Plan.load(here / "plan.yaml").run(progress=False).cells) == 2
    os.rename(here / "x.npz", here / "y.npz")
    write(here, {"file": "y.npz"})
    assert len(Plan.load(here / "plan.yaml").run(progress=False).cells) == 2


def test_results_are_shown_where_the_data_are_not(here):
    (here / "x.npz").unlink()
    plan = Plan.load(here / "plan.yaml")
    assert len(plan.found().cells) == 2
    with pytest.raises(ValueError, match="no file"):
        plan.run(progress=False)


def test_an_unchanged_file_is_not_read_again(here, monkeypatch):
    monkeypatch.setattr(DataFile, "__call__", None)
    assert len(Plan.load(here / "plan.yaml").run(progress=False).cells) == 2


def test_other_tests_than_asked(tmp_path):
    data = {"xor": ip.datasets.make_gates("XOR", n_samples=60, random_state=0).dataset}
    metrics = {"one": lambda model, test: 1.0, "two": lambda model, test: 2.0}

    def run(**asked):
        return ip.compare(["logistic"], data, seeds=1, folder=tmp_path, progress=False, **asked)

    dark = {"dark": missing.Independent({"a": 0.5})}
    run(metrics=metrics, missing=dark)
    for less in ({}, {"metrics": {"one": len}}, {"missing": False}, {"missing": dark}):
        assert len(run(**less).cells) == 1
    with pytest.raises(ConfigurationError, match=r"tested without metric 'three' \(xor, logistic, seed 0\)"):
        run(metrics={**metrics, "three": len})
    with pytest.raises(ConfigurationError, match="tested without missing pattern 'light'"):
        run(missing={"light": 0.5})
    with pytest.raises(ConfigurationError, match=r"tested with another missing pattern 'dark', .*0\.5.*\(xor"):
        run(missing={"dark": missing.Independent({"a": 0.4})})


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_folds_and_whole_splits_are_not_mixed(tmp_path, lazy, old):
    data = ip.datasets.make_gates("XOR", n_samples=60, random_state=0).dataset
    content = {"xor": (lambda: data) if lazy else data}
    options = {"seeds": 1, "folder": tmp_path / "results", "missing": False, "progress": False}
    in_folds = ip.compare(["logistic"], content, folds=3, **options)
    assert in_folds.frame["fold"].unique().tolist() == [0, 1, 2]
    if old:
        forget(tmp_path, ("split", "tests"))
    for method in ("logistic", "ridge"):
        with pytest.raises(ConfigurationError, match=r"another data set 'xor': split\.folds was .* and is None now"):
            ip.compare([method], content, **options)
    whole = ip.compare(["logistic"], {"other": data}, **options)
    assert whole.frame["fold"].isna().all()
    assert whole.predictions("other", "logistic")["fold"].isna().all()
    both = Comparison.load(tmp_path / "results")
    assert both.values()["fold"].isna().tolist() == [True, False, False, False]
    assert len(both.values()) == 4
    assert pa.types.is_integer(Store(tmp_path / "results").read(both.cells[0])[0].schema.field("fold").type)


def test_other_seeds_are_parted_alike(tmp_path):
    data = ip.datasets.make_gates("XOR", n_samples=60, random_state=0).dataset
    options = {"folder": tmp_path, "missing": False, "progress": False}
    ip.compare(["logistic"], {"xor": lambda: data}, seeds=[0], **options)
    with pytest.raises(ConfigurationError, match=r"split\.test_size was 0\.25 there and is 0.5 now"):
        ip.compare(["logistic"], {"xor": lambda: data}, seeds=[1], test_size=0.5, **options)
