"""Entropy of couplings: majorisation bound and greedy coupling."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from interplay.information import entropy
from interplay.information.couplings import (
    GREEDY_EXCESS,
    coupling_entropy_bound,
    coupling_profile_bound,
    greedy_coupling,
    meet,
)


def smallest_entropy(p, q):
    """Slow twin: entropies of all vertices of the transport polytope (north-west corners of all orders)."""
    best = np.inf
    for rows in itertools.permutations(range(len(p))):
        for columns in itertools.permutations(range(len(q))):
            left, right, cells, i, j = list(p[list(rows)]), list(q[list(columns)]), [], 0, 0
            while i < len(p) and j < len(q):
                mass = min(left[i], right[j])
                cells.append(mass)
                left[i] -= mass
                right[j] -= mass
                i, j = (i + 1, j) if left[i] <= 1e-15 else (i, j + 1)
            best = min(best, entropy(np.array(cells) / sum(cells)))
    return best


@pytest.mark.parametrize("seed", range(20))
def test_bounds_enclose_the_smallest_entropy(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(3, 0.7)), rng.dirichlet(np.full(4, 0.7))
    exact, greedy = smallest_entropy(p, q), greedy_coupling(p, q)
    assert coupling_entropy_bound(p, q) <= exact + 1e-9
    assert exact <= greedy.entropy + 1e-9
    assert greedy.entropy <= greedy.lower_bound + GREEDY_EXCESS


def smallest_entropy_of_three(p, q, s):
    """Slow twin: linear programmes in random directions reach all vertices of a tiny three-marginal polytope."""
    shape = len(p), len(q), len(s)
    index = np.indices(shape).reshape(3, -1)
    rows = [index[axis] == state for axis in range(3) for state in range(shape[axis])]
    rng, right = np.random.default_rng(0), np.concatenate([p, q, s])
    found = (linprog(rng.normal(size=index.shape[1]), A_eq=np.array(rows, float), b_eq=right).x for _ in range(150))
    return min(entropy(np.maximum(x, 0) / np.maximum(x, 0).sum()) for x in found)


@pytest.mark.parametrize("seed", range(20))
def test_profile_bound_lies_below_the_smallest_entropy(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(3, 0.7)), rng.dirichlet(np.full(4, 0.7))
    found = coupling_profile_bound(p, q)
    assert found <= smallest_entropy(p, q) + 1e-9
    assert found >= max(entropy(p), entropy(q)) - 1e-9
    if seed < 3:
        two = rng.dirichlet(np.ones(2))
        three = two, p, q[:3] / q[:3].sum()
        assert coupling_profile_bound(*three) <= smallest_entropy_of_three(*three) + 1e-9


def test_profile_bound_is_an_integral_over_states_laid_side_by_side():
    """Slow twin on a fine grid, and a pair for which each of the two bounds is the larger."""
    rng = np.random.default_rng(2)
    many = [rng.dirichlet(np.full(n, 0.5)) for n in (4, 6, 5)]
    at = (np.arange(200_000) + 0.5) / 200_000
    sizes = [np.sort(p)[::-1][np.minimum(np.searchsorted(np.sort(p)[::-1].cumsum(), at), len(p) - 1)] for p in many]
    assert coupling_profile_bound(*many) == pytest.approx(-np.log2(np.min(sizes, axis=0)).mean(), abs=1e-4)
    assert coupling_profile_bound([0.6, 0.4], [0.5, 0.5]) > coupling_entropy_bound([0.6, 0.4], [0.5, 0.5]) + 0.1
    fine = [0.6, 0.1, 0.1, 0.1, 0.1]
    assert coupling_profile_bound([0.5, 0.5], fine) < coupling_entropy_bound([0.5, 0.5], fine) - 0.01


def test_greedy_has_its_marginals_for_three_distributions():
    rng = np.random.default_rng(0)
    marginals = [rng.dirichlet(np.ones(n)) for n in (3, 5, 4)]
    found = greedy_coupling(*marginals)
    for axis, p in enumerate(marginals):
        np.testing.assert_allclose(np.bincount(found.index[:, axis], found.mass, len(p)), p, atol=1e-12)


def test_equal_distributions_couple_without_loss():
    p = np.array([0.5, 0.3, 0.2])
    assert greedy_coupling(p, p[::-1]).entropy == pytest.approx(entropy(p))
    assert coupling_entropy_bound(p, p) == pytest.approx(entropy(p))


def test_meet_is_majorised_by_all():
    rng = np.random.default_rng(1)
    many = [rng.dirichlet(np.full(n, 0.5)) for n in (4, 6, 5)]
    found = meet(*many)
    assert (np.diff(found) <= 1e-12).all()
    for p in many:
        longest = np.pad(np.sort(p)[::-1], (0, len(found) - len(p)))
        assert (found.cumsum() <= longest.cumsum() + 1e-12).all()


def test_bad_input():
    with pytest.raises(ValueError, match="distribution 1"):
        greedy_coupling([0.5, 0.5], [0.5, 0.6])
    with pytest.raises(ValueError, match="at least two"):
        greedy_coupling([1.0])
