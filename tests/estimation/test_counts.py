"""Entropies from counts, and the pairwise maximum-entropy model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma

from interplay.estimation.counts import (
    CORRECTED_ENTROPIES,
    corrected_entropy,
    corrected_information,
    count_table,
    pairwise_maximum_entropy,
)
from interplay.information import entropy


def test_count_table_counts_like_a_loop():
    rng = np.random.default_rng(0)
    a, b, y = (rng.integers(k, size=50) for k in (3, 4, 2))
    slow = np.zeros((3, 4, 2), dtype=int)
    for cell in zip(a, b, y, strict=True):
        slow[cell] += 1
    assert (count_table(a, b, y, shape=(3, 4, 2)) == slow).all()


@pytest.mark.parametrize("method", CORRECTED_ENTROPIES)
def test_corrected_entropies_are_less_biased_than_plug_in(method):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(50))
    counts = rng.multinomial(100, p, size=200)
    plain = np.mean([entropy(c / 100) for c in counts]) - entropy(p)
    corrected = np.mean([corrected_entropy(c, method) for c in counts]) - entropy(p)
    assert plain < -0.2
    assert abs(corrected) < 0.5 * abs(plain)


@pytest.mark.parametrize("method", CORRECTED_ENTROPIES)
def test_corrected_entropies_agree_with_plug_in_on_many_samples(method):
    counts = np.array([[300_000, 100_000], [200_000, 400_000]])
    assert corrected_entropy(counts, method) == pytest.approx(entropy(counts / 1e6), abs=1e-5)


def test_grassberger_is_the_sum_of_its_formula():
    counts = [1, 2, 7]
    g = [digamma(c) + (-1) ** c / 2 * (digamma((c + 1) / 2) - digamma(c / 2)) for c in counts]
    assert corrected_entropy(counts, "grassberger") == pytest.approx(
        (np.log(10) - sum(c * v for c, v in zip(counts, g, strict=True)) / 10) / np.log(2)
    )


def test_chao_shen_of_singletons_and_of_one_symbol():
    assert np.isfinite(corrected_entropy(np.ones(5), "chao-shen"))
    assert corrected_entropy([7], "chao-shen") == 0


@pytest.mark.parametrize("method", CORRECTED_ENTROPIES)
def test_corrected_information_of_a_copy_and_of_independent_fair_bits(method):
    assert corrected_information(np.diag([5000, 5000]), method) == pytest.approx(1, abs=1e-3)
    assert corrected_information(np.full((2, 2), 5000), method) == pytest.approx(0, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), shape=st.tuples(*[st.integers(2, 5)] * 3))
def test_pairwise_maximum_entropy_keeps_the_pairs_and_has_no_third_order_term(seed, shape):
    p = np.random.default_rng(seed).dirichlet(np.full(np.prod(shape), 2.0)).reshape(shape)
    fitted = pairwise_maximum_entropy(p, tolerance=1e-12, max_sweeps=20_000)
    for axis in range(3):
        np.testing.assert_allclose(fitted.sum(axis=axis), p.sum(axis=axis), atol=1e-9)
    log = np.log(fitted)
    mixed = np.diff(np.diff(np.diff(log, axis=0), axis=1), axis=2)
    np.testing.assert_allclose(mixed, 0, atol=1e-5)


def test_shrinking_takes_noise_for_independence_and_leaves_strong_tables():
    rng = np.random.default_rng(0)
    noise = pairwise_maximum_entropy(rng.multinomial(60, np.full(125, 1 / 125)).reshape(5, 5, 5), shrink=True)
    expected = np.einsum("i,j,k->ijk", *(noise.sum(axis=tuple({0, 1, 2} - {a})) for a in range(3)))
    assert np.abs(noise - expected).max() < 0.01
    copy = np.zeros((2, 2, 2))
    copy[0, 0, 0] = copy[1, 1, 1] = 500
    np.testing.assert_allclose(pairwise_maximum_entropy(copy, shrink=True), copy / 1000, atol=0.003)


def test_zeros_of_pairwise_tables_stay_zero():
    table = np.zeros((3, 2, 2))
    table[0, 0, 0], table[1, 1, 1], table[0, 1, 0] = 3, 4, 5
    fitted = pairwise_maximum_entropy(table)
    assert (fitted[2] == 0).all()
    assert np.isfinite(fitted).all()
