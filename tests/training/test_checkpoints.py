from pathlib import Path

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods import DMIL
from interplay.training.checkpoints import read_state, write_state
from interplay.training.loop import StageModule


def test_nested_states_come_back_as_they_were(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    state = {"a": [shared, shared.T], 1: (0.1, None, True, float("inf")), "empty": {}, "n": {"dict": {"tensor": 3}}}
    write_state(state, tmp_path / "s")
    again = read_state(tmp_path / "s")
    torch.testing.assert_close(again["a"], state["a"])
    assert again[1] == state[1]
    assert again["empty"] == {}
    assert again["n"] == state["n"]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_other_objects_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot store a set"):
        write_state({"a": {1}}, tmp_path / "s")
    assert not list(tmp_path.iterdir())
    (tmp_path / "s").write_bytes(b"x" * 50)
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_state(tmp_path / "s")


def blobs() -> MultimodalDataset:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=90)
    return MultimodalDataset({"a": rng.normal(size=(90, 3)) + y[:, None], "b": rng.normal(size=(90, 2))}, y)


def model(folder: Path | None, preset: str, seed: int = 0, missing: float | None = None) -> MultimodalClassifier:
    return MultimodalClassifier(
        DMIL(preset, width=4, n_folds=2, modality_dropout=0.2),
        max_epochs=7,
        batch_size=30,
        width=8,
        random_state=seed,
        missing=missing,
        checkpoints=None if folder is None else str(folder),
    )


class Crash(RuntimeError):
    pass


@pytest.mark.parametrize(("preset", "missing"), [("supervised", None), ("published", 0.1)])
def test_resumes_exactly_at_any_epoch_of_any_stage(
    preset: str, missing: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = blobs()
    straight = model(None, preset, missing=missing).fit(data)
    n_epochs = len(straight.history_.records)
    assert len({record["stage"] for record in straight.history_.records}) == 3
    # Crash in every epoch once: each life gets one epoch further than the one before.
    real = DMIL.after_backward
    survived = []
    for life in range(n_epochs):
        started = []

        def fail_in_second_epoch(self, output, batch, stage, started=started):
            epoch = (stage.name, self.trainer_epoch)
            if not started:
                started.append(epoch)
            elif epoch != started[0]:
                raise Crash
            real(self, output, batch, stage)

        monkeypatch.setattr(DMIL, "after_backward", fail_in_second_epoch)
        monkeypatch.setattr(DMIL, "trainer_epoch", 0, raising=False)
        monkeypatch.setattr(DMIL, "diagnostics", counting(DMIL))
        resumed = model(tmp_path, preset, missing=missing)
        try:
            resumed.fit(data)
            survived.append(life)
            break
        except Crash:
            continue
    assert survived == [n_epochs - 1]
    assert resumed.history_.records == straight.history_.records
    for name, value in straight.method_.state_dict().items():
        torch.testing.assert_close(resumed.method_.state_dict()[name], value, rtol=0, atol=0)


def counting(cls: type[DMIL]):
    """Diagnostics that also count epochs, so that the crash knows when a new one starts."""
    original = cls.diagnostics
    while hasattr(original, "__wrapped__"):
        original = original.__wrapped__

    def diagnostics(self, validation):
        self.trainer_epoch += 1
        return original(self, validation)

    diagnostics.__wrapped__ = original
    return diagnostics


@pytest.mark.parametrize("method", ["agm", "gblending", "mla", "opm", "pmr", "qmf"])
def test_what_a_method_remembers_beside_its_weights_is_resumed(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = blobs()
    settings = {"max_epochs": 6, "batch_size": 30, "width": 8, "random_state": 0}
    straight = MultimodalClassifier(method, **settings).fit(data)
    real, calls = StageModule.on_train_epoch_start, []

    def fail_in_fourth_epoch(self):
        calls.append(1)
        if len(calls) == 4:
            raise Crash
        real(self)

    monkeypatch.setattr(StageModule, "on_train_epoch_start", fail_in_fourth_epoch)
    resumed = MultimodalClassifier(method, **settings, checkpoints=str(tmp_path))
    with pytest.raises(Crash):
        resumed.fit(data)
    resumed.fit(data)
    assert len(calls) == 7
    assert resumed.history_.records == straight.history_.records
    for name, value in straight.method_.state_dict().items():
        torch.testing.assert_close(resumed.method_.state_dict()[name], value, rtol=0, atol=0, equal_nan=True)


def test_another_run_is_refused(tmp_path: Path) -> None:
    model(tmp_path, "published").fit(blobs())
    with pytest.raises(ValueError, match="checkpoints of another run"):
        model(tmp_path, "published", seed=1).fit(blobs())
    assert not list(tmp_path.glob("*.ckpt"))
