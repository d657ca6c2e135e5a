"""TCMax against what is known of its optimum: discrete tables, competition between modalities, XOR."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import interplay as ip
from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods import TCMax
from interplay.nn.losses import AdditiveStatistics, tcmax, tcmax_additive, tcmax_posterior


def imbalanced_table() -> Tensor:
    """p(a, v, y), 4 x 5 x 3, classes of very different size, modalities dependent given the class."""
    g = torch.Generator().manual_seed(0)
    p = torch.rand(4, 5, 3, generator=g, dtype=torch.float64) ** 2 * torch.tensor([0.7, 0.25, 0.05])
    return p / p.sum()


def cells(p: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The table as weighted rows: a, v, y, weight."""
    a, v, y = torch.cartesian_prod(*(torch.arange(n) for n in p.shape)).T
    return a, v, y, p.flatten()


def minimise(loss, parameters: list[Tensor]) -> float:
    """To convergence with full-batch second-order steps."""
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=1000, tolerance_grad=1e-9, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    return loss().item()


def information(p: Tensor) -> float:
    """I(X; Y) of a two-way table, nats."""
    q = p.sum(1, keepdim=True) * p.sum(0)
    return float(torch.xlogy(p, p / q).sum())


def entropy(p: Tensor) -> float:
    return float(-torch.xlogy(p, p).sum())


@pytest.mark.parametrize("marginal", ["uniform", "prior"])
def test_additive_optimum_on_a_table(marginal: str) -> None:
    """The bound is I(a; y) + I(v; y); posteriors of both and of each alone are exact (naive Bayes when fused)."""
    p = imbalanced_table()
    a, v, y, w = cells(p)
    prior = p.sum((0, 1))
    r = None if marginal == "uniform" else prior
    tables = [torch.zeros(n, 3, dtype=torch.float64, requires_grad=True) for n in p.shape[:2]]

    def logits() -> list[Tensor]:
        return [tables[0][a], tables[1][v]]

    loss = minimise(lambda: tcmax_additive(logits(), y, weight=w, label_marginal="uniform" if r is None else r), tables)
    ceiling = entropy(w) - float((prior * (prior if r is not None else torch.full_like(prior, 1 / 3)).log()).sum())
    expected = information(p.sum(1)) + information(p.sum(0))
    if r is None:
        expected += math.log(3) - entropy(prior)
    assert ceiling - loss == pytest.approx(expected, abs=1e-7)

    found = [f.detach() for f in logits()]
    marginals = AdditiveStatistics.of(found, y, weight=w).marginals()
    yes, no = (torch.full(a.shape, flag) for flag in (True, False))
    naive = p.sum(1)[a] * p.sum(0)[v] / prior
    for present, truth in (
        ((yes, yes), naive),
        ((yes, no), p.sum(1)[a]),
        ((no, yes), p.sum(0)[v]),
        ((no, no), prior.expand(60, 3)),
    ):
        q = tcmax_posterior(found, marginals, present=present, label_marginal=r).softmax(-1)
        torch.testing.assert_close(q, truth / truth.sum(-1, keepdim=True), rtol=0, atol=1e-5)
    raw = found[0].softmax(-1) - p.sum(1)[a] / p.sum(1)[a].sum(-1, keepdim=True)
    if r is not None:
        assert raw.abs().max() > 0.05  # neither the modality's slice nor the logits without the prior are posteriors


