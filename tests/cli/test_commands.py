"""Each command does what its help says, on files as users have them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from interplay import estimation, methods
from interplay.cli import app
from interplay.cli.faithfulness import ESTIMATORS
from interplay.cli.train import method_names
from interplay.data import load
from interplay.estimators import MultimodalClassifier
from interplay.evaluation import evaluate, faithfulness
from interplay.evaluation.results import Results
from interplay.evaluation.robustness import robustness

LABELS = ("--target", "label", "--modalities", "left,right")


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert "Traceback" not in result.output
    return result


def good(*words):
    result = invoke(*words)
    assert result.exit_code == 0, result.stderr
    return result


def held_out(folder):
    marks = np.load(folder / "data.npz")["is_test"]
    return load(folder / "data.npz", target="label", modalities=["left", "right"])[marks]


def test_help_of_every_command_shows_an_example():
    for name in ("demo", "measure", "train", "predict", "evaluate", "faithfulness", "report"):
        text = good(name, "--help").stdout
        assert f"interplay {name}" in " ".join(text.split())
        assert "Example" in text
    for text in (good().stdout, good("--help").stdout):
        assert "Examples" in text
        assert "Exit codes" in text


def test_version():
    assert good("--version").stdout.startswith("interplay 0.")


def test_help_lists_exactly_the_methods():
    assert method_names() == methods.names()


def test_measure_prints_words_or_json_and_draws(folder):
    options = (folder / "data.npz", *LABELS, "--bins", 4, "--redundancy", "mmi")
    plain = good("measure", *options, "--figure", folder / "bars.svg")
    assert "told only by both together" in plain.stdout or "not distinguishable" in plain.stdout
    assert (folder / "bars.svg").read_text().startswith("<?xml")
    found = json.loads(good("measure", *options, "--json").stdout)
    assert found["definition"] == "mmi"
    assert found["n_samples"] > 0
    parts = found["redundancy"] + sum(found["unique"].values()) + found["synergy"]
    assert parts == pytest.approx(found["total"], abs=1e-6)


def test_train_tests_on_the_marked_rows_only(folder):
    words = good("train", folder / "data.npz", *LABELS, "--test", "is_test", "--output", folder / "m", "--epochs", 2)
    assert "trained on 300 rows in" in words.stdout
    assert "without left   100" in words.stdout


def test_train_json_equals_the_library(folder):
    found = json.loads(
        good(
            "train", folder / "data.npz", *LABELS, "--test", "is_test", "--output", folder / "joint", "--method",
            "joint", "--epochs", 3, "--seed", 5, "--json",
        ).stdout
    )  # fmt: skip
    data = load(folder / "data.npz", target="label", modalities=["left", "right"])
    marks = np.load(folder / "data.npz")["is_test"]
    model = MultimodalClassifier("joint", max_epochs=3, random_state=5).fit(data[~marks])
    expected = evaluate(model, data[marks]).reset_index().to_dict(orient="records")
    assert found["scores"] == expected
    assert found["epochs"] == 3


def test_train_leaves_no_subject_on_both_sides(folder, monkeypatch):
    seen = {}
    original = MultimodalClassifier.fit

    def spy(self, data, *rest, **options):
        seen["train"] = set(data.groups)
        return original(self, data, *rest, **options)

    monkeypatch.setattr(MultimodalClassifier, "fit", spy)
    good(
        "train", folder / "data.npz", *LABELS, "--groups", "writer", "--test-size", 0.25, "--output", folder / "g",
        "--epochs", 1, "--json",
    )  # fmt: skip
    assert 25 <= len(seen["train"]) <= 35


def test_train_passes_options_on(folder):
    good(
        "train", folder / "data.parquet", "--method", "unimodal", "--param", "modality=left", "--encoder", "left=mlp",
        "--batch-size", 32, "--learning-rate", 0.01, "--patience", 3, "--epochs", 4, "--output", folder / "u",
        "--missing-rate", 0.25,
    )  # fmt: skip
    model = MultimodalClassifier.load(folder / "u")
    assert model.method.modality == "left"
    assert (model.batch_size, model.learning_rate, model.patience, model.max_epochs) == (32, 0.01, 3, 4)
    assert model.missing == 0.25


def test_predictions_are_the_librarys(folder):
    good("predict", folder / "model", "--input", folder / "data.npz", "--output", folder / "y.parquet", "--explain")
    table = pd.read_parquet(folder / "y.parquet")
    data = load(folder / "data.npz", target="label", modalities=["left", "right"])
    model = MultimodalClassifier.load(folder / "model")
    assert (table["prediction"] == model.predict(data)).all()
    assert np.allclose(table[[f"p:{k}" for k in range(10)]], model.predict_proba(data))
    pd.testing.assert_series_equal(table["synergy"], model.explain(data)["synergy"])
    assert list(table.index) == list(range(400))


def test_a_modality_that_the_file_lacks_counts_as_missing(folder):
    result = good("predict", folder / "model", "--input", folder / "left.npz", "--explain")
    assert result.stderr == "note: 'left.npz' has no right: counted as missing in all 20 rows\n"
    table = pd.read_csv(pd.io.common.StringIO(result.stdout), index_col="id")
    assert (table["missing"] == "right").all()
    model = MultimodalClassifier.load(folder / "model")
    left = np.load(folder / "left.npz")["left"]
    assert (table["prediction"].to_numpy() == model.predict({"left": left, "right": None})).all()


def test_predict_writes_csv_and_json(folder):
    good("predict", folder / "model", "--input", folder / "left.npz", "--output", folder / "y.csv")
    from_file = pd.read_csv(folder / "y.csv", index_col="id")
    from_json = pd.DataFrame(
        json.loads(good("predict", folder / "model", "--input", folder / "left.npz", "--json").stdout)
    )
    assert list(from_file["prediction"]) == list(from_json["prediction"])
    assert "synergy" not in from_file


def test_evaluate_is_the_librarys(folder):
    found = good(
        "evaluate", folder / "model", "--input", folder / "data.npz", "--target", "label", "--test", "is_test", "--json"
    )
    expected = evaluate(MultimodalClassifier.load(folder / "model"), held_out(folder), confidence=0.95)
    assert json.loads(found.stdout) == expected.reset_index().to_dict(orient="records")


def test_intervals_over_subjects(folder):
    start = ("evaluate", folder / "model", "--input", folder / "data.npz", "--target", "label", "--json")
    rows, groups = (json.loads(good(*start, *more).stdout)[0] for more in ((), ("--groups", "writer")))
    model = MultimodalClassifier.load(folder / "model")
    data = load(folder / "data.npz", target="label", modalities=model.modality_names_, groups="writer")
    expected = evaluate(model, data, confidence=0.95).iloc[0]
    assert (groups["low"], groups["high"]) == (expected["low"], expected["high"])
    assert groups["accuracy"] == rows["accuracy"]
    assert groups["low"] != rows["low"]


def test_evaluate_writes_a_report_that_report_rebuilds(folder):
    run = folder / "run"
    result = good("evaluate", folder / "model", "--input", folder / "data.npz", "--target", "label", "--report", run)
    assert "complete" in result.stdout
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    assert good("report", run).stdout.strip() == f"report in {run / 'report.html'}"
    assert (run / "report.html").read_bytes() == page
    good("evaluate", folder / "model", "--input", folder / "data.npz", "--target", "label", "--report", run)


def test_train_report_has_curves_and_scores(folder, monkeypatch):
    run = folder / "trained"
    monkeypatch.setattr("sys.argv", ["/usr/bin/interplay", "train", "my data.parquet"])
    good(
        "train", folder / "data.parquet", "--test-size", 0.3, "--output", folder / "m4", "--epochs", 3, "--report", run
    )
    results = json.loads((run / "results.json").read_text())
    assert results["data"]["rows"] == {"train": 280, "test": 120}
    assert len(results["histories"]["dmil"]) == 7  # stages of 3, 1 and 3 epochs
    assert list(results["curves"]) == ["dmil"]
    assert results["run"]["command"] == "interplay train 'my data.parquet'"
    assert results["run"]["configuration"]["max_epochs"] == 3
    assert results["run"]["configuration"]["method"].startswith("dmil(preset='supervised'")
    # Of the training rows only: the test rows are for the test.
    assert 200 < results["measurement"]["n_samples"] <= 280
    assert '<h2 id="interactions">' in (run / "report.html").read_text()


def test_what_cannot_or_need_not_be_measured_is_left_out_of_the_report(folder, monkeypatch):
    def few(*_, **__):
        raise ValueError("too few rows")

    monkeypatch.setattr("interplay.estimation.measure", few)
    start = ("train", folder / "data.parquet", "--test-size", 0.3, "--method", "ensemble", "--epochs", 1)
    for name, more, said in (("no", ["--no-measure"], False), ("few", [], True)):
        run = folder / f"measured-{name}"
        found = good(*start, *more, "--output", folder / f"model-{name}", "--report", run)
        assert json.loads((run / "results.json").read_text())["measurement"] is None
        assert ("interactions were not measured: too few rows" in found.stderr) == said


def test_faithfulness_is_the_librarys(tmp_path):
    sizes = ("--classes", 2, "--samples", 200, "--features", 4, "--epochs", 3, "--noise", 0.1, "--seed", 3)
    files = ("--table", tmp_path / "kinds.csv", "--figure", tmp_path / "kinds.svg")
    found = json.loads(good("faithfulness", "dmil", *sizes, "--param", "n_folds=2", *files, "--json").stdout)
    expected = faithfulness(
        methods.DMIL(n_folds=2), n_classes=2, n_samples=200, n_features=4, noise=0.1, random_state=3, max_epochs=3,
        batch_size=128, learning_rate=3e-3, patience=6,
    )  # fmt: skip
    assert found["accuracy_by_kind"] == expected.accuracy_by_kind
    assert found["confusion"] == expected.confusion.to_dict("index")
    assert found["settings"]["method"] == "dmil"
    table = pd.read_csv(tmp_path / "kinds.csv", index_col="kind")
    pd.testing.assert_frame_equal(table, expected.table(), check_names=False)
    assert (tmp_path / "kinds.svg").read_text().startswith("<?xml")


def test_faithfulness_of_an_estimator_and_of_a_method_without_parts():
    sizes = ("--samples", 300, "--features", 4, "--noise", 0.1, "--classes", 2)
    text = good("faithfulness", "discrete", *sizes, "--param", "redundancy=pointwise_min").stdout
    assert "routed to their own kind" in text
    assert "bits expected" in text
    mix = ("--kind", "synergy=0.2,0.8", "--kind", "unique:b=0.8,0.2", "--modalities", 3, "--hidden", "--nonlinear")
    found = json.loads(good("faithfulness", "ensemble", *sizes, *mix, "--epochs", 1, "--json").stdout)
    assert set(found["accuracy_by_kind"]) == {"unique:b", "synergy"}
    assert found["routing"] is None
    assert found["settings"]["composition"] == {"synergy": [0.2, 0.8], "unique:b": [0.8, 0.2]}
    assert found["settings"]["type_visible"] is False


def test_names_of_estimators_are_those_of_the_library():
    assert ESTIMATORS == estimation.ESTIMATORS


def test_a_folder_of_something_else_is_left_alone(folder, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    start = ("train", folder / "data.parquet", "--epochs", 1, "--output", tmp_path)
    refused = invoke(*start)
    assert refused.exit_code == 1
    assert "holds something else" in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    good(*start, "--force")
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    good(*start)  # it is a model folder now


def test_numbers_make_a_regressor_all_the_way_to_the_report(folder, tmp_path):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(300, 3)) for name in ("left", "right")}
    mood = 40 + 10 * x["left"][:, 0] + 5 * x["right"][:, 1]
    np.savez(tmp_path / "moods.npz", **x, mood=mood, age=np.arange(300) % 60, is_test=np.arange(300) % 3 == 0)
    data = (tmp_path / "moods.npz", "--modalities", "left,right")
    model, report = tmp_path / "model", tmp_path / "report"
    options = ("--target", "mood", "--test", "is_test", "--method", "gatedmixture", "--epochs", 20, "--loss", "l2")
    found = json.loads(good("train", *data, *options, "--output", model, "--report", report, "--json").stdout)
    scores = {row["condition"]: row for row in found["scores"]}
    assert scores["complete"]["r2"] > 0.6
    assert scores["complete"]["r2"] > scores["without left"]["r2"]
    assert set(scores["chance"]) == {"condition", "n", "r2", "mae", "rmse", "pearson"}
    again = json.loads(
        good("evaluate", model, "--input", data[0], "--target", "mood", "--test", "is_test", "--json").stdout
    )
    assert again[0]["r2"] == pytest.approx(scores["complete"]["r2"])
    assert again[0]["low"] < again[0]["r2"] < again[0]["high"]
    good("predict", model, "--input", data[0], "--output", tmp_path / "said.csv", "--explain")
    said = pd.read_csv(tmp_path / "said.csv", index_col="id")
    assert list(said.columns[:2]) == ["prediction", "redundancy"]
    parts = ["redundancy", "unique:left", "unique:right", "synergy"]
    np.testing.assert_allclose(
        said["prediction"] - said[parts].sum(axis=1), mood[np.arange(300) % 3 > 0].mean(), atol=1.5
    )
    page = (report / "report.html").read_text()
    for words in ("The target is a number.", "explains", "mean abs. error", "furthest off", "units of the target"):
        assert words in page
    shown = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    for words in ("ccuracy", "logit", "None", "nan", "lass"):
        assert words not in shown, words
    (report / "report.html").unlink()
    good("report", report)
    assert (report / "report.html").read_text() == page
    # Whole numbers are classes unless told otherwise.
    good(
        "train", *data, "--target", "age", "--task", "regression", "--method", "joint", "--epochs", 2, "--output", model
    )
    assert "prediction" in good("predict", model, "--input", data[0]).stdout.splitlines()[0]
    wrong = invoke("train", *data, "--target", "mood", "--task", "classification", "--output", tmp_path / "x")
    assert wrong.exit_code != 0
    assert "use a regressor" in wrong.stderr


def test_evaluate_missing_gives_every_subset_and_rate_and_says_what_matters(folder):
    start = ("evaluate", folder / "model", "--input", folder / "data.npz", "--target", "label", "--missing")
    words = good(*start, "--draws", 2, "--figure", folder / "curve.png").stdout
    for part in ("complete ", "left  ", "rate 0.5", "relative robustness", "cannot do without"):
        assert part in words
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(good(*start, "--draws", 2, "--seed", 0, "--json").stdout)
    model = MultimodalClassifier.load(folder / "model")
    data = load(folder / "data.npz", target="label", modalities=["left", "right"])
    expected = robustness(model, data, draws=2)
    assert found == json.loads(json.dumps(expected.to_dict()))
    run = folder / "curved"
    assert "relative robustness" in good(*start, "--draws", 2, "--report", run).stdout
    results = Results.load(run)
    assert results.curves["dmil"].robustness().to_dict() == expected.to_dict()
    assert {score.condition for score in results.scores} >= {"complete", "without left"}
    assert expected.sentence() in (run / "report.html").read_text()


def test_one_subject_to_test_on_gives_a_report_without_intervals(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = {"a": rng.normal(size=(120, 2)) + 3 * y[:, None], "b": rng.normal(size=(120, 2))}
    np.savez(tmp_path / "four.npz", **x, label=y, speaker=np.arange(120) // 30)
    run, names = tmp_path / "run", ("--target", "label", "--modalities", "a,b")
    where = ("--output", tmp_path / "model", "--report", run)
    split = ("--groups", "speaker", "--test-size", 0.25, "--epochs", 2)
    good("train", tmp_path / "four.npz", *names, *split, *where)
    page = (run / "report.html").read_text()
    assert "The costliest to lose is a" in page
    assert "an interval needs at least two" in page
    curve = Results.load(run).curves["dmil"].robustness()
    assert np.isnan(curve.costs["low"]).all()
    page = (run / "report.html").read_bytes()
    good("report", run)
    assert (run / "report.html").read_bytes() == page
