"""Evaluation with modalities taken away, on models whose answers are known."""

import numpy as np
import pytest

from interplay.data import MultimodalDataset
from interplay.evaluation import evaluate, patterns


class SumModel:
    """Adds what each present modality says; absent ones say nothing. Reads values only under a true mask."""

    def __init__(self, classes=(0, 1)):
        self.classes_ = np.array(classes)

    def predict_proba(self, X):
        votes = sum(np.where(X.present[name], X.modalities[name][:, 0], 0.0) for name in X.names)
        p = 1 / (1 + np.exp(-votes))
        return np.stack([1 - p, p], 1)


def dataset(n=200, names=("a", "b"), seed=0, present=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = {name: (2.0 * y - 1 + i + rng.normal(size=n))[:, None] for i, name in enumerate(names)}
    return MultimodalDataset(x, y, present=present)


def test_two_modalities_give_complete_without_each_and_chance():
    table = evaluate(SumModel(), dataset())
    assert list(table.index) == ["complete", "without a", "without b", "chance"]
    assert table.index.name == "condition"
    assert list(table.columns) == ["n", "accuracy", "macro_f1", "nll", "ece"]
    assert (table["n"] == 200).all()


def test_three_modalities_also_give_each_alone():
    names = list(evaluate(SumModel(), dataset(names=("a", "b", "c"))).index)
    assert names == ["complete", *(f"without {m}" for m in "abc"), *(f"only {m}" for m in "abc"), "chance"]


def test_each_condition_is_the_model_on_that_data():
    data, model = dataset(), SumModel()
    table = evaluate(model, data)
    for row, x in {"without a": data.modalities["b"], "without b": data.modalities["a"]}.items():
        assert table.loc[row, "accuracy"] == np.mean((x[:, 0] > 0) == data.target)


def test_chance_is_the_majority_share_and_the_entropy():
    data = dataset(seed=3)
    share = np.mean(data.target)
    chance = evaluate(SumModel(), data).loc["chance"]
    assert chance["accuracy"] == pytest.approx(max(share, 1 - share))
    assert chance["nll"] == pytest.approx(-(share * np.log(share) + (1 - share) * np.log(1 - share)))
    assert chance["ece"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("filling", [np.nan, 1e9])
def test_values_under_a_false_mask_change_nothing(filling):
    mask = np.random.default_rng(1).random(200) < 0.5
    plain = dataset(present={"a": mask})
    x = {name: values.copy() for name, values in plain.modalities.items()}
    x["a"][~mask] = filling
    other = MultimodalDataset(x, plain.target, present={"a": mask})
    assert evaluate(SumModel(), plain).equals(evaluate(SumModel(), other))


def test_interval_columns_only_on_request():
    table = evaluate(SumModel(), dataset(), confidence=0.9)
    assert list(table.columns)[-2:] == ["low", "high"]
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()


def test_modality_that_no_row_has_makes_no_condition():
    data = dataset(names=("a", "b", "c"), present={"c": np.zeros(200, bool)})
    assert list(patterns(data)) == ["complete", "without a", "without b"]
    assert list(patterns(data.without("b"))) == ["complete"]


def test_errors_name_the_remedy():
    data = dataset()
    with pytest.raises(ValueError, match="found none; give one"):
        evaluate(SumModel(), data.with_target(None))
    with pytest.raises(ValueError, match="the model knows the classes"):
        evaluate(SumModel(classes=(0, 2)), data)
