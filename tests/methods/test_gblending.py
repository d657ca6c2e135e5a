import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods import GBlending
from interplay.methods.gblending import blend


def test_weights_are_generalisation_over_squared_overfitting() -> None:
    train, validation = torch.tensor([0.5, 0.9]), torch.tensor([0.7, 1.0])
    before = torch.tensor([1.1, 1.1]), torch.tensor([1.0, 1.2])
    g = [0.3, 0.2]
    o = [0.2 - (-0.1), 0.1 - 0.1]
    expected = torch.tensor([g[0] / o[0] ** 2, g[1] / (0.3 / 10) ** 2])  # a tenth of the largest G is the floor
    torch.testing.assert_close(blend(train, validation, *before), expected / expected.sum())


def test_a_modality_that_only_overfits_gets_little_weight() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = {"good": rng.normal(size=(200, 3)) + 2 * y[:, None], "noise": rng.normal(size=(200, 40))}
    data = MultimodalDataset(x, y)
    model = MultimodalClassifier(GBlending(probe=0.5), max_epochs=30, learning_rate=3e-3, random_state=0).fit(data)
    fused, good, noise = model.method_.weights.tolist()
    assert fused + good + noise == pytest.approx(1, abs=1e-5)
    assert noise < 0.05 < good


def test_copies_measure_and_the_network_is_trained_with_the_weights(build, data) -> None:
    method, batch = build(GBlending(), data)
    probe, fit = method.stages(10)
    # While the copies are trained the network stands still, and the copies share nothing with each other.
    parts = method.loss(method(batch), batch, probe).parts
    together, head, alone, heads = method.probes
    groups = {
        "network": [*method.encoders.parameters(), *method.head.parameters(), *method.heads.parameters()],
        "together": [*together.parameters(), *head.parameters()],
        "a": [*alone["a"].parameters(), *heads["a"].parameters()],
        "b": [*alone["b"].parameters(), *heads["b"].parameters()],
    }
    for part, owner in (("fused", "together"), ("head:a", "a"), ("head:b", "b")):
        for name, group in groups.items():
            grads = torch.autograd.grad(parts[part], group, retain_graph=True, allow_unused=True)
            assert all((g is not None) == (name == owner) for g in grads)
    method.weights = torch.tensor([0.2, 0.5, 0.3])
    method.begin_stage(fit)
    loss = method.loss(method(batch), batch, fit)
    torch.testing.assert_close(
        loss.total, (torch.tensor([0.2, 0.5, 0.3]) * torch.stack(list(loss.parts.values()))).sum()
    )
    assert fit.frozen == ("probes",)


def test_online_measurements_begin_where_the_training_stands(build, data) -> None:
    method, batch = build(GBlending(probe=0.5, super_epochs=3), data)
    stages = method.stages(30)
    assert [(stage.name, stage.epochs) for stage in stages[:3]] == [("probe 1", 5), ("fit 1", 5), ("probe 2", 5)]
    assert sum(stage.epochs for stage in stages) == 30
    assert method.start.isnan().all()
    method.begin_stage(stages[1])
    with torch.no_grad():
        for p in method.encoders.parameters():
            p.mul_(2)
    method.eval()
    with torch.no_grad():
        method.after_epoch(batch, batch[:40], stages[1])
        here = torch.stack([method._losses(batch), method._losses(batch[:40])])
        torch.testing.assert_close(method.start, here)
        method.begin_stage(stages[2])
        for probe, part in zip(method.probes, method._parts(), strict=True):
            for one, two in zip(probe.parameters(), part.parameters(), strict=True):
                assert torch.equal(one, two)
        for p in method.probes[0].parameters():
            p.mul_(0.9)
        method.after_epoch(batch, batch[:40], stages[2])
        now = [method._losses(part) for part in (batch, batch[:40])]
    torch.testing.assert_close(method.weights, blend(*now, *here))
    assert not torch.allclose(now[0], here[0])


def test_online_form_trains(data) -> None:
    model = MultimodalClassifier(GBlending(super_epochs=2), max_epochs=16, random_state=0).fit(data)
    assert {record["stage"] for record in model.history_.records} == {"probe 1", "fit 1", "probe 2", "fit 2"}
    assert model.score(data) > 0.6
    assert torch.isfinite(model.method_.start).all()


def test_a_head_that_learns_nothing_gets_next_to_nothing_though_it_does_not_overfit() -> None:
    before = torch.tensor([1.1, 1.1, 1.1, torch.nan])
    weights = blend(torch.tensor([0.4, 0.5, 1.1, torch.nan]), torch.tensor([0.6, 0.8, 1.1, torch.nan]), before, before)
    g, o = torch.tensor([0.5, 0.3]), torch.tensor([0.2, 0.3])
    ratio = torch.cat([g / o**2, (g / o**2).max().reshape(1) / 100])
    torch.testing.assert_close(weights[:3], ratio / ratio.sum())
    assert weights[3] == 0  # nobody has the modality
    torch.testing.assert_close(blend(*[torch.ones(3)] * 4), torch.full((3,), 1 / 3))


@pytest.mark.parametrize("present", [False, True])
def test_neither_silence_nor_absence_is_rewarded(present: bool) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = {"good": np.eye(3, 6)[y] * 2 + rng.normal(size=(300, 6)), "noise": rng.normal(size=(300, 2))}
    data = MultimodalDataset(x, y, present={"noise": np.full(300, present)})
    model = MultimodalClassifier(GBlending(probe=0.5), max_epochs=20, learning_rate=3e-3, random_state=0).fit(data)
    fused, good, noise = model.method_.weights.tolist()
    assert min(fused, good) > 0.1
    assert noise < 0.05 if present else noise == 0


def test_the_measurement_is_where_the_joint_validation_loss_is_least() -> None:
    """With noisy labels the accuracy still rises when the loss has long begun to."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    x = {name: rng.normal(size=(200, 20)) + 0.4 * y[:, None] for name in "ab"}
    data = MultimodalDataset(x, np.where(rng.random(200) < 0.2, 1 - y, y))
    model = MultimodalClassifier(GBlending(probe=0.5), max_epochs=40, learning_rate=1e-2, random_state=0).fit(data)
    records = [record for record in model.history_.records if record["stage"] == "probe"]
    least = min(records, key=lambda record: record["validation_loss"])
    assert max(records, key=lambda record: record["validation_accuracy"])["epoch"] != least["epoch"]
    assert model.history_.best_epochs["probe"] == least["epoch"]
