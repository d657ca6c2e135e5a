import math

import pytest
import torch

from interplay.methods import AGM


def factors(method, batch) -> tuple[list[float], list[float]]:
    """Losses of the modalities alone and the factor on each encoder's gradient."""
    method.zero_grad()
    output, stage = method(batch), method.stages(1)[0]
    method.loss(output, batch, stage).total.backward()
    before = [next(e.parameters()).grad.clone() for _, e in method.encoders.items()]
    method.after_backward(output, batch, stage)
    after = [next(e.parameters()).grad for _, e in method.encoders.items()]
    losses = [torch.nn.functional.cross_entropy(output.unimodal[m], batch.target).item() for m in "ab"]
    return losses, [(two.norm() / one.norm()).item() for one, two in zip(before, after, strict=True)]


def test_slows_the_leader_at_first_and_then_keeps_the_pace(build, data) -> None:
    method, batch = build(AGM(alpha=0.5), data)
    with torch.no_grad():
        method.heads["a"][1].weight.mul_(4)
    c, k = factors(method, batch)
    assert abs(c[0] - c[1]) > 0.01
    for m in (0, 1):
        assert k[m] == pytest.approx(math.exp(0.5 * (1 - math.exp(c[1 - m] - c[m]))), rel=1e-4)
    assert (k[0] < 1) == (c[0] < c[1])
    # The same losses again are the usual pace: nothing to change.
    assert factors(method, batch)[1] == pytest.approx([1, 1], abs=1e-5)
    # A modality that now runs further ahead than usual is slowed, the other sped up.
    leader = "ab"[int(c[1] < c[0])]
    with torch.no_grad():
        target = torch.nn.functional.one_hot(batch.target, 3).float()
        z = torch.nn.functional.gelu(method.encode(batch)[leader])
        method.heads[leader][1].weight.copy_(torch.linalg.lstsq(z, target).solution.T * 3)
    k = factors(method, batch)[1]
    assert k["ab".index(leader)] < 1 < k[1 - "ab".index(leader)]
