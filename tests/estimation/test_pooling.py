"""Pooled class probabilities: better where classes cannot be told apart, untouched where they can."""

import numpy as np
import pytest

from interplay.estimation.pooling import group_alike, pool
from interplay.estimation.posteriors import Posteriors


def posteriors(p, prior):
    return Posteriors(*(np.log(p) for _ in range(3)), np.log(np.broadcast_to(prior, p.shape)))


def test_wavering_between_classes_that_cannot_be_told_apart_is_averaged_away():
    """Four classes; the modality shows which half, the classifier also believes noise within the halves."""
    rng = np.random.default_rng(0)
    half, y_in_half = rng.integers(2, size=1000), rng.integers(2, size=1000)
    noise = 1 / (1 + np.exp(rng.normal(size=1000)))
    p = np.full((1000, 4), 0.005)
    p[np.arange(1000), 2 * half], p[np.arange(1000), 2 * half + 1] = 0.99 * noise, 0.99 * (1 - noise)
    y = 2 * half + y_in_half
    found = posteriors(p, np.full(4, 0.25))
    before, after = found.information(y)[0].mean(), pool(found, y, None, n_splits=5, seed=0).information(y)[0].mean()
    assert before < 0.9
    assert after == pytest.approx(1, abs=0.02)


def test_calibrated_probabilities_stay_and_noise_gains_nothing():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1, 1], size=2000)
    y = (rng.random(2000) < true[:, 1]).astype(int)
    found = posteriors(true, [0.5, 0.5])
    before, after = found.information(y)[0].mean(), pool(found, y, None, n_splits=5, seed=0).information(y)[0].mean()
    assert after > before - 0.01
    unrelated = pool(found, rng.permutation(y), None, n_splits=5, seed=0)
    assert unrelated.information(y)[0].mean() < 0.01
    for log in (unrelated.first, unrelated.both):
        np.testing.assert_allclose(np.exp(log).sum(axis=1), 1)


def test_a_rows_own_label_and_group_do_not_enter():
    """Labels that a group shares and nothing predicts: other groups' labels cannot help."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    y = rng.integers(2, size=40)[groups]
    p = rng.dirichlet([3, 3], size=40)[groups]  # one cell a group
    found = posteriors(p, [0.5, 0.5])
    assert pool(found, y, groups, n_splits=5, seed=0).information(y)[0].mean() < 0.02
    assert (
        pool(found, y, None, n_splits=5, seed=0).information(y)[0].mean() > 0.1
    )  # single rows leak through their group


def test_rows_of_like_probabilities_share_a_cell():
    p = np.repeat([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], 5, axis=0)
    cells = group_alike(p, 10, 0)
    assert len(np.unique(cells)) == 3
    assert all(len(set(part)) == 1 for part in np.split(cells, 3))
