import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.estimators import persistence


def data(n: int = 60) -> MultimodalDataset:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=n)
    return MultimodalDataset({"a": rng.normal(size=(n, 3)) + y[:, None], "b": rng.normal(size=(n, 2))}, y == 1)


def model(seed: int = 0, **params) -> MultimodalClassifier:
    return MultimodalClassifier("joint", max_epochs=2, width=8, random_state=seed, **params).fit(data())


@pytest.mark.parametrize("broken", ["model.safetensors", "config.json"])
def test_interrupted_save_leaves_the_old_model(tmp_path, monkeypatch, broken: str) -> None:
    folder = tmp_path / "model"
    old = model(0)
    old.save(folder)
    real = persistence._replace

    def interrupted(path, write):
        def half(temporary):
            write(temporary)
            temporary.write_bytes(temporary.read_bytes()[:100])
            raise KeyboardInterrupt

        return real(path, half if path.name == broken else write)

    monkeypatch.setattr(persistence, "_replace", interrupted)
    new = model(1)
    with pytest.raises(KeyboardInterrupt):
        new.save(folder)
    found = MultimodalClassifier.load(folder).predict_proba(data())
    # The weights file is the model: it is the old one until it is replaced as a whole.
    expected = old if broken == "model.safetensors" else new
    np.testing.assert_array_equal(found, expected.predict_proba(data()))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_config_is_readable_and_complete(tmp_path) -> None:
    model().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["format_version"] == 1
    assert config["class_names"] == ["False", "True"]
    assert config["method"]["name"] == "joint"
    tensors = load_file(tmp_path / "model.safetensors")
    assert "encoders.parts.0.scale.mean" in tensors


def test_loaded_model_can_be_cloned_and_trained_again(tmp_path) -> None:
    first = model()
    first.save(tmp_path)
    again = MultimodalClassifier.load(tmp_path)
    assert again.classes_.dtype == np.bool_
    np.testing.assert_array_equal(again.fit(data()).predict_proba(data()), first.predict_proba(data()))


def test_missing_damaged_and_newer_models_are_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the file model\.safetensors"):
        MultimodalClassifier.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="is not a model that interplay saved"):
        MultimodalClassifier.load(tmp_path)
    fitted = model()
    fitted.save(tmp_path)
    persistence.FORMAT_VERSION, kept = 0, persistence.FORMAT_VERSION
    try:
        with pytest.raises(ValueError, match=r"has format 1, this version reads up to 0; install interplay"):
            MultimodalClassifier.load(tmp_path)
    finally:
        persistence.FORMAT_VERSION = kept


def test_own_encoders_must_be_given_again(tmp_path) -> None:
    class Mine(torch.nn.Sequential):
        out_features = 4

    fitted = model(encoders={"a": Mine(torch.nn.Linear(3, 4))})
    fitted.save(tmp_path)
    with pytest.raises(ValueError, match=r"own encoders, \{'a': '.*Mine'\}; give them: load\(folder, encoders="):
        MultimodalClassifier.load(tmp_path)
    again = MultimodalClassifier.load(tmp_path, encoders={"a": Mine(torch.nn.Linear(3, 4))})
    np.testing.assert_array_equal(again.predict_proba(data()), fitted.predict_proba(data()))
