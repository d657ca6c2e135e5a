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
    torch.testing.assert_close(method.accumulated["a"], torch.stack([history, torch.ones_like(history)]))
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


def test_with_gaps_the_history_is_the_mean_over_the_visits_that_had_the_modality(build, data) -> None:
    """Rows without any such visit are not ranked, and do not shift the scale; one row alone is remembered, too."""
    method, batch = build(QMF(), data)
    batch = batch.attach(row=torch.arange(len(batch)))
    stage = method.stages(1)[0]
    g = torch.Generator().manual_seed(0)
    total, visits = torch.zeros(2, len(batch))
    for _ in range(4):
        there = torch.rand(len(batch), generator=g) < 0.6
        there[:5] = False
        gappy = batch.with_present({**batch.present, "b": there})
        output = method(gappy)
        own = cross_entropy(output.unimodal["b"], batch.target, reduction="none").detach()
        method.loss(output, gappy, stage)
        total, visits = total + own * there, visits + there
        with torch.no_grad():  # other losses at the next visit
            method.heads["b"][1].weight.add_(torch.randn(method.heads["b"][1].weight.shape, generator=g))
    seen = visits > 0
    assert 5 <= (~seen).sum() < len(batch) / 2
    mean = torch.where(seen, total / visits, torch.nan)
    h = (mean - mean[seen].min()) / (mean[seen].max() - mean[seen].min())
    output = method(batch)
    e = output.unimodal["b"].logsumexp(-1) / 10
    hinges = []
    for i in range(len(batch)):
        j = (i + 1) % len(batch)
        if seen[i] and seen[j]:
            low, high = (i, j) if h[i] < h[j] else (j, i)
            hinges.append((h[high] - h[low] - (e[low] - e[high])).clamp(min=0))
    found = method.loss(output, batch, stage).parts["rank:b"]
    torch.testing.assert_close(found, torch.stack(hinges).mean(), rtol=1e-4, atol=1e-6)
    before = method.accumulated["a"][:, 7].clone()
    method.loss(method(batch[7:8]), batch[7:8], stage)
    assert method.accumulated["a"][1, 7] == before[1] + 1
