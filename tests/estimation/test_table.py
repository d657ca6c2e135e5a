"""Corrections, projection, the synergy-free null."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interplay.estimation.counts import pairwise_maximum_entropy
from interplay.estimation.resample import from_model, parts_of
from interplay.estimation.table import CORRECTIONS, correct, estimate_and_intervals, synergy_free

AND = np.array([[[1, 0], [1, 0]], [[1, 0], [0, 1]]]) / 4
XOR = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) / 4


def test_the_null_keeps_the_tables_and_has_next_to_no_synergy():
    for gate in (AND, XOR):
        counts = np.random.default_rng(0).multinomial(2000, gate.ravel()).reshape(2, 2, 2)
        null = synergy_free(counts)
        assert parts_of(null[None], "broja")[0, 3] < 0.005
        for axis in (0, 1):
            np.testing.assert_allclose(null.sum(axis=axis), counts.sum(axis=axis) / 2000, atol=0.02)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.sampled_from([50, 500, 5000]))
def test_the_null_has_synergy_within_noise_on_any_table(seed, n):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, rng.dirichlet(np.full(27, 0.3))).reshape(3, 3, 3)
    noise = 6 * 2 / (2 * n * np.log(2))
    assert parts_of(synergy_free(counts)[None], "broja")[0, 3] <= noise + 1e-4


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.floats(-0.5, 1), min_size=4, max_size=4))
def test_estimates_obey_the_identities_and_lie_in_their_intervals(parts):
    corrected = np.array([*parts, sum(parts)])
    estimate, intervals = estimate_and_intervals(corrected, np.full(5, 0.01), "broja", 0.9)
    assert (estimate >= -1e-12).all()
    assert estimate[:4].sum() == pytest.approx(estimate[4])
    assert (intervals[:, 0] <= estimate + 1e-12).all()
    assert (estimate <= intervals[:, 1] + 1e-12).all()
    if min(parts) >= 0:
        np.testing.assert_allclose(estimate, corrected, atol=1e-12)
    unbound, _ = estimate_and_intervals(corrected, np.full(5, 0.01), "pm", 0.9)
    assert (unbound == corrected).all()


def test_corrections_remove_most_of_the_bias_of_the_synergy():
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(48)).reshape(4, 4, 3)
    true = parts_of(joint[None], "broja")[0, 3]
    errors = {method: [] for method in CORRECTIONS}
    for counts in from_model(joint, 100)(rng, 15):
        model = pairwise_maximum_entropy(counts)
        plugin, exact = parts_of(np.stack([counts / 100, model]), "broja")
        drawn = parts_of(from_model(model, 100)(rng, 50), "broja")
        for method in CORRECTIONS:
            errors[method].append(correct(counts, plugin, drawn, exact, method)[3] - true)
    mean = {method: abs(np.mean(error)) for method, error in errors.items()}
    assert mean["none"] > 0.07
    for method in ("adaptive", "maxent", "grassberger", "chao-shen", "miller-madow"):
        assert mean[method] < 0.6 * mean["none"], mean


def test_entropy_corrections_keep_the_pairwise_part_and_the_identity():
    counts = np.random.default_rng(0).integers(1, 9, size=(3, 3, 2))
    plugin = parts_of(counts[None], "broja")[0]
    drawn = plugin + np.random.default_rng(1).normal(scale=0.02, size=(40, 1)) * [0, 0, 0, 1, 1]
    exact = drawn.mean(axis=0) - np.array([0.01, 0.02, 0.03, 0.04, 0.10])
    found = {method: correct(counts, plugin, drawn, exact, method) for method in CORRECTIONS}
    np.testing.assert_allclose(found["maxent"], plugin - [0.01, 0.02, 0.03, 0.04, 0.10])
    np.testing.assert_allclose(found["grassberger"][:3], found["maxent"][:3], atol=1e-12)
    assert found["grassberger"][3] != pytest.approx(found["maxent"][3], abs=1e-4)
    for parts in found.values():
        assert parts[:4].sum() == pytest.approx(parts[4])
    np.testing.assert_array_equal(found["none"], plugin)


def test_the_adaptive_correction_is_the_model_within_noise_and_grassberger_beyond():
    rng = np.random.default_rng(0)
    for joint, like, unlike in ((np.full((2, 2, 2), 1 / 8), "maxent", None), (XOR, "grassberger", "maxent")):
        counts = rng.multinomial(60, joint.ravel()).reshape(2, 2, 2)
        model = pairwise_maximum_entropy(counts)
        plugin, exact = parts_of(np.stack([counts / 60, model]), "broja")
        drawn = parts_of(from_model(model, 60)(rng, 100), "broja")
        found = {method: correct(counts, plugin, drawn, exact, method) for method in CORRECTIONS}
        np.testing.assert_allclose(found["adaptive"], found[like], atol=2e-3)
        if unlike:
            assert abs(found["adaptive"][3] - found[unlike][3]) > 5e-3
