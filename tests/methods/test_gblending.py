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
    expected = torch.tensor([g[0] / o[0] ** 2, g[1] / 0.01**2])
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


def test_the_second_run_starts_afresh_and_weights_its_losses(build, data) -> None:
    method, batch = build(GBlending(), data)
    probe, fit = method.stages(10)
    start = {name: p.clone() for name, p in method.named_parameters() if not name.startswith("probes")}
    with torch.no_grad():
        for p in method.parameters():
            p.add_(1)
    method.weights = torch.tensor([0.2, 0.5, 0.3])
    method.begin_stage(fit)
    for name, p in method.named_parameters():
        if name in start:
            torch.testing.assert_close(p, start[name])
    loss = method.loss(method(batch), batch, fit)
    torch.testing.assert_close(
        loss.total, (torch.tensor([0.2, 0.5, 0.3]) * torch.stack(list(loss.parts.values()))).sum()
    )
    assert fit.frozen == ("probes",)
    # In the first run the single-modality heads share nothing with the joint network.
    method.begin_stage(probe)
    own = method.loss(method(batch), batch, probe).parts["a"]
    grads = torch.autograd.grad(own, list(method.encoders.parameters()), allow_unused=True)
    assert all(g is None for g in grads)
