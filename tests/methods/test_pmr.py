import torch
from torch.nn.functional import cross_entropy

from interplay.methods import PMR


def test_only_the_lagging_modality_is_pulled_to_its_class_means(build, data) -> None:
    method, batch = build(PMR(alpha=2.0), data)
    stage = method.stages(1)[0]
    first = method.loss(method(batch), batch, stage)
    assert set(first.parts) == {"fused"}
    with torch.no_grad():
        method.after_epoch(batch, batch, stage)
    output = method(batch)
    loss = method.loss(output, batch, stage)
    s, ce = [], []
    for name, z in output.latents["z"].items():
        means = torch.stack([z[batch.target == c].mean(0) for c in range(3)])
        torch.testing.assert_close(method.prototypes[name], means.detach())
        distance = torch.cdist(z, means.detach())
        s.append((-distance).softmax(-1)[torch.arange(len(z)), batch.target].mean())
        ce.append(cross_entropy(-distance, batch.target))
    lag = int(s[1] < s[0])
    weight = min(1.0, float((max(s) / min(s) - 1).detach()))
    assert weight > 0.01
    expected = cross_entropy(output.logits, batch.target) + 2 * weight * ce[lag]
    torch.testing.assert_close(loss.total, expected, rtol=1e-4, atol=1e-5)
    extra = loss.total - loss.parts["fused"]
    grads = torch.autograd.grad(extra, list(output.latents["z"].values()), allow_unused=True)
    assert grads[lag].norm() > 1e-4
    assert grads[1 - lag] is None or grads[1 - lag].norm() < 1e-8


def test_class_means_move_with_momentum(build, data) -> None:
    method, batch = build(PMR(momentum=0.5), data)
    stage = method.stages(1)[0]
    with torch.no_grad():
        method.after_epoch(batch, batch, stage)
        old = method.prototypes["a"].clone()
        for p in method.encoders["a"].parameters():
            p.mul_(1.5)
        method.after_epoch(batch, batch, stage)
        now = torch.stack([method.encode(batch)["a"][batch.target == c].mean(0) for c in range(3)])
    torch.testing.assert_close(method.prototypes["a"], (old + now) / 2)
    assert not torch.allclose(old, now)


def test_the_leader_is_kept_from_deciding_early(build, data) -> None:
    method, batch = build(PMR(alpha=0.0, entropy=0.7), data)
    stage = method.stages(1)[0]
    with torch.no_grad():
        method.after_epoch(batch, batch, stage)
    output = method(batch)
    loss = method.loss(output, batch, stage)
    p = [(-torch.cdist(z, method.prototypes[m])).softmax(-1) for m, z in output.latents["z"].items()]
    s = [q[torch.arange(len(q)), batch.target].mean().item() for q in p]
    lead = int(s[1] > s[0])
    weight = min(1.0, max(s) / min(s) - 1)
    expected = weight * -(p[lead] * p[lead].log()).sum(-1).mean()
    torch.testing.assert_close(loss.parts["fused"] - loss.total, 0.7 * expected, rtol=1e-3, atol=1e-5)
    grads = torch.autograd.grad(loss.total - loss.parts["fused"], list(output.latents["z"].values()))
    assert grads[lead].norm() > 1e-6
    assert grads[1 - lead].norm() < 1e-9
