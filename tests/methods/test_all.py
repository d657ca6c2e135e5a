"""What holds for every method: found through ``methods.names()``, so a new file is tested by being there."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning.loggers.logger import DummyLogger
from sklearn.base import clone

from interplay import MultimodalClassifier, MultimodalDataset, MultimodalRegressor, methods
from interplay.methods import Batch
from interplay.nn import valid_steps
from interplay.training import Pretrained, Settings, prepare, pretrain, to_batch

METHODS = methods.names()
OF_NUMBERS = [name for name in METHODS if "regression" in methods.make(name).tasks]


def fit(method: str, data: MultimodalDataset, **params: object) -> MultimodalClassifier:
    params = {"max_epochs": 4, "batch_size": 32, "width": 16, "random_state": 0} | params
    return MultimodalClassifier(method, **params).fit(data)


def with_garbage(data: MultimodalDataset, garbage: float) -> MultimodalDataset:
    """The same data with ``garbage`` under every false mask."""
    modalities = {name: x.copy() for name, x in data.modalities.items()}
    for name, x in modalities.items():
        x[~data.present[name]] = garbage
    return MultimodalDataset(modalities, data.target, present=data.present, ids=data.ids)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("garbage", [np.nan, 1e9])
def test_masked_values_change_nothing(method: str, garbage: float, gappy: MultimodalDataset) -> None:
    clean, dirty = with_garbage(gappy, 0.0), with_garbage(gappy, garbage)
    one, two = fit(method, clean), fit(method, dirty)
    # The same through training (weights), and through prediction of either model on either data.
    expected = one.predict_proba(clean)
    np.testing.assert_array_equal(two.predict_proba(clean), expected)
    np.testing.assert_array_equal(one.predict_proba(dirty), expected)
    pd.testing.assert_frame_equal(one.explain(dirty), one.explain(clean))
    assert np.isfinite(expected).all()


def losses_and_gradients(built: methods.Method, batch: Batch) -> dict[str, torch.Tensor]:
    """Every part of the loss and every gradient, in every stage, from one random state."""
    torch.manual_seed(0)
    batch = prepare(built, batch, Settings(max_epochs=1), seed=0)
    found = {}
    for stage in built.stages(10):
        built.begin_stage(stage)
        built.train()
        for step in range(built.steps_per_batch):
            torch.manual_seed(step)
            key = f"{stage.name} {step}"
            output = built(batch)
            loss = built.loss(output, batch, stage)
            built.zero_grad()
            loss.total.backward()
            built.after_backward(output, batch, stage)
            found |= {f"{key} loss": loss.total.detach(), f"{key} logits": output.logits.detach()}
            found |= {f"{key} part {name}": part.detach() for name, part in loss.parts.items()}
            found |= {f"{key} {name}": p.grad.clone() for name, p in built.named_parameters() if p.grad is not None}
    return found


@pytest.fixture(scope="module")
def padded() -> MultimodalDataset:
    """A vector and a sequence with padding, both with gaps; some rows have nothing."""
    rng = np.random.default_rng(0)
    y = np.arange(72) % 3
    x = {"a": rng.normal(size=(72, 4)) + y[:, None], "s": rng.normal(size=(72, 5, 2)) - y[:, None, None]}
    present = {name: rng.random(72) > 0.25 for name in x}
    return MultimodalDataset(x, y, present=present, lengths={"s": rng.integers(1, 6, 72)})


@pytest.mark.parametrize("method", METHODS)
def test_masked_values_change_no_loss_and_no_gradient(method: str, padded: MultimodalDataset) -> None:
    """Behind the door (NaN in the data) and with the door open (1e9 in the tensors, so methods may not look either)."""
    valid = {
        name: valid_steps(x, batch.present[name], batch.lengths.get(name))
        for batch in [to_batch(padded)]
        for name, x in batch.modalities.items()
    }
    model = fit(method, padded, max_epochs=1, width=8, batch_size=64)
    expected = losses_and_gradients(copy.deepcopy(model.method_), to_batch(padded, padded.codes))
    dirty = {name: x.copy() for name, x in padded.modalities.items()}
    opened = to_batch(padded, padded.codes)
    for name, where in valid.items():
        dirty[name][~where.numpy()] = np.nan
        opened.modalities[name][~where] = 1e9
    behind = to_batch(MultimodalDataset(dirty, present=padded.present, lengths=padded.lengths), padded.codes)
    for batch in (behind, opened):
        found = losses_and_gradients(copy.deepcopy(model.method_), batch)
        assert list(found) == list(expected)
        assert not [key for key, value in found.items() if not torch.equal(value, expected[key])]
    assert any(value.abs().sum() > 0 for key, value in expected.items() if "encoders" in key)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_are_a_distribution_for_every_subset(method: str, data: MultimodalDataset) -> None:
    model = fit(method, data)
    for absent in ([], ["a"], ["b"], ["a", "b"]):
        p = model.predict_proba(data.without(*absent))
        assert p.shape == (len(data), 3)
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_present_gives_the_class_prior(method: str, data: MultimodalDataset) -> None:
    model = fit(method, data)
    prior = model.method_.log_prior.exp().double().numpy()
    np.testing.assert_allclose(model.predict_proba(data.without("a", "b"))[0], prior, atol=1e-6)
    shares = np.bincount(data.codes) / len(data)
    np.testing.assert_allclose(prior, shares, atol=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_learns_better_than_chance_and_same_seed_same_result(method: str, data: MultimodalDataset) -> None:
    one, two = (fit(method, data, max_epochs=14) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(data), two.predict_proba(data))
    other = fit(method, data, max_epochs=14, random_state=1)
    assert not np.array_equal(other.predict_proba(data), one.predict_proba(data))
    assert one.score(data) > 0.6


@pytest.mark.parametrize("method", METHODS)
def test_batch_order_of_rows_does_not_matter_at_prediction(method: str, data: MultimodalDataset) -> None:
    model = fit(method, data)
    order = np.random.default_rng(0).permutation(len(data))
    np.testing.assert_allclose(model.predict_proba(data[order]), model.predict_proba(data)[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(data[:1]), model.predict_proba(data)[:1], rtol=1e-5, atol=1e-6)


def named(data: MultimodalDataset, *names: str) -> MultimodalDataset:
    """The same data with other names of the modalities."""
    return MultimodalDataset(dict(zip(names, data.modalities.values(), strict=True)), data.target)


@pytest.mark.parametrize("method", METHODS)
def test_renaming_modalities_changes_nothing(method: str, data: MultimodalDataset) -> None:
    """Not even names that methods have for heads and losses of their own: same predictions, same record of training."""
    renamed = named(data, "fused", "joint")
    expected, found = (fit(method, each, logger=DummyLogger()) for each in (data, renamed))
    np.testing.assert_array_equal(found.predict_proba(renamed), expected.predict_proba(data))
    one, two = ([list(record.values()) for record in model.history_.records] for model in (expected, found))
    assert one == two
    # The order in which modalities are given at prediction is free.
    backwards = renamed.select(["joint", "fused"])
    np.testing.assert_array_equal(found.predict_proba(backwards), expected.predict_proba(data))


# What network modules, losses, records of training, parts and attached tensors are called.
HOSTILE = [
    ("rna.seq", "keys"), ("fused", "total"), ("joint", "product"), ("loss", "stage"), ("game", "contrast"),
    ("entropy", "prototype:loss"), ("rank:b", "b"), ("head:b", "b"), ("redundancy", "synergy"), ("unique:b", "b"),
    ("row", "group"), ("label", "additive"), ("prediction", "missing"), ("self", "0"),
]  # fmt: skip
RECORDED = {"stage", "epoch", "loss", "validation_loss", "validation_accuracy", "validation_r2"}


@pytest.mark.parametrize("method", METHODS)
def test_a_modality_may_be_called_anything(method: str, build, data: MultimodalDataset) -> None:
    """Every part of the loss and every gradient is there whatever the names, and no part hides another number."""

    def found_with(*names: str) -> dict[str, torch.Tensor]:
        built, batch = build(methods.make(method), named(data[:40], *names))
        return losses_and_gradients(built, batch.attach(row=torch.arange(40)))

    expected = found_with("a", "b")
    for names in HOSTILE:
        found = found_with(*names)
        assert len(found) == len(expected), names
        assert all(map(torch.equal, found.values(), expected.values())), names
        parts = {key.partition(" part ")[2] for key in found}
        assert not parts & RECORDED, names


@pytest.mark.parametrize("method", METHODS)
def test_save_and_load_give_identical_predictions(method: str, gappy: MultimodalDataset, tmp_path) -> None:
    model = fit(method, gappy)
    model.save(tmp_path / "model")
    again = MultimodalClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(gappy), model.predict_proba(gappy))
    pd.testing.assert_frame_equal(again.explain(gappy), model.explain(gappy))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("method", METHODS)
def test_clone_keeps_parameters_and_forgets_training(method: str, data: MultimodalDataset) -> None:
    configured = methods.make(method)
    copy = clone(MultimodalClassifier(configured))
    assert copy.method is not configured
    assert copy.method.get_params() == configured.get_params()
    assert not hasattr(copy, "method_")


@pytest.mark.parametrize("method", METHODS)
def test_explain_gives_one_row_a_sample_and_parts_that_add_up(method: str, data: MultimodalDataset) -> None:
    model = fit(method, data)
    table = model.explain(data)
    assert list(table.index) == list(data.ids)
    np.testing.assert_array_equal(table["prediction"], model.predict(data))
    np.testing.assert_allclose(table["probability"], model.predict_proba(data).max(1))
    gates = [column for column in table if column.startswith("gate:")]
    if gates:
        np.testing.assert_allclose(table[gates].sum(axis=1), 1, atol=1e-5)
        parts = [gate.removeprefix("gate:") for gate in gates]
        assert parts == ["redundancy", "unique:a", "unique:b", "synergy"]
        assert np.isfinite(table[parts]).all(axis=None)
        lost = model.explain(data.without("a"))
        assert (lost["missing"] == "a").all()
        assert (lost["gate:unique:a"] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_loss_is_finite_and_every_trained_parameter_moves(method: str, data: MultimodalDataset) -> None:
    """A part that never receives a gradient is dead code."""
    model = fit(method, data, max_epochs=2)
    built = model.method_
    batch = prepare(built, to_batch(data, data.codes), Settings(max_epochs=1), seed=0)
    moved: set[str] = set()
    for stage in built.stages(10):
        built.begin_stage(stage)
        built.train()
        for _ in range(built.steps_per_batch):
            loss = built.loss(built(batch), batch, stage)
            assert torch.isfinite(loss.total)
            built.zero_grad()
            loss.total.backward()
            moved |= {name for name, p in built.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    still = {name for name, p in built.named_parameters() if p.requires_grad} - moved
    assert not still, f"no stage trains {sorted(still)}"


def regress(method: str, data: MultimodalDataset, **params: object) -> MultimodalRegressor:
    params = {"max_epochs": 4, "batch_size": 32, "width": 16, "random_state": 0} | params
    return MultimodalRegressor(method, **params).fit(data)


@pytest.mark.parametrize("method", OF_NUMBERS)
def test_regression_masked_values_change_nothing(method: str, gappy_numbers: MultimodalDataset) -> None:
    """In training and prediction; then save and load."""
    clean, dirty = with_garbage(gappy_numbers, 0.0), with_garbage(gappy_numbers, np.nan)
    one, two = regress(method, clean), regress(method, dirty)
    expected = one.predict(clean)
    np.testing.assert_array_equal(two.predict(clean), expected)
    np.testing.assert_array_equal(one.predict(with_garbage(gappy_numbers, 1e9)), expected)
    pd.testing.assert_frame_equal(one.explain(dirty), one.explain(clean))
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("method", OF_NUMBERS)
def test_regression_in_other_units_is_the_same_from_disk(method: str, numbers: MultimodalDataset, tmp_path) -> None:
    """Also: with nothing present the mean, for every subset a number, and a model from disk says the same."""
    target = np.asarray(numbers.target)
    one = regress(method, numbers)
    two = regress(method, numbers.with_target(1000 * target + 77))
    two.save(tmp_path)
    again = MultimodalRegressor.load(tmp_path)
    for absent in ([], ["a"], ["b"], ["a", "b"]):
        part = numbers.without(*absent)
        assert np.isfinite(one.predict(part)).all()
        np.testing.assert_allclose(two.predict(part), 1000 * one.predict(part) + 77, rtol=1e-6)
        np.testing.assert_array_equal(again.predict(part), two.predict(part))
    np.testing.assert_allclose(one.predict(part), one.target_mean_, atol=1e-6)
    pd.testing.assert_frame_equal(again.explain(numbers), two.explain(numbers))


@pytest.mark.parametrize("method", OF_NUMBERS)
def test_regression_learns_and_its_parts_add_up(method: str, numbers: MultimodalDataset) -> None:
    train, test = numbers[:300], numbers[300:]
    model = regress(method, train, max_epochs=21)
    # At best 0.96 with both, 0.85 with the better one alone, 0.83 by the mean of the two.
    assert model.score(test) > 0.4
    table = model.explain(test)
    np.testing.assert_array_equal(table["prediction"], model.predict(test))
    parts = [column.removeprefix("gate:") for column in table if column.startswith("gate:")]
    if parts:
        np.testing.assert_allclose(table[parts].sum(axis=1) + model.target_mean_, table["prediction"], atol=1e-4)


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(OF_NUMBERS)))
def test_methods_of_classes_refuse_numbers(method: str, numbers: MultimodalDataset) -> None:
    with pytest.raises(ValueError, match="supports classification, not regression; use method='joint'"):
        regress(method, numbers)


@pytest.fixture(scope="module")
def pretrained(data: MultimodalDataset) -> Pretrained:
    """Encoders that were trained without labels."""
    return pretrain(data, width=8, max_epochs=2, random_state=0)


@pytest.mark.parametrize("method", METHODS)
def test_starts_from_pretrained_encoders(method: str, data: MultimodalDataset, pretrained: Pretrained) -> None:
    """After training that goes nowhere, the method holds the encoders it was given, and predicts."""
    model = fit(method, data[:60], encoders=pretrained.encoders, max_epochs=1, learning_rate=1e-12)
    held = list(model.method_.state_dict().values())
    for encoder in pretrained.encoders.values():
        for weight in encoder.parameters():
            assert any(weight.shape == w.shape and torch.allclose(weight, w, rtol=0, atol=1e-7) for w in held)
    assert model.predict_proba(data).shape == (len(data), 3)


@pytest.mark.parametrize("name", [name for name in methods.names() if name not in ("dmil", "cyin")])
def test_trains_in_mixed_precision(name: str, data) -> None:
    """Gradients in 32 bits meet embeddings in 16; the two left out have tests of their own or take long."""
    model = MultimodalClassifier(name, precision="bf16-mixed", max_epochs=2, random_state=0).fit(data)
    assert np.isfinite(model.predict_proba(data)).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_with_nothing_present_teaches_nothing_wrong(name: str, build, data) -> None:
    """The last batch of an epoch may be one row that has nothing."""
    method, batch = build(methods.make(name), data)
    prepared = prepare(method, batch.attach(row=torch.arange(len(batch))), Settings(max_epochs=1), 0)
    nothing = prepared[:1].with_present({name: torch.zeros(1, dtype=torch.bool) for name in data.names})
    for stage in method.stages(4):
        method.begin_stage(stage)
        method.zero_grad()
        output = method(nothing)
        total = method.loss(output, nothing, stage).total
        assert torch.isfinite(total)
        if total.requires_grad:
            total.backward()
        method.after_backward(output, nothing, stage)
        assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
