"""Composition targets of DMIL: which kind of interaction each training sample is."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from interplay.data.datasets import make_interactions
from interplay.methods import Batch, Method, Output, Stage
from interplay.methods._composition import PosteriorTowers, assign_folds, composition, gaussian_information
from interplay.methods.dmil import DMIL
from interplay.training import Settings, prepare, to_batch

Built = Callable[..., DMIL]
Rows = Callable[..., Batch]


def slow_composition(single: list[float], together: float) -> list[float]:
    """The definition for two modalities, one sample at a time."""
    one, two = single
    r = max(0.0, min(one, two))
    atoms = [r, max(0.0, one - r), max(0.0, two - r), max(0.0, together - max(0.0, one, two))]
    return [atom / (sum(atoms) + 1e-3) for atom in atoms]


def test_composition_equals_its_slow_twin_for_two_modalities() -> None:
    single = torch.randn(200, 2, dtype=torch.float64)
    together = torch.randn(200, dtype=torch.float64)
    expected = [slow_composition(s, t) for s, t in zip(single.tolist(), together.tolist(), strict=True)]
    torch.testing.assert_close(composition(single, together), torch.tensor(expected, dtype=torch.float64))


def test_composition_of_three_counts_nothing_twice() -> None:
    """Where all together know most, the unnormalised parts sum to what they know."""
    single = torch.rand(100, 3, dtype=torch.float64)
    together = single.amax(-1) + torch.rand(100, dtype=torch.float64)
    shares = composition(single, together)
    # shares = atoms / (sum + 1e-3), so the sum of the atoms follows from the sum of the shares.
    total = shares.sum(-1)
    torch.testing.assert_close(1e-3 * total / (1 - total), together)
    two_of_three = composition(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([1.0]))
    assert two_of_three.round(decimals=2).tolist() == [[1, 0, 0, 0, 0]]


def test_composition_does_not_depend_on_the_order_of_modalities() -> None:
    single, together = torch.randn(50, 3), torch.randn(50)
    shares = composition(single, together)
    turned = composition(single[:, [2, 0, 1]], together)
    torch.testing.assert_close(turned, shares[:, [0, 3, 1, 2, 4]])


def test_folds_are_even_within_classes_and_keep_groups_whole() -> None:
    target = torch.arange(60) % 3
    x = {"a": torch.zeros(60, 1)}
    batch = Batch(x, {"a": torch.ones(60, dtype=torch.bool)}, target=target)
    fold = assign_folds(batch, 4)
    counts = torch.stack([torch.bincount(fold[target == k], minlength=4) for k in range(3)])
    assert counts.min() >= 4
    assert counts.max() <= 6
    grouped = batch.attach(group=torch.arange(60) // 6)
    fold = assign_folds(grouped, 4)
    for group in range(10):
        assert len(fold[grouped.extra["group"] == group].unique()) == 1
    assert set(fold.tolist()) == {0, 1, 2, 3}


def test_each_tower_keeps_its_own_best_epoch(monkeypatch: pytest.MonkeyPatch, built: Built, rows: Rows) -> None:
    towers = PosteriorTowers()
    towers.build(dict(built(DMIL()).encoders.items()), torch.tensor([0.5, 0.3, 0.2]))
    batch = rows()
    assert batch.target is not None
    good = torch.nn.functional.one_hot(batch.target, 3) * 5.0
    for a, b in ((good, -good), (-good, good)):
        monkeypatch.setattr(towers, "forward", lambda _, a=a, b=b: Output(a, {"a": a, "b": b}))
        towers.after_epoch(batch, batch, Stage("fit", 1))
    # All remember the good one, though it came at different epochs; information is log p - log prior at the label.
    information = towers.information(batch.target)
    expected = good.log_softmax(-1).gather(1, batch.target[:, None])[:, 0] - towers.log_prior[batch.target]
    torch.testing.assert_close(information, expected[:, None].expand(-1, 3))


@pytest.mark.parametrize("grouped", [False, True])
def test_a_row_is_told_by_classifiers_that_never_saw_it(grouped: bool, built: Built, rows: Rows) -> None:
    """Each is held out once, its group with it, and gets the shares that were found for it."""
    number = torch.arange(60)
    batch = rows(60).attach(row=number, group=number // (4 if grouped else 1))
    seen: list[tuple[Batch, Batch]] = []

    def fit(towers: Method, training: Batch, held_out: Batch) -> None:
        assert isinstance(towers, PosteriorTowers)
        assert held_out.target is not None
        seen.append((training, held_out))
        right, even = torch.nn.functional.one_hot(held_out.target, 3) * 9.0, held_out.extra["row"] % 2 == 0
        # The first modality knows even rows, the second odd ones, both together all.
        answers = [torch.where(known[:, None], right, towers.log_prior) for known in (even, ~even, even | ~even)]
        towers.best = {k: (0.0, answer) for k, answer in enumerate(answers)}

    shares = built(DMIL(n_folds=3)).prepare(batch, fit).extra["composition"]
    assert shares.argmax(-1).tolist() == [1, 2] * 30
    assert len(seen) == 3
    for training, held_out in seen:
        assert sorted([*training.extra["row"].tolist(), *held_out.extra["row"].tolist()]) == number.tolist()
        assert not set(training.extra["group"].tolist()) & set(held_out.extra["group"].tolist())
    assert sorted(row for _, held_out in seen for row in held_out.extra["row"].tolist()) == number.tolist()


def test_composition_targets_find_the_kind_of_each_sample(built: Built) -> None:
    made = make_interactions(n_classes=3, n_samples=1200, n_features=6, noise=0.1, random_state=0)
    method = built(DMIL())
    batch = to_batch(made.dataset, made.dataset.codes)
    ready = prepare(method, batch, Settings(max_epochs=15, batch_size=64, learning_rate=5e-3), seed=0)
    kinds = np.array(["redundancy", "unique:a", "unique:b", "synergy"])
    found = kinds[ready.extra["composition"].argmax(-1).numpy()]
    assert (found == made.kind).mean() > 0.9


def test_gaussian_information_is_that_of_gaussians() -> None:
    """Against the two densities; its mean over the samples is half the logarithm of the explained share."""
    torch.manual_seed(0)
    y = torch.randn(4000).double()
    y = (y - y.mean()) / y.std(correction=0)
    predicted = 0.64 * (y + 0.75 * torch.randn(4000))
    sd = (y - predicted).square().mean().sqrt()
    slow = torch.distributions.Normal(predicted, sd).log_prob(y) - torch.distributions.Normal(0, 1).log_prob(y)
    found = gaussian_information(predicted, y)
    torch.testing.assert_close(found, slow, rtol=1e-6, atol=1e-6)
    assert float(found.mean()) == pytest.approx(-float(sd.square().log()) / 2, abs=1e-6)
    assert float(sd.square()) == pytest.approx(0.36, abs=0.02)
