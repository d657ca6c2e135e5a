"""results.json: what is written comes back, what is damaged or newer is refused with a remedy."""

import json

import pytest

from interplay.evaluation.results import FILE_NAME, Data, Results, Sample, Score


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
