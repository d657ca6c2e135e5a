"""What the joint TCMax loss keeps for the backward pass and hands to the head at once is bounded."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import interplay as ip


def held_bytes(loss: Callable[[], Tensor]) -> int:
    """Bytes of all tensors that come alive with the loss and live as long as its graph, saved ones included."""

    def storages() -> dict[int, int]:
        gc.collect()
        # By type: isinstance would wake lazy objects of other modules. Tensors of traced graphs, which other tests may
        # leave behind, are of types of their own and hold no memory.
        found = [t.untyped_storage() for t in gc.get_objects() if type(t) in (Tensor, torch.nn.Parameter)]
        return {s.data_ptr(): s.nbytes() for s in found}

    before = storages()
    # Packed in a tuple, what autograd saves is an object that the collector sees.
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (t,), lambda packed: packed[0]):
        value = loss()
    after = storages()
    assert value.requires_grad
    return sum(size for pointer, size in after.items() if pointer not in before)


def rows(m: int, b: int) -> tuple[list[Tensor], Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randn(b, 4, generator=g, requires_grad=True) for _ in range(m)], torch.arange(b) % 4


def head(z: list[Tensor]) -> Tensor:
    return torch.stack(z).sum(0).tanh()


@pytest.mark.parametrize("gappy", [False, True])
@pytest.mark.parametrize(("m", "small", "large"), [(2, 64, 256), (3, 12, 36)])
def test_what_is_kept_does_not_grow_with_the_number_of_combinations(
    m: int, small: int, large: int, gappy: bool
) -> None:
    """The same number of chunks at two batch sizes: twenty bytes a combination would be found."""
    found = []
    for b in (small, large):
        features, y = rows(m, b)
        masks = torch.ones(m, b, dtype=torch.bool)
        if gappy:
            masks[-1, b // 2 :] = False
        found.append(
            held_bytes(
                lambda f=features, y=y, masks=masks, size=b**m // 8: ip.losses.tcmax(
                    head, f, y, present=list(masks), chunk_size=size
                )
            )
        )
    # Random states of the chunks (5 kB each) do not grow, features and weights (100 bytes a row) do.
    assert found[1] - found[0] < 200 * (large - small)
    assert 200 * (large - small) < 8 * (large**m - small**m) / 2


def test_a_chunk_costs_its_random_state_only() -> None:
    features, y = rows(2, 64)
    few, many = (
        held_bytes(lambda size=size: ip.losses.tcmax(head, features, y, chunk_size=size)) for size in (1024, 128)
    )
    assert many - few < 28 * 6000


def patterns(m: int, b: int) -> Tensor:
    """Complete rows, and rows that lack each of the modalities, two and (of three) all but one."""
    masks = torch.ones(m, b, dtype=torch.bool)
    masks[0, 1::5] = False
    masks[-1, 2::5] = False
    if m == 3:
        masks[1:, 3] = False
    return masks


@pytest.mark.parametrize("negatives", [None, 10, 300])
@pytest.mark.parametrize("gappy", [False, True])
@pytest.mark.parametrize(("m", "b"), [(2, 20), (3, 9)])
def test_the_head_never_sees_more_than_a_chunk(m: int, b: int, gappy: bool, negatives: int | None) -> None:
    features, y = rows(m, b)
    sizes = []

    def watched(z: list[Tensor]) -> Tensor:
        sizes.append(len(z[0]))
        return head(z)

    def loss(chunk_size: int) -> list[Tensor]:
        sizes.clear()
        g = torch.Generator().manual_seed(0)
        masks = list(patterns(m, b)) if gappy else None
        value = ip.losses.tcmax(
            watched, features, y, present=masks, chunk_size=chunk_size, negatives=negatives, generator=g
        )
        return [value.detach(), *torch.autograd.grad(value, features)]

    whole = loss(10**6)
    for size in (50, 9, 1):
        if size == 1 and b**m > 400:
            continue
        parts = loss(size)
        assert max(sizes) <= size
        # Where blocks are drawn, the draws come in another order.
        if negatives is None or not gappy or (m == 2 and negatives >= 10):
            for one, two in zip(parts, whole, strict=True):
                torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_dropout_is_replayed_in_the_backward_pass() -> None:
    """Gradient of a head that draws: as with everything in one chunk and the same draws."""
    x = torch.ones(4, 2, requires_grad=True)
    seen: list[Tensor] = []

    def dropping(z: list[Tensor]) -> Tensor:
        seen.append(torch.dropout(z[0], 0.5, True))
        return seen[-1]

    torch.manual_seed(0)
    value = ip.losses.tcmax(dropping, [x], torch.arange(4) % 2, chunk_size=2)
    forward = seen[1:]
    seen.clear()
    value.backward()
    assert len(forward) == len(seen) == 4
    ours, theirs = (sorted(str(t.tolist()) for t in drawn) for drawn in (forward, seen))
    assert ours == theirs
    assert len(set(ours)) > 1
