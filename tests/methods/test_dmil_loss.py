"""The terms of DMIL's loss: their values, their gradients, and what they are means over."""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from interplay.methods import Batch, Stage
from interplay.methods.dmil import DMIL

Built = Callable[..., DMIL]
Rows = Callable[..., Batch]


def test_without_bottlenecks_it_is_a_gated_mixture(built: Built, rows: Rows) -> None:
    """Points for distributions and all variational and alignment weights zero: experts, gate, cross-entropies."""
    method = built(DMIL("corrected", variational=False, bottleneck=0.0, width=8)).train()
    batch = rows()
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    output = method(batch)
    z = {name: method.embed[name](x) for name, x in method.encode(batch).items()}
    m = {name: method.relevant[name].linear(x) for name, x in z.items()}
    n = [method.irrelevant[name].linear(x) for name, x in z.items()]
    inputs = {
        "redundancy": method.shared["redundancy"].together.linear(torch.cat([m["a"], m["b"]], -1)),
        "unique:a": method.unique["a"].linear(m["a"]),
        "unique:b": method.unique["b"].linear(m["b"]),
        "synergy": method.fusion["synergy"].layers(torch.cat([*n, n[0] * n[1]], -1)),
    }
    experts = {part: method.component_heads[part](x) for part, x in inputs.items()}
    weights = method.gate(torch.cat([inputs[p] for p in ("redundancy", "unique:a", "unique:b", "synergy")], -1))
    logits = (weights.softmax(-1)[..., None] * torch.stack(list(experts.values()), 1)).sum(1)
    torch.testing.assert_close(output.logits, logits)
    assert batch.target is not None
    expected = cross_entropy(logits, batch.target)
    expected = expected + 0.5 * sum(cross_entropy(method.heads[name](m[name]), batch.target) for name in m)
    expected = expected + 0.8 * sum(cross_entropy(expert, batch.target) for expert in experts.values())
    torch.testing.assert_close(method.loss(output, batch, stage).total, expected)


@pytest.mark.parametrize("name", ["intra", "consistency", "joint"])
def test_supervised_loss_equals_its_slow_twin(name: str, built: Built, rows: Rows, with_composition: Rows) -> None:
    """The equation of the page without bottlenecks, row by row: the first stage has no mixture yet, the second is
    frozen below the parts.
    """
    method = built(DMIL(variational=False, bottleneck=0.0, width=8)).train()
    batch = method.prepare(with_composition(rows(), 4), lambda *_: None)
    stage = next(stage for stage in method.stages(9) if stage.name == name)
    method.begin_stage(stage)
    output = method(batch)
    h, prior, expected, n = output.latents, method.log_prior, 0.0, len(batch)
    mean_share = float(batch.extra["composition"][:, 3].mean())
    assert 0.05 < mean_share < 0.95
    for i in range(n):
        y, c = int(batch.target[i]), batch.extra["composition"][i]
        alone = [method.component_heads["redundancy"](h["single"]["redundancy"][m][0][i]) for m in "ab"]
        synergy = output.components["synergy"][i].log_softmax(-1)
        row = -c[3] / mean_share * synergy[y]
        row = row + (1 - c[3]) / (1 - mean_share) * sum(prior[k].exp() * (prior[k] - synergy[k]) for k in range(3))
        if name != "consistency":
            row = row - sum(logits[i].log_softmax(-1)[y] for logits in output.unimodal.values())
        if name != "intra":
            parts = ("redundancy", "unique:a", "unique:b")
            row = row - output.logits[i].log_softmax(-1)[y]
            row = row - sum(output.components[part][i].log_softmax(-1)[y] for part in parts)
            row = row - sum(logits.log_softmax(-1)[y] for logits in alone) / 2
            row = row - sum(c[k] * output.gate[part][i].log() for k, part in enumerate((*parts, "synergy")))
        expected = expected + row / n
    torch.testing.assert_close(method.loss(output, batch, stage).total, expected)


BOTTLENECKS = {
    ("supervised", "intra"): {"kl": 0.001, "reconstruction": 0.01},
    ("supervised", "consistency"): {"unique_kl": 0.001, "redundancy_kl": 0.001, "alignment": 0.01,
                                    "consistency_reconstruction": 0.01},
    ("supervised", "joint"): {"kl": 0.001, "reconstruction": 0.01, "unique_kl": 0.001, "redundancy_kl": 0.001,
                              "alignment": 0.01, "consistency_reconstruction": 0.01},
    ("corrected", "joint"): {"kl": 0.02, "reconstruction": 0.003, "unique_kl": 0.008, "redundancy_kl": 0.008,
                             "alignment": 0.008, "consistency_reconstruction": 0.001},
}  # fmt: skip


