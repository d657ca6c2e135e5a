"""Reconciling three pairwise tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from interplay.information.tables import align_margins, check_margins, reconcile, reconcile_batch


def tables_of(p):
    return p.sum(1), p.sum(0), p.sum(2)


def counted(rng, p, sizes):
    return [rng.multinomial(n, t.ravel()).reshape(t.shape) / n for n, t in zip(sizes, tables_of(p), strict=True)]


def joint(rng, shape, alpha=1.0):
    return rng.dirichlet(np.full(np.prod(shape), alpha)).reshape(shape)


def test_consistent_tables_do_not_move():
    tables = tables_of(joint(np.random.default_rng(0), (4, 3, 3)))
    found = reconcile(*tables, sizes=(50, 60, 70))
    for given_table, fitted in zip(tables, (found.p1y, found.p2y, found.p12), strict=True):
        np.testing.assert_allclose(fitted, given_table, atol=2e-4)
    assert found.p_value > 0.99
    assert max(found.moved_variation) < 5e-4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 0.1]))
def test_result_has_equal_margins(seed, alpha):
    rng = np.random.default_rng(seed)
    found = reconcile(*counted(rng, joint(rng, (4, 3, 3), alpha), (60, 80, 200)), sizes=(60, 80, 200))
    check_margins(found.p1y, found.p2y, found.p12, tolerance=1e-12)


def test_likelihood_matches_a_general_optimiser():
    rng = np.random.default_rng(1)
    sizes = np.array([40, 60, 120])
    tables = counted(rng, joint(rng, (3, 2, 2)), sizes)

    def loss(theta):
        r = np.exp(theta - theta.max())
        r = (r / r.sum()).reshape(3, 2, 2)
        return -sum(n * (t * np.log(f)).sum() for n, t, f in zip(sizes, tables, tables_of(r), strict=True))

    best = min(minimize(loss, rng.normal(size=12), method="BFGS").fun for _ in range(3))
    found = reconcile(*tables, sizes=tuple(sizes))
    fitted = (found.p1y, found.p2y, found.p12)
    ours = -sum(n * (t * np.log(f)).sum() for n, t, f in zip(sizes, tables, fitted, strict=True))
    assert ours == pytest.approx(best, abs=1e-3)
    assert found.gap < 1e-6


def test_tables_of_a_cycle_are_moved_onto_a_joint():
    # x1 = x2 and x1 = y but x2 = 1 - y: margins agree, no joint exists
    same, other = np.eye(2) / 2, np.eye(2)[::-1] / 2
    found = reconcile(same, other, same)
    assert sum(found.moved_variation) == pytest.approx(1.0, abs=0.02)
    assert found.p1y[0, 0] == pytest.approx(1 / 3, abs=0.02)  # every joint breaks one of the three at least


def test_p_value_is_uniform_for_one_population_and_small_for_two():
    rng = np.random.default_rng(2)
    p = joint(rng, (3, 3, 2))
    found = [reconcile(*counted(rng, p, (400, 400, 900)), sizes=(400, 400, 900)) for _ in range(200)]
    for margin in ("p(y)", "p(x1)", "p(x2)"):
        p_values = np.array([f.p_values[margin] for f in found])
        assert 0.03 <= np.mean(p_values < 0.1) <= 0.18
        assert 0.4 < np.median(p_values) < 0.6
    assert 0.01 <= np.mean(np.array([f.p_value for f in found]) < 0.1) <= 0.15
    shifted = list(counted(rng, p, (400, 400, 900)))
    shifted[0] = shifted[0][::-1].copy()
    assert reconcile(*shifted, sizes=(400, 400, 900)).p_value < 1e-3


def test_the_larger_source_moves_less():
    rng = np.random.default_rng(3)
    tables = counted(rng, joint(rng, (4, 4, 3)), (100, 100, 100))
    small, large = reconcile(*tables, sizes=(100, 100, 100)), reconcile(*tables, sizes=(10_000, 100, 100))
    assert large.moved_bits[0] < small.moved_bits[0] / 5


def test_batch_equals_one_by_one():
    rng = np.random.default_rng(4)
    many = [counted(rng, joint(rng, (3, 3, 2)), (50, 50, 50)) for _ in range(5)]
    *fitted, _ = reconcile_batch(*(np.array(t) for t in zip(*many, strict=True)), np.full(3, 1 / 3), tolerance=1e-9)
    for at, tables in enumerate(many):
        *alone, _ = reconcile_batch(*(t[None] for t in tables), np.full(3, 1 / 3), tolerance=1e-9)
        np.testing.assert_allclose(fitted[2][at], alone[2][0], atol=1e-7)


def test_align_margins_is_exact():
    rng = np.random.default_rng(5)
    tables = [t * (1 + 1e-9 * rng.normal(size=t.shape)) for t in tables_of(joint(rng, (4, 3, 2)))]
    check_margins(*align_margins(*tables), tolerance=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p1y": np.full((2, 2), 0.3)}, "p1y sums to 1.2"),
        ({"p2y": np.array([[0.5, -0.1], [0.3, 0.3]])}, "p2y has negative"),
        ({"p12": np.full((2, 2), np.nan)}, "p12 has negative, infinite or NaN"),
        ({"p1y": np.full((2, 4), 0.125)}, "p1y has 4 labels"),
        ({"p12": np.full((2, 3), 1 / 6)}, r"p12 has shape \(2, 3\), expected \(2, 2\)"),
        ({"p12": np.full(4, 0.25)}, "two axes"),
        ({"sizes": (10, 0, 10)}, "three positive"),
    ],
)
def test_bad_input_is_named(change, message):
    good = {"p1y": np.full((2, 2), 0.25), "p2y": np.full((2, 2), 0.25), "p12": np.full((2, 2), 0.25)}
    with pytest.raises(ValueError, match=message):
        reconcile(**(good | change))
