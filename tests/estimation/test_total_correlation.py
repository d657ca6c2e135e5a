import numpy as np
import pytest

import interplay as ip
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


@pytest.mark.parametrize("estimator", ["tcne", "mine"])
def test_near_the_truth_on_discrete_data_with_both_readings(estimator: str) -> None:
    p, codes, data = table_data(1600)
    found = estimate_total_correlation(
        data, estimator=estimator, n_splits=2, epochs=25, batch_size=100, negatives=10000
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
    assert found.ceiling == pytest.approx(np.log2(100) - (p.sum((0, 1)) * np.log2(p.sum((0, 1)))).sum(), abs=0.05)


def test_the_ceiling_of_small_batches_is_said() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 1))
    data = ip.MultimodalDataset({"a": z, "b": z.copy()}, (z[:, 0] > 0).astype(int))
    found = estimate_total_correlation(data, estimator="infonce", n_splits=2, epochs=20, batch_size=8)
    assert found.total <= found.ceiling + 1e-9
    assert found.ceiling == pytest.approx(3.0, abs=0.2)
    assert found.total < found.ceiling - 0.5 or found.warnings


def test_noise_has_none() -> None:
    rng = np.random.default_rng(0)
    data = ip.MultimodalDataset({"a": rng.normal(size=(400, 2)), "b": rng.normal(size=(400, 2))}, np.arange(400) % 2)
    found = estimate_total_correlation(data, n_splits=2, epochs=5, batch_size=100)
    assert abs(found.total) < 0.15


def test_bad_input_is_refused() -> None:
    _, _, data = table_data(60)
    with pytest.raises(ValueError, match="estimator must be one of 'tcne'"):
        estimate_total_correlation(data, estimator="kraskov")
    with pytest.raises(ValueError, match="at least two modalities"):
        estimate_total_correlation(data.select(["a"]))
