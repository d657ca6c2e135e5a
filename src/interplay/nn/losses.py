"""Losses that are usable without the rest of the package (``ip.losses``)."""

import torch
from torch import Tensor

from interplay.nn._parts import accumulate_gradients
from interplay.nn._tcmax import AdditiveStatistics, tcmax_additive, tcmax_estimate, tcmax_posterior
from interplay.nn._tcmax_joint import tcmax

__all__ = [
    "AdditiveStatistics",
    "accumulate_gradients",
    "gaussian_kl",
    "tcmax",
    "tcmax_additive",
    "tcmax_estimate",
    "tcmax_posterior",
]


def gaussian_kl(q: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor] | None = None, reduction: str = "mean") -> Tensor:
    r"""Kullback-Leibler divergence between diagonal Gaussians, in nats.

    .. math:: D(q \| p) = \tfrac12 \sum_d \big[ \ell^p_d - \ell^q_d + e^{\ell^q_d - \ell^p_d}
              + (\mu^q_d - \mu^p_d)^2 e^{-\ell^p_d} - 1 \big]

    with means :math:`\mu` and log-variances :math:`\ell`. Computed in float32 whatever the input's precision.

    Args:
        q: mean and log-variance, each ``(B, d)``.
        p: the same for the reference; ``None`` is the standard normal.
        reduction: ``"mean"`` over batch and dimensions (the convention of published DMIL: a conventional divergence is
            ``d`` times larger), ``"sum"`` over dimensions and mean over the batch, ``"none"`` for ``(B, d)``.

    Raises:
        ValueError: for an unknown reduction.

    >>> zero = torch.zeros(1, 2)
    >>> float(gaussian_kl((zero + 1, zero), reduction="sum"))
    1.0
    """
    mean, log_variance = (t.float() for t in q)
    if p is None:
        terms = log_variance.exp() + mean.square() - 1 - log_variance
    else:
        p_mean, p_log_variance = (t.float() for t in p)
        terms = (
            p_log_variance
            - log_variance
            + torch.exp(log_variance - p_log_variance)
            + (mean - p_mean).square() * torch.exp(-p_log_variance)
            - 1
        )
    if reduction == "none":
        return terms / 2
    if reduction == "sum":
        return terms.sum(-1).mean() / 2
    if reduction == "mean":
        return terms.mean() / 2
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', found {reduction!r}")
