"""Regression: closed forms, limits, units, persistence, scikit-learn's conventions."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_regressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

import interplay as ip
from interplay import MultimodalDataset, MultimodalRegressor
from interplay.estimators import MultimodalEstimator


def linear(n: int = 600, seed: int = 0, unit: float = 1.0, origin: float = 0.0) -> MultimodalDataset:
    """A target that is linear in two modalities, up to noise of 0.5; groups of ten rows."""
    rng = np.random.default_rng(seed)
    x = {"a": rng.normal(size=(n, 4)), "b": rng.normal(size=(n, 3))}
    y = x["a"] @ [1.0, -0.5, 0.0, 0.25] + x["b"] @ [0.8, 0.0, -0.8] + 0.5 * rng.normal(size=n)
    return MultimodalDataset(x, unit * y + origin, groups=np.arange(n) // 10)


QUICK = {"max_epochs": 5, "batch_size": 32, "width": 16, "random_state": 0}


@pytest.mark.parametrize("loss", ["huber", "l1", "l2"])
def test_linear_data_are_explained_as_well_as_by_ridge_regression(loss: str) -> None:
    train, test = linear(), linear(seed=1)
    stack = [np.hstack(list(part.modalities.values())) for part in (train, test)]
    best = RidgeCV(np.logspace(-2, 2, 9)).fit(stack[0], train.target).score(stack[1], test.target)
    model = MultimodalRegressor("joint", loss=loss, dropout=0.0, max_epochs=60, random_state=0).fit(train)
    # A network has more to learn from the same rows; ridge regression knows the answer's form.
    assert best - 0.05 < model.score(test) < best + 0.01
    assert model.score(test) == pytest.approx(r2_score(test.target, model.predict(test)))


def test_each_loss_aims_at_its_own_centre() -> None:
    """With features that tell nothing, the squared error finds the mean of a skewed target, the absolute its median."""
    rng = np.random.default_rng(0)
    y = rng.exponential(size=500)
    data = MultimodalDataset({"a": np.zeros((500, 1)), "b": np.zeros((500, 1))}, y)
    params = {"max_epochs": 80, "batch_size": 500, "learning_rate": 0.01, "dropout": 0.0, "random_state": 0}
    found = {
        loss: MultimodalRegressor("joint", loss=loss, **params).fit(data, validation=data).predict(data[:1])[0]
        for loss in ("l1", "l2", "huber")
    }
    assert found["l2"] == pytest.approx(y.mean(), abs=0.02)
    assert found["l1"] == pytest.approx(np.median(y), abs=0.02)
    assert found["l1"] + 0.05 < found["huber"] < found["l2"] - 0.05


def test_unit_and_origin_of_the_target_scale_the_predictions_and_nothing_else() -> None:
    plain, scaled = linear(), linear(unit=1000.0, origin=12345.0)
    one, two = (MultimodalRegressor("gatedmixture", **QUICK).fit(data) for data in (plain, scaled))
    np.testing.assert_allclose(two.predict(plain), 1000 * one.predict(plain) + 12345, rtol=1e-9)
    parts = ["redundancy", "unique:a", "unique:b", "synergy"]
    np.testing.assert_allclose(two.explain(plain)[parts], 1000 * one.explain(plain)[parts], rtol=1e-9, atol=1e-9)


def test_contributions_add_up_to_the_distance_from_the_mean() -> None:
    data = linear(unit=3.0, origin=50.0)
    model = MultimodalRegressor("gatedmixture", **QUICK).fit(data)
    table = model.explain(data, n_draws=2)
    np.testing.assert_array_equal(table["prediction"], model.predict(data))
    parts = ["redundancy", "unique:a", "unique:b", "synergy"]
    np.testing.assert_allclose(
        table[parts].sum(axis=1) + model.target_mean_, table["prediction"], atol=1e-4 * model.target_scale_
    )
    # What a part alone would say, weighted by its gate, is its contribution.
    said = table["gate:synergy"] * (table["prediction:synergy"] - model.target_mean_)
    np.testing.assert_allclose(said, table["synergy"], atol=1e-6)
    assert "probability" not in table
    assert {"sd:synergy", "missing"} <= set(table)


def test_nothing_present_gives_the_mean_of_what_was_trained_on() -> None:
    train, validation = linear(origin=5.0), linear(seed=2, origin=9.0)
    model = MultimodalRegressor("joint", **QUICK).fit(train, validation=validation)
    assert model.target_mean_ == pytest.approx(np.mean(train.target))
    assert model.target_scale_ == pytest.approx(np.std(train.target))
    np.testing.assert_allclose(model.predict(train[:3].without("a", "b")), np.mean(train.target), atol=1e-6)


def test_a_constant_target_is_predicted() -> None:
    data = linear(100).with_target(np.full(100, 7.0))
    model = MultimodalRegressor("joint", **QUICK).fit(data)
    np.testing.assert_allclose(model.predict(data), 7, atol=0.2)
    assert model.target_scale_ == 1


def test_saved_and_loaded_it_predicts_the_same(tmp_path) -> None:
    data = linear(200, unit=7.0)
    model = MultimodalRegressor("gatedmixture", loss="l1", **QUICK).fit(data)
    model.save(tmp_path)
    for again in (MultimodalRegressor.load(tmp_path), MultimodalEstimator.load(tmp_path)):
        assert type(again) is MultimodalRegressor
        np.testing.assert_array_equal(again.predict(data), model.predict(data))
        pd.testing.assert_frame_equal(again.explain(data), model.explain(data))
        assert again.get_params()["loss"] == again.method_.criterion == "l1"
        assert again.method_.task == "regression"
    with pytest.raises(ValueError, match=r"holds a MultimodalRegressor; use ip\.MultimodalRegressor\.load"):
        ip.MultimodalClassifier.load(tmp_path)


def test_scikit_learn_takes_it_for_a_regressor() -> None:
    data = linear(120)
    model = MultimodalRegressor("joint", **QUICK)
    assert is_regressor(model)
    copy = clone(model).set_params(loss="l1", method="ensemble")
    assert (copy.loss, model.loss, copy.method) == ("l1", None, "ensemble")
    scores = cross_val_score(model, data, data.target, groups=data.groups, cv=GroupKFold(3))
    assert scores.shape == (3,)
    search = GridSearchCV(model, {"loss": ["huber", "l2"]}, cv=2).fit(data, data.target)
    assert search.best_params_["loss"] in ("huber", "l2")


def test_groups_stay_whole_and_integers_are_numbers(monkeypatch) -> None:
    """Whole numbers are not split by class; subjects are never on both sides of the validation split."""
    seen = {}
    original = MultimodalRegressor._encode_target

    def remember(self, dataset):
        seen[len(seen)] = dataset
        return original(self, dataset)

    monkeypatch.setattr(MultimodalRegressor, "_encode_target", remember)
    data = linear(200)
    ages = np.random.default_rng(0).integers(18, 90, 200)
    MultimodalRegressor("joint", **QUICK).fit(data, ages)
    training, validation = seen[0], seen[1]
    assert not set(training.groups) & set(validation.groups)
    assert len(training) + len(validation) == 200
    assert set(np.concatenate([training.target, validation.target])) == set(ages)


def test_training_is_scored_by_the_loss_and_r2() -> None:
    data = linear()
    train, validation = data[:400], data[400:]
    model = MultimodalRegressor("joint", loss="l1", **QUICK).fit(train, validation=validation)
    records = model.history_.records
    best = min(records, key=lambda record: record["validation_loss"])
    assert model.history_.best_epochs["fit"] == best["epoch"]
    assert best["validation_r2"] == pytest.approx(model.score(validation), abs=1e-5)
    error = np.abs(model.predict(validation) - validation.target).mean() / model.target_scale_
    assert best["validation_loss"] == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize(
    ("params", "target", "message"),
    [
        ({"loss": "cross_entropy"}, None, "loss must be 'huber' or 'l1' or 'l2' for regression, found 'cross_entropy'"),
        ({"method": "tcmax"}, None, "TCMax supports classification, not regression; use method='joint'"),
        ({}, np.array(["x"] * 60), "target: expected numbers for regression, found strings"),
        ({}, np.array([np.nan] * 60), "target: expected finite numbers"),
    ],
)
def test_mistakes_are_named(params, target, message) -> None:
    with pytest.raises(ValueError, match=message):
        MultimodalRegressor(**{"method": "joint", **QUICK, **params}).fit(linear(60), target)


def test_a_classifier_takes_no_loss_of_numbers() -> None:
    data = linear(60).with_target(np.arange(60) % 2)
    with pytest.raises(ValueError, match="loss must be 'cross_entropy' for classification, found 'huber'"):
        ip.MultimodalClassifier("joint", loss="huber", **QUICK).fit(data)


def test_score_needs_numbers() -> None:
    data = linear(60)
    model = MultimodalRegressor("joint", **QUICK).fit(data)
    with pytest.raises(ValueError, match="score needs numbers"):
        model.score(data.with_target(None))
    weights = np.r_[np.ones(30), np.zeros(30)]
    assert model.score(data, sample_weight=weights) == pytest.approx(model.score(data[:30]))


def test_naive_bayes_multiplies_gaussians() -> None:
    """Two independent looks at one number: with their own errors known, the product is the best linear predictor."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=6000)
    x = {name: (y + sd * rng.normal(size=6000))[:, None] for name, sd in {"a": 0.5, "b": 1.0}.items()}
    data = MultimodalDataset(x, y)
    params = {"loss": "l2", "dropout": 0.0, "max_epochs": 12, "random_state": 0}
    train, validation, test = data[:2000], data[2000:4000], data[4000:]
    model = MultimodalRegressor("naivebayes", **params).fit(train, validation=validation)
    # Error of each alone 1 / (1 + 1 / sd^2); of both 1 / (1 + 1 / 0.25 + 1 / 1) = 1 / 6.
    np.testing.assert_allclose(model.method_.variances, [1 / 5, 1 / 2], rtol=0.1)
    error = np.mean((model.predict(test) - test.target) ** 2)
    assert error == pytest.approx(1 / 6, rel=0.1)
    averaged = MultimodalRegressor("ensemble", **params).fit(train, validation=validation)
    assert np.mean((averaged.predict(test) - test.target) ** 2) > 1.2 * error


def test_ensemble_averages_what_is_present() -> None:
    data = linear(100)
    model = MultimodalRegressor("ensemble", **QUICK).fit(data)
    alone = [model.predict(data.without(name)) for name in ("b", "a")]
    np.testing.assert_allclose(model.predict(data), np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)


def test_regression_leaves_torch_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    MultimodalRegressor("joint", **QUICK).fit(linear(60))
    torch.testing.assert_close(torch.rand(3), expected)
