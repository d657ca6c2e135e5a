import pytest
import torch

from interplay.methods import MCR


def gradients(method, batch, name: str) -> dict[str, torch.Tensor]:
    """Gradient of the gain of ``name`` for the embeddings of each modality."""
    z = {m: x.detach().requires_grad_() for m, x in method.encode(batch).items()}
    torch.manual_seed(0)
    found = torch.autograd.grad(method.gain(z, name), list(z.values()), allow_unused=True)
    return {m: torch.zeros_like(z[m]) if g is None else g for m, g in zip(z, found, strict=True)}


@pytest.mark.parametrize(("strategy", "sign"), [("greedy", -1), ("independent", 0), ("collaborative", 1)])
def test_who_raises_whose_share(build, data, strategy: str, sign: int) -> None:
    """All raise their own; for another's share the greedy lower it, the independent leave it, partners raise it."""
    method, batch = build(MCR("collaborative", permutations=1), data)
    plain = gradients(method, batch, "a")
    method.strategy = strategy
    if strategy == "greedy":
        # Two divergences, one permutation each: as many draws, so the first has the same permutation.
        torch.manual_seed(0)
        orders = [torch.randperm(len(batch)) for _ in range(2)]
        assert not torch.equal(*orders)
    found = gradients(method, batch, "a")
    torch.testing.assert_close(found["a"], plain["a"])
    assert found["a"].norm() > 0
    if sign == 0:
        assert found["b"].norm() == 0
    else:
        assert sign * (found["b"] * plain["b"]).sum() > 0


def test_a_modality_the_head_ignores_has_no_share(build, data) -> None:
    method, batch = build(MCR("independent"), data)
    with torch.no_grad():
        first = next(p for p in method.head.parameters() if p.ndim == 2)
        first[:, :8] = 0
    z = method.encode(batch)
    assert method.gain(z, "a").item() == pytest.approx(0, abs=1e-7)
    assert method.gain(z, "b").item() > 1e-5


def test_the_game_and_the_contrast_are_in_the_loss(build, data) -> None:
    method, batch = build(MCR(regularisation=0.5, unimodal=0.25, contrast=2.0), data)
    loss = method.loss(method(batch), batch, method.stages(1)[0])
    p = loss.parts
    expected = p["fused"] + 0.25 * (p["head:a"] + p["head:b"]) - 0.5 * p["game"] + 2 * p["contrast"]
    torch.testing.assert_close(loss.total, expected)
    # InfoNCE of identical, perfectly separated embeddings: positives share the mass, log of how many.
    z = {m: 50 * torch.nn.functional.one_hot(batch.target, 8).float() for m in "ab"}
    method.projections["a"], method.projections["b"]
    for name in "ab":
        linear = method.projections[name][1]
        torch.nn.init.zeros_(linear.bias)
        torch.nn.init.zeros_(linear.weight)
        with torch.no_grad():
            linear.weight[:8] = torch.eye(8)
    method.temperature = 0.01
    sizes = torch.bincount(batch.target)[batch.target].float()
    torch.testing.assert_close(method._contrast(z, batch), sizes.log().mean(), rtol=1e-4, atol=1e-4)


def test_the_bottleneck_is_the_divergence_from_what_the_class_leaves_open(build, data) -> None:
    method, batch = build(MCR(bottleneck=0.3), data)
    stage = method.stages(1)[0]
    torch.manual_seed(0)
    output = method(batch)
    loss = method.loss(output, batch, stage)
    expected = 0.0
    for name, x in output.latents["z"].items():
        q = torch.distributions.Normal(x, 1.0)
        r = torch.distributions.Normal(method.class_means[name].weight[batch.target], 1.0)
        expected = expected + torch.distributions.kl_divergence(q, r).sum(-1).mean()
    torch.testing.assert_close(loss.parts["bottleneck"], expected)
    method.bottleneck = 0.0
    torch.manual_seed(0)
    plain = method.loss(method(batch), batch, stage).total
    torch.testing.assert_close(loss.total - plain, 0.3 * expected, rtol=1e-4, atol=1e-4)
    # It pulls the embeddings of a class together, and the class means to them.
    grads = torch.autograd.grad(expected, [output.latents["z"]["a"], method.class_means["a"].weight])
    assert all(g.norm() > 0 for g in grads)
