"""Measures of predicted numbers against closed forms, slow twins and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import f1_score, mean_absolute_error, r2_score

from interplay import MultimodalDataset
from interplay.evaluation import (
    evaluate,
    r2_interval,
    regression_scores,
    rounded_accuracy,
    score,
    score_interval,
    score_model,
    sentiment_scores,
    sign_scores,
)


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    target = rng.normal(0, 1.5, 400)
    target[:80] = 0  # neutral, as many clips of sentiment are
    return target, 0.7 * target + rng.normal(0, 0.8, 400)


def test_scores_agree_with_scikit_learn_and_scipy(numbers):
    y, f = numbers
    found = regression_scores(y, f)
    assert found["r2"] == pytest.approx(r2_score(y, f))
    assert found["mae"] == pytest.approx(mean_absolute_error(y, f))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((y - f) ** 2)))
    assert found["pearson"] == pytest.approx(pearsonr(y, f)[0])
    assert score(y, f) == found


def test_limits():
    y = np.arange(5.0)
    assert regression_scores(y, y) == {"r2": 1, "mae": 0, "rmse": 0, "pearson": 1}
    assert regression_scores(y, -y)["pearson"] == -1
    mean = regression_scores(y, np.full(5, y.mean()))
    assert mean["r2"] == 0
    assert mean["pearson"] == 0
    for f in (np.ones(5), np.arange(5.0)):  # a constant target
        assert regression_scores(np.ones(5), f)["r2"] == r2_score(np.ones(5), f)


def test_units_of_the_target(numbers):
    y, f = numbers
    plain, scaled = regression_scores(y, f), regression_scores(1000 * y + 7, 1000 * f + 7)
    for name, factor in {"r2": 1, "pearson": 1, "mae": 1000, "rmse": 1000}.items():
        assert scaled[name] == pytest.approx(factor * plain[name])


def test_interval_is_that_of_resampled_rows(numbers):
    y, f = numbers
    rng = np.random.default_rng(1)
    slow = [r2_score(y[rows], f[rows]) for rows in (rng.integers(len(y), size=len(y)) for _ in range(2000))]
    found = r2_interval(y, f, random_state=0)
    np.testing.assert_allclose(found, np.quantile(slow, [0.025, 0.975]), atol=0.01)
    assert score_interval(y, f, random_state=0) == found
    # The same whatever the target's unit and origin.
    np.testing.assert_allclose(r2_interval(1e3 * y + 1e6, 1e3 * f + 1e6, random_state=0), found, rtol=1e-6)


def test_interval_over_groups_is_that_of_resampled_groups(numbers):
    y, f = numbers
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 15, len(y))
    f = f + np.linspace(-1, 1, 15)[groups] * y.std()  # errors that a group has in common
    rows = [np.flatnonzero(groups == g) for g in range(15)]
    draws = (np.concatenate([rows[i] for i in rng.integers(0, 15, 15)]) for _ in range(3000))
    slow = [r2_score(y[chosen], f[chosen]) for chosen in draws]
    found = r2_interval(y, f, groups=groups, n_bootstrap=8000, random_state=0)
    np.testing.assert_allclose(found, np.quantile(slow, [0.025, 0.975]), atol=0.05)
    assert score_interval(y, f, groups=groups, n_bootstrap=8000, random_state=0) == found
    assert np.isnan(r2_interval(y, f, groups=np.zeros(len(y)))).all()


def test_rounded_accuracy_is_its_loop(numbers):
    y, f = 2 * numbers[0], 2 * numbers[1]
    for k, limit in ((7, 3), (5, 2), (3, 1)):
        hits = [
            round(min(max(a, -limit), limit)) == round(min(max(b, -limit), limit)) for a, b in zip(y, f, strict=True)
        ]
        assert rounded_accuracy(y, f, k) == pytest.approx(np.mean(hits))
    with pytest.raises(ValueError, match="n_classes must be odd and at least 3, found 6"):
        rounded_accuracy(y, f, 6)


def test_both_conventions_of_the_sign(numbers):
    y, f = numbers
    every, signed = sign_scores(y, f), sign_scores(y, f, zeros=False)
    assert every["accuracy"] == np.mean([(a >= 0) == (b >= 0) for a, b in zip(y, f, strict=True)])
    assert every["weighted_f1"] == pytest.approx(f1_score(y >= 0, f >= 0, average="weighted"))
    kept = [(a > 0, b > 0) for a, b in zip(y, f, strict=True) if a != 0]
    assert signed["accuracy"] == pytest.approx(np.mean([a == b for a, b in kept]))
    assert signed["weighted_f1"] == pytest.approx(f1_score(*zip(*kept, strict=True), average="weighted"))
    assert every["accuracy"] != signed["accuracy"]
    found = sentiment_scores(y, f)
    assert (found["acc2"], found["f1_nonzero"]) == (every["accuracy"], signed["weighted_f1"])
    with pytest.raises(ValueError, match="every target is 0"):
        sign_scores(np.zeros(3), np.ones(3), zeros=False)


@pytest.mark.parametrize(
    ("target", "prediction", "message"),
    [
        ([1.0, 2.0], [1.0], r"found \(1,\) and \(2,\)"),
        ([], [], r"found \(0,\)"),
        ([1.0, np.nan], [1.0, 2.0], "target: expected finite numbers, found 1 others"),
        ([1.0, 2.0], [np.inf, 2.0], "prediction: expected finite numbers"),
    ],
)
def test_mistakes_are_named(target, prediction, message):
    with pytest.raises(ValueError, match=message):
        regression_scores(target, prediction)


class Adds:
    """Adds what each present modality says; no classes, so a regressor."""

    def predict(self, X):
        return sum(np.where(X.present[name], np.nan_to_num(X.modalities[name][:, 0]), 0.0) for name in X.names)


def test_evaluate_takes_any_regressor():
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(2000, 1)), "b": rng.normal(size=(2000, 1))}
    data = MultimodalDataset(x, (x["a"] + x["b"])[:, 0])
    table = evaluate(Adds(), data, confidence=0.9)
    assert list(table.columns) == ["n", "r2", "mae", "rmse", "pearson", "low", "high"]
    assert table.loc["complete", "r2"] == 1
    # Half of the variance is left, and so is half of the squared correlation.
    assert table.loc["without a", "r2"] == pytest.approx(0.5, abs=0.05)
    assert table.loc["without a", "pearson"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert table.loc["without a", "low"] < table.loc["without a", "r2"] < table.loc["without a", "high"]
    assert abs(table.loc["chance", "r2"]) < 1e-12
    assert table.loc["chance", "rmse"] == pytest.approx(np.std(data.target))
    assert score_model(Adds(), data)["r2"] == 1
    with pytest.raises(ValueError, match="expected a dataset with a target"):
        score_model(Adds(), data.with_target(None))
