import torch

from interplay.methods import MLA


def step(method, batch) -> torch.Tensor:
    """One alternating step; the head's gradient before projection."""
    method.zero_grad(set_to_none=True)
    output, stage = method(batch), method.stages(1)[0]
    method.loss(output, batch, stage).total.backward()
    plain = method.head.weight.grad.clone()
    method.after_backward(output, batch, stage)
    return plain


def test_one_modality_learns_at_a_time(build, data) -> None:
    method, batch = build(MLA(width=16), data)
    assert method.steps_per_batch == 2
    for current, other in (("a", "b"), ("b", "a"), ("a", "b")):
        step(method, batch)
        assert all(p.grad.norm() > 0 for p in method.maps[current].parameters())
        assert all(p.grad is None or p.grad.norm() == 0 for p in method.maps[other].parameters())


def test_the_second_modality_leaves_what_the_first_taught_the_head(build, data) -> None:
    method, batch = build(MLA(width=16, alpha=1e-4), data)
    torch.testing.assert_close(step(method, batch), method.head.weight.grad)  # nothing to protect yet
    r = method(batch).latents["features"]["a"].mean(0).detach()
    plain = step(method, batch)
    projected = method.head.weight.grad
    assert (plain @ r).norm() > 1e-3
    assert (projected @ r).norm() < 1e-2 * (plain @ r).norm()
    assert projected.norm() > 0.1 * plain.norm()
    # The scalar of recursive least squares: P r / (alpha + r' P r) is the gain of least squares on r.
    expected = torch.eye(16) - torch.outer(r, r) / (1e-4 + r @ r)
    torch.testing.assert_close(projected, plain @ expected, rtol=1e-3, atol=1e-5)


def test_the_head_forgets_what_to_keep_after_each_epoch(build, data) -> None:
    method, batch = build(MLA(width=16), data)
    step(method, batch)
    assert not torch.equal(method.projection, torch.eye(16))
    method.after_epoch(batch, batch, method.stages(1)[0])
    torch.testing.assert_close(method.projection, torch.eye(16), rtol=0, atol=0)


def test_prediction_trusts_the_more_certain_modality(build, data) -> None:
    method, batch = build(MLA(width=16), data)
    method.eval()
    output = method(batch)
    f = torch.stack([output.unimodal[m] for m in "ab"])
    p = f.softmax(-1)
    weights = (p * p.log()).sum(-1).softmax(0)
    torch.testing.assert_close(output.logits, (weights[..., None] * f).sum(0))


def test_the_direction_to_keep_is_the_mean_over_the_rows_that_have_the_modality(build, gappy) -> None:
    method, batch = build(MLA(width=16, alpha=0.1), gappy)
    step(method, batch)
    there = batch.present["a"]
    assert 0 < there.sum() < len(batch)
    r = method(batch).latents["features"]["a"][there].mean(0).detach()
    torch.testing.assert_close(method.projection, torch.eye(16) - torch.outer(r, r) / (0.1 + r @ r))
