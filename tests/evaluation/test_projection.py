"""The projection of a model on additive functions: exact where it is known, and an obvious twin elsewhere."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import interplay as ip
from interplay.data.datasets import make_gates, make_interactions
from interplay.evaluation import ConcatenationClassifier, additive_projection, blindness
from interplay.evaluation.projection import centred_logits, recombined


class Logits(BaseEstimator):
    """A fitted model with logits of its own, on a mapping of arrays; absent modalities are NaN or None."""

    def __init__(self, function, n_classes=3):
        self.function, self.classes_ = function, np.array(list("xyz")[:n_classes])

    def predict_proba(self, x):
        n = next(len(v) for v in x.values() if v is not None)
        flat = {name: np.zeros(n) if v is None else np.nan_to_num(np.asarray(v, float))[:, 0] for name, v in x.items()}
        logits = self.function(flat)
        e = np.exp(logits - logits.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)


def additive(x):
    a, b, c = x["a"], x["b"], x.get("c", 0 * x["a"])
    return np.stack([a + np.sin(b), a**2 / 3 - b + c, np.cos(a) + b**2 / 4 - 2 * np.tanh(c)], 1)


def interacting(x):
    found = additive(x)
    found[:, 0] += x["a"] * x["b"] + x.get("c", 0 * x["a"]) * x["a"]
    return found


def draw(n=40, names="ab", seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(n, 1)) for name in names}


@pytest.mark.parametrize("names", ["ab", "abc"])
@pytest.mark.parametrize("references", [5, 40])
def test_additive_model_has_no_interaction(names, references):
    found = additive_projection(Logits(additive), draw(names=names), references=references)
    assert abs(found.interaction).max() < 1e-12
    assert found.share < 1e-20


def test_two_modalities_are_emap():
    """Hessel and Lee's formula, by loops over all pairs."""
    x, model = draw(15), Logits(interacting)
    n = 15
    f = np.empty((n, n, 3))
    for i in range(n):
        for j in range(n):
            p = model.predict_proba({"a": x["a"][[i]], "b": x["b"][[j]]})[0]
            f[i, j] = np.log(p) - np.log(p).mean()
    expected = np.stack([f[i].mean(0) + f[:, i].mean(0) - f.mean((0, 1)) for i in range(n)])
    found = additive_projection(model, x, references=n, batch_rows=7)
    np.testing.assert_allclose(found.additive, expected, atol=1e-12)
    np.testing.assert_allclose(found.logits, f[np.arange(n), np.arange(n)], atol=1e-12)
    assert 0.05 < found.share < 0.95


def test_three_modalities_are_the_first_order_of_functional_anova():
    """a b + c a on a grid whose modalities are independent: centred, the products are all interaction."""
    levels = np.array([-1.0, 0.0, 1.0])
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    x = {name: grid[:, [i]] for i, name in enumerate("abc")}
    found = additive_projection(Logits(interacting), x, references=27)
    product = grid[:, 0] * (grid[:, 1] + grid[:, 2])
    expected = np.stack([product, 0 * product, 0 * product], 1) - product[:, None] / 3
    # Draws of the others are sampled, not enumerated, so there is an error of sampling.
    assert abs(found.interaction - expected).mean() < 0.15
    many = additive_projection(Logits(interacting), {k: np.tile(v, (20, 1)) for k, v in x.items()}, references=540)
    assert abs(many.interaction[:27] - expected).mean() < 0.04


def test_xor_is_all_interaction():
    data = make_gates("XOR", n_samples=400, random_state=0).dataset
    xor = Logits(lambda x: np.stack([0 * x["a"], 4 * (np.abs(x["a"] - x["b"]) - 0.5)], 1), 2)
    labelled = data.with_target(xor.classes_[data.target])
    found = additive_projection(xor, labelled, references=400)
    assert found.score == 1.0
    assert abs(found.score_additive - 0.5) < 0.06
    assert found.share > 0.95  # the bits drawn are not quite fair
    assert found.shares.min() > 0.8
    assert "interaction is" in str(found)
    balanced = data[np.concatenate([np.flatnonzero((data.modalities["a"][:, 0] == a)
                                                    & (data.modalities["b"][:, 0] == b))[:50]
                                    for a in (0, 1) for b in (0, 1)])]  # fmt: skip
    exact = additive_projection(xor, balanced, references=200)
    assert abs(exact.additive - exact.centre).max() < 1e-12
    assert exact.share == pytest.approx(1)


def test_rows_keep_their_gaps():
    x = draw(30, "abc")
    present = {"a": np.arange(30) % 3 > 0, "b": np.arange(30) % 2 > 0}
    models = [additive_projection(Logits(interacting), filled(x, present, value)) for value in (np.nan, 1e9)]
    np.testing.assert_array_equal(models[0].additive, models[1].additive)
    only_one = ~present["a"] & ~present["b"]
    assert only_one.any()
    assert (models[0].interaction[only_one] == 0).all()
    assert abs(models[0].interaction[present["a"] & present["b"]]).max() > 0.1
    assert abs(additive_projection(Logits(additive), filled(x, present, np.nan)).interaction).max() < 1e-12


