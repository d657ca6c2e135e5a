"""Self-supervised pre-training on unlabelled pairs."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interplay.data import MultimodalDataset
from interplay.training.pretrain import pretrain


def unique_data(n, seed):
    """Both modalities share a bit; a has a bit of its own, which is the target, and b has another."""
    rng = np.random.default_rng(seed)
    shared, own, other = rng.integers(2, size=(3, n)) * 2 - 1

    def features(private):
        clean = np.repeat(np.c_[shared, private], 4, axis=1)
        return (clean + 0.3 * rng.normal(size=clean.shape)).astype(np.float32)

    return MultimodalDataset({"a": features(own), "b": features(other)}, (own > 0).astype(int)), shared, own * other


def probe(z, y, model):
    half = len(y) // 2
    return make_pipeline(StandardScaler(), model).fit(z[:half], y[:half]).score(z[half:], y[half:])


@pytest.fixture(scope="module")
def both():
    data, shared, parity = unique_data(1500, 0)
    settings = {"width": 4, "max_epochs": 25, "learning_rate": 5e-3, "random_state": 0, "drop": 0.2}
    found = {name: pretrain(data, objective=name, **settings) for name in ("agreement", "disagreement")}
    return data, shared, parity, found


def test_both_keep_what_is_shared(both):
    data, shared, _, found = both
    for fitted in found.values():
        assert probe(fitted.encode(data)["a"], shared, LogisticRegression()) > 0.97


def test_only_disagreement_keeps_what_is_unique_and_synergistic(both):
    data, _, parity, found = both
    unique, synergy = {}, {}
    for name, fitted in found.items():
        z = fitted.encode(data)
        unique[name] = probe(z["a"], data.codes, LogisticRegression())
        both_sides = np.hstack(list(z.values()))
        synergy[name] = probe(
            both_sides,
            parity,
            MLPClassifier((16,), solver="lbfgs", alpha=1e-1, max_iter=5000, max_fun=50_000, random_state=0),
        )
    assert unique["disagreement"] > max(0.95, unique["agreement"] + 0.02)
    assert synergy["disagreement"] > max(0.95, synergy["agreement"] + 0.02)


def test_same_seed_same_encoders_and_the_target_is_never_looked_at():
    data, *_ = unique_data(200, 1)
    blind = MultimodalDataset(data.modalities, 1 - data.target)
    one, other = (pretrain(d, width=4, max_epochs=2, random_state=3).encode(data)["b"] for d in (data, blind))
    np.testing.assert_array_equal(one, other)


def test_masked_values_do_not_matter():
    data, *_ = unique_data(200, 2)
    gone = np.arange(200) % 5 == 0
    codes = []
    for filler in (np.nan, 1e9):
        a = data.modalities["a"].copy()
        a[gone] = filler
        masked = MultimodalDataset({"a": a, "b": data.modalities["b"]}, present={"a": ~gone})
        codes.append(pretrain(masked, width=4, max_epochs=2, random_state=0).encode(masked)["a"])
    np.testing.assert_array_equal(*codes)


def test_it_leaves_the_global_generator_alone():
    data, *_ = unique_data(50, 3)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    pretrain(data, width=4, max_epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_input():
    data, *_ = unique_data(50, 4)
    with pytest.raises(ValueError, match="objective 'x'"):
        pretrain(data, objective="x")
    with pytest.raises(ValueError, match="expected exactly two"):
        pretrain(data.select(("a",)))
    with pytest.raises(ValueError, match="expected equal and even"):
        pretrain(data, width=5)
    with pytest.raises(ValueError, match="at least 4 pairs"):
        pretrain(data.without("a"))
