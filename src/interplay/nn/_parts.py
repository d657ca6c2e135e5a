"""One batch in several parts: rows spread over processes, or over passes that do not fit into memory together."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Part = TypeVar("Part")


def accumulate_gradients(
    encode: Callable[[Part], Sequence[Tensor]], parts: Sequence[Part], loss: Callable[[list[Tensor]], Tensor]
) -> Tensor:
    """Backward pass of a loss of all rows together, with the graph of one part in memory at a time.

    Losses such as :func:`tcmax` see every pair of rows, so that sums over parts are not the loss of the whole. Here
    every part is encoded without a graph, the loss of the whole is taken from the embeddings, and every part is encoded
    again to carry the gradient on. Exact, also with dropout (the second pass draws what the first drew); gradients are
    added to ``.grad`` as by ``backward``. Layers that look across rows, such as batch normalisation, see parts.

    Args:
        encode: from a part to one tensor ``(b, ...)`` a modality.
        parts: whatever ``encode`` takes, for instance slices of a batch.
        loss: from one tensor ``(B, ...)`` a modality, the parts' rows in order, to a scalar.

    Returns:
        The loss, without gradient.

    Reference:
        Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, RepL4NLP 2021.

    >>> weight = torch.ones(2, 2, requires_grad=True)
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> value = accumulate_gradients(lambda part: [part @ weight], [x[:1], x[1:]], lambda z: z[0].square().sum())
    >>> float(value), weight.grad.tolist()
    (12.0, [[6.0, 6.0], [6.0, 6.0]])
    """
    if not parts:
        raise ValueError("parts: expected at least one part of the batch, found none")
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    states: list[Any] = []
    found = []
    with torch.no_grad():
        for part in parts:
            states.append((torch.get_rng_state(), [torch.cuda.get_rng_state(d) for d in devices]))
            found.append(list(encode(part)))
    whole = [torch.cat(rows).requires_grad_() for rows in zip(*found, strict=True)]
    value = loss(whole)
    value.backward()  # type: ignore[no-untyped-call]
    gradients = [torch.zeros_like(z) if z.grad is None else z.grad for z in whole]
    with torch.random.fork_rng(devices=devices):
        start = 0
        for part, (state, on_devices) in zip(parts, states, strict=True):
            torch.set_rng_state(state)
            for device, theirs in zip(devices, on_devices, strict=True):
                torch.cuda.set_rng_state(theirs, device)
            again = list(encode(part))
            stop = start + len(again[0])
            torch.autograd.backward(again, [g[start:stop] for g in gradients])
            start = stop
    return value.detach()


class _Gather(torch.autograd.Function):
    """Rows of all processes; the gradient of each process's rows is the sum of what all processes ask of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: list[int], group: "dist.ProcessGroup") -> Tensor:
        ctx.sizes, ctx.group = sizes, group
        # Processes may hold different numbers of rows, which the collective does not allow.
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: len(x)] = x
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(found, padded, group)
        return torch.cat([rows[:size] for rows, size in zip(found, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total, dist.ReduceOp.SUM, ctx.group)
        return torch.split(total, ctx.sizes)[dist.get_rank(ctx.group)], None, None


def sizes_of(n: int, like: Tensor, group: "dist.ProcessGroup") -> list[int]:
    """Number of rows that each process of the group holds."""
    found = [like.new_zeros(1, dtype=torch.long) for _ in range(dist.get_world_size(group))]
    dist.all_gather(found, like.new_full((1,), n, dtype=torch.long), group)
    return [int(size) for size in found]


def gather(x: Tensor, sizes: list[int], group: "dist.ProcessGroup") -> Tensor:
    """``(B, ...)``: rows of all processes in the order of their ranks, with gradient for floating-point numbers."""
    if x.dtype == torch.bool:
        return _Gather.apply(x.to(torch.uint8), sizes, group).bool()  # type: ignore[no-untyped-call]
    return _Gather.apply(x, sizes, group)  # type: ignore[no-untyped-call]


def sum_of_exponents(local: Tensor, group: "dist.ProcessGroup") -> Tensor:
    """Log of the sum over processes of exp(local), with the gradient of this process's term."""
    peak = local.detach().clone()
    dist.all_reduce(peak, dist.ReduceOp.MAX, group)
    total = (local.detach() - peak).exp()
    dist.all_reduce(total, dist.ReduceOp.SUM, group)
    value = total.log() + peak
    share = (local - value).exp()
    return value + share - share.detach()


def sum_of(local: Tensor, group: "dist.ProcessGroup") -> Tensor:
    """Sum over processes, with the gradient of this process's term."""
    total = local.detach().clone()
    dist.all_reduce(total, dist.ReduceOp.SUM, group)
    return total + local - local.detach()
