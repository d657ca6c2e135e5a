"""Predictions averaged over draws of the latents, and how far the draws are apart."""

import numpy as np
import pandas as pd
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset, MultimodalRegressor
from interplay.methods import DMIL, CyIN

POSTERIORS = {"dmil": DMIL(width=8), "cyin": CyIN(width=8, hidden=8), "poe": "poe"}


def rows(n: int = 60) -> MultimodalDataset:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n)
    x = {name: rng.normal(size=(n, 3)) + y[:, None] for name in "ab"}
    return MultimodalDataset(x, np.array(["u", "v", "w"])[y], present={"b": rng.random(n) < 0.7})


def numbers(n: int = 60) -> MultimodalDataset:
    return rows(n).with_target(100 + 7 * rows(n).modalities["a"][:, 0])


def classifier(method: object) -> MultimodalClassifier:
    return MultimodalClassifier(method, width=8, max_epochs=2, random_state=0).fit(rows())


@pytest.fixture(scope="module", params=POSTERIORS)
def drawn(request: pytest.FixtureRequest) -> MultimodalClassifier:
    return classifier(POSTERIORS[request.param])


@pytest.fixture(scope="module", params=["dmil", "cyin"])
def regressor(request: pytest.FixtureRequest) -> MultimodalRegressor:
    return MultimodalRegressor(POSTERIORS[request.param], width=8, max_epochs=2, random_state=0).fit(numbers())


def test_probabilities_are_the_mean_over_draws(drawn: MultimodalClassifier) -> None:
    data, plain = rows(), drawn.predict_proba(rows())
    some, many = (drawn.predict_proba(data, n_draws=n) for n in (1, 200))
    np.testing.assert_allclose(many.sum(1), 1)
    assert np.abs(some - plain).max() > 1e-4
    # Near the deterministic ones, and nearer than a single draw: what is left is the curvature of the network.
    assert np.abs(many - plain).mean() < 0.03
    assert np.abs(many - plain).mean() < np.abs(some - plain).mean()


def test_always_the_same_draws_and_no_trace_of_them(drawn: MultimodalClassifier) -> None:
    data, plain = rows(), drawn.predict_proba(rows())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, again = (drawn.predict_proba(data, n_draws=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    pd.testing.assert_frame_equal(drawn.explain(data, n_draws=3), drawn.explain(data, n_draws=3))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(drawn.predict_proba(data), plain)


def test_spread_of_the_probability_is_that_of_its_draws(drawn: MultimodalClassifier) -> None:
    data = rows()
    table = drawn.explain(data, n_draws=3)
    assert (table["sd:probability"] > 0).all()
    # The same by hand: means over 1, 2 and 3 draws give each of them.
    means = [drawn.predict_proba(data, n_draws=n) for n in (1, 2, 3)]
    each = np.stack([means[0], 2 * means[1] - means[0], 3 * means[2] - 2 * means[1]])
    best = drawn.predict_proba(data).argmax(1)
    spread = each.std(0)[np.arange(len(data)), best]
    np.testing.assert_allclose(table["sd:probability"], spread, atol=1e-9)
    assert not any(column.startswith("sd:") for column in drawn.explain(data))


def test_without_posteriors_nothing_changes() -> None:
    whole = MultimodalDataset(rows().modalities, rows().target)
    for method in ("joint", CyIN(without="space", width=8, hidden=8)):
        model = classifier(method)
        np.testing.assert_allclose(model.predict_proba(whole, n_draws=2), model.predict_proba(whole), atol=1e-12)
        assert (model.explain(whole, n_draws=2)["sd:probability"] == 0).all()


def test_numbers_are_the_mean_over_draws_in_units_of_the_target(regressor: MultimodalRegressor) -> None:
    data, plain = numbers(), regressor.predict(numbers())
    many = regressor.predict(data, n_draws=200)
    spread = regressor.explain(data, n_draws=20)["sd:prediction"]
    assert (spread > 0).all()
    # The mean of 200 is within a few standard errors, and a share of the target's spread for what is curved.
    assert (np.abs(many - plain) < 5 * spread / np.sqrt(200) + 0.1 * regressor.target_scale_).all()
    assert np.abs(many - plain).max() > 0
    assert spread.mean() < 2 * regressor.target_scale_


@pytest.mark.parametrize("n_draws", [-1, 0.5])
def test_a_number_of_draws_that_cannot_be(n_draws: float) -> None:
    model = classifier("joint")
    with pytest.raises(ValueError, match=r"n_draws must be 0 .* or an integer of at least 1, found"):
        model.predict_proba(rows(), n_draws=n_draws)
    with pytest.raises(ValueError, match=r"n_draws must be 0 .* or an integer of at least 2, found"):
        model.explain(rows(), n_draws=n_draws)
    with pytest.raises(ValueError, match="at least 2, found 1"):
        model.explain(rows(), n_draws=1)
