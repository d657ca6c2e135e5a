import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from interplay import MultimodalClassifier, MultimodalDataset, methods


def data(n: int = 90, seed: int = 0) -> MultimodalDataset:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = {"a": np.eye(3)[y] * 2 + rng.normal(size=(n, 3)), "b": rng.normal(size=(n, 2))}
    return MultimodalDataset(x, np.array(["low", "mid", "top"])[y], ids=[f"p{i}" for i in range(n)])


def quick(**params) -> MultimodalClassifier:
    return MultimodalClassifier(**({"method": "joint", "max_epochs": 3, "width": 8, "random_state": 0} | params))


@pytest.fixture(scope="module")
def fitted() -> MultimodalClassifier:
    return quick().fit(data())


def test_labels_come_back_as_given(fitted) -> None:
    assert fitted.classes_.tolist() == ["low", "mid", "top"]
    assert set(fitted.predict(data())) <= {"low", "mid", "top"}
    assert fitted.n_features_in_ == 5
    assert fitted.modality_names_ == ("a", "b")


def test_mapping_and_dataset_give_the_same() -> None:
    full = data()
    other = quick().fit(dict(full.modalities), full.target)
    np.testing.assert_array_equal(other.predict_proba(full), quick().fit(full).predict_proba(full))
    np.testing.assert_array_equal(
        other.predict_proba({"a": full.modalities["a"], "b": None}), other.predict_proba(full.without("b"))
    )


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        quick().predict(data())
    with pytest.raises(NotFittedError):
        quick().save("nowhere")


def test_scikit_learn_tools_take_the_dataset() -> None:
    full = data()
    scores = cross_val_score(quick(), full, full.target, cv=3)
    assert scores.shape == (3,)
    search = GridSearchCV(quick(method=methods.DMIL()), {"method__width": [4, 8]}, cv=2).fit(full, full.target)
    assert search.best_params_["method__width"] in (4, 8)


def test_training_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    quick().fit(data())
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(4)
    np.testing.assert_array_equal(quick().fit(data()).predict_proba(data()), quick().fit(data()).predict_proba(data()))


def test_groups_are_not_split_between_training_and_validation(monkeypatch) -> None:
    full = data(120)
    groups = np.repeat(np.arange(12), 10)
    grouped = MultimodalDataset(full.modalities, full.target, groups=groups)
    model = quick()
    train, held_out = model._validation_split(grouped, None, 0)
    assert not set(train.groups.tolist()) & set(held_out.groups.tolist())


def test_given_validation_part_is_used() -> None:
    model = quick().fit(data(), validation=data(30, seed=5))
    longer = quick().fit(data(), validation=data(60, seed=6))
    assert model.history_.records[0]["loss"] == longer.history_.records[0]["loss"]
    assert model.history_.records[0]["validation_loss"] != longer.history_.records[0]["validation_loss"]
    with pytest.raises(ValueError, match="validation data have no target"):
        quick().fit(data(), validation=dict(data().modalities))


def test_own_encoder_and_chosen_encoders() -> None:
    class Two(torch.nn.Sequential):
        out_features = 4

    model = quick(encoders={"a": Two(torch.nn.Linear(3, 4))}).fit(data())
    assert type(model.method_.encoders["a"].encoder) is Two
    with pytest.raises(ValueError, match=r"encoders name unknown modalities \['c'\]"):
        quick(encoders={"c": "mlp"}).fit(data())
    with pytest.raises(ValueError, match="modality 'a': encoder 'conv' needs images"):
        quick(encoders="conv").fit(data())


def test_fitting_does_not_train_the_users_encoder() -> None:
    class Two(torch.nn.Sequential):
        out_features = 4

    mine = Two(torch.nn.Linear(3, 4))
    before = mine[0].weight.clone()
    quick(encoders={"a": mine}).fit(data())
    assert torch.equal(mine[0].weight, before)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 0}, "max_epochs must be an integer >= 1, found 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer >= 1, found 2.5"),
        ({"learning_rate": -1}, "learning_rate must be > 0, found -1"),
        ({"validation_fraction": 1}, "validation_fraction must lie between 0 and 1, found 1"),
        ({"method": "nothing"}, "unknown method 'nothing'; choose one of"),
        ({"device": "warp"}, "device"),
    ],
)
def test_bad_parameters_are_named(params, message) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(data())


def test_bad_data_at_prediction_are_named(fitted) -> None:
    full = data()
    with pytest.raises(ValueError, match=r"modality 'a': expected samples of shape \(3,\), .* found \(2,\)"):
        fitted.predict({"a": full.modalities["b"], "b": full.modalities["b"]})
    with pytest.raises(ValueError, match="give None for a modality that is absent"):
        fitted.predict({"a": full.modalities["a"]})
    with pytest.raises(ValueError, match="'c'"):
        fitted.predict({**full.modalities, "c": full.modalities["b"]})


def test_fit_needs_classes() -> None:
    full = data()
    with pytest.raises(ValueError, match="target"):
        quick().fit(dict(full.modalities))
    with pytest.raises(ValueError, match="at least 2 classes"):
        quick().fit(dict(full.modalities), ["same"] * len(full))
    with pytest.raises(ValueError, match="class labels"):
        quick().fit(dict(full.modalities), np.linspace(0, 1, len(full)))


def test_sequences_and_images() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=40)
    x = {"walk": rng.normal(size=(40, 9, 2)) + y[:, None, None], "picture": rng.normal(size=(40, 1, 6, 6))}
    full = MultimodalDataset(x, y, lengths={"walk": rng.integers(1, 10, 40)})
    model = quick().fit(full)
    assert model.predict_proba(full).shape == (40, 2)
    dirty = {name: values.copy() for name, values in x.items()}
    dirty["walk"][np.arange(9) >= full.lengths["walk"][:, None]] = np.nan
    again = MultimodalDataset(dirty, y, lengths=full.lengths)
    np.testing.assert_array_equal(quick().fit(again).predict_proba(again), model.predict_proba(full))


def test_score_is_weighted_accuracy(fitted) -> None:
    full = data()
    right = fitted.predict(full) == full.target
    assert fitted.score(full) == pytest.approx(right.mean())
    weights = np.arange(len(full))
    assert fitted.score(full, full.target, weights) == pytest.approx(np.average(right, weights=weights))
    with pytest.raises(ValueError, match="score needs labels"):
        fitted.score(dict(full.modalities))


def test_contribution_is_gate_times_centred_logit() -> None:
    from interplay.training import to_batch

    full = data()
    model = quick(method="dmil").fit(full)
    with torch.no_grad():
        output = model.method_.eval()(to_batch(full))
    table = model.explain(full)
    best = output.logits.argmax(-1)
    for part, logits in output.components.items():
        for i in range(5):
            expected = output.gate[part][i] * (logits[i, best[i]] - logits[i].mean())
            assert table[part].iloc[i] == pytest.approx(float(expected), rel=1e-4, abs=1e-6)
    assert table.index.tolist() == full.ids.tolist()
