import json

import numpy as np
import pandas as pd
import pytest

from interplay.data.datasets import Interactions, make_interactions
from interplay.evaluation import faithfulness, score_explanation, synergy_indicator

KINDS = ["redundancy", "unique:a", "unique:b", "synergy"]


def made(n: int = 400) -> Interactions:
    return make_interactions(n_samples=n, n_classes=4, n_features=5, random_state=0)


def explanation(data: Interactions, routed: np.ndarray) -> pd.DataFrame:
    """A model that is always right and puts one nat on the part in ``routed``."""
    table = pd.DataFrame({"prediction": data.dataset.target, "probability": 1.0})
    for kind in KINDS:
        table[kind] = (routed == kind).astype(float)
        table[f"gate:{kind}"] = (routed == kind).astype(float)
        table[f"prediction:{kind}"] = np.where(data.kind == kind, data.dataset.target, 0)
    return table


def test_the_truth_scores_perfectly() -> None:
    data = made()
    found = score_explanation(explanation(data, data.kind), data)
    assert found.accuracy == found.routing == found.gate_routing == 1
    assert found.calibration_error == 0
    np.testing.assert_array_equal(found.confusion, np.eye(4))
    for kind in KINDS:
        assert found.component_accuracy.loc[kind, kind] == 1
        # Everything has probability 1, so a sample holds log2 of one over its class's share: 2 bits in the mean.
        assert found.estimated[kind] == pytest.approx((data.kind == kind).mean() * 2, abs=0.03)
        assert found.expected[kind] == 0.5
    # A synergy part that always says class 0 is right on a quarter.
    assert found.synergy_leak < 0.1
    assert json.loads(json.dumps(found.to_dict()))["routing"] == 1


def test_a_constant_story_routes_at_chance_and_is_miscalibrated() -> None:
    data = made()
    found = score_explanation(explanation(data, np.full(400, "synergy")), data)
    assert found.routing == found.gate_routing == 0.25
    frequencies = np.array([(data.kind == kind).mean() for kind in KINDS])
    # Share 0 said of three parts that occur, share 1 of one that mostly does not.
    low, high = frequencies[:3].sum() / 4, (1 - frequencies[3]) / 4
    assert found.calibration_error == pytest.approx(low + high)
    assert found.confusion["synergy"].tolist() == [1, 1, 1, 1]


def test_synergy_that_knows_everything_is_a_leak() -> None:
    data = made()
    table = explanation(data, data.kind)
    table["prediction:synergy"] = data.dataset.target
    assert score_explanation(table, data).synergy_leak == 0.75


def test_slow_twin_of_routing_and_accuracy() -> None:
    data = made()
    rng = np.random.default_rng(1)
    table = explanation(data, data.kind)
    table[KINDS] = rng.normal(size=(400, 4))
    table["prediction"] = rng.integers(4, size=400)
    found = score_explanation(table, data)
    recall, right = [], {}
    for kind in KINDS:
        rows = [i for i in range(400) if data.kind[i] == kind]
        recall.append(sum(max(KINDS, key=lambda k, i=i: table[k][i]) == kind for i in rows) / len(rows))
        right[kind] = sum(table["prediction"][i] == data.dataset.target[i] for i in rows) / len(rows)
    assert found.routing == pytest.approx(np.mean(recall))
    assert found.accuracy_by_kind == pytest.approx(right)


def test_what_has_no_parts_gets_accuracy_only() -> None:
    data = made()
    found = score_explanation(pd.DataFrame({"prediction": np.zeros(400, int)}), data)
    assert found.routing is None
    assert found.synergy_leak is None
    assert found.accuracy == pytest.approx((data.dataset.target == 0).mean())
    assert list(found.table().columns) == ["accuracy", "bits expected"]
    with pytest.raises(ValueError, match="no parts to draw"):
        found.plot()


def test_rows_must_match() -> None:
    with pytest.raises(ValueError, match="400 rows"):
        score_explanation(pd.DataFrame({"prediction": [0]}), made())


def test_any_estimator_with_fit_and_predict_can_be_scored() -> None:
    class Majority:
        def fit(self, dataset):
            self.label = np.bincount(dataset.target).argmax()

        def predict(self, dataset):
            return np.full(len(dataset), self.label)

    found = faithfulness(Majority(), n_classes=2, n_samples=200, n_test=300)
    assert 0.4 < found.accuracy < 0.6
    assert found.chance == 0.5


def test_supervised_dmil_is_faithful_where_a_gated_mixture_is_not() -> None:
    settings = {"n_classes": 2, "n_samples": 1000, "n_test": 600, "n_features": 8, "noise": 0.1, "batch_size": 64}
    settings |= {"max_epochs": 12, "learning_rate": 3e-3}
    ours, mixture = (faithfulness(name, **settings) for name in ("dmil", "gatedmixture"))
    assert ours.accuracy > 0.97
    assert ours.routing > 0.95
    assert ours.synergy_leak < 0.1
    assert mixture.routing < 0.8
    figure = ours.plot()
    assert len(figure.axes) == 4
    table = ours.table()
    assert list(table.index) == KINDS
    assert {"routed", "alone:synergy", "bits", "bits expected"} <= set(table)


# --- synergy indicator


def test_indicator_of_a_two_class_mean_ensemble_is_zero() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((500, 2))
    y = rng.integers(2, size=500)
    found = synergy_indicator((p.mean(1) > 0.5).astype(int), {"a": p[:, 0] > 0.5, "b": p[:, 1] > 0.5}, y)
    assert found.value == 0
    assert found.interval == (0, 0)


def test_indicator_of_a_three_class_ensemble_is_not() -> None:
    p = np.array([[[0.45, 0.40, 0.15], [0.15, 0.40, 0.45]]])
    found = synergy_indicator(p.mean(1).argmax(1), {"a": p[:, 0].argmax(1), "b": p[:, 1].argmax(1)}, [1])
    assert found.value == 1


def test_null_is_what_another_seed_brings_and_the_interval_covers() -> None:
    y = np.zeros(1000, int)
    together = np.r_[np.zeros(300, int), np.ones(700, int)]
    again = np.r_[np.zeros(100, int), np.ones(900, int)]
    found = synergy_indicator(together, {"a": y + 1}, y, second_seed={"a": again})
    assert found.value == 0.3
    assert found.null == 0.1
    spread = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert found.interval == pytest.approx((0.3 - spread, 0.3 + spread), abs=0.006)


def test_indicator_checks_its_input() -> None:
    with pytest.raises(ValueError, match="at least one modality"):
        synergy_indicator([0], {}, [0])
    with pytest.raises(ValueError, match="'a': expected predictions of shape"):
        synergy_indicator([0], {"a": [0, 1]}, [0])