@pytest.mark.parametrize("marginal", ["uniform", "prior"])
def test_general_optimum_on_a_table(marginal: str) -> None:
    """A free critic reaches TC, and its posteriors (fused, and marginalised to one modality) are the truth."""
    p = imbalanced_table()
    a, v, y, w = cells(p)
    prior = p.sum((0, 1))
    table = torch.zeros(*p.shape, dtype=torch.float64, requires_grad=True)
    r = torch.full_like(prior, 1 / 3) if marginal == "uniform" else prior
    # As a critic of identities: 60 rows, one for each cell; the product of row weights is the product of marginals.
    codes = [torch.nn.functional.one_hot(x, n).double() for x, n in ((a, 4), (v, 5))]

    def head(z: list[Tensor]) -> Tensor:
        return table[z[0].argmax(1), z[1].argmax(1)]

    loss = minimise(lambda: tcmax(head, codes, y, weight=w, label_marginal=r), [table])
    product = p.sum((1, 2))[:, None, None] * p.sum((0, 2))[:, None] * prior
    tc = float(torch.xlogy(p, p / product).sum())
    excess = math.log(3) - entropy(prior) if marginal == "uniform" else 0.0
    ceiling = entropy(w) - float((prior * r.log()).sum())
    assert ceiling - loss == pytest.approx(tc + excess, abs=1e-7)
    estimate = ip.losses.tcmax_estimate(torch.tensor(loss, dtype=torch.float64), y, 2, weight=w)
    assert float(estimate) == pytest.approx(tc / math.log(2), abs=1e-7)

    f = table.detach() + (0 if marginal == "uniform" else prior.log())
    fused = p / p.sum(-1, keepdim=True)
    torch.testing.assert_close(f.softmax(-1), fused, rtol=0, atol=1e-5)
    p_v = p.sum((0, 2))[:, None]
    alone = (f + p_v.log()).logsumexp(1).softmax(-1)
    torch.testing.assert_close(alone, p.sum(1) / p.sum((1, 2))[:, None], rtol=0, atol=1e-5)
    # The other rule is wrong by a lot.
    other = f - prior.log() if marginal == "prior" else f + prior.log()
    assert (other.softmax(-1) - fused).abs().max() > 0.2


def gradient_of_the_weak(loss: str, s: float) -> float:
    """Norm of the weak modality's logit gradient when the other puts height ``s`` on the right class."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(48) % 6
    weak = (0.1 * torch.randn(48, 6, generator=g)).requires_grad_()
    strong = s * torch.nn.functional.one_hot(y, 6).float()
    value = {
        "joint": lambda: torch.nn.functional.cross_entropy(weak + strong, y),
        "tcmax": lambda: tcmax_additive([weak, strong], y),
        "alone": lambda: torch.nn.functional.cross_entropy(weak, y),
    }[loss]()
    return float(torch.autograd.grad(value, weak)[0].norm())


def test_a_strong_modality_does_not_starve_the_weak_one() -> None:
    """The table of gradients: joint cross-entropy vanishes like exp(-s), the total correlation does not move."""
    heights = (0, 2, 5, 10, 20)
    joint = [gradient_of_the_weak("joint", s) for s in heights]
    ours = [gradient_of_the_weak("tcmax", s) for s in heights]
    alone = gradient_of_the_weak("alone", 0)
    assert joint[0] == pytest.approx(alone, rel=1e-6)
    assert all(later < before for before, later in pairwise(joint))
    assert joint[2] < 0.05 * alone
    assert joint[3] < 1e-3 * alone
    assert joint[4] < 1e-6 * alone
    assert all(g == pytest.approx(alone, rel=0.05) for g in ours)


def noisy_xor(n: int, seed: int, flipped: float = 0.01) -> MultimodalDataset:
    """y = a XOR b, a and b fair; some of the labels flipped; one informative feature in three."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(2, size=(2, n))
    y = a ^ b ^ (rng.random(n) < flipped)
    x = {
        name: np.c_[2.0 * bit - 1, rng.normal(size=(n, 2))] + 0.1 * rng.normal(size=(n, 3))
        for name, bit in (("a", a), ("b", b))
    }
    return MultimodalDataset(x, y.astype(int))


@pytest.mark.parametrize("head", ["additive", "conditional", "interaction", "joint"])
def test_noisy_xor(head: str) -> None:
    train, test = noisy_xor(1000, 0), noisy_xor(1000, 1, flipped=0.0)
    model = MultimodalClassifier(
        TCMax(head), max_epochs=15, random_state=0, dropout=0.0, width=16, learning_rate=3e-3
    ).fit(train)
    score = model.score(test)
    assert 0.42 < score < 0.58 if head == "additive" else score >= 0.99
    for absent in ("a", "b"):
        assert model.score(test.without(absent)) == pytest.approx(0.5, abs=0.08)
        confidence = model.predict_proba(test.without(absent)).max(1)
        assert confidence.mean() < 0.7  # one modality of XOR knows nothing, and says so


