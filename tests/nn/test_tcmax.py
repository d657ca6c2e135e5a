"""The TCMax losses against the sum over all combinations, written out."""

import itertools
import math
import os

import pytest
import torch
from torch import Tensor

import interplay as ip
from interplay.nn.losses import AdditiveStatistics


def twin(tables: list[Tensor], y: Tensor, w: Tensor, r: Tensor, masks: list[Tensor]) -> Tensor:
    """Every combination in a Python loop: additive tables, weights summing to 1, gaps filled with the marginal."""
    filled = []
    for f, mask in zip(tables, masks, strict=True):
        p = w * mask / (w * mask).sum()
        filled.append(torch.where(mask[:, None], f, (p[:, None] * f.exp()).sum(0).log()))
    z = torch.zeros((), dtype=torch.float64)
    for cell in itertools.product(range(len(y)), repeat=len(tables)):
        logits = sum(f[j] for f, j in zip(filled, cell, strict=True))
        z = z + math.prod(float(w[j]) for j in cell) * (r * logits.exp()).sum()
    positives = sum(f[torch.arange(len(y)), y] for f in filled)
    best = -(len(tables) - 1) * (w * w.log()).sum() - (w * r[y].log()).sum()
    return best - (w * positives).sum() + z.log()


def batch(m: int, b: int = 9, k: int = 4, scale: float = 1.0, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    g = torch.Generator().manual_seed(seed)
    logits = [scale * torch.randn(b, k, generator=g, dtype=torch.float64) for _ in range(m)]
    return logits, torch.randint(k, (b,), generator=g)


def gaps(m: int, b: int, seed: int = 1) -> list[Tensor]:
    masks = torch.rand(m, b, generator=torch.Generator().manual_seed(seed)) < 0.6
    masks[0, ~masks.any(0)] = True
    return list(masks)


def values_and_gradients(loss, tables: list[Tensor]) -> list[Tensor]:
    leaves = [t.clone().requires_grad_() for t in tables]
    value = loss(leaves)
    return [value.detach(), *torch.autograd.grad(value, leaves)]


def total(z: list[Tensor]) -> Tensor:
    return torch.stack(z).sum(0)


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("marginal", ["uniform", "batch", "given"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gappy", [False, True])
@pytest.mark.parametrize("form", ["additive", "joint"])
def test_equal_to_the_sum_over_all_combinations(m: int, marginal: str, weighted: bool, gappy: bool, form: str) -> None:
    tables, y = batch(m)
    b, k = tables[0].shape
    weight = torch.linspace(0.5, 3, b, dtype=torch.float64) if weighted else None
    w = torch.full((b,), 1 / b, dtype=torch.float64) if weight is None else weight / weight.sum()
    masks = gaps(m, b) if gappy else None
    given = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    r = {
        "uniform": torch.full((k,), 1 / k, dtype=torch.float64),
        "batch": torch.zeros(k, dtype=torch.float64).index_add(0, y, w),
        "given": given,
    }[marginal]
    full = masks or [torch.ones(b, dtype=torch.bool)] * m
    expected = values_and_gradients(lambda t: twin(t, y, w, r, full), tables)
    options = {"present": masks, "weight": weight, "label_marginal": given if marginal == "given" else marginal}
    if form == "additive":
        found = values_and_gradients(lambda t: ip.losses.tcmax_additive(t, y, **options), tables)
    else:
        found = values_and_gradients(lambda t: ip.losses.tcmax(total, t, y, chunk_size=7, **options), tables)
    assert found[0] >= 0
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("b", "k", "scale"), [(8, 2, 0.1), (64, 31, 1), (256, 6, 20), (256, 31, 3)])
def test_equal_to_the_full_tensor(b: int, k: int, scale: float) -> None:
    tables, y = batch(2, b, k, scale)
    i = torch.arange(b)

    def full(t: list[Tensor]) -> Tensor:
        log_p = (t[0][:, None] + t[1]).flatten().log_softmax(0).reshape(b, b, k)
        return -log_p[i, i, y].mean() - math.log(b)

    expected = values_and_gradients(full, tables)
    for one, two in zip(values_and_gradients(lambda t: ip.losses.tcmax_additive(t, y), tables), expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("masked", [False, True])
def test_finite_at_huge_logits_and_in_half_precision(dtype: torch.dtype, masked: bool) -> None:
    tables, y = batch(2, 64, 6, 1e4)
    options = {"present": gaps(2, 64), "weight": torch.arange(64.0)} if masked else {}
    leaves = [t.clamp(-6e4, 6e4).to(dtype).requires_grad_() for t in tables]
    for loss in (
        ip.losses.tcmax_additive(leaves, y, **options),
        ip.losses.tcmax(total, leaves, y, **options),
        ip.losses.tcmax(total, leaves, y, negatives=500, **options),
    ):
        assert torch.isfinite(loss)
        assert loss.dtype == torch.float32
        assert all(torch.isfinite(g).all() for g in torch.autograd.grad(loss, leaves))


def test_masked_values_and_weightless_rows_change_nothing() -> None:
    tables, y = batch(3, 12)
    masks = gaps(3, 12)
    weight = torch.ones(12)
    weight[3] = 0
    options = {"present": masks, "weight": weight}
    spoiled = [t.clone() for t in tables]
    for t, mask in zip(spoiled, masks, strict=True):
        t[~mask] = torch.nan
    for loss in (
        lambda t: ip.losses.tcmax_additive(t, y, **options),
        lambda t: ip.losses.tcmax(total, t, y, **options),
        lambda t: ip.losses.tcmax(
            total, t, y, negatives=40, generator=torch.Generator().manual_seed(0), **options
        ),
    ):  # fmt: skip
        for one, two in zip(values_and_gradients(loss, tables), values_and_gradients(loss, spoiled), strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=0)
    keep = weight > 0
    part = ip.losses.tcmax_additive([t[keep] for t in tables], y[keep], present=[mask[keep] for mask in masks])
    torch.testing.assert_close(ip.losses.tcmax_additive(tables, y, **options), part)


@pytest.mark.parametrize("negatives", [None, 200])
def test_a_modality_that_no_row_has_and_rows_with_nothing(negatives: int | None) -> None:
    tables, y = batch(2)
    masks = [torch.ones(9, dtype=torch.bool), torch.zeros(9, dtype=torch.bool)]
    masks[0][4] = False
    keep = masks[0]
    leaves = [t.clone().requires_grad_() for t in tables]
    losses = [
        ip.losses.tcmax_additive(leaves, y, present=masks),
        ip.losses.tcmax(lambda z: z[0] + 0 * z[1], leaves, y, present=masks, negatives=negatives),
    ]
    alone = ip.losses.tcmax_additive([tables[0][keep], 0 * tables[0][keep]], y[keep])
    torch.testing.assert_close(losses[0], alone)
    if negatives is None:
        torch.testing.assert_close(losses[1], alone)
    for loss in losses:
        assert all(
            torch.isfinite(g).all() for g in torch.autograd.grad(loss, leaves, allow_unused=True) if g is not None
        )


def test_floor_of_a_perfect_linear_classifier_and_ceiling() -> None:
    y = torch.arange(48) % 6
    perfect = 60 * torch.nn.functional.one_hot(y, 6).double()
    loss = ip.losses.tcmax_additive([perfect, perfect], y)
    assert loss.item() == pytest.approx(math.log(48 / 6), abs=1e-12)
    assert ip.losses.tcmax_estimate(loss, y, 2).item() == pytest.approx(2 * math.log2(6), abs=1e-12)
    # A head that knows every pair attains the ceiling log(B K), that is a loss of 0.
    identity = torch.eye(48, dtype=torch.float64)
    best = ip.losses.tcmax(lambda z: 60 * (z[0] * z[1]) @ torch.nn.functional.one_hot(y, 6).double(), [identity] * 2, y)
    assert best.item() == pytest.approx(0, abs=1e-9)
    assert ip.losses.tcmax_estimate(best, y, 2).item() == pytest.approx(math.log2(48 * 6), abs=1e-8)
    for seed in range(20):
        tables, labels = batch(2, scale=5, seed=seed)
        assert ip.losses.tcmax_additive(tables, labels) >= 0


def test_estimate_leaves_out_rows_with_nothing_as_the_loss_does() -> None:
    """As many rows again in which nothing is present: the same value as without them."""
    y = torch.arange(48) % 6
    perfect = 60 * torch.nn.functional.one_hot(y, 6).double()
    twice, labels, there = torch.cat([perfect, 0 * perfect]), torch.cat([y, 0 * y]), torch.arange(96) < 48
    for weight in (None, torch.linspace(0.5, 3, 96, dtype=torch.float64)):
        options = {"present": [there, there], "weight": weight}
        loss = ip.losses.tcmax_additive([twice, twice], labels, **options)
        found = ip.losses.tcmax_estimate(loss, labels, 2, **options)
        own = None if weight is None else weight[:48]
        alone = ip.losses.tcmax_additive([perfect, perfect], y, weight=own)
        torch.testing.assert_close(found, ip.losses.tcmax_estimate(alone, y, 2, weight=own))
        if weight is None:
            assert found.item() == pytest.approx(2 * math.log2(6), abs=1e-12)
    with pytest.raises(ValueError, match="expected 2 masks, one a modality, found 1"):
        ip.losses.tcmax_estimate(loss, labels, 2, present=[there])


def test_pairing_within_a_class_does_not_matter_to_additive_heads_only() -> None:
    tables, y = batch(2, 40)
    g = torch.Generator().manual_seed(0)
    order = torch.cat(
        [rows[torch.randperm(len(rows), generator=g)] for rows in [(y == c).nonzero()[:, 0] for c in range(4)]]
    )
    back = torch.argsort(torch.argsort(y, stable=True))
    paired = tables[1][order][back]
    assert (y[order][back] == y).all()
    one, two = (ip.losses.tcmax_additive([tables[0], v], y) for v in (tables[1], paired))
    torch.testing.assert_close(one, two, rtol=1e-13, atol=1e-13)
    one, two = (ip.losses.tcmax(lambda z: z[0] * z[1], [tables[0], v], y) for v in (tables[1], paired))
    assert abs(one - two) > 1e-2


@pytest.mark.parametrize("marginal", ["uniform", "batch"])
def test_gradient_accumulation_is_exact(marginal: str) -> None:
    tables, y = batch(3, 24)
    masks, weight = gaps(3, 24), torch.linspace(0, 2, 24, dtype=torch.float64)
    options = {"label_marginal": marginal}
    expected = values_and_gradients(
        lambda t: ip.losses.tcmax_additive(t, y, present=masks, weight=weight, **options), tables
    )
    parts = [slice(0, 5), slice(5, 16), slice(16, 24)]

    def rows(t: list[Tensor], part: slice) -> dict[str, object]:
        return {
            "logits": [x[part] for x in t], "target": y[part], "present": [m[part] for m in masks],
            "weight": weight[part],
        }  # fmt: skip

    first, *others = [AdditiveStatistics.of(**rows(tables, part)) for part in parts]
    everything = sum(others, start=first)
    leaves = [t.clone().requires_grad_() for t in tables]
    for part in parts:
        loss = ip.losses.tcmax_additive(**rows(leaves, part), total=everything, **options)
        torch.testing.assert_close(loss.detach(), expected[0], rtol=1e-12, atol=1e-12)
        loss.backward()
    for leaf, gradient in zip(leaves, expected[1:], strict=True):
        torch.testing.assert_close(leaf.grad, gradient, rtol=1e-12, atol=1e-12)


class Head(torch.nn.Module):
    """A head with weights of its own that sees both modalities together."""

    def __init__(self, m: int) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(3)
        self.weight = torch.nn.Parameter(torch.randn(m, 4, 5, generator=g, dtype=torch.float64))
        self.output = torch.nn.Parameter(torch.randn(5, 4, generator=g, dtype=torch.float64))

    def forward(self, z: list[Tensor]) -> Tensor:
        return torch.stack([x @ w for x, w in zip(z, self.weight, strict=True)]).sum(0).tanh() @ self.output


CASES = [
    {"form": "additive"},
    {"form": "joint"},
    {"form": "joint", "present": True, "weight": True, "label_marginal": "batch", "chunk_size": 7},
    {"form": "joint", "negatives": 20000},
    {"form": "joint", "negatives": 20000, "present": True},
]


def case_loss(form: str, head: Head, tables: list[Tensor], y: Tensor, part: slice, options: dict, group=None) -> Tensor:
    options = dict(options)
    if options.pop("present", False):
        options["present"] = [mask[part] for mask in gaps(2, 15)]
    if options.pop("weight", False):
        options["weight"] = torch.linspace(0, 2, 15, dtype=torch.float64)[part]
    rows = [t[part] for t in tables]
    if form == "additive":
        return ip.losses.tcmax_additive([head([x, x]) for x in rows], y[part], group=group, **options)
    return ip.losses.tcmax(head, rows, y[part], group=group, **options)


def process(rank: int, path: str, results) -> None:
    """One of two processes, as distributed data parallel has them: own rows, gradients averaged in the end."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    found = []
    for case in CASES:
        tables, y = batch(2, 15)
        part = slice(0, 6) if rank == 0 else slice(6, 15)
        torch.manual_seed(rank)
        head, encoder = Head(2), [torch.eye(4, dtype=torch.float64).requires_grad_() for _ in tables]
        options = {k: v for k, v in case.items() if k != "form"}
        z = [t @ e for t, e in zip(tables, encoder, strict=True)]
        loss = case_loss(case["form"], head, z, y, part, options, torch.distributed.group.WORLD)
        loss.backward()
        weights = [*head.parameters(), *encoder]
        for p in weights:
            torch.distributed.all_reduce(p.grad)
        found.append([loss.item(), *[(p.grad / 2).tolist() for p in weights]])
    if rank == 0:
        results.put(found)
    torch.distributed.barrier()
    # The backend's threads race with the interpreter's own end, now and then with an abort.
    os._exit(0)


def test_processes_together_see_the_global_batch(tmp_path) -> None:
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(process, (str(tmp_path / "meeting"), results), nprocs=2)
    for case, found in zip(CASES, results.get(), strict=True):
        tables, y = batch(2, 15)
        options = {k: v for k, v in case.items() if k not in ("form", "negatives")}
        head, encoder = Head(2), [torch.eye(4, dtype=torch.float64).requires_grad_() for _ in tables]
        z = [t @ e for t, e in zip(tables, encoder, strict=True)]
        loss = case_loss(case["form"], head, z, y, slice(0, 15), options)
        expected = [loss.detach(), *torch.autograd.grad(loss, [*head.parameters(), *encoder])]
        # Sampled negatives draw different ones in each process: near, not equal.
        close = {"rtol": 0, "atol": 0.05} if "negatives" in case else {"rtol": 1e-12, "atol": 1e-12}
        for one, two in zip(found, expected, strict=True):
            torch.testing.assert_close(torch.tensor(one, dtype=torch.float64), two, **close)


@pytest.mark.parametrize("form", ["additive", "joint"])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(form: str) -> None:
    """One part's graph at a time, dropout included: value and gradients of encoders and head of the whole batch."""
    tables, y = batch(2, 15)
    head = Head(2)
    encoders = [torch.nn.Linear(4, 4).double() for _ in tables]
    parts = [slice(0, 4), slice(4, 5), slice(5, 15)]
    weights = [*head.parameters(), *(p for e in encoders for p in e.parameters())]

    def encode(part: slice) -> list[Tensor]:
        return [torch.dropout(e(t[part]), 0.5, True) for e, t in zip(encoders, tables, strict=True)]

    def loss(z: list[Tensor]) -> Tensor:
        return case_loss(form, head, z, y, slice(0, 15), {})

    torch.manual_seed(0)
    whole = [torch.cat(rows) for rows in zip(*[encode(part) for part in parts], strict=True)]
    value = loss(whole)
    expected = torch.autograd.grad(value, weights)
    after = torch.rand(1)
    torch.manual_seed(0)
    found = ip.losses.accumulate_gradients(encode, parts, loss)
    assert torch.equal(torch.rand(1), after)  # the caller's stream stands where one pass would leave it
    torch.testing.assert_close(found, value.detach(), rtol=1e-12, atol=1e-12)
    for p, gradient in zip(weights, expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-12, atol=1e-12)
    # Losses of the parts added up are something else.
    naive = sum(case_loss(form, head, list(encode(part)), y[part], slice(0, 15), {}) for part in parts[::2])
    assert abs((naive - value).item()) > 1e-2
    with pytest.raises(ValueError, match="at least one part"):
        ip.losses.accumulate_gradients(encode, [], loss)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gappy", [False, True])
def test_sampled_negatives_are_unbiased_inside_the_logarithm(weighted: bool, gappy: bool) -> None:
    tables, y = batch(3, 6, 3)
    options = {
        "weight": torch.linspace(1, 3, 6, dtype=torch.float64) if weighted else None,
        "present": gaps(3, 6) if gappy else None,
    }
    g = torch.Generator().manual_seed(0)
    head = lambda z: z[0] * z[1] + z[2]  # noqa: E731
    exact = ip.losses.tcmax(head, tables, y, **options)
    if not gappy:
        draws = torch.stack(
            [ip.losses.tcmax(head, tables, y, negatives=30, generator=g, **options) for _ in range(800)]
        )
        # Only the constant and the positives are added to log Z, so exp(loss) is proportional to Z.
        ratios = (draws - exact).exp()
        assert abs(ratios.mean() - 1) < 4 * ratios.std() / math.sqrt(len(ratios))
        assert ratios.std() > 0.01
    many = ip.losses.tcmax(head, tables, y, negatives=60000, generator=g, **options)
    assert many.item() == pytest.approx(exact.item(), abs=0.03)


def test_sampled_negatives_stay_bounded_below_where_plain_ones_do_not() -> None:
    y = torch.arange(64) % 31
    tables = [20 * torch.nn.functional.one_hot(y, 31).float() for _ in range(2)]
    exact = ip.losses.tcmax_additive(tables, y)
    g = torch.Generator().manual_seed(0)
    draws = torch.stack([ip.losses.tcmax(total, tables, y, negatives=64, generator=g) for _ in range(100)])
    assert exact.item() == pytest.approx(math.log(64 / 31), abs=0.1)
    assert draws.min() >= 0
    plain = []
    for _ in range(100):
        i, j = torch.randint(64, (2, 64), generator=g)
        log_z = (tables[0][i] + tables[1][j]).logsumexp((0, 1)) - math.log(64)
        plain.append(log_z - 40 + math.log(64))
    assert min(plain) < -5


def test_the_sampled_positives_are_among_the_terms_and_others_are_off_the_diagonal() -> None:
    seen: list[Tensor] = []

    def head(z: list[Tensor]) -> Tensor:
        seen.append(torch.cat(z, 1))
        return torch.zeros(len(z[0]), 2)

    rows = torch.arange(8.0)[:, None]
    ip.losses.tcmax(head, [rows] * 3, torch.zeros(8, dtype=torch.long), negatives=1000)
    cells = seen[-1]
    assert (cells[:8] == rows).all()
    assert not (cells[8:] == cells[8:, :1]).all(1).any()
    assert len(cells) == 1008


def test_chunks_bound_what_the_head_sees_and_change_nothing() -> None:
    tables, y = batch(2, 20)
    largest = []

    def head(z: list[Tensor]) -> Tensor:
        largest.append(len(z[0]))
        return z[0] * z[1]

    whole = values_and_gradients(lambda t: ip.losses.tcmax(lambda z: z[0] * z[1], t, y), tables)
    parts = values_and_gradients(lambda t: ip.losses.tcmax(head, t, y, chunk_size=33), tables)
    assert max(largest) == 33
    for one, two in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_bad_input_is_refused() -> None:
    tables, y = batch(2)
    for message, call in {
        "logits: expected": lambda: ip.losses.tcmax_additive([tables[0], tables[1][:, :2]], y),
        "target: expected": lambda: ip.losses.tcmax_additive(tables, y[:-1]),
        "weight: expected": lambda: ip.losses.tcmax_additive(tables, y, weight=-torch.ones(9)),
        "present: expected": lambda: ip.losses.tcmax_additive(tables, y, present=[torch.ones(9).bool()]),
        "label_marginal must be": lambda: ip.losses.tcmax_additive(tables, y, label_marginal="flat"),
        "label_marginal: expected": lambda: ip.losses.tcmax_additive(tables, y, label_marginal=torch.ones(4)),
        "has probability 0": lambda: ip.losses.tcmax_additive(tables, y, label_marginal=torch.eye(4)[y[0] - 1]),
        "negatives must be": lambda: ip.losses.tcmax(total, tables, y, negatives=0),
        "features: expected": lambda: ip.losses.tcmax(total, [tables[0], tables[1][:3]], y),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()
