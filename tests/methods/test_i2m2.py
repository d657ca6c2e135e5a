import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods import I2M2


def test_logits_are_the_product_of_the_experts_that_are_there(build, data) -> None:
    method, batch = build(I2M2(), data)
    output = method(batch)
    experts = [output.latents["joint"], *output.unimodal.values()]
    torch.testing.assert_close(output.logits, sum(f.log_softmax(-1) for f in experts))
    some = method(build(I2M2(), data.without("b"))[1])
    torch.testing.assert_close(some.logits.softmax(-1), some.unimodal["a"].softmax(-1))


def test_experts_first_then_their_product(build, data) -> None:
    method, batch = build(I2M2(), data)
    experts, product = method.stages(10)
    output = method(batch)
    assert set(method.loss(output, batch, experts).parts) == {"joint", "head:a", "head:b"}
    total = method.loss(output, batch, product).total
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(output.logits, batch.target))


def test_learns_synergy_through_the_joint_expert() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(2, 600))
    x = {name: (2.0 * b - 1)[:, None] + 0.1 * rng.normal(size=(600, 2)) for name, b in zip("ab", bits, strict=True)}
    data = MultimodalDataset(x, bits[0] ^ bits[1])
    model = MultimodalClassifier(I2M2(), max_epochs=24, learning_rate=5e-3, dropout=0.0, random_state=0).fit(data[:400])
    assert model.score(data[400:]) > 0.98
    assert model.score(data[400:].without("b")) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("shared", [False, True])
def test_experts_have_encoders_of_their_own_unless_shared(build, data, shared) -> None:
    method, batch = build(I2M2(shared_encoders=shared), data)
    experts, _ = method.stages(10)
    parts = method.loss(method(batch), batch, experts).parts
    own = list(method.encoders.parameters())
    found = torch.autograd.grad(parts["joint"], own, retain_graph=True, allow_unused=True)
    assert all((g is not None) == shared for g in found)
    if shared:
        assert method.joint_encoders is None
        return
    joint = list(method.joint_encoders.parameters())
    assert all(g is not None for g in torch.autograd.grad(parts["joint"], joint, retain_graph=True))
    single = torch.autograd.grad(parts["head:a"] + parts["head:b"], joint, allow_unused=True)
    assert all(g is None for g in single)


def test_the_joint_expert_learns_from_complete_rows_only(build, gappy) -> None:
    """In both stages; in other rows it would read the encoding of a training mean."""
    method, batch = build(I2M2(), gappy)
    complete = batch.present["a"] & batch.present["b"]
    assert 0 < complete.sum() < len(batch)
    experts, product = method.stages(10)
    output = method(batch)
    joint = output.latents["joint"]
    expected = torch.nn.functional.cross_entropy(joint[complete], batch.target[complete])
    torch.testing.assert_close(method.loss(output, batch, experts).parts["joint"], expected)
    for stage in (experts, product):
        total = method.loss(output, batch, stage).total
        (gradient,) = torch.autograd.grad(total, joint, retain_graph=True)
        assert (gradient[~complete] == 0).all()
        assert (gradient[complete].abs().sum(1) > 0).all()
