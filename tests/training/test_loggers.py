"""Every epoch's record reaches Lightning's loggers, with all parts of the loss, by stage."""

import sys

import numpy as np
import pytest
from pytorch_lightning.loggers import CSVLogger

from interplay import MultimodalClassifier, MultimodalDataset


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    return MultimodalDataset({"a": rng.normal(size=(60, 3)) + y[:, None], "b": rng.normal(size=(60, 2))}, y)


def fit(data, logger):
    return MultimodalClassifier("dmil", max_epochs=3, width=8, random_state=0, logger=logger).fit(data)


def test_tensorboard_holds_what_history_does(data, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    model = fit(data, "tensorboard")
    events = EventAccumulator("runs/dmil/version_0").Reload()
    tags = set(events.Tags()["scalars"])
    stages = {record["stage"] for record in model.history_.records}
    assert len(stages) > 1
    assert {f"{stage}/{name}" for stage in stages for name in ("loss", "validation_loss")} <= tags
    parts = {name for record in model.history_.records for name in record} - {"stage", "epoch", "loss"}
    assert len(parts) > 3
    for record in model.history_.records:
        for name, value in record.items():
            if name not in ("stage", "epoch"):
                found = {e.step: e.value for e in events.Scalars(f"{record['stage']}/{name}")}
                assert found[record["epoch"]] == pytest.approx(value, rel=1e-5)


def test_logging_changes_no_weight(data, tmp_path):
    plain, logged = fit(data, None), fit(data, CSVLogger(tmp_path))
    np.testing.assert_array_equal(plain.predict_proba(data), logged.predict_proba(data))
    assert "validation_loss" in next(tmp_path.rglob("metrics.csv")).read_text()
    logged.save(tmp_path / "model")
    assert MultimodalClassifier.load(tmp_path / "model").logger is None


def test_wandb_stays_offline(data, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not part of the development environment")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    from interplay.training import make_logger

    logger = make_logger("wandb", "dmil")
    assert logger._offline
    fit(data, logger)
    assert list(tmp_path.glob("wandb/offline-run-*"))
    logger.experiment.finish()


def test_mistakes(data, monkeypatch):
    with pytest.raises(ValueError, match=r"logger must be None, 'tensorboard', 'wandb' or .*found 'csv'"):
        fit(data, "csv")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r"logger='tensorboard' needs tensorboard.*interplay\[tracking\]"):
        fit(data, "tensorboard")
