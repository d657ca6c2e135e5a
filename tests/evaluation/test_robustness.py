"""Robustness curves on models whose answers are known in closed form."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from interplay.data import MultimodalDataset
from interplay.evaluation.robustness import _interval, robustness

N = 4000


class Reader:
    """Reads the class off the first present modality of an order, knows it exactly; else answers class 0."""

    def __init__(self, order, classes=(0, 1)):
        self.order, self.classes_ = order, np.array(classes)

    def predict_proba(self, X):
        p = np.tile([1.0, 0.0], (len(X), 1))
        for name in reversed(self.order):
            here = X.present[name]
            p[here] = np.eye(2)[X.modalities[name][here, 0].astype(int)]
        return p


class Mean:
    """A regressor: the mean of what is present, 0 where nothing is."""

    def predict(self, X):
        seen = np.stack([X.present[name] for name in X.names])
        x = np.stack([X.modalities[name][:, 0] for name in X.names])
        return np.where(seen, x, 0).sum(0) / seen.sum(0).clip(1)


def dataset(names="ab", n=N, error=0.0, **given):
    """Each modality holds the class, turned over with a probability of its own."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    errors = error if isinstance(error, dict) else dict.fromkeys(names, error)
    x = {name: (y ^ (rng.random(n) < errors[name]))[:, None].astype(float) for name in names}
    return MultimodalDataset(x, y, **given)


