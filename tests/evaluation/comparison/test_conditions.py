"""What a cell is tested with when modalities go missing, own patterns among it."""

import numpy as np
import pytest
import yaml
from sklearn.base import BaseEstimator

import interplay as ip
from interplay.data.missing import Dependent, Independent, Subset
from interplay.evaluation import ConcatenationClassifier, Plan, score_model


def rows(n=150, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return ip.MultimodalDataset({name: rng.normal(size=(n, 2)) + y[:, None] for name in "abc"}, y)


OWN = {
    "third": 0.3,
    "b and c": Subset(("b", "c")),
    "dark": Independent({"a": 0.9}),
    "told": Dependent("b", {1: 0.8}),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    train, test = rows(), rows(seed=1)
    options = {"seeds": 1, "missing": OWN, "progress": False, "folder": tmp_path_factory.mktemp("grid")}
    return ip.compare({"one": "logistic", "two": ConcatenationClassifier()}, {"x": (train, test)}, **options)


def of(found, condition, method="one"):
    frame = found.frame[(found.frame["condition"] == condition) & (found.frame["method"] == method)]
    return frame.set_index("metric")["value"]


def test_own_pattern_is_the_mean_over_five_draws(found):
    model, test = ConcatenationClassifier().fit(rows()), rows(seed=1)
    seeds = np.random.SeedSequence(0).generate_state(5)
    for name in ("dark", "told"):
        drawn = [test.with_missing(OWN[name], random_state=int(seed)) for seed in seeds]
        for metric in ("accuracy", "nll", "ece", "macro_f1"):
            expected = np.mean([score_model(model, data)[metric] for data in drawn])
            assert of(found, name)[metric] == pytest.approx(expected)
        share = np.mean([1 - np.mean([data.present[m].mean() for m in "abc"]) for data in drawn])
        assert of(found, name)["taken"] == pytest.approx(share)
        assert of(found, name, "two").to_dict() == of(found, name).to_dict()  # the same masks for every model


def test_patterns_that_every_comparison_has_give_its_numbers(found):
    for own, usual in (("third", "rate 0.3"), ("b and c", "b + c")):
        metrics = [m for m in ("accuracy", "nll", "ece", "macro_f1", "taken") if m in of(found, usual)]
        assert len(metrics) >= 4
        np.testing.assert_allclose(of(found, own)[metrics], of(found, usual)[metrics])
    assert found.table("nll", "dark", text=True).shape == (2, 1)
    assert set(found.frame["condition"]) >= {"complete", "a", "a + b", "rate 0.5", "missing", "without a", *OWN}


def test_patterns_in_a_plan(tmp_path, found):
    rows().save(tmp_path / "x.npz")
    missing = {
        "third": 0.3,
        "dark": {"pattern": "Independent", "rates": {"a": 0.9}},
        "told": Dependent("b", {1: 0.8}).to_dict(),
    }
    plan = {"data": {"x": "x.npz"}, "methods": ["logistic"], "seeds": 1, "missing": missing}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    planned = Plan.load(tmp_path / "plan.yaml")
    assert planned.missing == {"third": ip.data.missing.Rate(0.3), "dark": OWN["dark"], "told": OWN["told"]}
    again = planned.run(progress=False)
    assert not again.notes["problems"].item()
    assert set(again.frame["condition"]) >= set(missing)


class Unfit(BaseEstimator):
    """Cannot be trained."""

    def fit(self, X, y):
        raise RuntimeError("it was trained")

    def predict_proba(self, X):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({"dark": Subset(("d",))}, "ValueError: missing: 'dark': .*'d'"),
        ({"dark": 0.9}, "ValueError: missing: 'dark': Rate: rate: expected at most 0.667"),
        ({"a + b": 0.3}, "ValueError: missing: 'a . b' is the name of a subset of modalities"),
    ],
)
def test_pattern_that_does_not_fit_the_data_is_said_before_training(tmp_path, pattern, message):
    options = {"seeds": 1, "missing": pattern, "folder": tmp_path, "progress": False}
    found = ip.compare({"unfit": Unfit()}, {"x": rows()}, **options)
    assert found.failures["error"].str.match(message).all()
    assert len(found.failures) == 1


def test_what_a_condition_is_about(found):
    about = {name: found.metric_of(name) for name in ("complete", "dark", "rate 0.3", "missing", "without a", "cost")}
    expected = {"complete": "accuracy", "dark": "accuracy", "rate 0.3": "accuracy"}
    assert about == expected | {"missing": "mean_subsets", "without a": "cost", "cost": "seconds"}


def test_means_of_errors_are_ranked_as_errors(tmp_path):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(120, 2)) for name in "ab"}
    data = {"sum": ip.MultimodalDataset(x, 5 * (x["a"].sum(1) + x["b"].sum(1)))}
    methods = {"good": "ridge", "bad": ip.MultimodalRegressor("joint", max_epochs=1)}
    found = ip.compare(methods, data, seeds=1, folder=tmp_path, progress=False)
    errors = found.means("mean_subsets", "missing").loc["sum"]
    assert errors["good"] < errors["bad"]
    assert found.ranks("mean_subsets", "missing")["mean"].idxmin() == "good"
