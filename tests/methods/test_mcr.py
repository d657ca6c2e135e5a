import pytest
import torch

from interplay.methods import MCR


def gradients(method, batch, name: str) -> dict[str, torch.Tensor]:
    """Gradient of the gain of ``name`` for the embeddings of each modality."""
    z = {m: x.detach().requires_grad_() for m, x in method.encode(batch).items()}
    torch.manual_seed(0)
    found = torch.autograd.grad(method.gain(z, name, batch.present[name]), list(z.values()), allow_unused=True)
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
    assert method.gain(z, "a", batch.present["a"]).item() == pytest.approx(0, abs=1e-7)
    assert method.gain(z, "b", batch.present["b"]).item() > 1e-5


def divergence(method, z: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """Jensen-Shannon divergence of the predictions before and after one permutation of a modality, row by row."""
    order = torch.randperm(len(z[name]))
    p = method.head(list(z.values())).softmax(-1)
    q = method.head([x[order] if m == name else x for m, x in z.items()]).softmax(-1)
    rows = []
    for one, two in zip(p, q, strict=True):
        middle = (one + two) / 2
        rows.append(((one * (one / middle).log()).sum() + (two * (two / middle).log()).sum()) / 2)
    return torch.stack(rows).mean()


def test_the_game_is_played_for_the_divergence(build, data) -> None:
    """The loss falls as each encoder's own divergence rises, and its value is logged under every strategy."""
    method, batch = build(MCR("independent", regularisation=0.5, permutations=1, contrast=0.0), data)
    stage = method.stages(1)[0]
    method.head.layers[-1].weight.data.mul_(25)  # answers that permutations change

    def descent(regularisation: float, strategy: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
        method.regularisation, method.strategy = regularisation, strategy
        output = method(batch)
        torch.manual_seed(0)
        loss = method.loss(output, batch, stage)
        return loss.parts["game"], torch.autograd.grad(loss.total, list(output.latents["z"].values()))

    z = {m: x.detach().requires_grad_() for m, x in method.encode(batch).items()}
    torch.manual_seed(0)
    own = [divergence(method, z, name) for name in z]
    assert sum(own) > 0.01
    value, found = descent(0.5, "independent")
    _, plain = descent(0.0, "independent")
    torch.testing.assert_close(value, sum(own))
    for i, x in enumerate(z.values()):
        expected = -0.5 * torch.autograd.grad(own[i], x, retain_graph=True)[0]
        torch.testing.assert_close(found[i] - plain[i], expected, rtol=1e-4, atol=1e-7)
        assert expected.norm() > 1e-5
    assert descent(0.5, "greedy")[0] > 0.01


def test_all_terms_are_in_the_loss(build, data) -> None:
    method, batch = build(MCR(regularisation=0.5, unimodal=0.25, contrast=2.0), data)
    loss = method.loss(method(batch), batch, method.stages(1)[0])
    p = loss.parts
    expected = p["fused"] + 0.25 * (p["head:a"] + p["head:b"]) - 0.5 * p["game"] + 2 * p["contrast"]
    torch.testing.assert_close(loss.total, expected)


def test_the_contrast_takes_the_rows_of_the_class_for_positives(build, gappy) -> None:
    """Against a slow twin, on embeddings as they come: rows without the modality are neither anchors nor candidates."""
    method, batch = build(MCR(temperature=0.3), gappy)
    z = method.encode(batch)
    unit = {m: torch.nn.functional.normalize(method.projections[m](x), dim=-1) for m, x in z.items()}
    directions = []
    for a, b in (("a", "b"), ("b", "a")):
        rows = []
        others = [j for j in range(len(batch)) if batch.present[b][j]]
        for i in range(len(batch)):
            if not batch.present[a][i]:
                continue
            scores = {j: (unit[a][i] @ unit[b][j] / 0.3).exp() for j in others}
            positives = [j for j in others if batch.target[j] == batch.target[i]]
            rows.append(-sum((scores[j] / sum(scores.values())).log() for j in positives) / len(positives))
        directions.append(sum(rows) / len(rows))
    torch.testing.assert_close(method._contrast(z, batch), sum(directions) / 2, rtol=1e-4, atol=1e-5)


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


def test_a_modality_is_not_paid_for_being_there(build, data) -> None:
    """It says the same in every row that has it: nothing changes by exchanging it, and absent rows take no part."""
    method, batch = build(MCR("independent", permutations=3), data)
    present = torch.arange(len(batch)) % 2 == 0
    z = {m: x.detach().clone() for m, x in method.encode(batch).items()}
    z["b"][present] = 3.0
    for x in z.values():
        x.requires_grad_()
    value = method.gain(z, "b", present)
    assert value.item() == pytest.approx(0, abs=1e-7)
    with torch.no_grad():
        z["b"][present] += torch.randn(int(present.sum()), z["b"].shape[1])
    value = method.gain(z, "b", present)
    assert value > 1e-4
    (gradient,) = torch.autograd.grad(value, z["b"])
    assert gradient[~present].norm() == 0
    assert gradient[present].norm() > 0
    assert method.gain(z, "b", torch.zeros_like(present)) == 0


def test_the_gain_is_the_mean_over_the_permutations(build, data) -> None:
    method, batch = build(MCR("collaborative", permutations=3), data)
    method.head.layers[-1].weight.data.mul_(25)  # answers that permutations change
    z = method.encode(batch)
    torch.manual_seed(0)
    expected = sum(divergence(method, z, "a") for _ in range(3)) / 3
    torch.manual_seed(0)
    torch.testing.assert_close(method.gain(z, "a", batch.present["a"]), expected)


def test_the_bottleneck_is_over_the_rows_that_have_the_modality(build, gappy) -> None:
    method, batch = build(MCR(bottleneck=1.0), gappy)
    z = method.encode(batch)
    expected = 0.0
    for name, x in z.items():
        there = batch.present[name]
        means = method.class_means[name].weight[batch.target]
        expected = expected + ((x - means)[there].square().sum(-1) / 2).mean()
    torch.testing.assert_close(method._excess(z, batch), expected)
