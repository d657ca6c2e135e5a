"""The app of the page on serving: compiled always, asked where FastAPI is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from interplay import MultimodalClassifier, MultimodalDataset

APP = Path(__file__).parents[1] / "docs" / "serve_app.py"


def test_the_app_compiles():
    compile(APP.read_text(encoding="utf-8"), str(APP), "exec")


def test_predictions_over_http(tmp_path):
    pytest.importorskip("fastapi", reason="FastAPI is not part of the development environment")
    from fastapi.testclient import TestClient

    spec = importlib.util.spec_from_file_location("serve_app", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    y = np.array(["no", "yes"])[np.arange(60) % 2]
    data = MultimodalDataset({"a": rng.normal(size=(60, 3)), "s": rng.normal(size=(60, 4, 2))}, y)
    model = MultimodalClassifier("dmil", max_epochs=1, width=8, random_state=0).fit(data)
    model.save(tmp_path / "model")
    client = TestClient(module.make_app(str(tmp_path / "model")))
    a, s = (data.modalities[name][:2].tolist() for name in ("a", "s"))
    found = client.post("/predict", json={"rows": [{"a": a[0], "s": s[0]}, {"a": None, "s": s[1]}, {}]})
    assert found.status_code == 200
    seen = {"a": [True, False, False], "s": [True, True, False]}
    expected = model.explain(
        MultimodalDataset({n: data.modalities[n][:3] for n in "as"}, present=seen), probabilities=True
    )
    assert [row["prediction"] for row in found.json()] == expected["prediction"].tolist()
    assert [row["missing"] for row in found.json()] == ["", "a", "a, s"]
    np.testing.assert_allclose([row["p:yes"] for row in found.json()], expected["p:yes"], rtol=1e-5)
    for rows, message in [([{"b": [1]}], "unknown modalities"), ([{"a": [1, 2]}], "row 0, 'a': expected shape")]:
        wrong = client.post("/predict", json={"rows": rows})
        assert wrong.status_code == 422
        assert message in wrong.text
    assert client.post("/predict", json={"rows": []}).status_code == 422
