"""Sampled negatives of the joint TCMax loss: they end, leave the diagonal, and are unbiased with and without gaps."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import interplay as ip
from interplay.nn import _tcmax_draws


def rows(m: int, b: int, k: int = 3, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    g = torch.Generator().manual_seed(seed)
    features = [torch.randn(b, k, generator=g, dtype=torch.float64) for _ in range(m)]
    return features, torch.randint(k, (b,), generator=g)


def head(z: list[Tensor]) -> Tensor:
    return z[0] * z[1] + sum(z[2:], 0.5 * z[1])


def draws(repeats: int, *args: object, **options: object) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.stack([ip.losses.tcmax(*args, generator=g, **options) for _ in range(repeats)])


@pytest.mark.parametrize("weights", [None, [1.0, 1e-8, 1e-8, 1e-8, 1e-8, 1e-8]])
@pytest.mark.parametrize("gappy", [False, True])
def test_one_modality_has_nothing_to_draw(weights: Sequence[float] | None, gappy: bool) -> None:
    features, y = rows(1, 6)
    options: dict[str, object] = {"weight": None if weights is None else torch.tensor(weights)}
    if gappy:
        options["present"] = [torch.tensor([True, True, False, True, True, True])]
    exact = ip.losses.tcmax(lambda z: z[0], features, y, **options)
    found = ip.losses.tcmax(lambda z: z[0], features, y, negatives=5, **options)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rest", [0.0, 1e-30, 1e-14, 1e-8, 1e-3])
@pytest.mark.parametrize("m", [2, 3])
def test_concentrated_weights_end_and_are_near(rest: float, m: int) -> None:
    """Nearly all mass on the diagonal: no draw can be waited for. What is left out is no more than 1e-12 of the sum."""
    features, y = rows(m, 7)
    weight = torch.full((7,), rest, dtype=torch.float64)
    weight[2] = 1
    exact = ip.losses.tcmax(head, features, y, weight=weight)
    calls = []

    def watched(z: list[Tensor]) -> Tensor:
        calls.append(len(z[0]))
        return head(z)

    found = draws(200, watched, features, y, weight=weight, negatives=20)
    assert (max(calls) > 7) == (rest > 1e-12)
    ratios = (found - exact).exp()
    assert abs(ratios.mean() - 1) <= 4 * ratios.std() / math.sqrt(len(ratios)) + 1e-9


@pytest.mark.parametrize("m", [2, 3])
def test_draws_have_the_probabilities_of_all_cells_but_the_own_ones(m: int) -> None:
    """Frequencies against the product of marginals with the own cells of complete rows cut out."""
    features, y = rows(m, 4)
    weight = torch.tensor([0.02, 0.18, 0.7, 0.1], dtype=torch.float64)
    masks = torch.ones(m, 4, dtype=torch.bool)
    masks[1, 3] = False
    grid = _tcmax_draws.Grid(head, features, y, list(masks), weight, 100)
    sample = _tcmax_draws._Sample(grid, torch.zeros(3).double(), 1, torch.Generator().manual_seed(0))
    n = 200_000
    cells = sample._draw(n)
    assert cells.shape == (m, n)
    found = torch.bincount(sum(c * 4**i for i, c in enumerate(cells)), minlength=4**m) / n
    index = torch.cartesian_prod(*[torch.arange(4)] * m).T
    p = weight * masks / (weight * masks).sum(1, keepdim=True)
    expected = p.gather(1, index).prod(0)
    expected[(index == index[0]).all(0) & masks.all(0)[index[0]]] = 0
    expected = torch.zeros(4**m).double().index_put((sum(c * 4**i for i, c in enumerate(index)),), expected)
    expected = expected / expected.sum()
    assert (found[expected == 0] == 0).all()
    assert ((found - expected).abs() <= 4.5 * (expected / n).sqrt()).all()


GAPS = {
    2: [[1, 1, 1, 0, 1, 0, 1, 1], [1, 0, 1, 1, 1, 1, 1, 1]],
    3: [[1, 1, 1, 0, 1, 0, 1, 1], [1, 0, 1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 1, 0, 0, 1]],
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("m", "n", "chunk_size"), [(2, 5, 5), (2, 5, 100), (2, 40, 100), (3, 5, 1000), (3, 40, 100)])
def test_unbiased_inside_the_logarithm_with_gaps(m: int, n: int, chunk_size: int, weighted: bool) -> None:
    """Only constants are added to log Z: the positives of rows with gaps are exact. So exp(loss) has the exact mean.

    The blocks are within one of the limits each time; always, where one modality is absent.
    """
    features, y = rows(m, 8)
    options = {
        "chunk_size": chunk_size,
        "present": list(torch.tensor(GAPS[m]).bool()),
        "weight": torch.linspace(1, 3, 8, dtype=torch.float64) if weighted else None,
    }
    grid = _tcmax_draws.Grid(head, features, y, options["present"], options["weight"], chunk_size)
    uniform = torch.full((3,), -math.log(3), dtype=torch.float64)
    positives = [found[0] for found in (grid.exact(uniform), _tcmax_draws.sampled(grid, uniform, n, None))]
    torch.testing.assert_close(*positives, rtol=1e-12, atol=1e-12)
    exact = ip.losses.tcmax(head, features, y, **options)
    ratios = (draws(200, head, features, y, negatives=n, **options) - exact).exp()
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / math.sqrt(len(ratios))
    assert ratios.std() > 1e-3


def test_half_of_a_modality_absent_is_not_biased() -> None:
    """Noisy logits as after a few epochs: with eight drawn partners a row the loss was 0.4 nats too large."""
    b, k = 128, 10
    g = torch.Generator().manual_seed(0)
    y = torch.arange(b) % k
    features = [3 * torch.randn(b, k, generator=g) for _ in range(2)]
    masks = [torch.ones(b, dtype=torch.bool), torch.arange(b) % 2 == 0]
    exact = ip.losses.tcmax(lambda z: z[0] + z[1], features, y, present=masks)
    found = draws(20, lambda z: z[0] + z[1], features, y, present=masks, negatives=1024)
    assert abs(found.mean() - exact) < 0.05


def test_large_blocks_are_drawn_with_the_documented_bias() -> None:
    """Rows that have one modality of three, blocks larger than both limits: near, and nearer with more draws."""
    b = 16
    features, y = rows(3, b)
    features = [f / 2 for f in features]  # else the partition function's own spread covers all
    masks = torch.ones(3, b, dtype=torch.bool)
    masks[1:, ::2] = False
    options = {"present": list(masks), "chunk_size": 48}
    exact = ip.losses.tcmax(head, features, y, **options)
    errors = []
    for n in (16, 60):
        found = draws(60, head, features, y, negatives=n, **options)
        errors.append(float((found - exact).square().mean().sqrt()))
    assert errors[1] < 0.7 * errors[0]
    assert errors[1] < 0.1


def test_gradients_with_gaps_are_those_of_the_exact_loss_on_average() -> None:
    features, y = rows(3, 8)
    features = [f / 2 for f in features]
    masks = list(torch.tensor(GAPS[3]).bool())

    def gradient(negatives: int | None, g: torch.Generator | None = None) -> Tensor:
        leaves = [f.clone().requires_grad_() for f in features]
        loss = ip.losses.tcmax(head, leaves, y, present=masks, negatives=negatives, generator=g)
        return torch.stack(torch.autograd.grad(loss, leaves))

    found = gradient(200_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, gradient(None), rtol=0, atol=2e-3)
