import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from interplay import MultimodalDataset
from interplay.methods import AGM


def factors(method, batch) -> tuple[list[float], list[float]]:
    """Cross-entropies of what the modalities say and the factor on each encoder's gradient."""
    method.zero_grad()
    output, stage = method(batch), method.stages(1)[0]
    method.loss(output, batch, stage).total.backward()
    before = [next(e.parameters()).grad.clone() for _, e in method.encoders.items()]
    head = [p.grad.clone() for p in method.head.parameters()]
    method.after_backward(output, batch, stage)
    after = [next(e.parameters()).grad for _, e in method.encoders.items()]
    for one, two in zip(head, method.head.parameters(), strict=True):
        torch.testing.assert_close(one, two.grad)
    said = method.responses(output.latents["z"], batch)
    losses = [cross_entropy(said[m], batch.target).item() for m in "ab"]
    return losses, [(two.norm() / one.norm()).item() for one, two in zip(before, after, strict=True)]


def linear(method) -> torch.nn.Linear:
    return method.head.layers[-1]


def test_slows_the_leader_at_first_and_then_keeps_the_pace(build, data) -> None:
    method, batch = build(AGM(alpha=0.5, hidden=0), data)
    with torch.no_grad():
        linear(method).weight[:, :8] *= 12
    c, k = factors(method, batch)
    assert abs(c[0] - c[1]) > 0.01
    for m in (0, 1):
        assert k[m] == pytest.approx(math.exp(0.5 * (1 - math.exp(c[1 - m] - c[m]))), rel=1e-4)
    assert (k[0] < 1) == (c[0] < c[1])
    # The same losses again are the usual pace: nothing to change.
    assert factors(method, batch)[1] == pytest.approx([1, 1], abs=1e-5)
    # A modality that now runs further ahead than usual is slowed, the other sped up.
    leader = int(c[1] < c[0])
    with torch.no_grad():
        target = torch.nn.functional.one_hot(batch.target, 3).float()
        z = torch.nn.functional.gelu(method.encode(batch)["ab"[leader]])
        linear(method).weight[:, 8 * leader : 8 * leader + 8] = torch.linalg.lstsq(z, target).solution.T * 3
    k = factors(method, batch)[1]
    assert k[leader] < 1 < k[1 - leader]


def test_responses_are_shapley_values_of_any_head_and_number_of_modalities(build) -> None:
    """Against the mean over all orders in which modalities can join, one at a time."""
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(12, 3)) for name in "abc"}
    data = MultimodalDataset(x, np.arange(12) % 3, present={"b": np.arange(12) != 5})
    method, batch = build(AGM(fusion="lowrank"), data)
    method.eval()
    with torch.no_grad():
        z = method.encode(batch)
        nothing = method.encode(batch.with_present({m: torch.zeros(12, dtype=torch.bool) for m in "abc"}))

        def worth(members) -> torch.Tensor:
            return method.head([z[m] if m in members else nothing[m] for m in "abc"])

        found = method.responses(z, batch)
        for name in "abc":
            gains = []
            for order in itertools.permutations("abc"):
                before = order[: order.index(name)]
                gains.append(worth([*before, name]) - worth(before))
            torch.testing.assert_close(found[name] - worth(""), torch.stack(gains).mean(0), rtol=1e-4, atol=1e-6)
        values = torch.stack(list(found.values())) - worth("")
        torch.testing.assert_close(values.sum(0), worth("abc") - worth(""), rtol=1e-4, atol=1e-6)
        assert values[1, 5].abs().max() < 1e-6  # absent: it adds nothing
        assert values[1].norm() > 1e-3
        # What one says alone is something else for a head with interactions.
        assert (found["a"] - worth("a")).abs().max() > 1e-4


def test_eleven_modalities_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 10 modalities, found 11"):
        AGM().check(tuple("abcdefghijk"), "classification")


def test_the_usual_pace_is_the_mean_over_all_steps(build, data, monkeypatch) -> None:
    """Losses as planned, step by step; the factor follows from them alone, and is bounded."""
    method, batch = build(AGM(alpha=0.5), data)
    plans = [(0.2, 1.0), (0.9, 0.4), (0.3, 0.3), (0.1, 2.0), (0.0, 40.0), (0.5, 0.5)]
    past: list[tuple[float, float]] = []
    for plan in plans:
        monkeypatch.setattr(method, "_own_loss", lambda f, rows, name, plan=plan: torch.tensor(plan["ab".index(name)]))
        output = method(batch)
        for _, encoder in method.encoders.items():
            for p in encoder.parameters():
                p.grad = torch.ones_like(p)
        method.after_backward(output, batch, method.stages(1)[0])
        for m in (0, 1):
            usual = math.exp(np.mean([c[1 - m] - c[m] for c in past])) if past else 1.0
            expected = math.exp(0.5 * min(usual - math.exp(plan[1 - m] - plan[m]), 10))
            for p in method.encoders["ab"[m]].parameters():
                torch.testing.assert_close(p.grad, torch.full_like(p, expected), rtol=1e-3, atol=1e-6)
        past.append(plan)


def test_a_modality_that_no_row_has_is_neither_judged_nor_compared_with(build, data) -> None:
    method, batch = build(AGM(), data)
    factors(method, batch)
    pace = method.pace.clone()
    without = batch.with_present({**batch.present, "b": torch.zeros(len(batch), dtype=torch.bool)})
    assert factors(method, without)[1][0] == pytest.approx(1)
    assert method.pace[1] == pace[1]
    assert method.steps.tolist() == [2, 1]
