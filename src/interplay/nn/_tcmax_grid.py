"""All combinations of a batch's rows, handed to a joint head a bounded number at a time."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from interplay.nn._tcmax_input import check_some_mass, check_some_rows, check_target, masks_and_mass, without_infinity

Head = Callable[[list[Tensor]], Tensor]


class Grid:
    """All combinations of a batch's rows under the product of marginals; a cell ``(A, N)`` is a row an axis.

    Each modality that some row has is an axis. Values of absent rows and of rows without weight are zeros here, so that
    a modality which no row has is given to the head as zeros.

    Of several processes that hold the same batch, each looks after the positives of the rows ``mine`` and after its
    ``turn`` (rank, number) of the combinations.

    Attributes:
        mass: ``(B,)``, weights, the greatest 1; 0 for rows with nothing present.
        masks: ``(A, B)``, which rows of positive weight have what.
        p, log_p: ``(A, B)``, marginals of the axes.
        pool: for each axis the rows that have it.
        complete: ``(B,)``, rows that have every axis.
        gaps: rows that have some, not all.
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
        check_some_rows(sizes[0])
        self.head, self.chunk_size = head, chunk_size
        masks, mass = masks_and_mass(len(features), features[0], present, weight)
        check_some_mass(mass)
        wide = torch.float64 if features[0].dtype == torch.float64 else torch.float32
        self.mass = (mass / mass.max()).to(wide)
        self.features = list(features)
        if not bool(masks.all()):
            self.features = [_zeros_where(~mask, f) for mask, f in zip(masks, features, strict=True)]
        live = masks.any(1)
        # Which axis the head's argument is taken from: of a modality without one, all rows are zeros.
        self.axis = (live.cumsum(0) - 1).clamp(min=0).tolist()
        self.masks = masks[live]
        pooled = mass * self.masks
        self.p = (pooled / pooled.sum(1, keepdim=True)).to(wide)
        self.log_p = self.p.log()
        self.pool = [p.nonzero()[:, 0] for p in self.p]
        self.complete = self.masks.all(0)
        self.gaps = (~self.complete & (self.mass > 0)).nonzero()[:, 0]
        with torch.no_grad():
            n_classes = self.logits(torch.stack([pool[:1] for pool in self.pool])).shape[1]
        self.target = check_target(target, sizes[0], n_classes)
        self.class_mass = self.mass.new_zeros(n_classes).index_add(0, self.target, self.mass)

    def exact(self, log_r: Tensor) -> tuple[Tensor, Tensor]:
        """Each row's positive ``(B,)``, and the log expectation of exp(logits) over all cells."""
        cells = math.prod(len(pool) for pool in self.pool)
        rank, number = self.turn
        size = min(self.chunk_size, -(-cells // number))
        log_z = self.mass.new_full((), -torch.inf)
        for start in range(rank * size, cells, number * size):
            log_z = log_z.logaddexp(recomputed(self._log_sum, start, min(start + size, cells), log_r))
        whole, gaps = self.of_mine(self.complete.nonzero()[:, 0]), self.of_mine(self.gaps)
        own = [(rows, recomputed(self._own_logits, rows)) for rows in torch.split(whole, self.chunk_size)]
        for rows, pieces in self.blocks(gaps):
            found = [recomputed(self._block_marginal, rows, *piece) for piece in pieces]
            own.append((rows, torch.stack(found).logsumexp(0)))
        return self.scatter(own), log_z

    def blocks(self, rows: Tensor) -> Iterator[tuple[Tensor, list[tuple[tuple[int, ...], int, int]]]]:
        """Groups of rows that lack the same, each with the pieces ``(absent axes, start, stop)`` of its block.

        A row's block is all combinations of what can stand where it has gaps; rows times piece is at most a chunk.
        """
        for pattern in torch.unique(self.masks[:, rows], dim=1).T:
            alike = rows[(self.masks[:, rows] == pattern[:, None]).all(0)]
            absent = tuple(axis for axis, there in enumerate(pattern.tolist()) if not there)
            block = math.prod(len(self.pool[axis]) for axis in absent)
            size = min(block, self.chunk_size)
            pieces = [(absent, start, min(start + size, block)) for start in range(0, block, size)]
            for some in torch.split(alike, max(1, self.chunk_size // size)):
                yield some, pieces

    def block_cells(self, rows: Tensor, absent: tuple[int, ...], start: int, stop: int) -> tuple[Tensor, Tensor]:
        """A piece of each row's block, row by row, and the log-probabilities of the piece."""
        index = _combinations([self.pool[axis] for axis in absent], start, stop)
        cell = rows.repeat_interleave(stop - start).repeat(len(self.p), 1)
        cell[list(absent)] = index.repeat(1, len(rows))
        return cell, self.log_p[list(absent)].gather(1, index).sum(0)

    def log_mean_at_label(self, logits: Tensor, rows: Tensor, log_p: Tensor | float) -> Tensor:
        """Log expectation of exp(logit of the own class) over each row's cells, which come row by row."""
        at_label = self.target[rows].repeat_interleave(len(logits) // len(rows))[:, None]
        return (logits.gather(1, at_label).reshape(len(rows), -1) + log_p).logsumexp(1)

    def log_p_of(self, cell: Tensor) -> Tensor:
        """Log-probability of each cell under the product of marginals."""
        return self.log_p.gather(1, cell).sum(0)

    def logits(self, cell: Tensor) -> Tensor:
        """What the head says to each cell, ``(N, K)``, without -inf."""
        logits = self.head([f[cell[axis]] for f, axis in zip(self.features, self.axis, strict=True)])
        n = cell.shape[1]
        if logits.ndim != 2 or len(logits) != n:
            raise ValueError(f"head: expected logits ({n}, classes) of {n} combinations, found {tuple(logits.shape)}")
        return without_infinity(logits.to(self.mass.dtype))

    def of_mine(self, rows: Tensor) -> Tensor:
        """Those of the rows that this process looks after."""
        start, stop, _ = self.mine.indices(len(self.target))
        return rows[(rows >= start) & (rows < stop)]

    def scatter(self, found: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """``(B,)`` from pairs of rows and their values, 0 elsewhere."""
        rows, values = (torch.cat(parts) for parts in zip(*found, strict=True))
        return torch.zeros_like(self.mass).index_put((rows,), values)

    def _log_sum(self, start: int, stop: int, log_r: Tensor) -> Tensor:
        cell = _combinations(self.pool, start, stop)
        return (self.logits(cell) + log_r + self.log_p_of(cell)[:, None]).flatten().logsumexp(0)

    def _own_logits(self, rows: Tensor) -> Tensor:
        if not len(rows):
            return self.mass[:0]
        return self.logits(rows.repeat(len(self.p), 1)).gather(1, self.target[rows, None])[:, 0]

    def _block_marginal(self, rows: Tensor, absent: tuple[int, ...], start: int, stop: int) -> Tensor:
        cell, log_p = self.block_cells(rows, absent, start, stop)
        return self.log_mean_at_label(self.logits(cell), rows, log_p)


def recomputed(function: Callable[..., Any], *args: Any) -> Any:
    """Call ``function``, keeping none of its tensors: the backward pass computes them again from ``args``.

    Arguments are kept, so they are to be few numbers; one tensor among them says whose random numbers to replay.
    """
    return checkpoint(function, *args, use_reentrant=False)


def _combinations(pools: Sequence[Tensor], start: int, stop: int) -> Tensor:
    """Numbers ``start`` to ``stop`` of all combinations of the pools' entries, ``(pools, stop - start)``."""
    rest = torch.arange(start, stop, device=pools[0].device)
    chosen = []
    for pool in reversed(pools):
        whole = rest.div(len(pool), rounding_mode="trunc")  # the remainder operator takes many times as long
        chosen.append(pool[rest - whole * len(pool)])
        rest = whole
    return torch.stack(chosen[::-1])


def _zeros_where(missing: Tensor, f: Tensor) -> Tensor:
    return f.masked_fill(missing.reshape(-1, *(1,) * (f.ndim - 1)), 0)
