"""A small study on real models: scores, curves, telling samples, repeatability."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from interplay.data.datasets import load_digit_halves
from interplay.estimators import MultimodalClassifier
from interplay.evaluation import class_table, evaluate, robustness, telling
from interplay.evaluation.results import Results
from interplay.evaluation.study import add_details, describe, study
from interplay.evaluation.telling import Shown, _choose, picture, sample_rows

OPTIONS = {"max_epochs": 8, "width": 16}
MODELS = {name: MultimodalClassifier(name, **OPTIONS) for name in ("joint", "dmil")}


def halves():
    return load_digit_halves()[:500]


@pytest.fixture(scope="module")
def results():
    steps = []
    shown = {"images": {"left": (8, 4), "right": (8, 4)}, "texts": {i: f"digit {i}" for i in range(0, 500, 2)}}
    found = study(MODELS, halves(), seeds=(3, 4), **shown, missing=True, notice=steps.append)
    assert steps == [f"training {m}, seed {s}" for s in (3, 4) for m in MODELS]
    return found


def test_scores_are_those_of_evaluate(results):
    train, test = halves().split(0.25, random_state=4)
    model = MultimodalClassifier("dmil", **OPTIONS, random_state=4).fit(train)
    expected = evaluate(model, test)
    table = results.score_frame().query("method == 'dmil' and seed == 4").set_index("condition")
    pd.testing.assert_frame_equal(table[list(expected.columns)], expected, check_names=False)


def test_sizes_and_curves(results):
    assert results.data.rows == {"train": 375, "test": 125}
    assert results.data.missing["test"] == {"left": 0, "right": 0}
    assert list(results.histories) == ["joint", "dmil"]
    assert {record["stage"] for record in results.histories["dmil"]} == {"intra", "consistency", "joint"}


def test_telling_samples_say_the_truth(results):
    assert results.explained == "dmil"
    data = halves()
    ids = [sample.id for sample in results.samples]
    assert len(ids) == len(set(ids)) >= 4
    for sample in results.samples:
        assert sample.target == str(data.target[int(sample.id)])
        assert (sample.prediction == sample.target) == sample.why.startswith("right")
        assert list(sample.contributions) == ["redundancy", "unique:left", "unique:right", "synergy"]
        assert list(sample.pictures) == ["left", "right"]


@pytest.fixture(scope="module")
def fitted():
    train, test = halves().split(0.25, random_state=3)
    return MultimodalClassifier("dmil", **OPTIONS, random_state=3).fit(train), test


def test_rows_are_the_test_rows_as_explained(results, fitted):
    model, test = fitted
    explained = model.explain(test)
    assert [row.id for row in results.rows] == [str(i) for i in test.ids]
    assert [row.target for row in results.rows] == [str(y) for y in test.target]
    assert [row.prediction for row in results.rows] == [str(y) for y in explained["prediction"]]
    assert [row.contributions["synergy"] for row in results.rows] == explained["synergy"].tolist()
    assert [row.text for row in results.rows] == [f"digit {i}" if i % 2 == 0 else "" for i in test.ids]
    assert all(list(row.pictures) == ["left", "right"] for row in results.rows)


def test_composition_curves_and_calibration_are_those_of_the_library(results, fitted):
    model, test = fitted
    table = class_table(model.explain(test), test.target)
    assert [row.label for row in results.composition] == [str(label) for label in table.index]
    assert [row.shares["synergy"] for row in results.composition] == table["synergy"].tolist()
    expected = robustness(model, test)
    pd.testing.assert_frame_equal(results.curves["dmil"].robustness().table(), expected.table())
    assert results.curves["dmil"].robustness().sentence() == expected.sentence()
    bins = pd.DataFrame([row.model_dump() for row in results.calibration["dmil"]])
    error = (bins["n"] * (bins["accuracy"] - bins["confidence"]).abs()).sum() / 125
    assert error == pytest.approx(evaluate(model, test).loc["complete", "ece"])


def test_of_many_rows_some_are_chosen_always_the_same(fitted):
    model, test = fitted
    some = sample_rows(model, test, most=20)
    ids = [int(row.id) for row in some]
    assert len(ids) == 20
    where = {i: at for at, i in enumerate(test.ids.tolist())}
    assert [where[i] for i in ids] == sorted(where[i] for i in ids)  # in the order of the data
    assert where[ids[-1]] > 60  # not just the first
    everything = {row.id: row for row in sample_rows(model, test)}
    for row in some:
        assert row.contributions == pytest.approx(everything[row.id].contributions, abs=1e-5)
    assert some == sample_rows(model, test, most=20)


def test_pictures_that_are_too_much_together_and_long_texts_are_cut(fitted, monkeypatch):
    model, test = fitted
    shown = Shown({"left": (8, 4)}, dict.fromkeys(test.ids, "word " * 100))
    rows = sample_rows(model, test[:5], shown=shown)
    assert all(row.pictures and len(row.text) == 200 and row.text.endswith("…") for row in rows)
    monkeypatch.setattr(telling, "ALL_PICTURES", 100)
    assert not any(row.pictures for row in sample_rows(model, test[:5], shown=shown))


def test_a_model_without_parts_gives_way_to_one_that_has_them(fitted):
    model, test = fitted
    plain = MultimodalClassifier("joint", max_epochs=1, width=16, random_state=0).fit(halves()[:200])
    found = Results(title="t", data=describe(test, {"test": test}))
    add_details(found, plain, test, "joint")
    assert (found.explained, found.parts, found.composition) == ("joint", [], [])
    assert len(found.rows) == len(test)
    add_details(found, model, test, "dmil")
    assert found.explained == "dmil"
    assert len(found.parts) == 4
    add_details(found, plain, test, "again")
    assert found.explained == "dmil"


def test_models_given_are_left_unfitted(results):
    assert not any(hasattr(model, "classes_") for model in MODELS.values())


def test_nothing_to_do_is_refused():
    with pytest.raises(ValueError, match="at least one model and one seed"):
        study({}, halves())


def test_choice_takes_the_largest_share_and_the_surest_mistake():
    explained = pd.DataFrame(
        {"probability": [0.9, 0.8, 0.7, 0.6], "redundancy": [3.0, 1.0, 5.0, 1.0], "synergy": [1.0, 2.0, -1.0, 9.0]}
    )
    right = np.array([True, True, True, False])
    chosen = _choose(
        explained,
        right,
        needed=np.array([True, False, False, False]),
        sure=explained["probability"].to_numpy(),
        mistakes=2,
    )
    assert chosen == {
        2: "right, with the largest share of redundancy",
        1: "right, with the largest share of synergy",
        0: "right, and wrong without any one modality",
        3: "wrong, and sure of it",
    }


@pytest.mark.parametrize(("shape", "mode"), [((8, 4), None), ((3, 8, 4), None), ((1, 8, 4), None)])
def test_picture_is_the_sample(shape, mode):
    values = np.random.default_rng(0).random(shape)
    address = picture(values)
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"), float)
    scaled = (values - values.min()) / (values.max() - values.min()) * 255
    expected = scaled.transpose(1, 2, 0) if scaled.ndim == 3 else scaled[..., None]
    assert image.shape == (8, 4, 3)
    assert np.abs(image - expected).max() <= 1.01


def test_large_pictures_are_reduced_to_means_of_blocks():
    values = np.zeros((100, 61))
    values[:, :30] = 1  # ten columns of three pixels are white
    image = Image.open(io.BytesIO(base64.b64decode(picture(values, 40).partition(",")[2]))).convert("L")
    assert image.size == (20, 33)
    assert (np.asarray(image)[:, :10] == 255).all()
    assert (np.asarray(image)[:, 10:] == 0).all()


def test_flat_picture_is_no_division_by_zero():
    assert picture(np.full((2, 2), 7.0)).startswith("data:image/png;base64,")
