"""The exported graph answers as the estimator does: gaps, garbage under masks, any number of rows."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from interplay import MultimodalClassifier, MultimodalDataset, MultimodalRegressor, methods
from interplay.cli import app

# Each is 6 to 30 processor seconds, nearly all in torch's conversion.
METHODS = [pytest.param(n, marks=() if n == "joint" else pytest.mark.bench) for n in methods.names()]
# What is special when traced, without the conversion: patterns of gaps, neighbours, picking by position.
TRACED = ("knnimpute", "tcmax", "unimodal")


def make(n: int, seed: int) -> MultimodalDataset:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = {
        "a": rng.normal(size=(n, 4)) + y[:, None],
        "my face": 100 + 7 * rng.normal(size=(n, 5)) - y[:, None],
        "s": rng.normal(size=(n, 6, 2)) - y[:, None, None],
    }
    present = {name: rng.random(n) > 0.25 for name in x}
    labels = np.array(["no", "<yes>", "später"])[y]
    return MultimodalDataset(x, labels, present=present, lengths={"s": rng.integers(0, 7, n)})


def feed(data: MultimodalDataset, garbage: float) -> dict[str, np.ndarray]:
    """Inputs of the graph, with garbage wherever nothing is."""
    inputs = {}
    for name in data.names:
        x = data.modalities[name].astype(np.float32)
        x[~data.present[name]] = garbage
        if name in data.lengths:
            x[np.arange(x.shape[1]) >= data.lengths[name][:, None]] = garbage
            inputs[f"lengths.{name}"] = data.lengths[name]
        inputs |= {name: x, f"present.{name}": data.present[name]}
    return inputs


def assert_same_answers(model, answer, data, path) -> None:
    model.export(path)
    session = onnxruntime.InferenceSession(path)
    for rows in ([0], range(7), range(len(data))):  # the graph was traced with three
        part = data[list(rows)]
        for garbage in (np.nan, 1e9):
            np.testing.assert_allclose(session.run(None, feed(part, garbage))[0], answer(part), atol=1e-5)
    for absent in data.names:
        gone = data.without(absent)
        np.testing.assert_allclose(session.run(None, feed(gone, np.nan))[0], answer(gone), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_alike(method, tmp_path):
    names = list(make(3, 0).names)[-(methods.make(method).max_modalities or 3) :]
    model = MultimodalClassifier(method, max_epochs=1, width=8, random_state=0).fit(make(120, 0).select(names))
    data = make(40, 1).select(names)
    assert np.ptp(model.predict_proba(data), axis=0).max() > 0.01  # not one answer for all
    assert_same_answers(model, model.predict_proba, data, tmp_path / "model.onnx")


def test_numbers_come_in_the_units_of_the_target(tmp_path):
    data = make(60, 0)
    model = MultimodalRegressor("joint", max_epochs=1, width=8).fit(data.with_target(1e6 + np.arange(60.0)))
    assert_same_answers(model, model.predict, data.with_target(None), tmp_path / "model.onnx")


def test_modalities_may_be_called_as_the_graph_calls_its_own_values(tmp_path):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(60, 3)) for name in ("view", "linear", "val_5", "probabilities")}
    data = MultimodalDataset(x, np.arange(60) % 2)
    model = MultimodalClassifier("joint", max_epochs=1, width=8).fit(data)
    assert_same_answers(model, model.predict_proba, data, tmp_path / "model.onnx")


def test_the_file_says_what_it_is(tmp_path):
    data = make(60, 0)
    MultimodalClassifier("joint", max_epochs=1, width=8).fit(data).save(tmp_path / "model")
    result = CliRunner().invoke(app, ["export", str(tmp_path / "model"), str(tmp_path / "m.onnx"), "--json"])
    assert result.exit_code == 0, result.stderr
    names = ["a", "my face", "s", "present.a", "present.my face", "present.s", "lengths.s"]
    assert json.loads(result.stdout) == {
        "model": str(tmp_path / "m.onnx"), "inputs": names, "output": "probabilities"
    }  # fmt: skip
    file = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(file)
    assert [x.name for x in file.graph.input] == names
    about = json.loads({p.key: p.value for p in file.metadata_props}["interplay"])
    assert about["classes"] == ["<yes>", "no", "später"]
    assert about["shapes"] == {"a": [4], "my face": [5], "s": [6, 2]}
    assert (about["estimator"], about["method"], about["sequences"]) == ("MultimodalClassifier", "joint", ["s"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "model"]


@pytest.mark.parametrize("method", TRACED)
def test_the_program_of_torch_is_the_same_path(method):
    data = make(60, 0)
    model = MultimodalClassifier(method, max_epochs=1, width=8).fit(data)
    program = model.export_program().module()
    inputs = feed(data, np.nan)
    names = [*data.names, *(f"present.{name}" for name in data.names), "lengths.s"]
    found = program(*(torch.from_numpy(inputs[name]) for name in names))
    np.testing.assert_allclose(found.detach().numpy(), model.predict_proba(data), atol=1e-6)


class Moody(nn.Module):
    """Decides by what it sees, which no graph can hold."""

    out_features = 4

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_an_encoder_that_cannot_be_traced_is_named_with_the_reason(tmp_path):
    data = make(60, 0).select(["a", "s"])
    model = MultimodalClassifier("ensemble", encoders={"a": Moody()}, max_epochs=1, width=8).fit(data)
    with pytest.raises(ValueError, match=r"Ensemble with .*'a': 'Moody'.*data-dependent.*may not decide"):
        model.export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_mistakes(tmp_path, monkeypatch):
    model = MultimodalClassifier("joint", max_epochs=1, width=8).fit(make(60, 0))
    with pytest.raises(ValueError, match=r"ends in .onnx, found 'm.pt'"):
        model.export(tmp_path / "m.pt")
    with pytest.raises(FileNotFoundError, match=r"no folder"):
        model.export(tmp_path / "nowhere" / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"needs onnxscript.*pip install 'interplay\[export\]'"):
        model.export(tmp_path / "m.onnx")
