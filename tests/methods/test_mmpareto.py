import pytest
import torch
from torch.nn.functional import cross_entropy

from interplay.methods import MMPareto
from interplay.methods.mmpareto import pareto_direction


def test_direction_opposes_neither_gradient_and_is_no_shorter_than_their_sum() -> None:
    g = torch.Generator().manual_seed(0)
    conflicts = 0
    for _ in range(200):
        joint, own = torch.randn(2, 5, generator=g, dtype=torch.float64) * torch.rand(2, 1, generator=g)
        h = pareto_direction(joint, own)
        assert h @ joint >= -1e-9
        assert h @ own >= -1e-9
        assert h.norm() >= (joint + own).norm() - 1e-9
        if joint @ own > 0:
            torch.testing.assert_close(h, joint + own)
        else:
            conflicts += (joint + own) @ joint < 0 or (joint + own) @ own < 0
    assert conflicts > 10  # where the plain sum worsens one of them
    assert torch.isfinite(pareto_direction(torch.ones(3), -torch.ones(3))).all()
    # Where one loss says nothing, as for a modality that no row has, the other is followed whole.
    for pair in ((torch.ones(3), torch.zeros(3)), (torch.zeros(3), torch.ones(3))):
        torch.testing.assert_close(pareto_direction(*pair), torch.ones(3))


@pytest.mark.parametrize("scale", [1.0, 2.0**16])
@pytest.mark.parametrize("name", ["a", "b"])
def test_each_encoder_follows_the_direction_of_its_two_losses(build, data, name: str, scale: float) -> None:
    """Also where mixed precision scales the loss, and the gradients with it."""
    method, batch = build(MMPareto(gamma=1.5), data)
    stage = method.stages(1)[0]

    def gradients(output) -> list[torch.Tensor]:
        losses = (cross_entropy(x, batch.target) for x in (output.logits, output.unimodal[name]))
        grads = [torch.autograd.grad(x, list(method.encoders[name].parameters()), retain_graph=True) for x in losses]
        return [torch.cat([g.flatten() for g in each]) for each in grads]

    for _ in range(50):  # until a head disagrees with the joint one
        output = method(batch)
        flat = gradients(output)
        if flat[0] @ flat[1] < -0.1 * flat[0].norm() * flat[1].norm():
            break
        torch.nn.init.normal_(method.heads[name][1].weight)
    assert flat[0] @ flat[1] < 0
    (scale * method.loss(output, batch, stage).total).backward()
    head = [p.grad.clone() for p in method.head.parameters()]
    method.after_backward(output, batch, stage)
    found = torch.cat([p.grad.flatten() for p in method.encoders[name].parameters()]) / scale
    torch.testing.assert_close(found, 1.5 * pareto_direction(*flat), rtol=1e-4, atol=1e-5)
    for p, before in zip(method.head.parameters(), head, strict=True):
        torch.testing.assert_close(p.grad, before)


@pytest.mark.parametrize("frozen", ["some", "all"])
def test_what_a_user_froze_in_an_encoder_stays_out(build, data, frozen: str) -> None:
    method, batch = build(MMPareto(), data)
    parts = list(method.encoders["a"].parameters())
    for p in parts if frozen == "all" else parts[:1]:
        p.requires_grad_(False)
    output = method(batch)
    method.loss(output, batch, method.stages(1)[0]).total.backward()
    before = [p.grad.clone() for p in method.encoders["b"].parameters()]
    method.after_backward(output, batch, method.stages(1)[0])
    assert parts[0].grad is None
    assert any(not torch.equal(p.grad, old) for p, old in zip(method.encoders["b"].parameters(), before, strict=True))
