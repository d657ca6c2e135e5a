"""Pooling over time and attention across modalities."""

import pytest
import torch

from interplay.nn.sequences import AttentionLayer, CrossModalAttention, PairwiseAttention, resample, sinusoids


def slow_resample(x: torch.Tensor, length: int, n: int) -> torch.Tensor:
    """Mean of a finely repeated sequence: every step 'length' times, cut into 'length' pieces of n."""
    fine = x[:n].repeat_interleave(length, 0)
    return torch.stack([piece.mean(0) for piece in fine.split(n)])


@pytest.mark.parametrize("length", [1, 3, 5, 12])
def test_resample_equals_its_slow_twin_and_ignores_padding(length: int) -> None:
    torch.manual_seed(0)
    x, steps = torch.randn(4, 7, 2), torch.tensor([1, 4, 6, 7])
    x[0, 1:], x[1, 4:] = 1e6, -1e6
    found = resample(x, length, steps)
    for row, n in enumerate(steps.tolist()):
        torch.testing.assert_close(found[row], slow_resample(x[row], length, n), rtol=1e-4, atol=1e-4)


def test_resample_without_padding_agrees_with_full_lengths() -> None:
    x = torch.randn(2, 6, 3)
    for length in (1, 3, 4, 6, 9):
        torch.testing.assert_close(resample(x, length), resample(x, length, torch.tensor([6, 6])))
    torch.testing.assert_close(resample(x, 6), x)


def test_pooling_is_local_in_time() -> None:
    x = torch.arange(8.0)[None, :, None]
    assert resample(x, 4)[0, :, 0].tolist() == [0.5, 2.5, 4.5, 6.5]


def test_sinusoids_have_unit_length_pairs() -> None:
    table = sinusoids(5, 6, torch.zeros(()))
    torch.testing.assert_close(table.unflatten(1, (3, 2)).square().sum(-1), torch.ones(5, 3))


def test_causal_attention_does_not_look_ahead() -> None:
    torch.manual_seed(0)
    layer = AttentionLayer(8, 2, 0.0, causal=True).eval()
    x, other = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    changed = other.clone()
    changed[:, 2:] = torch.randn(1, 2, 8)
    before, after = layer(x, other), layer(x, changed)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


@pytest.mark.parametrize("kind", [CrossModalAttention, PairwiseAttention])
def test_each_modality_sees_the_others(kind: type) -> None:
    torch.manual_seed(0)
    attention = kind(["a", "b", "c"], 5, 8, 1, 2, 0.0).eval()
    tokens = {"a": torch.randn(2, 4, 5), "b": torch.randn(2, 1, 5), "c": torch.randn(2, 7, 5)}
    before = attention(tokens)
    after = attention(tokens | {"b": torch.randn(2, 1, 5)})
    for one, two in zip(before, after, strict=True):
        assert not torch.allclose(one, two)
