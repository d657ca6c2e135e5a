"""The TCMax loss for any head that sees all modalities at once: over all combinations, or over sampled ones."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from interplay.nn._parts import gather, sizes_of, sum_of, sum_of_exponents
from interplay.nn._tcmax import LabelMarginal, check_rows, log_label_marginal, masks_and_mass

Head = Callable[[list[Tensor]], Tensor]


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

    Without ``negatives`` all :math:`B^M` combinations are evaluated in chunks whose activations are recomputed in the
    backward pass: memory O(chunk_size), twice the forward time. With ``negatives=n`` the true combinations always
    enter, and ``n`` others are drawn with weight :math:`(B^M - B)/n` each: unbiased inside the logarithm, and bounded
    below because the positives are among the terms.

    A row that lacks modalities contributes the marginal :math:`\log E_j e^{f(x_S, j)}` over the rows that have them:
    all of them, or about ``n / B`` drawn ones, which then enter the sum as its positives.

    For batches whose encoders do not fit into memory see :func:`accumulate_gradients`.

    Args:
        head: maps one tensor ``(N, ...)`` a modality to logits ``(N, K)``; called with repeated rows of ``features``.
        features: for each modality ``(B, ...)``.
        target: class codes ``(B,)``.
        present: for each modality bool ``(B,)``, or None for all; values of absent rows are never given to the head.
        weight: non-negative ``(B,)``, any scale.
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
        ValueError: for shapes, weights or marginals that do not fit.

    >>> x = torch.eye(2).repeat(8, 1)
    >>> y = torch.arange(16) % 2
    >>> float(tcmax(lambda z: 0 * z[0], [x, x], y).exp())  # a constant head: 2 batch sizes
    32.0
    """
    if negatives is not None and negatives < 1:
        raise ValueError(f"negatives must be at least 1 or None for all combinations, found {negatives}")
    if group is None:
        grid = _Grid(head, features, target, present, weight, chunk_size)
        return _loss(grid, label_marginal, negatives, generator)
    sizes = sizes_of(len(target), target, group)
    rank = dist.get_rank(group)
    masks = None if present is None else [gather(mask, sizes, group) for mask in present]
    mass = None if weight is None else gather(weight, sizes, group)
    together = [gather(f, sizes, group) for f in features]
    grid = _Grid(head, together, gather(target, sizes, group), masks, mass, chunk_size)
    grid.mine = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    grid.turn, grid.group = (rank, len(sizes)), group
    loss = _loss(grid, label_marginal, negatives, generator)
    return loss.detach() + len(sizes) * (loss - loss.detach())


def _loss(
    grid: "_Grid", label_marginal: LabelMarginal, negatives: int | None, generator: torch.Generator | None
) -> Tensor:
    log_r = log_label_marginal(label_marginal, grid.class_mass)
    positives, log_z = grid.exact(log_r) if negatives is None else grid.sampled(log_r, negatives, generator)
    w = grid.mass / grid.mass.sum()
    spread = -(len(grid.features) - 1) * torch.xlogy(w, w).sum()
    surprise = -torch.where(w > 0, w * log_r[grid.target], 0.0).sum()
    own = (w * positives).sum()
    if grid.group is not None:
        log_z, own = sum_of_exponents(log_z, grid.group), sum_of(own, grid.group)
    return spread + surprise + log_z - own