def filled(x, present, value):
    arrays = {name: v.copy() for name, v in x.items()}
    for name, here in present.items():
        arrays[name][~here] = value
    return ip.MultimodalDataset(arrays, present=present)


def test_recombined_takes_each_modality_from_its_row():
    x = draw(6)
    data = ip.MultimodalDataset(x, present={"b": np.arange(6) != 2})
    found = recombined(data, {"a": np.array([5, 0]), "b": np.array([2, 3])})
    np.testing.assert_array_equal(found.modalities["a"], x["a"][[5, 0]])
    np.testing.assert_array_equal(found.present["b"], [False, True])
    assert not recombined(data, {"a": np.array([1]), "b": None}).present["b"].any()


def test_order_of_rows_changes_nothing_with_all_references():
    x, order = draw(20), np.random.default_rng(1).permutation(20)
    one = additive_projection(Logits(interacting), x, references=20)
    two = additive_projection(Logits(interacting), {k: v[order] for k, v in x.items()}, references=20)
    np.testing.assert_allclose(one.additive[order], two.additive, atol=1e-12)


def test_regression_projects_numbers():
    class Product:
        def predict(self, x):
            return 5 + 2 * x["a"][:, 0] + x["a"][:, 0] * x["b"][:, 0]

    x = draw(60)
    data = ip.MultimodalDataset(x, 5 + 2 * x["a"][:, 0])
    found = additive_projection(Product(), data, references=60)
    expected = (x["a"] - x["a"].mean()) * (x["b"] - x["b"].mean())
    np.testing.assert_allclose(found.interaction, expected, atol=1e-12)
    assert found.score_additive > found.score


def test_our_networks_and_the_composition_of_the_data():
    made = make_interactions(n_samples=1500, n_classes=4, noise=0.3, random_state=0)
    train, test = made.dataset[:1200], made.dataset[1200:]
    model = ip.MultimodalClassifier("joint", max_epochs=15, learning_rate=3e-3, random_state=0).fit(train)
    found = additive_projection(model, test, references=60)
    kind = made.kind[1200:]
    assert found.score - found.score_additive > 0.1
    table = found.table
    assert table["interaction"][kind == "synergy"].mean() > 2 * table["interaction"][kind == "redundancy"].mean()
    np.testing.assert_array_equal(table["prediction"], model.predict(test))
    naive = ip.MultimodalClassifier("naivebayes", max_epochs=2, random_state=0).fit(train)
    assert abs(additive_projection(naive, test, references=20).interaction).max() < 1e-4  # logits in 32 bits


def test_blindness_tells_synergy_from_what_each_has():
    gates = {name: make_gates(name, n_samples=400, random_state=0).dataset for name in ("XOR", "UNIQUE")}
    xor = Logits(lambda x: np.stack([0 * x["a"], 4 * (np.abs(x["a"] - x["b"]) - 0.5)], 1), 2)
    first = Logits(lambda x: np.stack([0 * x["a"], 4 * (x["a"] - 0.5)], 1), 2)
    both = {}
    for name, model in (("XOR", xor), ("UNIQUE", first)):
        data = gates[name].with_target(model.classes_[gates[name].target])
        both[name] = blindness(model, data).set_index(["modality", "test"])
    for modality in "ab":  # XOR needs both, and that they belong together
        assert both["XOR"].loc[modality, "shuffled within class"]["low"] > 0.35
        assert both["XOR"].loc[modality, "shuffled"]["lost"] == pytest.approx(0.5, abs=0.07)
    unique = both["UNIQUE"]
    assert unique.loc["a", "shuffled within class"]["lost"] == 0
    assert unique.loc["a", "shuffled within class"]["changed"] == 0
    assert unique.loc["a", "shuffled"]["low"] > 0.4
    assert (unique.loc["b", ["lost", "changed"]] == 0).all().all()


def test_blindness_of_our_models_and_of_those_that_refuse_gaps():
    data = ip.datasets.load_digit_halves()[:200]
    model = ConcatenationClassifier().fit(data)
    found = blindness(model, data, n_repeats=2)
    assert found["error"].isna().all()
    assert (found.loc[found["test"] == "absent", "lost"] > 0).all()
    gone = found.set_index(["modality", "test"]).loc[("left", "absent"), "lost"]
    assert gone == pytest.approx(model.score(data, data.target) - model.score(data.without("left"), data.target))

    class Refuses(Logits):
        def predict_proba(self, x):
            if any(v is None for v in x.values()):
                raise TypeError("no gaps please")
            return super().predict_proba(x)

    asked = blindness(Refuses(additive), draw(), np.array(list("xyz"))[np.arange(40) % 3])
    assert asked.set_index("test").loc["absent", "error"].str.contains("no gaps please").all()
    assert asked.set_index("test").loc["median", "lost"].notna().all()


def test_what_cannot_be_asked():
    with pytest.raises(ValueError, match="references"):
        additive_projection(Logits(additive), draw(), references=1)
    with pytest.raises(ValueError, match="needs a target"):
        blindness(Logits(additive), draw())
    with pytest.raises(ValueError, match=r"[Ii]nput contains|could not convert|expected"):
        centred_logits(ConcatenationClassifier().fit(draw(), np.arange(40) % 2), ip.MultimodalDataset({"q": [[1.0]]}))
