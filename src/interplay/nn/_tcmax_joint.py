"""The TCMax loss for any head that sees all modalities at once: over all combinations, or over sampled ones."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from interplay.nn._parts import gather, sizes_of, sum_of, sum_of_exponents
from interplay.nn._tcmax_draws import sampled
from interplay.nn._tcmax_grid import Grid, Head
from interplay.nn._tcmax_input import LabelMarginal, log_label_marginal


def tcmax(
    head: Head,
    features: Sequence[Tensor],
    target: Tensor,
    *,
    present: Sequence[Tensor] | None = None,
    weight: Tensor | None = None,
    label_marginal: LabelMarginal = "uniform",
    negatives: int | None = None,
    chunk_size: int = 65536,
    generator: torch.Generator | None = None,
    group: "dist.ProcessGroup | None" = None,
) -> Tensor:
    r"""TCMax loss of an arbitrary head :math:`f(x_1, \dots, x_M)_c`, in nats, :math:`\ge 0`.

    .. math:: L = C - \sum_i w_i f(i, \dots, i)_{y_i}
              + \log \sum_{j_1 \dots j_M} \sum_c \Big(\prod_m w_{j_m}\Big) r_c\, e^{f(j_1, \dots, j_M)_c}

    Without ``negatives`` all :math:`B^M` combinations are evaluated in chunks that are computed again in the backward
    pass: memory O(chunk_size) and about 10 kB of bookkeeping a chunk, twice the forward time. With ``negatives=n`` the
    true combinations always enter, and ``n`` others are drawn with weight :math:`(B^M - B)/n` each: unbiased inside the
    logarithm, and bounded below because the positives are among the terms. Where the others together have a
    probability under :math:`10^{-12}` (one modality, one row with all the weight) none are drawn.

    A row that lacks modalities contributes the marginal :math:`\log E_j e^{f(x_S, j)}` over its block, all
    combinations of rows that have them. With ``negatives=n`` blocks are still evaluated whole, and enter the sum
    whole, if they have at most :math:`\max(n, B)` cells (always, where one modality is absent) or all of them together
    at most ``chunk_size``. Of larger ones :math:`\max(n, B)` cells are drawn: inside the logarithm of a row's own
    marginal this is biased, the loss too large by about the squared coefficient of variation of
    :math:`e^f` over the block, divided by :math:`2 \max(n, B)`. A modality that no row has is given as zeros.

    For batches whose encoders do not fit into memory see :func:`accumulate_gradients`.

    Args:
        head: maps one tensor ``(N, ...)`` a modality to logits ``(N, K)``; called with repeated rows of ``features``.
        features: for each modality ``(B, ...)``.
        target: class codes ``(B,)``, any integer dtype.
        present: for each modality bool ``(B,)``, or None for all; values of absent rows are never given to the head.
        weight: non-negative ``(B,)``, any scale, or None for all alike; rows of weight 0 are never given to the head.
        label_marginal: as in :func:`tcmax_additive`, with the same rule of prediction.
        negatives: how many combinations to draw, or None for all.
        chunk_size: the most combinations given to ``head`` at once.
        generator: of the draws.
        group: a process group: rows of all its processes form the batch. Features are gathered, each process evaluates
            its share of the combinations, and the gradient is scaled by the number of processes, because distributed
            data parallel averages it. Every process must draw with a seed of its own.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: for shapes, targets, weights or marginals that do not fit, or if no row of positive weight has
            anything.

    >>> x = torch.eye(2).repeat(8, 1)
    >>> y = torch.arange(16) % 2
    >>> float(tcmax(lambda z: 0 * z[0], [x, x], y).exp())  # a constant head: 2 batch sizes
    32.0
    """
    if negatives is not None and negatives < 1:
        raise ValueError(f"negatives must be at least 1 or None for all combinations, found {negatives}")
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, found {chunk_size}")
    if group is None:
        grid = Grid(head, features, target, present, weight, chunk_size)
        return _loss(grid, label_marginal, negatives, generator)
    sizes = sizes_of(len(target), target, group)
    rank = dist.get_rank(group)
    masks = None if present is None else [gather(mask, sizes, group) for mask in present]
    mass = None if weight is None else gather(weight, sizes, group)
    together = [gather(f, sizes, group) for f in features]
    grid = Grid(head, together, gather(target, sizes, group), masks, mass, chunk_size)
    grid.mine = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    grid.turn, grid.group = (rank, len(sizes)), group
    loss = _loss(grid, label_marginal, negatives, generator)
    return loss.detach() + len(sizes) * (loss - loss.detach())


def _loss(
    grid: Grid, label_marginal: LabelMarginal, negatives: int | None, generator: torch.Generator | None
) -> Tensor:
    log_r = log_label_marginal(label_marginal, grid.class_mass)
    positives, log_z = grid.exact(log_r) if negatives is None else sampled(grid, log_r, negatives, generator)
    w = grid.mass / grid.mass.sum()
    spread = -(len(grid.features) - 1) * torch.xlogy(w, w).sum()
    surprise = -torch.where(w > 0, w * log_r[grid.target], 0.0).sum()
    own = (w * positives).sum()
    # In touch with every feature, though with gradient 0: a process with nothing to do still takes its part in the
    # backward pass, where the others wait for it.
    own = own + torch.stack([f[:0].sum() for f in grid.features]).sum().to(own.dtype)
    if grid.group is not None:
        log_z, own = sum_of_exponents(log_z, grid.group), sum_of(own, grid.group)
    return spread + surprise + log_z - own
