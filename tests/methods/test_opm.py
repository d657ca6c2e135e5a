import math

import torch

from interplay import MultimodalDataset
from interplay.methods import OPM


def test_the_leader_is_dropped_at_the_stated_rate_and_nobody_loses_everything(build, data) -> None:
    method, batch = build(OPM(base=0.25, scale=1.0), data)
    stage = method.stages(1)[0]
    with torch.no_grad():
        method.heads["a"][1].weight.mul_(4)
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
