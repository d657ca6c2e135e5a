"""Metrics against slow obvious twins, closed forms and limits."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from interplay.evaluation import accuracy_interval, calibration_error, negative_log_likelihood, score


def random_case(n=300, k=4, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), n)
    return rng.integers(0, k, n), p


def slow_ece(y, p, n_bins):
    total = 0.0
    for b in range(n_bins):
        hits, sure = [], []
        for truth, row in zip(y, p, strict=True):
            if b / n_bins < row.max() <= (b + 1) / n_bins:
                hits.append(float(row.argmax() == truth))
                sure.append(row.max())
        if hits:
            total += len(hits) / len(y) * abs(np.mean(hits) - np.mean(sure))
    return total


def test_measures_agree_with_slow_twins_and_scikit_learn():
    y, p = random_case()
    found = score(y, p, np.arange(4))
    assert found["accuracy"] == np.mean([row.argmax() == truth for truth, row in zip(y, p, strict=True)])
    assert found["macro_f1"] == pytest.approx(np.mean([f1_score(y == k, p.argmax(1) == k) for k in range(4)]))
    assert found["nll"] == pytest.approx(log_loss(y, p))
    assert found["ece"] == pytest.approx(slow_ece(y, p, 15))


@pytest.mark.parametrize("n_bins", [1, 5, 15, 40])
def test_calibration_error_equals_its_loop(n_bins):
    y, p = random_case(seed=n_bins)
    assert calibration_error(y, p, n_bins) == pytest.approx(slow_ece(y, p, n_bins))


def test_calibrated_predictions_have_little_error_and_overconfident_ones_much():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 50_000)
    y = (p.cumsum(1) > rng.random((len(p), 1))).argmax(1)
    sharper = p**4 / (p**4).sum(1, keepdims=True)
    assert calibration_error(y, p) < 0.01
    assert calibration_error(y, sharper) > 0.15


def test_perfect_and_constant_predictions():
    perfect = score([0, 1, 2], np.eye(3), [0, 1, 2])
    assert perfect == {"accuracy": 1.0, "macro_f1": 1.0, "nll": 0.0, "ece": 0.0}
    assert score([0, 1, 2], np.full((3, 3), 1 / 3), [0, 1, 2])["nll"] == pytest.approx(np.log(3))


def test_class_order_is_the_models_and_labels_may_be_strings():
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert score(["ant", "bee"], p, ["ant", "bee"])["accuracy"] == 1.0
    assert score(["bee", "ant"], p, ["ant", "bee"])["accuracy"] == 0.0


def test_impossible_truth_stays_finite():
    assert negative_log_likelihood([1], [[1.0, 0.0]]) == pytest.approx(-np.log(1e-12))


def test_unknown_label_and_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"found \['wasp'\]; leave these rows out"):
        score(["ant", "wasp"], np.full((2, 2), 0.5), ["ant", "bee"])
    with pytest.raises(ValueError, match=r"expected shape \(2, 2\), found \(2, 3\)"):
        score([0, 1], np.full((2, 3), 1 / 3), [0, 1])


def test_interval_covers_the_true_accuracy_at_its_level():
    rng = np.random.default_rng(2)
    covered = 0
    for i in range(200):
        hit = rng.random(200) < 0.7
        low, high = accuracy_interval(hit, np.ones(200, bool), random_state=i)
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_interval_agrees_with_resampling_rows():
    rng = np.random.default_rng(3)
    hit = rng.random(150) < 0.6
    slow = [hit[rng.integers(0, 150, 150)].mean() for _ in range(4000)]
    low, high = accuracy_interval(hit, np.ones(150, bool), n_bootstrap=20_000, random_state=0)
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.012)


def test_interval_of_groups_agrees_with_resampling_groups():
    rng = np.random.default_rng(4)
    sizes = rng.integers(5, 40, 12)
    groups = np.repeat([f"subject {i}" for i in range(12)], sizes)
    hit = rng.random(len(groups)) < np.repeat(rng.uniform(0.3, 0.9, 12), sizes)
    rows = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    slow = [hit[np.concatenate([rows[i] for i in rng.integers(0, 12, 12)])].mean() for _ in range(4000)]
    true = np.ones(len(hit), bool)
    low, high = accuracy_interval(hit, true, groups=groups, n_bootstrap=20_000, random_state=0)
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.012)
    plain = accuracy_interval(hit, true, random_state=0)
    assert high - low > 1.5 * (plain[1] - plain[0])  # rows of a subject are alike
    assert np.isnan(accuracy_interval(hit, true, groups=np.zeros(len(hit)))).all()
