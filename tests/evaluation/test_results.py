"""results.json: what is written comes back, what is damaged or newer is refused with a remedy."""

import json

import numpy as np
import pandas as pd
import pytest

from interplay.evaluation import Robustness
from interplay.evaluation.results import FILE_NAME, Data, MissingCurve, Results, Sample, Score


def small():
    data = Data(modalities={"a": [3]}, classes=["x", "y"], rows={"test": 4}, missing={"test": {"a": 0}})
    scores = [
        Score(method=m, seed=s, condition=c, n=4, accuracy=0.5 + s / 4, macro_f1=0.5, nll=0.7, ece=0.1)
        for m in ("second", "first")
        for s in (0, 1)
        for c in ("complete", "chance")
    ]
    return Results(title="t", data=data, scores=scores)


def test_what_is_written_comes_back(tmp_path):
    results = small()
    path = results.save(tmp_path)
    assert Results.load(tmp_path) == results
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["format"], content["version"]) == ("interplay-results", 1)
    assert content["run"]["versions"]["interplay"]


def test_summary_is_the_mean_over_seeds_in_order_of_run():
    summary = small().summary()
    assert list(summary.index) == ["second", "first"]
    assert list(summary.columns) == ["complete", "chance"]
    assert (summary.to_numpy() == 0.625).all()


def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch):
    results = small()
    old = results.save(tmp_path).read_bytes()
    monkeypatch.setattr(Results, "model_dump_json", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        results.save(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a JSON file"),
        ("[]", "is not a result of interplay"),
        ('{"version": 7}', "version 7, this interplay reads 1; install a newer"),
        ('{"title": "t"}', "data: Field required; run the command again"),
    ],
)
def test_damage_is_named(tmp_path, text, message):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ValueError, match=message):
        Results.load(tmp_path)


def test_no_results_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no results\.json in .*demo --output"):
        Results.load(tmp_path)


@pytest.mark.parametrize("address", ["https://example.org/x.png", "javascript:alert(1)", "data:text/html;base64,AA=="])
def test_pictures_lie_in_the_file(address):
    with pytest.raises(ValueError, match="pictures"):
        Sample(id="1", why="", target="", prediction="", probability=1, contributions={}, pictures={"a": address})


def found(metric="accuracy", low=0.1):
    ends = {"low": low, "high": 0.9, "relative": 1.0}
    return Robustness(
        metric,
        0.4,
        pd.DataFrame([{"subset": s, "missing": "", "size": 1, metric: 0.5, **ends} for s in ("a", "b")]),
        pd.DataFrame([{"rate": r, metric: 0.5, **ends} for r in (0.0, 0.5)]),
        pd.DataFrame({"modality": ["a"], "cost": [0.1], "low": [low], "high": [0.2]}),
        draws=2,
        confidence=0.9,
    )


@pytest.mark.parametrize("low", [0.1, np.nan])
def test_a_missing_curve_comes_back_as_it_was(tmp_path, low):
    results = small()
    results.curves["m"] = MissingCurve.of(found(low=low))
    results.save(tmp_path)
    again = Results.load(tmp_path).curves["m"].robustness()
    pd.testing.assert_frame_equal(again.table(), found(low=low).table())
    pd.testing.assert_frame_equal(again.costs, found(low=low).costs)
    assert again.to_dict() == found(low=low).to_dict()


def test_a_curve_that_lacks_a_column_is_refused():
    content = {k: v for k, v in found().to_dict().items() if k in MissingCurve.model_fields}
    del content["rates"][1]["low"]
    with pytest.raises(ValueError, match="rates: expected at least one row, each with"):
        MissingCurve(**content)
    with pytest.raises(ValueError, match="subsets: expected at least one row"):
        MissingCurve(**content | {"subsets": []})
