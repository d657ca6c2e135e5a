"""Entropy of couplings: majorisation bound and greedy coupling."""

import itertools

import numpy as np
import pytest

from interplay.information import entropy
from interplay.information.couplings import GREEDY_EXCESS, coupling_entropy_bound, greedy_coupling, meet


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
