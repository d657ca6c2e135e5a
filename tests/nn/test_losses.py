import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from interplay import losses


def gaussians(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(*shape), torch.randn(*shape)


@pytest.mark.parametrize("standard", [True, False])
def test_kl_is_that_of_torch_distributions(standard: bool) -> None:
    torch.manual_seed(0)
    q, p = gaussians(7, 5), gaussians(7, 5)
    if standard:
        p = (torch.zeros(7, 5), torch.zeros(7, 5))
    one, two = (Independent(Normal(mean, (logvar / 2).exp()), 1) for mean, logvar in (q, p))
    expected = kl_divergence(one, two)
    given = None if standard else p
    torch.testing.assert_close(losses.gaussian_kl(q, given, "sum"), expected.mean())
    torch.testing.assert_close(losses.gaussian_kl(q, given, "none").sum(-1), expected)
    torch.testing.assert_close(losses.gaussian_kl(q, given), expected.mean() / 5)


def test_kl_is_zero_for_equal_arguments() -> None:
    q = gaussians(4, 3)
    torch.testing.assert_close(losses.gaussian_kl(q, q), torch.tensor(0.0))


def test_kl_is_computed_in_float32() -> None:
    mean, log_variance = (t.to(torch.bfloat16) for t in gaussians(4, 3))
    assert losses.gaussian_kl((mean, log_variance)).dtype == torch.float32


def test_unknown_reduction() -> None:
    with pytest.raises(ValueError, match="reduction must be"):
        losses.gaussian_kl(gaussians(1, 1), reduction="median")
