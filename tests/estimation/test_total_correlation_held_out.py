"""Held-out evaluation, the references, three modalities, and what is refused."""

import numpy as np
import pytest
import torch
from torch import Tensor

import interplay as ip
from interplay.estimation._correlation_critics import OBJECTIVES, Critic
from interplay.estimation.total_correlation import estimate_total_correlation, plugin_total_correlation
from interplay.information import total_correlation


def draws(p: np.ndarray, n: int) -> tuple[np.ndarray, ...]:
    """Codes of the table's variables, the target last."""
    return np.unravel_index(np.random.default_rng(1).choice(p.size, n, p=p.ravel()), p.shape)


def as_data(p: np.ndarray, codes: tuple[np.ndarray, ...]) -> ip.MultimodalDataset:
    *modalities, y = codes
    return ip.MultimodalDataset({f"m{i}": np.eye(p.shape[i])[code] for i, code in enumerate(modalities)}, y)


def test_held_out_rows_do_not_reward_memorising() -> None:
    """Two noisy copies of the class among 40 columns of noise; on rows that were learned from it reads .64 bits."""
    rng = np.random.default_rng(0)
    y, wrong = rng.integers(2, size=240), 0.25
    x = {}
    for name in "ab":
        copy = np.where(rng.random(240) < wrong, 1 - y, y)
        x[name] = np.column_stack([3.0 * copy, rng.normal(size=(240, 40))])
    channel = np.array([[1 - wrong, wrong], [wrong, 1 - wrong]])
    truth = total_correlation(channel[:, None] * channel[None] / 2)
    found = estimate_total_correlation(ip.MultimodalDataset(x, y), n_splits=2, epochs=20, batch_size=60, negatives=3600)
    assert truth == pytest.approx(0.377, abs=1e-3)
    assert -0.15 < found.total < truth
    assert found.additive < truth
    assert found.information < truth


class _TrueCritic(Critic):
    """The logarithm of the table over the product of its margins; features are codes behind K empty logits."""

    def __init__(self, p: np.ndarray) -> None:
        torch.nn.Module.__init__(self)
        self.n_classes = p.shape[-1]
        margins = np.einsum("a,b,y->aby", p.sum((1, 2)), p.sum((0, 2)), p.sum((0, 1)))
        self.ratio = torch.from_numpy(np.log(p / margins)).float()

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.ratio[tuple(f[:, -1].long() for f in features)]


@pytest.mark.parametrize("estimator", ["tcne", "mine", "infonce"])
def test_each_bound_is_near_the_closed_form_with_the_true_critic(estimator: str) -> None:
    p = np.random.default_rng(2).dirichlet(np.full(36, 0.4)).reshape(3, 4, 3)  # every pair shares .2 bits
    a, v, y = (torch.from_numpy(code).reshape(100, 60) for code in draws(p, 6000))
    critic, empty = _TrueCritic(p), torch.zeros(60, 3)
    torch.manual_seed(0)
    values = []
    for batch in range(100):
        features = [torch.cat([empty, m[batch, :, None].float()], 1) for m in (a, v)]
        values.append(float(OBJECTIVES[estimator](critic, features, y[batch], 3600)))
    error = np.std(values) / 10
    assert error < 0.015
    # Below by up to what true combinations among the draws take away: measured .01 to .03 at 60 rows a batch.
    assert total_correlation(p) - 0.04 - 3 * error < np.mean(values) < total_correlation(p) + 3 * error


def test_three_modalities_end_to_end() -> None:
    """More combinations than are drawn; of .51 bits only .04 are what single modalities say about the class."""
    p = np.random.default_rng(0).dirichlet(np.full(24, 0.4)).reshape(2, 2, 3, 2)
    codes = draws(p, 2000)
    found = estimate_total_correlation(as_data(p, codes), n_splits=2, epochs=15, batch_size=100, negatives=8000)
    assert found.total == pytest.approx(plugin_total_correlation(*codes), abs=0.1)
    assert found.total == pytest.approx(total_correlation(p), abs=0.08)
    assert found.additive < 0.1
    assert found.between == pytest.approx(total_correlation(p.sum(3)), abs=0.12)


def test_a_total_near_the_ceiling_is_said_and_another_is_not() -> None:
    """64 classes, both modalities say which: 12 bits, of which batches of 8 rows can show about 6."""
    y = np.arange(512) % 64
    data = ip.MultimodalDataset({"a": np.eye(64)[y], "b": np.eye(64)[y]}, y)
    start = {name: np.log(np.where(np.eye(64)[y] > 0, 60.0, 1e-3)) for name in "ab"}
    small = estimate_total_correlation(data, start=start, n_splits=2, epochs=1, batch_size=8)
    assert small.ceiling == pytest.approx(6, abs=0.2)
    assert small.ceiling - 0.5 < small.total <= small.ceiling
    assert small.warnings == (f"total lies near the ceiling of {small.ceiling:.2f} bits; take a larger batch_size",)
    rng = np.random.default_rng(0)
    noise = ip.MultimodalDataset({"a": rng.normal(size=(64, 1)), "b": rng.normal(size=(64, 1))}, y[:64] % 2)
    assert estimate_total_correlation(noise, n_splits=2, epochs=1, batch_size=32).warnings == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "batch_size: expected at least 2, found 1; leave it out for the default"),
        ({"epochs": 0}, "epochs: expected at least 1, found 0"),
        ({"n_splits": 1}, "n_splits: expected at least 2, found 1"),
        (
            {"negatives": 2},
            "negatives: expected at least 4, of which training draws a quarter, found 2; take thousands",
        ),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    z = np.zeros((40, 1))
    with pytest.raises(ValueError, match=message):
        estimate_total_correlation(ip.MultimodalDataset({"a": z, "b": z}, np.arange(40) % 2), **options)


def test_too_few_rows_with_all_modalities_are_refused() -> None:
    z, y, first = np.zeros((40, 1)), np.arange(40) % 2, np.arange(40) < 20
    apart = ip.MultimodalDataset({"a": z, "b": z}, y, present={"a": first, "b": ~first})
    message = (
        r"rows with all modalities: expected at least 32 for 4 folds, found 0 of 40 \(20 have 'a', 20 have 'b'\); "
        "select modalities that occur together"
    )
    with pytest.raises(ValueError, match=message):
        estimate_total_correlation(apart)
    lopsided = ip.MultimodalDataset({"a": z, "b": z}, y, groups=np.minimum(np.arange(40), 1))
    with pytest.raises(
        ValueError, match=r"groups: expected at least 2 held-out rows and 8 others .*2 groups of 1 to 39 rows"
    ):
        estimate_total_correlation(lopsided)


@pytest.mark.parametrize("columns", [(), (np.arange(4), np.arange(5)), (np.zeros((4, 2), int),), (np.arange(0),)])
def test_counting_needs_columns_of_one_length(columns: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ValueError, match=r"codes: expected columns \(n,\) of one length"):
        plugin_total_correlation(*columns)
