"""Couplings by alternating scaling, against the exact solver."""

import numpy as np
import pytest

from interplay.estimation.scaling import couple, rake
from interplay.information.broja import solve


def samples(m, k, seed):
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.full(k, 5.0))
    return prior, *(rake(rng.dirichlet(np.full(k, 0.7), size=m), prior) for _ in range(2))


def test_raking_gives_both_margins_and_leaves_what_has_them():
    prior, first, _ = samples(50, 3, 0)
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-8)
    np.testing.assert_allclose(first.mean(axis=0), prior, atol=1e-8)
    np.testing.assert_allclose(rake(first, prior), first, atol=1e-8)


@pytest.mark.parametrize(("m", "k"), [(20, 2), (30, 4), (12, 6)])
def test_the_dual_is_feasible_and_within_its_gap_of_the_exact_solution(m, k):
    prior, first, second = samples(m, k, m)
    found = couple(first, second)
    assert np.log(np.exp(found.first) @ np.exp(found.second).T).max() < 1e-9
    joint = np.einsum("iy,jy,y->ijy", first / m, second / m, 1 / prior)
    exact = solve(joint / joint.sum())
    value = ((found.first * first).sum() + (found.second * second).sum()) / m
    assert found.gap <= 1e-3  # scaling is sublinear where cells of the coupling vanish
    assert value <= exact.primal + 1e-9
    assert exact.primal - value <= found.gap * np.log(2) + 1e-6


def test_more_steps_bring_a_smaller_gap():
    _, first, second = samples(40, 3, 1)
    gaps = [couple(first, second, max_sweeps=n, tolerance=0).gap for n in (50, 200, 800)]
    assert gaps[0] > gaps[1] > gaps[2]


def test_weights_stand_for_copies():
    _, first, second = samples(12, 3, 2)
    times = np.array([1, 2, 3])[np.arange(12) % 3]
    copies = [np.repeat(part, times, axis=0) for part in (first, second)]
    raked = [rake(part, copies[0].mean(axis=0)) for part in copies]
    whole = couple(*raked)
    places = np.cumsum(times) - 1  # one row of each set of copies
    mass = times / times.sum()
    few = couple(raked[0][places], raked[1][places], (mass, mass))
    values = [
        sum((part * weight * dual).sum() for part, dual in zip(parts, (found.first, found.second), strict=True))
        for parts, weight, found in (
            (raked, 1 / times.sum(), whole),
            ([part[places] for part in raked], mass[:, None], few),
        )
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-3)
