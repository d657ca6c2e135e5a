import math

import pytest
import torch

from interplay.methods import OGM


def gradients(method) -> list[list[torch.Tensor]]:
    return [[p.grad.clone() for p in encoder.parameters()] for _, encoder in method.encoders.items()]


def with_leader(method) -> None:
    """The head of modality a reads its embedding louder: a is ahead or behind, but not level."""
    with torch.no_grad():
        method.heads["a"][1].weight.mul_(4)


@pytest.mark.parametrize("alpha", [0.3, 0.8])
def test_the_leaders_weights_are_scaled_by_the_stated_ratio(build, data, alpha: float) -> None:
    method, batch = build(OGM(alpha, enhance=False), data)
    with_leader(method)
    output = method(batch)
    stage = method.stages(1)[0]
    method.loss(output, batch, stage).total.backward()
    before = gradients(method)
    method.after_backward(output, batch, stage)
    p = [output.unimodal[m].softmax(-1)[torch.arange(len(batch)), batch.target].mean().item() for m in "ab"]
    assert abs(p[0] - p[1]) > 0.01
    leader = int(p[1] > p[0])
    factor = 1 - math.tanh(alpha * max(p) / min(p))
    for m, (old, new) in enumerate(zip(before, gradients(method), strict=True)):
        for one, two in zip(old, new, strict=True):
            expected = factor if m == leader and one.ndim > 1 else 1.0
            torch.testing.assert_close(two, expected * one)


def test_noise_has_the_size_of_the_gradient_and_reaches_all_modalities(build, data) -> None:
    method, batch = build(OGM(alpha=0.0), data)
    output = method(batch)
    stage = method.stages(1)[0]
    method.loss(output, batch, stage).total.backward()
    before = gradients(method)
    method.after_backward(output, batch, stage)
    for old, new in zip(before, gradients(method), strict=True):
        for one, two in zip(old, new, strict=True):
            noise = (two - one).std() / one.std()
            assert (0.7 < noise < 1.3) if one.ndim > 1 else noise == 0


def test_noise_is_that_of_the_gradient_before_it_is_scaled(build, data) -> None:
    method, batch = build(OGM(alpha=5.0), data)
    with_leader(method)
    output = method(batch)
    method.loss(output, batch, method.stages(1)[0]).total.backward()
    before = gradients(method)
    method.after_backward(output, batch, method.stages(1)[0])
    for old, new in zip(before, gradients(method), strict=True):
        for one, two in zip(old, new, strict=True):
            if one.ndim > 1:  # the leader keeps next to nothing of its gradient, but all of the noise
                assert min(((two - k * one).std() / one.std()).item() for k in (0.0, 1.0)) == pytest.approx(1, abs=0.3)


def test_a_modality_that_no_row_has_slows_nobody(build, data) -> None:
    method, batch = build(OGM(enhance=False), data)
    batch = batch.with_present({**batch.present, "b": torch.zeros(len(batch), dtype=torch.bool)})
    output = method(batch)
    method.loss(output, batch, method.stages(1)[0]).total.backward()
    before = gradients(method)[0]
    method.after_backward(output, batch, method.stages(1)[0])
    for one, two in zip(before, gradients(method)[0], strict=True):
        assert torch.equal(one, two)
    assert before[0].norm() > 0
