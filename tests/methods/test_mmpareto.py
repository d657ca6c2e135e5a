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


def test_each_encoder_follows_the_direction_of_its_two_losses(build, data) -> None:
    method, batch = build(MMPareto(gamma=1.5), data)
    stage = method.stages(1)[0]
    output = method(batch)
    fused, own = (
        torch.autograd.grad(x, list(method.encoders["a"].parameters()), retain_graph=True)
        for x in (cross_entropy(output.logits, batch.target), cross_entropy(output.unimodal["a"], batch.target))
    )
    method.loss(output, batch, stage).total.backward()
    head = [p.grad.clone() for p in method.head.parameters()]
    method.after_backward(output, batch, stage)
    flat = [torch.cat([g.flatten() for g in grads]) for grads in (fused, own)]
    found = torch.cat([p.grad.flatten() for p in method.encoders["a"].parameters()])
    torch.testing.assert_close(found, 1.5 * pareto_direction(*flat), rtol=1e-4, atol=1e-6)
    for p, before in zip(method.head.parameters(), head, strict=True):
        torch.testing.assert_close(p.grad, before)