def test_model_of_one_modality_falls_to_chance_in_proportion():
    found = robustness(Reader(["a"]), dataset(), draws=3)
    assert found.complete == 1
    assert found.chance == 0.5
    fixed = found.subsets.set_index("subset")["accuracy"]
    assert fixed.to_dict() == {"a + b": 1.0, "a": 1.0, "b": 0.5}
    np.testing.assert_allclose(found.rates["rate"], [0, 0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(found.rates["taken"], found.rates["rate"], atol=0.01)
    np.testing.assert_allclose(found.rates["accuracy"], 1 - found.rates["rate"] / 2, atol=0.015)
    assert found.effective() == pytest.approx(0, abs=0.01)
    assert found.relative == pytest.approx(1 - 0.25 / 2, abs=0.01)
    assert found.mean_subsets == 0.75
    costs = found.costs.set_index("modality")
    assert costs.loc["a", "cost"] == 0.5
    assert costs.loc["b", "cost"] == 0
    assert "cannot do without a: when it is absent the accuracy goes from 1 to 0.5" in found.sentence()


def test_model_that_needs_either_loses_nothing():
    found = robustness(Reader(["a", "b"]), dataset(), draws=2)
    assert (found.table()["accuracy"] == 1).all()
    assert found.relative == 1
    # The area between 1 and the line from 1 to chance.
    assert found.effective() == pytest.approx(0.125)
    assert found.sentence().startswith("No modality is indispensable")
    worse = robustness(Reader(["a"]), dataset(), draws=2)
    assert found.effective(worse) == pytest.approx(0.125, abs=0.01)
    assert worse.effective(found) == -found.effective(worse)


def test_a_small_loss_makes_no_modality_indispensable():
    """Without a the order goes on to b, which is wrong in some rows: the loss is surely there, and little."""
    little = robustness(Reader(["a", "b"]), dataset(error={"a": 0.0, "b": 0.03}), draws=1)
    assert little.costs.set_index("modality").loc["a", "low"] > 0
    assert little.sentence().startswith("No modality is indispensable")
    assert "without a" in little.sentence()
    much = robustness(Reader(["a", "b"]), dataset(error={"a": 0.0, "b": 0.08}), draws=1)
    assert much.sentence().startswith("The model cannot do without a")


def test_sentence_names_all_that_cost_alike():
    class Both(Reader):
        """Needs a and b; c it never looks at."""

        def predict_proba(self, X):
            p = super().predict_proba(X)
            p[~(X.present["a"] & X.present["b"])] = [0.6, 0.4]
            return p

    found = robustness(Both(["a"]), dataset("abc"), draws=1)
    assert found.sentence() == (
        "The model cannot do without a or b: when one of them is absent the accuracy goes from 1 to 0.5 and 0.5 "
        "(best constant answer 0.5); the next costly to lose is c, with 1."
    )


def test_all_subsets_up_to_six_and_fewer_beyond():
    data = dataset("abcdef", 40)
    assert len(robustness(Reader("abcdef"), data, draws=1, rates=[0.5]).subsets) == 63
    seven = dataset("abcdefg", 40)
    assert len(robustness(Reader("abcdefg"), seven, draws=1, rates=[0.5]).subsets) == 15


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, rows = np.random.default_rng(0), np.arange(200)
    found = [_interval((rng.random(200) < 0.8).astype(float), rows, 0.9) for _ in range(2000)]
    assert np.mean([f["low"] <= 0.8 <= f["high"] for f in found]) == pytest.approx(0.9, abs=0.025)


def test_intervals_go_by_subjects():
    """Each row four times, as four rows of one subject, tells no more than once."""
    once = dataset(n=400, error=0.3)
    rows = np.repeat(np.arange(400), 4)
    x = {name: values[rows] for name, values in once.modalities.items()}
    again = MultimodalDataset(x, once.target[rows], groups=rows)
    small, large = (robustness(Reader(["a"]), d, draws=1, rates=[0]).subsets for d in (once, again))
    np.testing.assert_allclose(large[["low", "high"]], small[["low", "high"]], atol=1e-12)


def test_same_seed_same_masks_for_every_model_and_nested_over_rates():
    data = dataset(error=0.2)
    one, two = (robustness(Reader(["a"]), data, random_state=3) for _ in range(2))
    assert one.rates.equals(two.rates)
    assert not one.rates.equals(robustness(Reader(["a"]), data, random_state=4).rates)
    kept = []

    class Watcher(Reader):
        def predict_proba(self, X):
            kept.append(np.stack([X.present["a"], X.present["b"]]))
            return super().predict_proba(X)

    robustness(Watcher(["a"]), data, draws=1, rates=[0.1, 0.3, 0.5])
    low, middle, high = kept[-3:]
    assert not (high & ~middle).any()
    assert not (middle & ~low).any()


def test_regression_measures_errors_and_signs_follow():
    rng = np.random.default_rng(0)
    y = rng.normal(size=N)
    x = {"a": y[:, None], "b": y[:, None] + 2 * rng.normal(size=(N, 1))}
    found = robustness(Mean(), MultimodalDataset(x, y), draws=3)
    assert found.metric == "mae"
    mae = np.sqrt(2 / np.pi)
    fixed = found.subsets.set_index("subset")["mae"]
    assert fixed["a + b"] == pytest.approx(mae, rel=0.05)  # half of b's noise
    assert fixed["a"] == 0
    assert fixed["b"] == pytest.approx(2 * mae, rel=0.05)
    assert found.chance == pytest.approx(mae, rel=0.05)
    costs = found.costs.set_index("modality")
    assert costs.loc["a", "cost"] > costs.loc["a", "low"] > 0 > costs.loc["b", "high"] > costs.loc["b", "cost"]
    assert "cannot do without a: when it is absent the mean absolute error goes from" in found.sentence()


def test_gaps_of_the_data_stay_gaps():
    here = np.arange(N) // 2 % 4 > 0
    found = robustness(Reader(["a"]), dataset(present={"a": here}), draws=2)
    assert found.complete == pytest.approx(1 - 0.25 * 0.5)
    assert found.subsets.set_index("subset").loc["b", "accuracy"] == 0.5


def test_one_modality_or_one_that_no_row_has():
    alone = robustness(Reader(["a"]), dataset("a"))
    assert alone.rates["rate"].tolist() == [0]
    assert alone.relative == 1
    assert alone.sentence() == "There is only one modality, so none can be missing."
    half = robustness(Reader(["a"]), dataset("ab", present={"b": np.zeros(N, bool)}))
    assert half.subsets["subset"].tolist() == ["a"]


def test_result_is_json_and_tables_are_tidy():
    found = robustness(Reader(["a"]), dataset("abc"), draws=2)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["complete"] == 1
    assert len(again["subsets"]) == 7
    table = found.table()
    assert list(table.index[:2]) == ["complete", "a + b"]
    assert table.index[-1] == "rate 0.667"
    assert list(table.columns) == ["accuracy", "low", "high", "relative"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: robustness(Reader(["a"]), d.with_target(None)), "found none; give labels"),
        (lambda d: robustness(Reader(["a"]), d[:0]), "at least one row"),
        (lambda d: robustness(Reader(["a"]), d, draws=0), "draws must be at least 1, found 0"),
        (lambda d: robustness(Reader(["a"]), d, confidence=1.0), "confidence must lie between"),
        (lambda d: robustness(Reader(["a"]), d, rates=[0.6]), "at most 0.5 with 2 modalities"),
        (lambda d: robustness(Reader(["a"], (0, 2)), d), "the model knows the classes"),
        (
            lambda d: robustness(Reader(["a"]), d).effective(robustness(Reader(["a"]), d, rates=[0.5])),
            "same metric and rates",
        ),
    ],
)
def test_mistakes_are_named(change, match):
    with pytest.raises(ValueError, match=match):
        change(dataset(n=40))


@pytest.mark.parametrize("given", [{"groups": np.zeros(40, int)}, {"n": 1}])
def test_one_group_has_no_interval_and_says_so(given):
    found = robustness(Reader(["a"]), dataset(**{"n": 40, **given}), draws=2)
    assert found.costs[["low", "high"]].isna().all(axis=None)
    assert found.table()[["low", "high"]].isna().all(axis=None)
    lost = found.costs["cost"].max()
    assert f"costliest to lose is a, with a loss of {lost:.3g}" in found.sentence()
    assert "an interval needs at least two" in found.sentence()
    assert "indispensable" not in found.sentence()
    assert "cannot do without" not in found.sentence()
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["costs"][0]["low"] is None
    found.plot().figure.canvas.draw()
    plt.close()
