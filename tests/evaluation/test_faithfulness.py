import json

import numpy as np
import pandas as pd
import pytest

from interplay.data.datasets import Interactions, make_interactions
from interplay.evaluation import class_table, faithfulness, score_explanation, synergy_indicator

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


# --- anything that speaks about single samples


def test_a_measurement_is_scored_against_its_own_definition() -> None:
    """BROJA finds nothing unique in four visible kinds; the pointwise minimum follows them."""
    settings = {"n_classes": 2, "n_samples": 800, "n_features": 4, "noise": 0.1}
    coupled = faithfulness("discrete", **settings)
    assert coupled.accuracy is None
    exact = {"redundancy": 0.5, "unique:a": 0, "unique:b": 0, "synergy": 0.5}
    assert coupled.expected == pytest.approx(exact, abs=1e-9)
    pointwise = faithfulness("discrete", redundancy="pointwise_min", **settings)
    assert pointwise.expected == pytest.approx(dict.fromkeys(KINDS, 0.25))
    assert pointwise.routing > 0.95 > coupled.routing
    for part, bits in pointwise.expected.items():
        assert pointwise.estimated[part] == pytest.approx(bits, abs=0.12)
    assert list(pointwise.table().columns) == ["routed", "bits", "bits expected"]
    assert len(pointwise.plot().axes) == 2
    assert "routed to their own kind" in str(pointwise)


def test_three_modalities_have_no_measurement_of_single_samples() -> None:
    with pytest.raises(ValueError, match="says nothing about single samples of these data; choose two"):
        faithfulness("discrete", n_samples=200, n_modalities=3, n_features=3)


def test_any_function_of_a_data_set_can_be_scored() -> None:
    def oracle(dataset):
        data = make_interactions(
            n_classes=2, n_samples=300, n_features=48, noise=0.3, random_state=1, structure_state=0
        )
        np.testing.assert_array_equal(data.dataset.target, dataset.target)
        table = pd.DataFrame({kind: (data.kind == kind).astype(float) for kind in KINDS})
        table.loc[:29, KINDS] = np.nan
        return table

    found = faithfulness(oracle, n_classes=2, n_samples=300)
    assert found.routing == 1
    assert found.covered == 0.9
    assert found.settings["method"] == "oracle"
    assert "90% of the samples covered" in str(found)


def test_kinds_of_pairs_count_as_their_family_where_pairs_have_no_part() -> None:
    kinds = ["redundancy:a+b", "synergy:b+c", "synergy", "unique:c"]
    data = make_interactions(dict.fromkeys(kinds, 0.25), n_modalities=3, n_samples=400, random_state=0)
    family = np.array([kind if kind.startswith("unique") else kind.partition(":")[0] for kind in data.kind])
    coarse = pd.DataFrame({part: (family == part) * 1.0 for part in ("redundancy", "unique:c", "synergy")})
    found = score_explanation(coarse, data)
    assert found.routing == 1
    assert found.calibration_error == 0
    assert set(found.confusion.columns) == {"redundancy", "unique:c", "synergy"}
    assert (found.table()["routed"] == 1).all()
    fine = coarse.assign(**{"synergy:b+c": 0.0})
    assert score_explanation(fine, data).routing == 0.75


def test_leak_allows_for_classes_that_kinds_favour() -> None:
    shares = {"unique:a": [0.9, 0.1], "synergy": [0.1, 0.9]}
    data = make_interactions(shares, n_classes=2, n_samples=4000, random_state=0)
    table = pd.DataFrame({"prediction": data.dataset.target, "unique:a": 1.0, "synergy": 0.0})
    table["prediction:unique:a"] = table["prediction"]
    # Always the same class is right on 0.9 of the unique samples, and knows nothing of them.
    table["prediction:synergy"] = 0
    assert score_explanation(table, data).synergy_leak < 0.02
    table["prediction:synergy"] = data.dataset.target
    assert score_explanation(table, data).synergy_leak == pytest.approx(0.1)


def test_class_table_is_the_mean_by_class() -> None:
    explained = pd.DataFrame({"prediction": list("xxy"), "redundancy": [1.0, -1.0, 0.0], "synergy": [1.0, 2.0, 0.0]})
    predicted = class_table(explained)
    assert predicted.loc["x"].tolist() == [2, 0.25, 0.75]
    assert predicted.loc["y"].tolist() == [1, 0, 0]
    true = class_table(explained, ["x", "y", "y"])
    assert true["accuracy"].tolist() == [1, 0.5]
    with pytest.raises(ValueError, match="expected 3 classes"):
        class_table(explained, ["x"])
    with pytest.raises(ValueError, match="use a method that has parts"):
        class_table(explained[["prediction"]])
