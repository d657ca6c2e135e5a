"""Smallest and largest Bayes accuracy over joints with three given tables."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from interplay.information._programme import Polytope
from interplay.information.accuracy import (
    accuracy_from_entropy,
    guaranteed_accuracy,
    largest_accuracy,
    smallest_accuracy,
    threshold,
)


def tables_of(p):
    return p.sum(1), p.sum(0), p.sum(2)


def joint(rng, shape, alpha=1.0):
    return rng.dirichlet(np.full(np.prod(shape), alpha)).reshape(shape)


def slow_smallest(p):
    """Primal programme written cell by cell: min sum t, t >= r."""
    k1, k2, _ = p.shape
    n, cells = p.size, list(np.ndindex(p.shape))
    cost = np.r_[np.zeros(n), np.ones(k1 * k2)]
    upper = np.zeros((n, n + k1 * k2))
    for at, (i, j, _) in enumerate(cells):
        upper[at, at], upper[at, n + i * k2 + j] = 1, -1
    rows, right = [], []
    for axis, table in ((1, p.sum(1)), (0, p.sum(0)), (2, p.sum(2))):
        for index in np.ndindex(table.shape):
            rows.append([float(tuple(np.delete(c, axis)) == index) for c in cells] + [0.0] * (k1 * k2))
            right.append(table[index])
    return linprog(cost, A_ub=upper, b_ub=np.zeros(n), A_eq=np.array(rows), b_eq=right).fun


@pytest.mark.parametrize("seed", range(6))
def test_dual_value_equals_the_slow_primal(seed):
    p = joint(np.random.default_rng(seed), (3, 2 + seed % 2, 3), 0.3)
    assert smallest_accuracy(*tables_of(p)).accuracy == pytest.approx(slow_smallest(p), abs=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_rule_keeps_its_guarantee_on_the_joint_it_never_saw(seed):
    rng = np.random.default_rng(seed)
    p = joint(rng, (4, 3, 3), rng.choice([1.0, 0.2]))
    found = smallest_accuracy(*tables_of(p))
    assert (found.rule >= 0).all()
    np.testing.assert_allclose(found.rule.sum(-1), 1.0)
    assert (found.rule * p).sum() >= found.accuracy - 1e-9
    assert max(p.sum(1).max(1).sum(), p.sum(0).max(1).sum()) - 1e-12 <= found.accuracy <= p.max(-1).sum() + 1e-9


def test_any_weights_are_a_valid_guarantee():
    rng = np.random.default_rng(0)
    p = joint(rng, (3, 4, 3))
    for scale in (0.1, 1.0, 5.0):
        a, b = scale * rng.normal(size=(3, 3)), scale * rng.normal(size=(4, 3))
        assert guaranteed_accuracy(a, b, *tables_of(p)) <= p.max(-1).sum()


def test_threshold_projects_on_the_simplex():
    z = np.random.default_rng(0).normal(size=(50, 4))
    z[0, 1:] = -np.inf
    np.testing.assert_allclose(np.maximum(0, z - threshold(z)[:, None]).sum(1), 1.0)


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 3, 2), (3, 3, 3)])
def test_largest_accuracy_encloses_truth_and_attained(shape):
    rng = np.random.default_rng(1)
    for _ in range(5):
        p = joint(rng, shape, 0.5)
        found = largest_accuracy(*tables_of(p))
        assert p.max(-1).sum() <= found.upper + 1e-7
        assert found.attained <= found.upper + 1e-7


def test_relaxations_lie_above_the_exact_maximum(monkeypatch):
    p = joint(np.random.default_rng(2), (3, 2, 2), 0.5)
    polytope = Polytope(*tables_of(p))
    exact = max(  # a label for every pair, all 2^6 choices
        polytope.maximise((np.array(choice)[polytope.pair] == polytope.cells[2]).astype(float))[1]
        for choice in itertools.product(range(2), repeat=6)
    )
    relaxed = largest_accuracy(*tables_of(p))
    assert relaxed.attained <= exact + 1e-7
    monkeypatch.setattr("interplay.information.accuracy.MEDIUM", 0)
    cells = largest_accuracy(*tables_of(p))
    assert (relaxed.method, cells.method) == ("linear relaxation", "cells")
    assert exact - 1e-7 <= relaxed.upper <= cells.upper + 1e-7


def test_large_tables_still_get_a_valid_guarantee(monkeypatch):
    p = joint(np.random.default_rng(3), (4, 4, 3), 0.3)
    exact = smallest_accuracy(*tables_of(p)).accuracy
    monkeypatch.setattr("interplay.information.accuracy.LARGE", 0)
    scaled = smallest_accuracy(*tables_of(p)).accuracy
    assert max(p.sum(1).max(1).sum(), p.sum(0).max(1).sum()) - 1e-12 <= scaled <= exact + 1e-9


def test_closed_forms():
    labels = np.array([[0.5, 0.0], [0.25, 0.25]])
    pairs = np.full((2, 2), 0.25)
    assert smallest_accuracy(labels, labels, pairs).accuracy == pytest.approx(1.0, abs=1e-8)
    assert smallest_accuracy(pairs, pairs, pairs).accuracy == pytest.approx(0.5, abs=1e-8)
    assert largest_accuracy(pairs, pairs, pairs).upper == pytest.approx(1.0, abs=1e-6)


def test_entropy_forms_are_weaker():
    rng = np.random.default_rng(4)
    for k in (2, 3, 5):
        posterior = rng.dirichlet(np.full(k, 0.5), size=200)
        h = -(posterior * np.log2(posterior)).sum(1).mean()
        low, high = accuracy_from_entropy(h, k)
        assert low <= posterior.max(1).mean() <= high
    assert accuracy_from_entropy(0.0, 4) == (1.0, 1.0)
    assert accuracy_from_entropy(2.0, 4) == pytest.approx((0.25, 0.25))


def test_inconsistent_tables_are_refused():
    same, other = np.eye(2) / 2, np.eye(2)[::-1] / 2
    with pytest.raises(ValueError, match="no joint has these"):
        smallest_accuracy(same, other, same)
    with pytest.raises(ValueError, match="disagree on p"):
        smallest_accuracy(np.array([[0.6, 0.0], [0.2, 0.2]]), np.full((2, 2), 0.25), np.full((2, 2), 0.25))
