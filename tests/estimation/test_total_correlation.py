import numpy as np
import pytest
import torch

import interplay as ip
from interplay.estimation._correlation_critics import Critic, log_ratio
from interplay.estimation.total_correlation import estimate_total_correlation, plugin_total_correlation
from interplay.information import mutual_information, total_correlation


def table_data(n: int) -> tuple[np.ndarray, tuple[np.ndarray, ...], ip.MultimodalDataset]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(36, 0.4)).reshape(3, 4, 3)
    a, v, y = np.unravel_index(rng.choice(36, n, p=p.ravel()), p.shape)
    return p, (a, v, y), ip.MultimodalDataset({"a": np.eye(3)[a], "v": np.eye(4)[v]}, y)


def test_counting() -> None:
    p, codes, _ = table_data(200000)
    assert plugin_total_correlation(*codes) == pytest.approx(total_correlation(p), abs=0.01)


@pytest.mark.parametrize("estimator", ["tcne", "mine", "infonce"])
def test_near_the_truth_on_discrete_data_with_both_readings(estimator: str) -> None:
    p, codes, data = table_data(1600)
    found = estimate_total_correlation(
        data, estimator=estimator, n_splits=2, epochs=20, batch_size=100, negatives=10000
    )
    truth = plugin_total_correlation(*codes)
    assert found.total == pytest.approx(truth, abs=0.12)
    assert found.total < truth + 0.06  # held out: a lower bound up to noise
    assert found.information == pytest.approx(mutual_information(p.reshape(12, 3)), abs=0.1)
    assert found.between == pytest.approx(mutual_information(p.sum(2)), abs=0.15)
    single = mutual_information(p.sum(1)) + mutual_information(p.sum(0))
    assert sum(found.unimodal.values()) == pytest.approx(single, abs=0.1)
    # The additive bound knows only the modalities' own information.
    assert found.additive == pytest.approx(single, abs=0.12)
    assert found.total - found.additive > 0.1
    target = 0 if estimator == "infonce" else -(p.sum((0, 1)) * np.log2(p.sum((0, 1)))).sum()
    assert found.ceiling == pytest.approx(np.log2(100) + target, abs=0.05)
    assert found.warnings == ()


def test_noise_has_none() -> None:
    rng = np.random.default_rng(0)
    data = ip.MultimodalDataset({"a": rng.normal(size=(400, 2)), "b": rng.normal(size=(400, 2))}, np.arange(400) % 2)
    found = estimate_total_correlation(data, n_splits=2, epochs=5, batch_size=100)
    assert abs(found.total) < 0.1
    # However long critics are trained: the epoch is chosen on rows that they have not seen.
    assert estimate_total_correlation(data, n_splits=2, epochs=25, batch_size=100).total > -0.1


def test_draws_from_the_additive_part_give_the_partition_function() -> None:
    """Against all combinations written out: three modalities, a correction that is not small."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(6) % 3
    critic = Critic([1, 1, 1], 3)
    f = [torch.randn(6, 3, generator=g) for _ in range(3)]
    h = torch.rand(3, 6, generator=g)
    critic.correction = lambda z: torch.sin(5 * torch.stack(z).sum(0)[:, 3:] + torch.arange(3))
    features = [torch.cat([a, b[:, None]], 1) for a, b in zip(f, h, strict=True)]
    cells = torch.cartesian_prod(*[torch.arange(6)] * 3).T
    additive = torch.stack([a[i] for a, i in zip(f, cells, strict=True)]).sum(0)
    corrected = additive + critic.correction([z[i] for z, i in zip(features, cells, strict=True)])
    exact = corrected.flatten().logsumexp(0) - additive.flatten().logsumexp(0)
    torch.manual_seed(0)
    draws = torch.stack([log_ratio(critic, features, y, 2000) for _ in range(50)])
    assert abs(exact) > 0.1
    assert abs(draws.exp().mean() - exact.exp()) < 4 * draws.exp().std() / 50**0.5


def test_starting_from_classifiers_serves_many_classes_and_few_rows() -> None:
    """40 classes, 320 rows, two noisy copies of the class; critics from scratch have 4 rows a class to learn from."""
    rng = np.random.default_rng(0)
    k, right = 40, 0.7
    channel = np.full((k, k), (1 - right) / (k - 1))
    np.fill_diagonal(channel, right)
    y = rng.integers(k, size=320)
    copies = [np.where(rng.random(320) < right, y, rng.integers(k, size=320)) for _ in range(2)]
    data = ip.MultimodalDataset({"a": np.eye(k)[copies[0]], "b": np.eye(k)[copies[1]]}, y)
    truth = total_correlation(channel.T[:, None] * channel.T[None] / k)  # (x1, x2, y)
    settings = {"n_splits": 2, "epochs": 6, "batch_size": 64, "negatives": 4096}
    # Twice too sure, as classifiers are: the factor that is fitted first takes that back.
    start = {name: 2 * np.log(channel[c] * k) for name, c in zip("ab", copies, strict=True)}
    found = estimate_total_correlation(data, start=start, **settings)
    assert found.total == pytest.approx(truth, abs=4 * found.standard_error + 0.15)
    assert found.total < found.ceiling
    assert estimate_total_correlation(data, **settings).total < 0.5 * found.total


def test_bad_input_is_refused() -> None:
    _, _, data = table_data(60)
    with pytest.raises(ValueError, match="start: modality 'v' is missing"):
        estimate_total_correlation(data, start={"a": np.zeros((60, 3))})
    with pytest.raises(ValueError, match=r"start\['a'\]: expected finite numbers of shape \(60, 3\)"):
        estimate_total_correlation(data, start={"a": np.zeros((60, 2)), "v": np.zeros((60, 3))})
    with pytest.raises(ValueError, match="estimator must be one of 'tcne'"):
        estimate_total_correlation(data, estimator="kraskov")
    with pytest.raises(ValueError, match="at least two modalities"):
        estimate_total_correlation(data.select(["a"]))