@pytest.mark.parametrize("head", ["conditional", "interaction"])
def test_three_modalities_learn_what_no_pair_can(head: str) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(3, 2000))
    x = {
        name: (2.0 * bit - 1)[:, None] + 0.1 * rng.normal(size=(2000, 2)) for name, bit in zip("abc", bits, strict=True)
    }
    data = MultimodalDataset(x, bits.sum(0) % 2)
    train, test = data[:1000], data[1000:]
    model = MultimodalClassifier(TCMax(head), max_epochs=20, random_state=0, dropout=0.0, learning_rate=5e-3).fit(train)
    assert model.score(test) >= 0.99
    assert model.score(test.without("c")) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("head", "marginal"),
    [
        ("additive", "uniform"),
        ("conditional", "uniform"),
        ("conditional", "prior"),
        ("interaction", "prior"),
        ("joint", "uniform"),
    ],
)
def test_posteriors_of_every_subset_are_calibrated_on_imbalanced_data(head: str, marginal: str) -> None:
    """One-hot inputs drawn from a table: every subset's answer is near the table's own posterior."""
    p = imbalanced_table().numpy()
    a, v, y = np.unravel_index(np.random.default_rng(0).choice(p.size, 4000, p=p.ravel()), p.shape)
    data = MultimodalDataset({"a": np.eye(4)[a], "v": np.eye(5)[v]}, y)
    settings = {"max_epochs": 10, "dropout": 0.0, "learning_rate": 3e-3, "random_state": 0, "width": 32}
    method = TCMax(head, hidden=32, bank_size=128, label_marginal=marginal)
    model = MultimodalClassifier(method, **settings).fit(data, validation=data[:300])
    fused = p.sum(1)[a] * p.sum(0)[v] / p.sum((0, 1)) if head == "additive" else p[a, v]
    for absent, truth in (((), fused), (("v",), p.sum(1)[a]), (("a",), p.sum(0)[v]), (("a", "v"), p.sum((0, 1))[None])):
        truth = (truth / truth.sum(1, keepdims=True))[:400]
        error = np.abs(model.predict_proba(data[:400].without(*absent)) - truth).mean()
        assert error < 0.04, (absent, error)


@pytest.mark.parametrize("marginal", ["uniform", "prior"])
def test_the_conditional_critic_has_the_loss_of_all_combinations(build, data: MultimodalDataset, marginal: str) -> None:
    """Exact without visiting them; the additive part feels only its own loss, the encoders both."""
    method, batch = build(TCMax(label_marginal=marginal), data)
    batch = batch[:20]
    torch.nn.init.normal_(method.output.weight)
    output = method(batch)
    loss = method.loss(output, batch, method.stages(1)[0])
    r = "uniform" if marginal == "uniform" else method.log_prior.exp()
    features = output.latents["features"]
    whole = tcmax(method.critic, features, batch.target, label_marginal=r)
    torch.testing.assert_close(loss.total, whole, rtol=1e-5, atol=1e-5)
    g = method.output.weight
    one, two = (torch.autograd.grad(x, g, retain_graph=True)[0] for x in (loss.total, whole))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    heads = list(method.heads.parameters())
    one, two = (torch.autograd.grad(x, heads, retain_graph=True) for x in (loss.total, loss.parts["additive"]))
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(output.logits.softmax(-1), method._calibrated(method.critic(features)).softmax(-1))


def test_bank_and_vectors_marginalise_alike(data: MultimodalDataset) -> None:
    """An interaction head whose correction is still zero is the additive head, for every subset."""
    model = MultimodalClassifier(TCMax("interaction", bank_size=120), max_epochs=2, random_state=0).fit(
        data, validation=data
    )
    built = model.method_
    torch.nn.init.zeros_(built.output.weight)
    torch.nn.init.zeros_(built.output.bias)
    from interplay.training import to_batch

    batch = to_batch(data, data.codes)
    built.eval()
    with torch.no_grad():
        built.after_epoch(batch, batch, built.stages(1)[0])
        features = built.features(batch)
        masks = torch.tensor([[True], [False]]).expand(2, len(data))
        by_vector = built._given(features, built.critic(features), masks).log_softmax(-1)
        by_bank = built._over_bank(features, torch.tensor([True, False])).log_softmax(-1)
    assert len(data) == 120
    torch.testing.assert_close(by_bank, by_vector, rtol=1e-4, atol=1e-4)