class _Grid:
    """All combinations of a batch's rows under the product of marginals; a cell ``(M, N)`` is a row a modality.

    Of several processes that hold the same batch, each looks after the positives of the rows ``mine`` and after its
    ``turn`` (rank, number) of the combinations.
    """

    mine: slice = slice(None)
    turn: tuple[int, int] = (0, 1)
    group: "dist.ProcessGroup | None" = None

    def __init__(
        self,
        head: Head,
        features: Sequence[Tensor],
        target: Tensor,
        present: Sequence[Tensor] | None,
        weight: Tensor | None,
        chunk_size: int,
    ) -> None:
        sizes = sorted({len(f) for f in features})
        if len(sizes) != 1:
            raise ValueError(f"features: expected the same number of rows in each modality, found {sizes}")
        self.head, self.features, self.target, self.chunk_size = head, list(features), target, chunk_size
        with torch.no_grad():
            n_classes = head([f[:1] for f in features]).shape[-1]
        check_rows(sizes[0], target, weight)
        wide = torch.float64 if features[0].dtype == torch.float64 else torch.float32
        like = target.new_zeros((len(features), sizes[0]), dtype=wide)
        masks, self.mass = masks_and_mass(like, present, weight)
        self.class_mass = like.new_zeros(n_classes).index_add(0, target, self.mass)
        self.masks = masks & (self.mass > 0)
        # A modality that no row has: the head still needs a value, any row's; it is the same for all.
        pooled = torch.where(self.masks.any(1, keepdim=True), self.mass * self.masks, self.mass)
        self.p = pooled / pooled.sum(1, keepdim=True)
        self.pool = [p.nonzero()[:, 0] for p in self.p]
        self.complete = self.masks.all(0)
        self.gaps = (~self.complete & (self.mass > 0)).nonzero()[:, 0]

    def exact(self, log_r: Tensor) -> tuple[Tensor, Tensor]:
        """Each row's positive ``(B,)``, and the log expectation of exp(logits) over all cells."""
        rank, number = self.turn
        size = min(self.chunk_size, -(-math.prod(len(pool) for pool in self.pool) // number))
        parts = [
            self._recomputed(self._log_sum, cell, log_r, self._log_p(cell))
            for cell in islice(self._product(self.pool, size), rank, None, number)
        ]
        positives = self._complete_positives()
        gaps = self.gaps[self._is_mine(self.gaps)]
        for pattern in torch.unique(self.masks[:, gaps], dim=1).T:
            rows = gaps[(self.masks[:, gaps] == pattern[:, None]).all(0)]
            absent = [m for m, there in enumerate(pattern.tolist()) if not there]
            block = torch.cartesian_prod(*(self.pool[m] for m in absent)).reshape(-1, len(absent)).T
            log_p = sum(self.p[m, index].log() for m, index in zip(absent, block, strict=True))
            for some in torch.split(rows, max(1, self.chunk_size // block.shape[1])):
                cell = some.repeat_interleave(block.shape[1]).repeat(len(self.p), 1)
                cell[absent] = block.repeat(1, len(some))
                own = self._recomputed(self._own_marginal, cell, some, log_p)
                positives = positives.index_put((some,), own)
        nothing = self.mass.new_full((), -torch.inf)
        return positives, torch.stack(parts).logsumexp(0) if parts else nothing

    def sampled(self, log_r: Tensor, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """The same from the positives' own cells and ``n`` others."""
        fills = -(-n // len(self.target))
        gaps = self.gaps[self._is_mine(self.gaps)]
        filled = self._fill(gaps.repeat_interleave(fills), generator)
        rank, number = self.turn
        drawn = self._draw(n * (rank + 1) // number - n * rank // number, generator)
        whole = self.complete.nonzero()[:, 0]
        whole = whole[self._is_mine(whole)].repeat(len(self.p), 1)
        log_weight = -self._density(torch.cat([filled, drawn], 1), n, fills).log()
        log_weight = torch.cat([self._log_p(whole), log_weight])
        cells = torch.cat([whole, filled, drawn], 1)
        logits = torch.cat([self._recomputed(self._logits, cell) for cell in torch.split(cells, self.chunk_size, 1)])
        own, filled_own = logits[: whole.shape[1]], logits[whole.shape[1] : whole.shape[1] + filled.shape[1]]
        positives = self._scatter(whole[0], own.gather(1, self.target[whole[0], None])[:, 0])
        at_label = self.target[gaps].repeat_interleave(fills)[:, None]
        marginal = filled_own.gather(1, at_label).reshape(-1, fills).logsumexp(1) - math.log(fills)
        positives = positives.index_put((gaps,), marginal)
        return positives, (logits + log_r + log_weight[:, None]).flatten().logsumexp(0)

    def _fill(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Rows with gaps as cells: their own index where present, a drawn one where absent."""
        return torch.where(self.masks[:, rows], rows, self._pick(len(rows), generator))

    def _draw(self, n: int, generator: torch.Generator | None) -> Tensor:
        """``n`` cells from the product of marginals that are not the own cell of a complete row."""
        if all(len(pool) == 1 for pool in self.pool) and bool(self.complete.any()):
            return self.gaps.new_empty((len(self.p), 0))
        cells = self._pick(n, generator)
        if n == 0:
            return cells
        while bool((own := (cells == cells[0]).all(0) & self.complete[cells[0]]).any()):
            cells[:, own] = self._pick(int(own.sum()), generator)
        return cells

    def _pick(self, n: int, generator: torch.Generator | None) -> Tensor:
        if n == 0:
            return self.gaps.new_empty((len(self.p), 0))
        return torch.multinomial(self.p, n, replacement=True, generator=generator)

    def _density(self, cells: Tensor, n: int, fills: int) -> Tensor:
        """How often all draws together are expected to give each cell, over its probability.

        One over it weights the draws so that their sum is unbiased although a cell can come from several sources
        (the balance rule of multiple importance sampling).
        """
        own = self.p[:, self.complete].prod(0).sum()
        density = torch.full_like(cells[0], 0, dtype=self.p.dtype) + n / (1 - own)
        block = torch.where(self.masks, self.p, 1.0).prod(0)
        first = self.masks.int().argmax(0)
        for m, row in enumerate(cells):
            inside = (~self.masks[:, row] | (cells == row)).all(0) & (first[row] == m) & ~self.complete[row]
            density = density + torch.where(inside, fills / block[row], 0.0)
        return density

    def _is_mine(self, rows: Tensor) -> Tensor:
        start, stop, _ = self.mine.indices(len(self.target))
        return (rows >= start) & (rows < stop)

    def _complete_positives(self) -> Tensor:
        rows = self.complete.nonzero()[:, 0]
        rows = rows[self._is_mine(rows)]
        own = self._logits(rows.repeat(len(self.p), 1)).gather(1, self.target[rows, None])[:, 0]
        return self._scatter(rows, own)

    def _scatter(self, rows: Tensor, values: Tensor) -> Tensor:
        return torch.zeros_like(self.mass).index_put((rows,), values)

    def _product(self, pools: Sequence[Tensor], size: int) -> Iterator[Tensor]:
        """All combinations of the pools' entries, ``size`` at a time."""
        shape = tuple(len(pool) for pool in pools)
        for start in range(0, math.prod(shape), size):
            flat = torch.arange(start, min(start + size, math.prod(shape)), device=pools[0].device)
            index = torch.unravel_index(flat, shape)
            yield torch.stack([pool[i] for pool, i in zip(pools, index, strict=True)])

    def _log_p(self, cell: Tensor) -> Tensor:
        return self.p.gather(1, cell).log().sum(0)

    def _recomputed(self, function: Callable[..., Tensor], cell: Tensor, *args: Any) -> Tensor:
        """Call ``function``, keeping no activations: the backward pass computes them again."""
        return checkpoint(function, cell, *args, use_reentrant=False)

    def _logits(self, cell: Tensor) -> Tensor:
        return self.head([f[index] for f, index in zip(self.features, cell, strict=True)]).to(self.mass.dtype)

    def _log_sum(self, cell: Tensor, log_r: Tensor, log_p: Tensor) -> Tensor:
        return (self._logits(cell) + log_r + log_p[:, None]).flatten().logsumexp(0)

    def _own_marginal(self, cell: Tensor, rows: Tensor, log_p: Tensor) -> Tensor:
        """Log expectation of exp(logit of the own class) over each row's block of cells."""
        at_label = self.target[rows].repeat_interleave(len(log_p))[:, None]
        return (self._logits(cell).gather(1, at_label).reshape(len(rows), -1) + log_p).logsumexp(1)
