"""A small study on real models: scores, curves, telling samples, repeatability."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from interplay.data.datasets import load_digit_halves
from interplay.estimators import MultimodalClassifier
from interplay.evaluation import evaluate
from interplay.evaluation.study import study
from interplay.evaluation.telling import _choose, picture

OPTIONS = {"max_epochs": 8, "width": 16}
MODELS = {name: MultimodalClassifier(name, **OPTIONS) for name in ("joint", "dmil")}


def halves():
    return load_digit_halves()[:500]


@pytest.fixture(scope="module")
def results():
    steps = []
    found = study(MODELS, halves(), seeds=(3, 4), images={"left": (8, 4), "right": (8, 4)}, notice=steps.append)
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


def test_flat_picture_is_no_division_by_zero():
    assert picture(np.full((2, 2), 7.0)).startswith("data:image/png;base64,")
