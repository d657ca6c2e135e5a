"""Losses of self-supervised learning on unlabelled pairs of modalities, in nats."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["cross_correlation", "info_nce"]


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    r"""Symmetric InfoNCE: each row of one side has to find its own partner among all rows of the other.

    .. math:: -\frac1{2B}\sum_i \log\frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}}
        - \frac1{2B}\sum_i \log\frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ji}/\tau}},\quad s_{ij} = \cos(a_i, b_j)

    log B minus the loss bounds the mutual information of the two sides from below (van den Oord et al. 2018).

    Args:
        first: ``(B, D)``.
        second: ``(B, D)``, row by row the partners.
        temperature: of the cosine similarities.

    >>> same = torch.eye(4)
    >>> bool(info_nce(same, same) < 1e-3), round(float(info_nce(torch.ones(4, 2), torch.ones(4, 2))), 4)
    (True, 1.3863)
    """
    similarity = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T / temperature
    own = torch.arange(len(first), device=first.device)
    return (functional.cross_entropy(similarity, own) + functional.cross_entropy(similarity.T, own)) / 2


def cross_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared correlation of every column of one side with every column of the other; 0 if uncorrelated.

    A penalty on linear dependence only: nonlinear dependence can remain.

    >>> x = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    >>> y = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    >>> round(float(cross_correlation(x, x)), 3), round(float(cross_correlation(x, y)), 3)
    (1.0, 0.0)
    """
    scaled = [(x - x.mean(0)) / (x.std(0, correction=0) + 1e-4) for x in (first, second)]
    return (scaled[0].T @ scaled[1] / len(first)).square().mean()
