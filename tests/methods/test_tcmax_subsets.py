"""What TCMax answers with a part of three and more modalities, and what it answers from."""

import itertools

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods import TCMax
from interplay.methods.tcmax import some_of


def three(n: int) -> tuple[MultimodalDataset, np.ndarray, tuple[np.ndarray, ...]]:
    """One-hot inputs of a table p(a, b, c, y) whose modalities depend on each other given the class."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(54, 0.3)).reshape(3, 3, 3, 2)
    *x, y = np.unravel_index(rng.choice(p.size, n, p=p.ravel()), p.shape)
    return MultimodalDataset({name: np.eye(3)[v] for name, v in zip("abc", x, strict=True)}, y), p, tuple(x)


@pytest.mark.parametrize("head", ["conditional", "joint"])
def test_every_part_of_three_dependent_modalities_is_answered_by_its_own_posterior(head: str) -> None:
    """Averaging the default critic over rows drawn one modality at a time would be off by .05 to .09 for pairs."""
    data, p, x = three(4000)
    model = MultimodalClassifier(
        TCMax(head, hidden=32, negatives=256), max_epochs=15, dropout=0.0, learning_rate=3e-3, random_state=0, width=32
    ).fit(data, validation=data[:300])
    for size in (1, 2):
        for absent in itertools.combinations(range(3), size):
            truth = p.sum(absent, keepdims=True)
            truth = np.broadcast_to(truth / truth.sum(3, keepdims=True), p.shape)[x][:400]
            found = model.predict_proba(data[:400].without(*("abc"[m] for m in absent)))
            assert np.abs(found - truth).mean() < 0.045, absent


def test_parts_of_complete_rows_do_not_teach_the_encoders(build) -> None:
    """The encoders' gradient is that of the whole rows; with gaps, what a row has is all there is to learn from."""
    data, _, _ = three(60)
    method, batch = build(TCMax(), data)
    torch.nn.init.normal_(method.partial_output.weight)
    weights = [*method.encoders.parameters(), method.partial_output.weight]

    def gradients(rows) -> list[torch.Tensor]:
        """Of the encoders, under two corrections for parts."""
        found = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            torch.nn.init.normal_(method.partial_output.weight)
            torch.manual_seed(0)
            total = method.loss(method(rows), rows, method.stages(1)[0]).total
            *grads, own = torch.autograd.grad(total, weights)
            assert own.norm() > 0
            found.append(torch.cat([g.flatten() for g in grads]))
        return found

    torch.testing.assert_close(*gradients(batch))
    gappy = batch.with_present({**batch.present, "c": torch.arange(60) % 2 == 0})
    assert not torch.allclose(*gradients(gappy), atol=1e-4)


def test_parts_are_two_and_more_but_not_all() -> None:
    g = torch.Generator().manual_seed(0)
    masks = torch.rand(5, 4000, generator=g) < 0.7
    torch.manual_seed(1)
    found = some_of(masks)
    there, kept = masks.sum(0), found.sum(0)
    assert not (found & ~masks).any()
    assert (kept[there < 3] == 0).all()
    rows = there > 2
    assert (kept[rows] >= 2).all()
    assert (kept[rows] < there[rows]).all()
    whole = there == 5
    sizes = torch.bincount(kept[whole], minlength=5)[2:5] / whole.sum()
    torch.testing.assert_close(sizes, torch.full((3,), 1 / 3), atol=0.06, rtol=0)
    shares = found[:, whole].float().mean(1)
    torch.testing.assert_close(shares, torch.full((5,), 0.6), atol=0.06, rtol=0)


@pytest.mark.parametrize("head", ["interaction", "joint"])
def test_the_bank_is_of_rows_that_have_the_modality_each_in_an_order_of_its_own(build, head: str) -> None:
    rng = np.random.default_rng(0)
    x = {name: np.tile(np.arange(40.0)[:, None], (1, 2)) + rng.normal(size=(40, 2)) / 50 for name in "abc"}
    data = MultimodalDataset(x, np.arange(40) % 2, present={"b": np.arange(40) % 4 != 0})
    method, batch = build(TCMax(head, bank_size=30), data)
    method.eval()
    with torch.no_grad():
        method.after_epoch(batch, batch, method.stages(1)[0])
        features = method.features(batch)
    rows = torch.stack(
        [(bank[:, None] - f).abs().sum(-1).argmin(1) for bank, f in zip(method.bank, features, strict=True)]
    )
    for bank, f, found in zip(method.bank, features, rows, strict=True):
        torch.testing.assert_close(bank, f[found])
    assert len(set(rows[1].tolist())) == 30  # b is there in 30 rows, each is taken
    assert (rows[1] % 4 != 0).all()
    # Taken in the same order, rows of two absent modalities would be pairs that belong together.
    assert (rows[0] == rows[2]).float().mean() < 0.3
