"""The product of experts against formulas, and what it promises about absent modalities."""

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods.poe import PoE, product


def test_product_is_the_product_of_densities() -> None:
    """Compared with densities multiplied on a grid."""
    torch.manual_seed(0)
    experts = [(torch.randn(1, 1), torch.randn(1, 1)) for _ in range(3)]
    subsets = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])[..., None]
    mean, log_variance = product(experts, subsets)
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    for t, chosen in enumerate(subsets[..., 0].tolist()):
        log_density = -grid.square() / 2
        for (m, v), used in zip(experts, chosen, strict=True):
            if used:
                log_density = log_density - (grid - m.item()).square() / (2 * v.double().exp().item())
        weight = log_density.softmax(0)
        centre = float((weight * grid).sum())
        assert mean[t].item() == pytest.approx(centre, abs=1e-5)
        assert log_variance[t].exp().item() == pytest.approx(float((weight * (grid - centre).square()).sum()), rel=1e-4)


def test_an_absent_expert_leaves_no_trace_and_the_order_is_free() -> None:
    torch.manual_seed(0)
    experts = [(torch.randn(5, 2), torch.randn(5, 2)) for _ in range(3)]
    some = torch.ones(1, 3, 5, dtype=torch.bool)
    some[:, 1] = False
    torch.testing.assert_close(product(experts, some), product([experts[0], experts[2]], some[:, ::2]))
    torch.testing.assert_close(product(experts[::-1], some.flip(1)), product(experts, some))


def test_loss_equals_its_formula(build, gappy: MultimodalDataset) -> None:
    method, batch = build(PoE(latent=4, hidden=5), gappy)
    output = method(batch)
    found = method.loss(output, batch, method.stages(1)[0])
    subsets, logits = output.latents["subsets"], output.latents["logits"]
    assert subsets.shape == (4, 2, len(batch))  # all, each alone, one random
    assert not (subsets & ~torch.stack(list(batch.present.values()))).any()
    cost, errors, divergence = [], 0.0, 0.0
    for t in range(4):
        rows = [b for b in range(len(batch)) if subsets[t, :, b].any()]
        cost.append(np.mean([-float(logits[t, b].log_softmax(0)[batch.target[b]].detach()) for b in rows]))
        mean, log_variance = output.latents["posterior"][0][t], output.latents["posterior"][1][t]
        for b in rows:
            variance = log_variance[b].exp()
            divergence += float((variance + mean[b] ** 2 - 1 - log_variance[b]).mean().detach()) / 2
            for m, (name, z) in enumerate(output.latents["z"].items()):
                if subsets[t, m, b]:
                    target = (z[b] - z[b].mean()) / (z[b].var(unbiased=False) + 1e-5).sqrt()
                    decoded = method.decoders[name](output.latents["latent"][t, b])
                    errors += float((decoded - target).square().mean().detach())
    n = int(subsets.any(1).sum())
    assert found.parts["subsets"].item() == pytest.approx(np.mean(cost[1:]), rel=1e-4)
    assert found.parts["reconstruction"].item() == pytest.approx(0.1 * errors / n, rel=1e-4)
    assert found.parts["divergence"].item() == pytest.approx(0.01 * divergence / n, rel=1e-4)
    assert found.total.item() == pytest.approx(sum(v.item() for v in found.parts.values()), rel=1e-6)


def test_learns_what_only_the_combination_tells() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 600))
    x = {"a": a[:, None] * 2.0 - 1 + 0.1 * rng.normal(size=(600, 1)), "b": b[:, None] * 2.0 - 1}
    data = MultimodalDataset(x, a ^ b)
    model = MultimodalClassifier("poe", max_epochs=40, random_state=0).fit(data[:400])
    assert model.score(data[400:]) > 0.95
    assert model.score(data[400:].without("a")) < 0.65


def test_without_the_generative_terms_there_are_no_decoders(build, data: MultimodalDataset) -> None:
    method, batch = build(PoE(generative=0), data)
    assert not hasattr(method, "decoders")
    assert set(method.loss(method(batch), batch, method.stages(1)[0]).parts) == {"fused", "subsets"}
