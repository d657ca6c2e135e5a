"""The bound from the disagreement of two calibrated classifiers."""

import numpy as np
import pytest

from interplay.estimation._bound_input import read_sources
from interplay.estimation.disagreement import disagreement_of_samples
from interplay.information.bounds import disagreement, disagreement_bound, synergy_bounds


def one_hot_samples(p, n, seed):
    """Modalities as one-hot rows: the classifier can be exact, so the tables give the answer."""
    rng = np.random.default_rng(seed)
    draws = [np.array(np.unravel_index(rng.choice(p.size, size=n, p=p.ravel()), p.shape)) for _ in range(3)]
    k1, k2, _ = p.shape
    labelled = {"a": (np.eye(k1)[draws[0][0]], draws[0][2]), "b": (np.eye(k2)[draws[1][1]], draws[1][2])}
    return labelled, {"a": np.eye(k1)[draws[2][0]], "b": np.eye(k2)[draws[2][1]]}


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_tables_and_stays_below_the_exact_minimum(seed):
    p = np.random.default_rng(seed).dirichlet(np.full(18, 0.3)).reshape(3, 3, 2)
    exact = synergy_bounds(p.sum(1), p.sum(0), p.sum(2), starts=0)
    found = disagreement_of_samples(read_sources(*one_hot_samples(p, 20_000, seed), 2), 2, 0)
    assert found.alpha == pytest.approx(disagreement(p.sum(1), p.sum(0), p.sum(2)), abs=0.03)
    assert found.information == pytest.approx(exact.information, abs=0.02)
    assert found.union == pytest.approx(exact.information[0] + exact.unique[1], abs=0.03)
    assert found.bound <= exact.lower + 0.02


def test_conditional_independence_with_weak_views_gives_a_positive_bound():
    p = np.zeros((3, 3, 3))
    view = np.full((3, 3), 0.15) + 0.55 * np.eye(3)
    for y in range(3):
        p[:, :, y] = np.outer(view[y], view[y]) / 3
    exact = synergy_bounds(p.sum(1), p.sum(0), p.sum(2), starts=0)
    found = disagreement_of_samples(read_sources(*one_hot_samples(p, 20_000, 0), 2), 2, 0)
    wanted = disagreement_bound(disagreement(p.sum(1), p.sum(0), p.sum(2)), *exact.unique)
    assert wanted > 0.02
    assert found.bound == pytest.approx(wanted, abs=0.04)


def test_equal_views_do_not_disagree():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=3000)
    x = y[:, None] + rng.normal(size=(3000, 2))
    labelled = {"a": (x[:1000], y[:1000]), "b": (x[1000:2000], y[1000:2000])}
    found = disagreement_of_samples(read_sources(labelled, {"a": x[2000:], "b": x[2000:]}, 2), 2, 0)
    assert found.alpha < 0.02
    assert found.bound < 0.005
