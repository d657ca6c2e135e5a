"""The joint TCMax loss from drawn combinations: the positives always enter, others are drawn and weighted."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from interplay.nn._tcmax_grid import Grid, recomputed
from interplay.nn._tcmax_input import finest

NEGLIGIBLE = 1e-12


def sampled(grid: Grid, log_r: Tensor, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Each row's positive ``(B,)``, and an estimate of the log expectation of exp(logits) over all cells.

    Cells of three kinds add up to the expectation: the own cells of complete rows and the blocks of rows with gaps,
    both enumerated, and the rest, which is drawn. Where blocks are too large they are drawn as well.
    """
    return _Sample(grid, log_r, n, generator).terms()


class _Sample:
    """One estimate; ``fills`` is the most cells spent on a row with gaps, ``enumerated`` the rows it is enough for."""

    def __init__(self, grid: Grid, log_r: Tensor, n: int, generator: torch.Generator | None) -> None:
        self.grid, self.log_r, self.n, self.generator = grid, log_r, n, generator
        self.p = grid.p.to(finest(grid.p.device))
        self.fills = max(n, len(grid.target))
        sizes = torch.tensor([len(pool) for pool in grid.pool], dtype=self.p.dtype, device=self.p.device)
        block = torch.where(grid.masks, 1.0, sizes[:, None]).prod(0)
        gappy = torch.zeros_like(grid.complete).index_fill(0, grid.gaps, True)
        few = (block * gappy).sum() <= grid.chunk_size
        self.enumerated = gappy & (few | (block <= self.fills))
        self.drawn = gappy & ~self.enumerated
        # The probability of what a row with gaps has.
        self.share = torch.where(grid.masks, self.p, 1.0).prod(0)
        self.holds_enumerated = _Holders(grid.masks, self.enumerated)
        self.holds_drawn = _Holders(grid.masks, self.drawn)
        self.leave = _leave(self.p, grid.complete)
        self.off_diagonal = float((self.p[0] * self.leave[0]).sum())

    def terms(self) -> tuple[Tensor, Tensor]:
        found = [self._whole_and_drawn(), *self._enumerated_blocks(), *self._drawn_blocks()]
        log_z = torch.stack([log_z for _, _, log_z in found]).logsumexp(0)
        return self.grid.scatter([(rows, own) for rows, own, _ in found]), log_z

    def _whole_and_drawn(self) -> tuple[Tensor, Tensor, Tensor]:
        grid = self.grid
        rank, number = grid.turn
        rows = grid.of_mine(grid.complete.nonzero()[:, 0])
        own_cells = rows.repeat(len(self.p), 1)
        others = self._draw(self.n * (rank + 1) // number - self.n * rank // number)
        log_weight = self._log_weight(others)
        others, log_weight = others[:, log_weight > -torch.inf], log_weight[log_weight > -torch.inf]
        cells = torch.cat([own_cells, others], 1)
        log_weight = torch.cat([grid.log_p_of(own_cells), log_weight])
        if not cells.shape[1]:
            return rows, grid.mass[:0], grid.mass.new_full((), -torch.inf)
        logits = torch.cat([recomputed(grid.logits, cell) for cell in torch.split(cells, grid.chunk_size, 1)])
        own = logits[: len(rows)].gather(1, grid.target[rows, None])[:, 0]
        return rows, own, (logits + self.log_r + log_weight[:, None]).flatten().logsumexp(0)

    def _enumerated_blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        grid = self.grid
        for rows, pieces in grid.blocks(grid.of_mine(self.enumerated.nonzero()[:, 0])):
            found = [recomputed(self._block, rows, *piece) for piece in pieces]
            own, log_z = zip(*found, strict=True)
            yield rows, torch.stack(own).logsumexp(0), torch.stack(log_z).logsumexp(0)

    def _drawn_blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        grid = self.grid
        size = min(self.fills, grid.chunk_size)
        pieces = [min(size, self.fills - start) for start in range(0, self.fills, size)]
        for rows in torch.split(grid.of_mine(self.drawn.nonzero()[:, 0]), max(1, grid.chunk_size // size)):
            if not len(rows):
                continue
            found = [recomputed(self._fill, rows, self._filled(rows.repeat_interleave(piece))) for piece in pieces]
            own, log_z = zip(*found, strict=True)
            yield rows, torch.stack(own).logsumexp(0) - math.log(self.fills), torch.stack(log_z).logsumexp(0)

    def _block(self, rows: Tensor, absent: tuple[int, ...], start: int, stop: int) -> tuple[Tensor, Tensor]:
        cell, log_p = self.grid.block_cells(rows, absent, start, stop)
        return self._row_terms(rows, cell, log_p, self.grid.log_p_of(cell) - self._times_enumerated(cell).log())

    def _fill(self, rows: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        return self._row_terms(rows, cell, 0.0, self._log_weight(cell))

    def _row_terms(
        self, rows: Tensor, cell: Tensor, log_p: Tensor | float, log_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits = self.grid.logits(cell)
        # A weight of 0 made small instead of nothing: a sum of nothing would have NaN as gradient.
        weighted = logits + self.log_r + log_weight.clamp(min=-1e30)[:, None]
        return self.grid.log_mean_at_label(logits, rows, log_p), weighted.flatten().logsumexp(0)

    def _filled(self, rows: Tensor) -> Tensor:
        """Rows with gaps as cells: their own index where present, a drawn one where absent."""
        drawn = torch.multinomial(self.p, len(rows), replacement=True, generator=self.generator)
        return torch.where(self.grid.masks[:, rows], rows, drawn)

    def _draw(self, n: int) -> Tensor:
        """``n`` cells from the product of marginals without the own cells of complete rows."""
        if self.off_diagonal < NEGLIGIBLE:
            n = 0
        cells = torch.stack(list(self._axes(n)))
        # Rounding may put a draw on the edge of what was cut out.
        on_diagonal = (cells == cells[0]).all(0) & self.grid.complete[cells[0]]
        return cells[:, ~on_diagonal]

    def _axes(self, n: int) -> Iterator[Tensor]:
        """One axis of the draws after the other, each given those before it.

        On the first axis a row counts by how likely the others leave it. On each further one, cells that have not left
        their row yet find its probability diminished by what would never leave it afterwards.
        """
        first = _invert((self.p[0] * self.leave[0]).cumsum(0), self._uniform(n) * self.off_diagonal)
        yield first
        together = self.grid.complete[first]
        for p, leave in zip(self.p[1:], self.leave[1:], strict=True):
            cumulative = p.cumsum(0)
            cut = torch.where(together, p[first] * (1 - leave[first]), 0.0)
            u = self._uniform(n) * (cumulative[-1] - cut)
            row = _invert(cumulative, torch.where(u >= cumulative[first] - cut, u + cut, u))
            together = together & (row == first)
            yield row

    def _uniform(self, n: int) -> Tensor:
        return torch.rand(n, generator=self.generator, dtype=self.p.dtype, device=self.p.device)

    def _times_enumerated(self, cells: Tensor) -> Tensor:
        """How many enumerated blocks hold each cell."""
        return sum((hold.long() for _, hold in self.holds_enumerated(cells)), start=torch.zeros_like(cells[0]))

    def _log_weight(self, cells: Tensor) -> Tensor:
        """Log of one over how often all draws together are expected to give a cell, over its probability.

        So weighted, the sum of the draws is unbiased although a cell can come from several sources (the balance rule of
        multiple importance sampling). Cells that are enumerated have weight 0 as draws.
        """
        density = self.p.new_full(cells[0].shape, self.n / max(self.off_diagonal, NEGLIGIBLE))
        for row, hold in self.holds_drawn(cells):
            density = density + torch.where(hold, self.fills / self.share[row], 0.0)
        log_weight = -density.log()
        return log_weight.masked_fill(self._times_enumerated(cells) > 0, -torch.inf).to(self.grid.mass.dtype)


class _Holders:
    """Which of some rows with gaps have a cell in their block: those it names on all axes that they have."""

    def __init__(self, masks: Tensor, rows: Tensor) -> None:
        self.bits = 2 ** torch.arange(len(masks), device=masks.device)[:, None]
        # What a row asks of a cell that it is first named by, its first axis; otherwise a bit that no cell has.
        first = (masks.cumsum(0) == 1) & masks & rows
        asked = (masks * self.bits).sum(0)
        self.asked = torch.where(first, asked, 2 ** len(masks))
        self.axes = first.any(1).nonzero()[:, 0].tolist()

    def __call__(self, cells: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each axis a row of each cell, and whether it holds the cell; no row comes twice."""
        for axis in self.axes:
            row = cells[axis]
            named = ((cells == row) * self.bits).sum(0)
            yield row, (self.asked[axis, row] & ~named) == 0


def _leave(p: Tensor, complete: Tensor) -> Tensor:
    """``(A, B)``: probability that an axis after this one is not at the row, if the row is complete; else 1."""
    stay = torch.cat([p[1:].flip(0).cumprod(0).flip(0), torch.ones_like(p[:1])])
    return torch.where(complete, 1 - stay, 1.0)


def _invert(cumulative: Tensor, u: Tensor) -> Tensor:
    """Entries whose stretch of the cumulative weights holds ``u``; those without weight hold nothing."""
    last = (cumulative < cumulative[-1]).sum()
    return torch.searchsorted(cumulative, u, right=True).minimum(last)
