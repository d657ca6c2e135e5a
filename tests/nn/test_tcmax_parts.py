"""TCMax losses over parts of a batch and over processes of which some hold nothing that counts."""

import os
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import interplay as ip
from interplay.nn.losses import AdditiveStatistics

# Rows 5 to 8 weigh nothing, rows 9 and 10 have nothing, the last part is empty.
PARTS = [slice(0, 5), slice(5, 9), slice(9, 11), slice(11, 14), slice(14, 14)]
B = 14


def data() -> tuple[list[Tensor], Tensor, Tensor, list[Tensor]]:
    g = torch.Generator().manual_seed(0)
    tables = [torch.randn(B, 4, generator=g, dtype=torch.float64) for _ in range(2)]
    weight = torch.linspace(0.5, 2, B, dtype=torch.float64)
    weight[5:9] = 0
    masks = torch.ones(2, B, dtype=torch.bool)
    masks[:, 9:11] = False
    masks[1, 1] = False
    return tables, torch.arange(B) % 4, weight, list(masks)


def rows(tables: Sequence[Tensor], part: slice) -> dict[str, object]:
    _, y, weight, masks = data()
    return {
        "logits": [t[part] for t in tables], "target": y[part], "weight": weight[part],
        "present": [m[part] for m in masks],
    }  # fmt: skip


@pytest.mark.parametrize("marginal", ["uniform", "batch"])
@pytest.mark.parametrize("order", [1, -1])
def test_parts_without_weight_presence_or_rows_are_parts_like_others(marginal: str, order: int) -> None:
    leaves = [t.requires_grad_() for t in data()[0]]
    whole = ip.losses.tcmax_additive(**rows(leaves, slice(0, B)), label_marginal=marginal)
    expected = torch.autograd.grad(whole, leaves)
    with torch.no_grad():
        first, *others = [AdditiveStatistics.of(**rows(leaves, part)) for part in PARTS[::order]]
    total = sum(others, start=first)
    for part in PARTS:
        loss = ip.losses.tcmax_additive(**rows(leaves, part), label_marginal=marginal, total=total)
        torch.testing.assert_close(loss.detach(), whole.detach(), rtol=1e-12, atol=1e-12)
        loss.backward()
    for leaf, gradient in zip(leaves, expected, strict=True):
        torch.testing.assert_close(leaf.grad, gradient, rtol=1e-12, atol=1e-12)


def test_a_whole_without_weight_is_refused_when_all_parts_are_known() -> None:
    tables, y, _, _ = data()
    nothing = AdditiveStatistics.of([t[:2] for t in tables], y[:2], weight=torch.zeros(2))
    with pytest.raises(ValueError, match="a row of positive weight with a modality present, found none"):
        (nothing + nothing).loss()
    with pytest.raises(ValueError, match="found none"):
        ip.losses.tcmax_additive([t[:2] for t in tables], y[:2], weight=torch.zeros(2), total=nothing)


# Which rows the second of two processes has; the first has all others.
SHARES = {"no weight": slice(5, 9), "nothing present": slice(9, 11), "empty": slice(14, 14)}
# "idle": one modality has no negatives to draw, so that the second process has no term at all.
FORMS = ["additive", "joint", "sampled", "idle"]


def gradients(form: str, part: Tensor, group: object, weight: float) -> list[Tensor]:
    tables, y, w, masks = data()
    n_modalities = 1 if form == "idle" else 2
    leaves = [t[part].requires_grad_() for t in tables[:n_modalities]]
    slope = torch.ones(4, dtype=torch.float64, requires_grad=True)
    options = {"weight": w[part] * weight, "present": [m[part] for m in masks[:n_modalities]], "group": group}
    if form == "additive":
        loss = ip.losses.tcmax_additive([t * slope for t in leaves], y[part], **options)
    else:
        many = {"sampled": 100_000, "idle": 5}.get(form)
        loss = ip.losses.tcmax(lambda z: (z[0] + z[-1]).tanh() * slope, leaves, y[part], negatives=many, **options)
    loss.backward()
    return [loss.detach(), *[torch.zeros_like(p) if p.grad is None else p.grad for p in (slope, *leaves)]]


def process(rank: int, path: str, results: object) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    group = torch.distributed.group.WORLD
    torch.manual_seed(rank)
    found = {}
    for name, share in SHARES.items():
        theirs = torch.zeros(B, dtype=torch.bool)
        theirs[share] = True
        part = (theirs if rank else ~theirs).nonzero()[:, 0]
        for form in FORMS:
            found[name, form] = [t.tolist() for t in gradients(form, part, group, 1.0)]
    for form in FORMS:
        try:
            gradients(form, torch.arange(rank * 3), group, 0.0)
        except ValueError as error:
            found["error", form] = str(error)
    results.put((rank, found))
    torch.distributed.barrier()
    # The backend's threads race with the interpreter's own end, now and then with an abort.
    os._exit(0)


def test_a_process_with_nothing_that_counts(tmp_path) -> None:
    """Value everywhere, gradients of either process's own rows and, averaged, of shared weights; one error for all."""
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(process, (str(tmp_path / "meeting"), results), nprocs=2)
    found = dict(results.get() for _ in range(2))
    for form in FORMS:
        value, slope, *tables = gradients("joint" if form == "sampled" else form, torch.arange(B), None, 1.0)
        atol = 0.02 if form == "sampled" else 1e-12
        for name, share in SHARES.items():
            theirs = torch.zeros(B, dtype=torch.bool)
            theirs[share] = True
            mine = [[torch.tensor(t, dtype=torch.float64) for t in found[rank][name, form]] for rank in range(2)]
            for one, own in zip(mine, (~theirs, theirs), strict=True):
                torch.testing.assert_close(one[0], value, rtol=0, atol=atol)
                for got, expected in zip(one[2:], tables, strict=True):
                    torch.testing.assert_close(got.reshape(-1, 4) / 2, expected[own], rtol=0, atol=atol)
            torch.testing.assert_close((mine[0][1] + mine[1][1]) / 2, slope, rtol=0, atol=atol)
        assert found[0]["error", form] == found[1]["error", form]
        assert "a row of positive weight" in found[0]["error", form]
