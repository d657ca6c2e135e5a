"""InfoNCE and the dependence penalty."""

import numpy as np
import pytest
import torch

from interplay.nn.contrastive import cross_correlation, info_nce


def slow_info_nce(a, b, temperature):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    s, total = a @ b.T / temperature, 0.0
    for i in range(len(a)):
        total -= s[i, i] - np.log(np.exp(s[i]).sum())
        total -= s[i, i] - np.log(np.exp(s[:, i]).sum())
    return total / (2 * len(a))


def test_info_nce_equals_its_slow_twin():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7, 3))
    assert float(info_nce(torch.tensor(a), torch.tensor(b), 0.2)) == pytest.approx(slow_info_nce(a, b, 0.2))


def test_info_nce_is_symmetric_and_ignores_length():
    a, b = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    assert float(info_nce(a, b)) == pytest.approx(float(info_nce(3 * b, a)), rel=1e-5)


def test_cross_correlation_of_independent_noise_is_small_and_of_a_copy_is_large():
    x = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    y = torch.randn(5000, 2, generator=torch.Generator().manual_seed(1))
    assert float(cross_correlation(x, y)) < 2e-3
    assert float(cross_correlation(x, x[:, :1] * 5 + 2)) == pytest.approx(1 / 3, abs=0.01)
