import math

import pytest
import torch

from interplay import MultimodalDataset
from interplay.methods import OPM


@pytest.mark.parametrize("loud", ["a", "b"])
def test_the_leader_is_dropped_at_the_stated_rate_and_nobody_loses_everything(build, data, loud: str) -> None:
    method, batch = build(OPM(base=0.25, scale=1.0), data)
    stage = method.stages(1)[0]
    with torch.no_grad():
        method.heads[loud][1].weight.mul_(4)
    output = method(batch)
    torch.testing.assert_close(output.logits, output.unimodal["a"] + output.unimodal["b"])
    method.loss(output, batch, stage)
    s = [output.unimodal[m].softmax(-1)[torch.arange(len(batch)), batch.target].mean().item() for m in "ab"]
    leader = int(s[1] > s[0])
    rate = 0.25 * (1 + math.tanh(max(s) / min(s)))
    assert method.rates[1 - leader] == 0
    assert abs(method.rates[leader].item() - rate) < 1e-5
    torch.manual_seed(0)
    whole = kept = total = 0
    for _ in range(40):
        output = method(batch)
        both = (output.logits - output.unimodal["a"] - output.unimodal["b"]).abs().amax(-1) < 1e-5
        only = (output.logits - output.unimodal["ab"[1 - leader]]).abs().amax(-1) < 1e-5
        whole, kept, total = whole + both.sum().item(), kept + only.sum().item(), total + len(batch)
    assert whole + kept == total
    assert abs(kept / total - rate) < 0.03
    method.eval()
    output = method(batch)
    torch.testing.assert_close(output.logits, output.unimodal["a"] + output.unimodal["b"])


def test_the_only_modality_of_a_row_is_kept(build, data) -> None:
    absent = {"b": torch.zeros(len(data), dtype=torch.bool).numpy()}
    gappy = MultimodalDataset(data.modalities, data.target, present=absent)
    method, batch = build(OPM(), gappy)
    method.rates = torch.tensor([1.0, 0.0])
    output = method(batch)
    torch.testing.assert_close(output.logits, output.unimodal["a"])


@pytest.mark.parametrize("s", [(0.2, 0.5), (0.5, 0.2), (0.3, 0.6, 0.15)])
def test_rates_are_those_of_the_ratio_whoever_leads(build, data, monkeypatch, s: tuple[float, ...]) -> None:
    """Each against the mean of the others as they were, not as a ratio before has left them."""
    method, batch = build(OPM(base=0.25, scale=0.7), data)
    monkeypatch.setattr("interplay.methods.opm.scores", lambda *_: torch.tensor(s))
    method.loss(method(batch), batch, method.stages(1)[0])
    for m, rate in enumerate(method.rates.tolist()):
        ratio = s[m] / ((sum(s) - s[m]) / (len(s) - 1))
        assert rate == pytest.approx(0.25 * (1 + 0.7 * math.tanh(ratio)) if ratio > 1 else 0)


def test_a_modality_that_no_row_has_makes_no_leader(build, data) -> None:
    method, batch = build(OPM(), data)
    without = batch.with_present({**batch.present, "b": torch.zeros(len(batch), dtype=torch.bool)})
    method.loss(method(without), without, method.stages(1)[0])
    assert method.rates.tolist() == [0, 0]
