import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from interplay import MultimodalDataset
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


def with_means(method, batch):
    """The method after an epoch, with embeddings four times as far apart, so that class means say more."""
    with torch.no_grad():
        for _, encoder in method.encoders.items():
            list(encoder.parameters())[-2].mul_(4)
        method.after_epoch(batch, batch, method.stages(1)[0])
    return method


def test_rows_without_a_modality_take_no_part_in_its_terms(build) -> None:
    """Three modalities, written out row by row; no row of the last class has c, so c cannot tell it."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = {name: rng.normal(size=(60, 4)) + far * np.eye(3, 4)[y] for name, far in {"a": 1, "b": 3, "c": 0}.items()}
    present = {name: rng.random(60) < 0.6 for name in x}
    present["c"] &= y < 2
    method, batch = build(PMR(alpha=2.0, entropy=0.5), MultimodalDataset(x, y, present=present))
    with_means(method, batch)
    output = method(batch)
    loss = method.loss(output, batch, method.stages(1)[0])
    s, ce, entropy = [], [], []
    for name, z in output.latents["z"].items():
        known = [c for c in range(3) if not (name == "c" and c == 2)]
        rows = [i for i in range(60) if present[name][i]]
        means = [torch.stack([z[i] for i in rows if y[i] == c]).mean(0).detach() for c in known]
        torch.testing.assert_close(method.prototypes[name][known], torch.stack(means))
        log_p = [torch.stack([-(z[i] - mean).norm() for mean in means]).log_softmax(0) for i in rows]
        right = torch.stack([row[known.index(y[i])] for row, i in zip(log_p, rows, strict=True)])
        s.append(right.exp().mean().item())
        ce.append(-right.mean())
        entropy.append(-sum((row.exp() * row).sum() for row in log_p) / len(rows))
    lag, lead = [max(s) / one - 1 for one in s], [one / min(s) - 1 for one in s]
    assert sum(0.05 < weight < 1 for weight in lag) == sum(0.05 < weight < 1 for weight in lead) == 2
    pulled = 2 * sum(weight * one for weight, one in zip(lag, ce, strict=True))
    kept = 0.5 * sum(weight * one for weight, one in zip(lead, entropy, strict=True))
    torch.testing.assert_close(loss.total - loss.parts["fused"], pulled - kept, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("of", ["lag", "lead"])
def test_weights_of_lag_and_lead_end_at_one(build, data, of: str) -> None:
    """Class means of the wrong classes, so that one modality is more than twice as often right as the other."""
    method, batch = build(PMR(alpha=3.0, entropy=0.0) if of == "lag" else PMR(alpha=0.0, entropy=3.0), data)
    with_means(method, batch)
    method.prototypes["b"] = method.prototypes["b"].roll(1, 0)
    output = method(batch)
    loss = method.loss(output, batch, method.stages(1)[0])
    log_p = {m: (-torch.cdist(z, method.prototypes[m])).log_softmax(-1) for m, z in output.latents["z"].items()}
    right = {m: f[torch.arange(len(batch)), batch.target] for m, f in log_p.items()}
    assert right["a"].exp().mean() > 2.2 * right["b"].exp().mean()
    expected = -right["b"].mean() if of == "lag" else (log_p["a"].exp() * log_p["a"]).sum(-1).mean()
    torch.testing.assert_close(loss.total - loss.parts["fused"], 3 * expected, rtol=1e-4, atol=1e-5)


def test_a_modality_that_no_row_of_the_batch_has_is_not_behind(build, data) -> None:
    method, batch = build(PMR(alpha=1.0, entropy=1.0), data)
    with_means(method, batch)
    nobody = batch.with_present({"a": batch.present["a"], "b": torch.zeros_like(batch.present["b"])})
    loss = method.loss(method(nobody), nobody, method.stages(1)[0])
    torch.testing.assert_close(loss.total, loss.parts["fused"])
    assert loss.parts["prototype:a"] > 0.1
    assert loss.parts["prototype:b"] == 0
