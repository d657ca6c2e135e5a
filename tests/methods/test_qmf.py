import torch
from torch.nn.functional import cross_entropy

from interplay.methods import QMF


def test_modalities_are_weighted_by_their_energy_without_gradient(build, data) -> None:
    method, batch = build(QMF(), data)
    output = method(batch)
    f = [output.unimodal[m] for m in "ab"]
    e = [x.exp().sum(-1).log() / 10 for x in f]
    expected = sum(w.detach()[:, None] * x for w, x in zip(e, f, strict=True))
    torch.testing.assert_close(output.logits, expected)
    weight = method.heads["a"][1].weight
    one, two = (
        torch.autograd.grad(cross_entropy(x, batch.target), weight, retain_graph=True)[0]
        for x in (output.logits, expected)
    )
    torch.testing.assert_close(one, two)


def test_confidence_is_ranked_by_the_losses_so_far(build, data) -> None:
    method, batch = build(QMF(rank=0.7), data)
    batch = batch.attach(row=torch.arange(len(batch)))
    stage = method.stages(1)[0]
    output = method(batch)
    first = method.loss(output, batch, stage)
    assert first.parts["rank:a"] == 0  # nothing is known yet
    history = cross_entropy(output.unimodal["a"], batch.target, reduction="none").detach()
    torch.testing.assert_close(method.accumulated["a"], history)
    h = (history - history.min()) / (history.max() - history.min())
    e = output.unimodal["a"].logsumexp(-1) / 10
    hinges = []
    for i in range(len(batch)):
        j = (i + 1) % len(batch)
        low, high = (i, j) if h[i] < h[j] else (j, i)
        hinges.append((h[high] - h[low] - (e[low] - e[high])).clamp(min=0))
    loss = method.loss(output, batch, stage)
    torch.testing.assert_close(loss.parts["rank:a"], torch.stack(hinges).mean(), rtol=1e-4, atol=1e-6)
    p = loss.parts
    expected = p["fused"] + p["head:a"] + p["head:b"] + 0.7 * (p["rank:a"] + p["rank:b"])
    torch.testing.assert_close(loss.total, expected)
    assert p["rank:a"] + p["rank:b"] > 0.01
    # Lowering the ranking loss raises the confidence of easy rows over hard ones.
    (gradient,) = torch.autograd.grad(loss.parts["rank:a"], e_leaf := output.unimodal["a"], retain_graph=True)
    assert e_leaf.shape == gradient.shape
    change = -gradient.sum(-1)
    assert change[h.argmin()] >= 0
    assert change[h.argmax()] <= 0
    assert change.abs().sum() > 0
