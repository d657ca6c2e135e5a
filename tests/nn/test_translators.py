"""Translators: on linear-Gaussian latents the best possible error is known."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from interplay.nn.translators import (
    CascadedAutoencoder,
    DirectedTranslators,
    HubTranslator,
    SharedTranslators,
    Translator,
)

WIDTH = 4
NOISE = 0.6


class World:
    """Latents that are noisy linear images of a common Gaussian."""

    def __init__(self, m: int) -> None:
        self.generator = torch.Generator().manual_seed(1)
        maps = [torch.randn(WIDTH, WIDTH + 1, generator=self.generator) for _ in range(m)]
        self.maps = [w / w.norm(dim=1, keepdim=True) * 0.8 for w in maps]

    def draw(self, n: int) -> dict[str, Tensor]:
        common = torch.randn(n, WIDTH + 1, generator=self.generator)
        noise = torch.randn(len(self.maps), n, WIDTH, generator=self.generator)
        return {f"m{i}": (common @ w.T + NOISE * noise[i])[:, None] for i, w in enumerate(self.maps)}

    def conditional_variance(self, target: int, sources: tuple[int, ...]) -> float:
        """Mean over units of the variance of ``target`` given ``sources``."""
        w, a = self.maps[target], torch.cat([self.maps[s] for s in sources])
        covariance = a @ a.T + NOISE**2 * torch.eye(len(a))
        cross = w @ a.T
        left = w @ w.T + NOISE**2 * torch.eye(WIDTH) - cross @ torch.linalg.solve(covariance, cross.T)
        return float(left.diagonal().mean())


def train(translator: Translator, world: World, steps: int = 400) -> None:
    """Gaussian likelihood, any subset of sources."""
    names = translator.names
    optimizer = torch.optim.AdamW(translator.parameters(), 2e-2, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=steps)
    for _ in range(steps):
        b = world.draw(384)
        masks = torch.rand(len(names), 384) < (0.5 if len(names) > 2 else 2.0)
        losses = []
        for i, (name, (mean, log_variance)) in enumerate(translator(b, dict(zip(names, masks, strict=True))).items()):
            known = torch.cat([masks[:i], masks[i + 1 :]]).any(0)
            losses.append(((mean - b[name]).square() * (-log_variance).exp() + log_variance)[known].mean())
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
        schedule.step()


def make(kind: str, names: list[str]) -> Translator:
    torch.manual_seed(0)
    if kind == "hub":
        return HubTranslator(names, WIDTH, 32, (16, 8), 1)
    return DirectedTranslators(names, WIDTH, (8, 4), 1)


def over_the_best(kind: str, m: int) -> list[tuple[int, float, float]]:
    """For every target and subset of sources: how many, mean squared error and stated variance over the best."""
    world, names = World(m), [f"m{i}" for i in range(m)]
    translator = make(kind, names)
    train(translator, world)
    b, found = world.draw(20000), []
    for target in range(m):
        others = [i for i in range(m) if i != target]
        for sources in (s for size in range(1, m) for s in combinations(others, size)):
            masks = {name: torch.full((20000,), i in sources) for i, name in enumerate(names)}
            with torch.no_grad():
                mean, log_variance = translator(b, masks)[names[target]]
            best = world.conditional_variance(target, sources)
            error, stated = (mean - b[names[target]]).square().mean(), log_variance.exp().mean()
            found.append((len(sources), float(error) / best, float(stated) / best))
    return found


@pytest.mark.parametrize(("kind", "m"), [("hub", 2), ("directed", 2), ("hub", 3)])
def test_error_reaches_the_conditional_variance(kind: str, m: int) -> None:
    for _, error, stated in over_the_best(kind, m):
        assert error == pytest.approx(1, abs=0.05)
        # It also says how wrong it is.
        assert stated == pytest.approx(1, abs=0.05)


def test_directed_experts_are_near_the_best_and_cannot_say_how_near() -> None:
    """Every expert knows the prior: of two the product is too sure, and training makes up by doubting each alone."""
    for n_sources, error, stated in over_the_best("directed", 3):
        assert error == pytest.approx(1, abs=0.1)
        low, high = (1.1, 1.4) if n_sources == 1 else (0.65, 0.9)
        assert low < stated < high


def test_round_trip_of_a_bijection_has_no_loss() -> None:
    """One modality is a rotation of the other: there and back gives back what went in."""
    torch.manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(WIDTH, WIDTH)).Q
    translator = HubTranslator(["a", "b"], WIDTH, 32, (16, 8), 1)
    optimizer = torch.optim.AdamW(translator.parameters(), 2e-2, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=400)

    def cycle(n: int) -> Tensor:
        a = torch.randn(n, 1, WIDTH)
        b = {"a": a, "b": a @ rotation}
        there = translator.singly(b, {"a": ("b", 1), "b": ("a", 1)})
        back = translator.singly({"b": there["a"][0], "a": there["b"][0]}, {"b": ("a", 1), "a": ("b", 1)})
        wrong = [(there["a"][0] - b["b"], there["b"][0] - b["a"]), (back["b"][0] - b["a"], back["a"][0] - b["b"])]
        return torch.stack([x.square().mean() for pair in wrong for x in pair])

    for _ in range(400):
        optimizer.zero_grad()
        cycle(256).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        assert float(cycle(5000)[2:].max()) < 0.003


@pytest.mark.parametrize("kind", [HubTranslator, DirectedTranslators, SharedTranslators])
def test_a_target_is_never_its_own_source_and_absent_sources_are_not_read(kind: type[Translator]) -> None:
    torch.manual_seed(0)
    names = ["a", "b", "c"]
    sizes = (WIDTH, 16, (8, 4), 1) if kind is HubTranslator else (WIDTH, (8, 4), 1)
    translator = kind(names, *sizes)
    b = {name: torch.randn(5, 1, WIDTH) for name in names}
    there = {"a": torch.ones(5, dtype=torch.bool), "b": torch.arange(5) > 2, "c": torch.ones(5, dtype=torch.bool)}
    before = translator(b, there)
    changed = b | {"a": b["a"] + 100.0, "b": torch.where(there["b"][:, None, None], b["b"], 1e6)}
    after = translator(changed, there)
    torch.testing.assert_close(after["a"], before["a"], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(after["c"][0], before["c"][0])


def test_hub_and_directed_agree_with_a_loop_over_rows() -> None:
    """Each row by itself, with only the sources that it has."""
    torch.manual_seed(0)
    for translator in (HubTranslator(["a", "b", "c"], 3, 8, (4,), 2), DirectedTranslators(["a", "b", "c"], 3, (4,), 2)):
        b = {name: torch.randn(6, 1, 3) for name in "abc"}
        masks = {name: torch.rand(6) < 0.6 for name in "abc"}
        together = translator(b, masks)
        for row in range(6):
            one = translator(
                {k: x[row : row + 1] for k, x in b.items()}, {k: x[row : row + 1] for k, x in masks.items()}
            )
            for name in "abc":
                torch.testing.assert_close(one[name][0][0], together[name][0][row], rtol=1e-4, atol=1e-5)


def test_product_of_directed_experts_is_precision_weighted() -> None:
    torch.manual_seed(0)
    translator = DirectedTranslators(["a", "b", "c"], 3, (4,), 1)
    b = {name: torch.randn(2, 1, 3) for name in "abc"}
    everything = {name: torch.ones(2, dtype=torch.bool) for name in "abc"}
    (m1, v1), (m2, v2) = (translator.singly(b, {s: ("c", 1)})[s] for s in "ab")
    p1, p2 = torch.exp(-v1), torch.exp(-v2)
    mean, log_variance = translator(b, everything)["c"]
    torch.testing.assert_close(mean, (p1 * m1 + p2 * m2) / (p1 + p2))
    torch.testing.assert_close(log_variance.exp(), 1 / (p1 + p2))


def test_hub_networks_grow_with_modalities_not_pairs() -> None:
    def count(kind: type[Translator], m: int) -> int:
        names = [f"m{i}" for i in range(m)]
        sizes = (8, 16, (8, 4), 1) if kind is HubTranslator else (8, (8, 4), 1)
        return sum(p.numel() for p in kind(names, *sizes).parameters())

    hub, pairs = ([count(kind, m) for m in (2, 4, 6)] for kind in (HubTranslator, DirectedTranslators))
    assert hub[2] - hub[1] == hub[1] - hub[0]
    assert pairs[2] / pairs[0] == 15


def test_shared_translators_add_their_sources_and_use_one_network_both_ways() -> None:
    torch.manual_seed(0)
    translator = SharedTranslators(["a", "b", "c"], 3, (4,), 1)
    b = {name: torch.randn(2, 1, 3) for name in "abc"}
    masks = {name: torch.ones(2, dtype=torch.bool) for name in "abc"}
    one, two = (translator.singly(b, {s: ("c", 1)})[s][0] for s in "ab")
    torch.testing.assert_close(translator(b, masks)["c"][0], one + two)
    there = translator.singly({"a": b["a"]}, {"a": ("b", 1)})["a"][0]
    torch.testing.assert_close(there, translator.singly({"b": b["a"]}, {"b": ("a", 1)})["b"][0])


@pytest.mark.parametrize("kind", [HubTranslator, DirectedTranslators, SharedTranslators])
def test_sequences_of_different_lengths(kind: type[Translator]) -> None:
    sizes = (WIDTH, 16, (8, 4), 1, 3) if kind is HubTranslator else (WIDTH, (8, 4), 1, 3)
    translator = kind(["a", "b"], *sizes)
    b = {"a": torch.randn(2, 6, WIDTH), "b": torch.randn(2, 1, WIDTH)}
    found = translator(b, {"a": torch.ones(2, dtype=torch.bool), "b": torch.ones(2, dtype=torch.bool)})
    assert {name: x.shape for name, (x, _) in found.items()} == {name: x.shape for name, x in b.items()}
    assert translator.singly(b, {"b": ("a", 6)})["b"][0].shape == (2, 6, WIDTH)


def test_cascade_matches_its_definition() -> None:
    """Block i sees the input plus all earlier outputs."""
    torch.manual_seed(0)
    cascade = CascadedAutoencoder(3, (2,), 3)
    x = torch.randn(2, 5, 3)
    outputs: list[Tensor] = []
    for block in cascade.blocks:
        seen = x + sum(outputs)
        outputs.append(block(seen))
    torch.testing.assert_close(cascade(x), cascade.output(seen + outputs[-1]))
