"""What the TCMax losses refuse, with which words, and what must not matter to them."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import interplay as ip

Loss = Callable[..., Tensor]


def summed(z: list[Tensor]) -> Tensor:
    return torch.stack(z).sum(0)


def additive(tables: list[Tensor], y: Tensor, **options: object) -> Tensor:
    return ip.losses.tcmax_additive(tables, y, **options)


def joint(tables: list[Tensor], y: Tensor, **options: object) -> Tensor:
    return ip.losses.tcmax(summed, tables, y, chunk_size=50, **options)


def drawn(tables: list[Tensor], y: Tensor, **options: object) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return ip.losses.tcmax(summed, tables, y, negatives=50, generator=g, **options)


def weighted(tables: list[Tensor], y: Tensor, **options: object) -> Tensor:
    return ip.losses.tcmax_additive(tables, y, **{"weight": torch.ones(len(y)), **options})


def estimated(tables: list[Tensor], y: Tensor, **options: object) -> Tensor:
    return ip.losses.tcmax_estimate(torch.zeros(()), y, len(tables), **options)


FORMS = [additive, weighted, joint, drawn]


def batch(b: int = 9, k: int = 4) -> tuple[list[Tensor], Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randn(b, k, generator=g) for _ in range(2)], torch.randint(k, (b,), generator=g)


def values_and_gradients(loss: Loss, tables: list[Tensor], *args: object, **options: object) -> list[Tensor]:
    leaves = [t.clone().requires_grad_() for t in tables]
    value = loss(leaves, *args, **options)
    return [value.detach(), *torch.autograd.grad(value, leaves)]


def assert_same(one: list[Tensor], two: list[Tensor], **close: float) -> None:
    for a, b in zip(one, two, strict=True):
        assert torch.isfinite(a).all()
        torch.testing.assert_close(a, b, **close)


@pytest.mark.parametrize("loss", [*FORMS, estimated])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_all_integer_dtypes_are_class_codes(loss: Loss, dtype: torch.dtype) -> None:
    tables, y = batch()
    torch.testing.assert_close(loss(tables, y.to(dtype)), loss(tables, y), rtol=0, atol=0)


@pytest.mark.parametrize("loss", [*FORMS, estimated])
def test_targets_that_are_no_class_codes(loss: Loss) -> None:
    tables, y = batch()
    for wrong in (y > 1, y.float(), y.double()):
        with pytest.raises(ValueError, match=rf"target: expected class codes of an integer dtype, found {wrong.dtype}"):
            loss(tables, wrong)
    below = "" if loss is estimated else " and below 4, the number of classes"
    for code in (-1, -100):
        with pytest.raises(ValueError, match=f"target: expected class codes from 0{below}.*found {code}"):
            loss(tables, y.index_fill(0, torch.tensor([2]), code))
    if loss is not estimated:
        with pytest.raises(ValueError, match=r"below 4, the number of classes.*found 7"):
            loss(tables, y.index_fill(0, torch.tensor([2]), 7))


@pytest.mark.parametrize("loss", [additive, joint, drawn, estimated])
def test_weights_that_are_none(loss: Loss) -> None:
    tables, y = batch()
    for wrong in (torch.nan, torch.inf, -torch.inf, -1.0):
        weight = torch.ones(9)
        weight[4] = wrong
        with pytest.raises(ValueError, match="weight: expected"):
            loss(tables, y, weight=weight)
    with pytest.raises(ValueError, match=r"weight: expected .*found shape \(8,\)"):
        loss(tables, y, weight=torch.ones(8))
    nothing = torch.zeros(9)
    for options in (
        {"weight": nothing},
        {"present": [nothing.bool()] * 2},
        {"present": [nothing == 0] * 2, "weight": nothing},
        {"present": [torch.arange(9) == 3] * 2, "weight": (torch.arange(9) != 3).float()},
    ):
        with pytest.raises(ValueError, match="a row of positive weight with a modality present, found none"):
            loss(tables, y, **options)


@pytest.mark.parametrize("loss", [additive, joint, drawn])
@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e30, 1e38])
@pytest.mark.parametrize("gappy", [False, True])
def test_the_scale_of_weights_does_not_matter(loss: Loss, scale: float, gappy: bool) -> None:
    tables, y = batch()
    # Powers of two, so that numbers near the smallest are as exact as the others.
    weight = torch.tensor([1.0, 2, 1, 1, 2, 2, 0, 1, 1])
    scale = 2.0 ** round(math.log2(scale))
    options = {"present": [torch.arange(9) != 1, torch.arange(9) % 3 != 0]} if gappy else {}
    expected = values_and_gradients(loss, tables, y, weight=weight, **options)
    assert_same(values_and_gradients(loss, tables, y, weight=weight * scale, **options), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [additive, joint, drawn])
def test_what_weightless_rows_hold_does_not_matter(loss: Loss) -> None:
    tables, y = batch()
    weight = torch.ones(9)
    weight[[0, 5]] = 0
    spoiled = [t.clone() for t in tables]
    for t in spoiled:
        t[0], t[5] = torch.nan, torch.inf
    expected = values_and_gradients(loss, tables, y, weight=weight)
    assert_same(values_and_gradients(loss, spoiled, y, weight=weight), expected, rtol=0, atol=0)


@pytest.mark.parametrize("negatives", [None, 30])
@pytest.mark.parametrize("some", [False, True])
def test_what_absent_rows_hold_is_never_given_to_the_head(negatives: int | None, some: bool) -> None:
    """NaN in all of them, first row and a modality absent from the whole batch included."""
    tables, y = batch()
    masks = [torch.arange(9) != 0, torch.arange(9) % 4 == 1 if some else torch.zeros(9, dtype=torch.bool)]

    def loss(z: list[Tensor], watch: bool) -> Tensor:
        def head(parts: list[Tensor]) -> Tensor:
            if watch:
                assert all(torch.isfinite(part).all() for part in parts)
            return parts[0] * (1 + parts[1])

        g = torch.Generator().manual_seed(0)
        return ip.losses.tcmax(head, z, y, present=masks, negatives=negatives, generator=g)

    spoiled = [torch.where(mask[:, None], t, torch.nan) for t, mask in zip(tables, masks, strict=True)]
    expected = values_and_gradients(lambda z: loss(z, False), tables)
    assert_same(values_and_gradients(lambda z: loss(z, True), spoiled), expected, rtol=0, atol=0)


@pytest.mark.parametrize("negatives", [None, 400])
def test_a_modality_absent_from_the_whole_batch_counts_as_in_the_additive_loss(negatives: int | None) -> None:
    """The additive loss has no logits of it: a sum head that is given zeros agrees."""
    tables, y = batch()
    third = torch.full_like(tables[0], 5.0)
    present = torch.ones(9, dtype=torch.bool)
    for masks in ([present, ~present], [present, ~present, present], [~present, present, torch.arange(9) > 2]):
        parts = [*tables, third][: len(masks)]
        expected = ip.losses.tcmax_additive(parts, y, present=masks)
        g = torch.Generator().manual_seed(0)
        found = ip.losses.tcmax(summed, parts, y, present=masks, negatives=negatives, generator=g)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 if negatives is None else 0.2)


def test_the_additive_loss_knows_a_modality_that_no_row_has_whatever_the_rounding_of_weights() -> None:
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        tables, y = batch()
        masks = [torch.ones(9, dtype=torch.bool), torch.zeros(9, dtype=torch.bool)]
        weight = torch.rand(9, generator=g, dtype=torch.float64)
        found = values_and_gradients(additive, tables, y, present=masks, weight=weight)
        one = additive([tables[0], 0 * tables[0]], y, weight=weight)
        assert_same(found[:1], [one])
        assert (found[2] == 0).all()


@pytest.mark.parametrize("loss", FORMS)
@pytest.mark.parametrize("modality", [0, slice(None)])
def test_a_class_that_nobody_can_have(loss: Loss, modality: object) -> None:
    """Logits of -inf in all rows for a class that the batch lacks: finite gradients, as with a very small logit."""
    tables, y = batch()
    y = y.clamp(max=2)
    small = torch.stack(tables)
    small[modality, :, 3] = -1e4
    impossible = torch.where(small == -1e4, -torch.inf, small)
    expected = values_and_gradients(loss, list(small), y)
    assert_same(values_and_gradients(loss, list(impossible), y), expected)


@pytest.mark.parametrize("loss", FORMS)
def test_nan_in_a_row_that_counts_is_not_hidden(loss: Loss) -> None:
    tables, y = batch()
    tables[0][3, 1] = torch.nan
    assert torch.isnan(loss(tables, y))


@pytest.mark.parametrize("loss", [additive, joint, drawn])
def test_label_marginals(loss: Loss) -> None:
    tables, y = batch()
    r = [0.1, 0.2, 0.3, 0.4]
    expected = loss(tables, y, label_marginal=torch.tensor(r))
    for same in (np.array(r), np.array(r, dtype=np.float32), r, tuple(r), torch.tensor(r, dtype=torch.float64)):
        torch.testing.assert_close(loss(tables, y, label_marginal=same), expected)
    for wrong, message in (
        ([0.5, 0.7, -0.2, 0.0], "least -0.2"),
        (np.array([0.5, 0.7, -0.2, 0.0]), "least -0.2"),
        ([0.5, 0.5, torch.nan, 0.0], "sum nan"),
        ([0.5, 0.5], r"expected 4 probabilities, found shape \(2,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(tables, y, label_marginal=wrong)


@pytest.mark.parametrize("name", ["chunk_size", "negatives"])
def test_numbers_of_combinations(name: str) -> None:
    tables, y = batch()
    for wrong in (0, -3):
        with pytest.raises(ValueError, match=f"{name} must be at least 1.*found {wrong}"):
            ip.losses.tcmax(summed, tables, y, **{name: wrong})


@pytest.mark.parametrize("loss", [additive, joint, estimated])
def test_a_batch_without_rows(loss: Loss) -> None:
    tables, y = batch()
    with pytest.raises(ValueError, match="found none"):
        loss([t[:0] for t in tables], y[:0])


def test_a_head_that_gives_no_logits() -> None:
    tables, y = batch()
    with pytest.raises(ValueError, match=r"head: expected logits \(1, classes\)"):
        ip.losses.tcmax(lambda z: z[0].sum(1), tables, y)