@pytest.mark.parametrize(("preset", "name"), BOTTLENECKS)
def test_bottlenecks_weigh_what_the_page_says(
    preset: str, name: str, built: Built, rows: Rows, with_composition: Rows
) -> None:
    method = built(DMIL(preset, width=8)).eval()
    batch, stage = with_composition(rows(), 4), Stage(name, 1)
    method.begin_stage(stage)
    output = method(batch)
    loss = method.loss(output, batch, stage)
    method.bottleneck = 0.0
    without = method.loss(output, batch, stage)
    added = {term: value for term, value in loss.parts.items() if term not in without.parts}
    table = BOTTLENECKS[preset, name]
    assert {term.partition(":")[0] for term in added} == set(table)
    expected = sum(table[term.partition(":")[0]] * value for term, value in added.items())
    torch.testing.assert_close(loss.total - without.total, expected, rtol=1e-4, atol=1e-5)


def gradients(loss: Tensor, tensors: Iterable[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, [*tensors], retain_graph=True, materialize_grads=True)
    return [gradient.clone() for gradient in found]


@pytest.mark.parametrize("preset", ["supervised", "corrected"])
def test_the_fused_term_teaches_parts_only_where_nothing_else_does(
    preset: str, built: Built, rows: Rows, with_composition: Rows
) -> None:
    method = built(DMIL(preset, width=8)).train()
    batch, stage = with_composition(rows(), 4), Stage("joint", 1)
    method.begin_stage(stage)
    output = method(batch)
    fused = method.loss(output, batch, stage).parts["fused"]
    own = gradients(fused, [*output.components.values(), *method.component_heads.parameters()])
    assert any(gradient.any() for gradient in own) == (preset == "corrected")
    assert all(gradient.any() for gradient in gradients(fused, method.gate.parameters()))


@pytest.mark.parametrize("preset", ["supervised", "corrected", "paper", "published"])
def test_reconstruction_does_not_move_its_target(preset: str, built: Built, rows: Rows, with_composition: Rows) -> None:
    """The encoder learns to be decoded, not to be small; the released code lets it be small."""
    method = built(DMIL(preset, width=8)).train()
    batch, stage = with_composition(rows(), 4), Stage("joint", 1)
    method.begin_stage(stage)
    output = method(batch)
    h, parts = output.latents, method.loss(output, batch, stage).parts
    decoded = {
        "reconstruction:a": (method.decoder["a"](torch.cat([h["m"]["a"], h["n"]["a"]], -1)), h["z"]["a"]),
        "consistency_reconstruction:a": (
            method.consistency_decoder["a"](torch.cat([h["r"]["redundancy"], h["u"]["a"]], -1)),
            h["means"]["a"],
        ),
    }
    below = [*method.embed.parameters(), *method.encoders.parameters()]
    for name, (found, target) in decoded.items():
        fixed, moving = (mse_loss(found, t) for t in (target.detach(), target))
        expected = gradients(moving if preset == "published" else fixed, below)
        torch.testing.assert_close(gradients(parts[name], below), expected)
        assert any(
            (a - b).abs().max() > 1e-3 * a.abs().max()
            for a, b in zip(gradients(fixed, below), gradients(moving, below), strict=True)
        )


@pytest.mark.parametrize("preset", ["supervised", "corrected", "published", "paper"])
def test_divergences_equal_those_of_torch(preset: str, built: Built, rows: Rows, with_composition: Rows) -> None:
    method = built(DMIL(preset, width=8)).train()
    batch = with_composition(rows(), 4)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    output = method(batch)
    parts = method.loss(output, batch, stage).parts
    h = output.latents

    def normal(posterior: tuple[torch.Tensor, torch.Tensor]) -> torch.distributions.Normal:
        return torch.distributions.Normal(posterior[0], torch.exp(posterior[1] / 2))

    prior = torch.distributions.Normal(0.0, 1.0)
    divergence = torch.distributions.kl_divergence
    expected = {
        "kl:a": divergence(normal(h["relevant"]["a"]), prior) + divergence(normal(h["irrelevant"]["a"]), prior),
        "unique_kl:b": divergence(normal(h["own"]["b"]), prior),
        "redundancy_kl": divergence(normal(h["shared"]["redundancy"]), prior),
        "alignment:b": divergence(normal(h["shared"]["redundancy"]), normal(h["single"]["redundancy"]["b"])),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value.mean())


def test_what_is_shared_is_learned_from_each_modality_alone(built: Built, rows: Rows, with_composition: Rows) -> None:
    """Each modality's own posterior of the shared part answers through the same head; absent ones are left out."""
    method = built(DMIL(), n_modalities=3).eval()
    batch = with_composition(rows(n_modalities=3, gaps=True), 5)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    parts = method.loss(method(batch), batch, stage).parts
    assert batch.target is not None
    only_b = batch.with_present({name: batch.present[name] & (name == "b") for name in "abc"})
    alone = method(only_b).components["redundancy"]
    there = batch.present["b"]
    expected = cross_entropy(alone[there], batch.target[there]) * there.sum() / len(batch)
    torch.testing.assert_close(parts["single:b"], expected)


@pytest.mark.parametrize("preset", ["supervised", "corrected", "paper"])
def test_loss_of_a_batch_is_the_weighted_mean_of_its_parts(
    preset: str, built: Built, rows: Rows, with_composition: Rows
) -> None:
    method = built(DMIL(preset)).eval()
    batch = with_composition(rows(40), 4)
    for stage in method.stages(14):
        method.begin_stage(stage)
        whole = method.loss(method(batch), batch, stage).total
        halves = [method.loss(method(part), part, stage).total for part in (batch[:30], batch[30:])]
        torch.testing.assert_close(whole, 0.75 * halves[0] + 0.25 * halves[1])


@pytest.mark.parametrize("preset", ["supervised", "published"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_also_with_gaps_the_loss_does_not_depend_on_how_rows_are_batched(
    preset: str, dropout: float, built: Built, rows: Rows, with_composition: Rows
) -> None:
    """Rows that lack a modality are unevenly spread: means over what a batch has would not average."""
    batch = with_composition(rows(40, gaps=True), 4)
    order = torch.stack(list(batch.present.values())).sum(0).argsort()
    method = built(DMIL(preset, modality_dropout=dropout)).eval()
    batch = method.prepare(batch[order], lambda *_: None)
    for stage in method.stages(14):
        method.begin_stage(stage)
        whole = method.loss(method(batch), batch, stage)
        halves = [method.loss(method(part), part, stage) for part in (batch[:10], batch[10:])]
        torch.testing.assert_close(whole.total, 0.25 * halves[0].total + 0.75 * halves[1].total)
    # Without dropout each term is the mean over the rows that have what it needs.
    if not dropout:
        losses = cross_entropy(method(batch).unimodal["a"], batch.target, reduction="none")
        torch.testing.assert_close(whole.parts["head:a"], losses[batch.present["a"]].mean())


def test_rates_are_those_of_training_with_dropout(built: Built, rows: Rows) -> None:
    method = built(DMIL("corrected", modality_dropout=0.5))
    batch = rows(4000)
    method.prepare(batch, lambda *_: None)
    first = dict(method.rates)
    # Both are drawn with 1/2 each; where both would go, one stays: 1/4 + 1/4 + 1/8 for either, 1/4 for both.
    assert first["present:a"] == pytest.approx(0.625, abs=0.03)
    assert first["available:synergy"] == pytest.approx(0.25, abs=0.03)
    assert first["available:redundancy"] == 1
    method.prepare(batch, lambda *_: None)
    assert method.rates == first


@pytest.mark.parametrize("preset", ["supervised", "published"])
def test_mixed_precision_keeps_divergences_in_full_precision(
    preset: str, built: Built, rows: Rows, with_composition: Rows
) -> None:
    method = built(DMIL(preset, width=8)).train()
    batch = with_composition(rows(gaps=True), 4)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    with torch.autocast("cpu", torch.bfloat16):
        output = method(batch)
        loss = method.loss(output, batch, stage)
    assert output.latents["relevant"]["a"][0].dtype == torch.bfloat16
    assert all(loss.parts[name].dtype == torch.float32 for name in ("kl:a", "redundancy_kl", "alignment:b", "fused"))
    q, n = (
        torch.distributions.Normal(m.double(), (v.double() / 2).exp())
        for m, v in (output.latents["relevant"]["a"], output.latents["irrelevant"]["a"])
    )
    prior = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64))
    exact = sum(torch.distributions.kl_divergence(d, prior).mean(-1) for d in (q, n)) * batch.present["a"]
    torch.testing.assert_close(loss.parts["kl:a"].double(), exact.mean(), rtol=1e-6, atol=1e-7)
    loss.total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())
