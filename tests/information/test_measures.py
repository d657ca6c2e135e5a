import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interplay.information import (
    check_joint,
    co_information,
    conditional_mutual_information,
    entropy,
    gate,
    mutual_information,
    o_information,
    pointwise_mutual_information,
    total_correlation,
)


def joints(*sizes):
    """Joints with ties and zeros: normalised small counts."""
    return arrays(np.int64, sizes, elements=st.integers(0, 6)).filter(lambda c: c.sum() > 0).map(lambda c: c / c.sum())


def loop_information(p):
    """I(X;Y) by its definition, one cell after the other."""
    px, py = p.sum(1), p.sum(0)
    return sum(
        p[i, j] * np.log2(p[i, j] / (px[i] * py[j]))
        for i in range(p.shape[0])
        for j in range(p.shape[1])
        if p[i, j] > 0
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[0.5, np.nan], [0.25, 0.25]], "NaN"),
        ([[0.5, np.inf], [0.25, 0.25]], "infinite"),
        ([[0.6, -0.1], [0.25, 0.25]], "negative"),
        ([[0.5, 0.5], [0.25, 0.25]], "normalize=True"),
        ([0.5, 0.5], "shape \\(2,\\)"),
        ([[0.0, 0.0], [0.0, 0.0]], "zero everywhere"),
        ([[0.5, 0.5], [0.0]], "rectangular"),
        ([["a", "b"], ["c", "d"]], "numbers"),
        (np.zeros((0, 2)), "at least one symbol"),
    ],
)
def test_check_joint_names_what_is_wrong(bad, message):
    with pytest.raises(ValueError, match=message):
        check_joint(bad, ndim=2)


def test_check_joint_tolerates_rounding_and_normalises_counts():
    off = np.full((2, 2), 0.25) * (1 + 1e-10)
    assert abs(check_joint(off).sum() - 1) < 1e-15
    with pytest.raises(ValueError, match="sum to 1"):
        check_joint(off, tolerance=1e-12)
    np.testing.assert_array_equal(check_joint([[3, 1], [0, 0]], normalize=True), [[0.75, 0.25], [0, 0]])


def test_check_joint_checks_every_joint_of_a_batch():
    good, bad = np.full((2, 2), 0.25), np.full((2, 2), 0.5)
    assert check_joint([good, good], ndim=2, batch_axes=1).shape == (2, 2, 2)
    with pytest.raises(ValueError, match="sums to 2"):
        check_joint([good, bad], ndim=2, batch_axes=1)


def test_check_joint_does_not_write_into_its_argument():
    counts = np.array([[2.0, 2.0]])
    check_joint(counts, normalize=True)
    np.testing.assert_array_equal(counts, [[2.0, 2.0]])


@given(joints(3, 4))
def test_mutual_information_equals_the_loop(p):
    assert mutual_information(p) == pytest.approx(loop_information(p), abs=1e-12)


@given(joints(2, 3, 2))
def test_conditional_information_is_the_mean_over_the_condition(p):
    weights = p.sum((0, 1))
    expected = sum(w * loop_information(p[..., z] / w) for z, w in enumerate(weights) if w > 0)
    assert conditional_mutual_information(p) == pytest.approx(expected, abs=1e-12)


@given(joints(2, 3, 3))
def test_chain_rule(p):
    both = mutual_information(p.reshape(6, 3))
    first = mutual_information(p.sum(1))
    given_first = conditional_mutual_information(p.transpose(1, 2, 0))
    assert both == pytest.approx(first + given_first, abs=1e-12)


@given(joints(2, 2, 3))
def test_measures_of_three_variables_agree(p):
    co = mutual_information(p.sum(1)) + mutual_information(p.sum(0)) - mutual_information(p.reshape(4, 3))
    assert co_information(p) == pytest.approx(co, abs=1e-12)
    assert o_information(p) == pytest.approx(co, abs=1e-12)
    # total correlation: chain of informations
    chain = mutual_information(p.sum(2)) + mutual_information(p.reshape(4, 3))
    assert total_correlation(p) == pytest.approx(chain, abs=1e-12)


@given(joints(2, 3, 2))
def test_pointwise_information_averages_to_the_information(p):
    for sources, table in (((0,), p.sum(1)), ((1,), p.sum(0)), (None, p.reshape(6, 2))):
        local = pointwise_mutual_information(p, sources=sources)
        assert (np.isnan(local) == (p == 0)).all()
        assert np.nansum(p * local) == pytest.approx(loop_information(table), abs=1e-12)


@given(joints(4, 3, 3), st.permutations(range(4)))
def test_merging_symbols_never_adds_information_and_renaming_changes_none(p, order):
    p = p[order]
    merged = np.concatenate([p[:1] + p[1:2], p[2:]])
    for part in (lambda q: q.sum(1), lambda q: q.reshape(-1, 3)):
        assert mutual_information(part(merged)) <= mutual_information(part(p)) + 1e-12
        assert mutual_information(part(p[::-1])) == pytest.approx(mutual_information(part(p)), abs=1e-12)


def test_leading_axes_count_joints():
    stack = np.stack([gate("xor"), gate("and"), np.full((2, 2, 2), 1 / 8)])
    np.testing.assert_allclose(conditional_mutual_information(stack.transpose(0, 1, 3, 2)), [1.0, 0.5, 0.0], atol=1e-12)
    assert mutual_information(stack.sum(1)).shape == (3,)


def test_known_values():
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(3.0)
    parity = np.zeros((2, 2, 2, 2))
    for cell in np.ndindex(2, 2, 2):
        parity[(*cell, sum(cell) % 2)] = 1 / 8
    copies = np.zeros((2, 2, 2, 2))
    copies[0, 0, 0, 0] = copies[1, 1, 1, 1] = 0.5
    # n-bit parity has O-information 2 - n and total correlation 1; n copies of one bit n - 2 and n - 1
    assert (o_information(parity), total_correlation(parity)) == pytest.approx((-2.0, 1.0))
    assert (o_information(copies), total_correlation(copies)) == pytest.approx((2.0, 3.0))
    assert co_information(copies) == pytest.approx(1.0)
    assert co_information(parity) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: o_information([0.5, 0.5]), "two variables"),
        (lambda: pointwise_mutual_information([0.5, 0.5]), "target axis"),
        (lambda: pointwise_mutual_information(gate("and"), sources=(2,)), "0 to 1"),
        (lambda: pointwise_mutual_information(gate("and"), sources=()), "0 to 1"),
        (lambda: mutual_information([0.5, 0.5]), "2 axes"),
        (lambda: conditional_mutual_information([[0.5, 0.5]]), "3 axes"),
    ],
)
def test_measures_refuse_what_they_are_not_defined_for(call, message):
    with pytest.raises(ValueError, match=message):
        call()
