import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog
from scipy.special import logsumexp

from interplay.information import (
    conditional_mutual_information,
    decompose,
    decompose_batch,
    definitions,
    gate,
    mutual_information,
    one_against_rest,
    pairwise_decompositions,
    pointwise_range,
)
from interplay.information.broja import solve
from interplay.information.dual_face import centre, dual_face, extremes

ALL = definitions.names()
QUICK = settings(deadline=None, max_examples=20)


def joints(*sizes):
    return arrays(np.int64, sizes, elements=st.integers(0, 6)).filter(lambda c: c.sum() > 0).map(lambda c: c / c.sum())


@pytest.mark.parametrize("name", ALL)
def test_a_batch_equals_its_members(name):
    rng = np.random.default_rng(0)
    stack = np.stack(
        [*rng.dirichlet(np.full(12, 0.5), size=5).reshape(5, 3, 2, 2), np.eye(2)[[0, 1, 1]][:, None] / 6 * [[1], [1]]]
    )
    batch = decompose_batch(stack, redundancy=name)
    assert batch.unique.shape == (6, 2)
    for b, joint in enumerate(stack):
        d = decompose(joint, redundancy=name)
        np.testing.assert_allclose(
            [batch.redundancy[b], *batch.unique[b], batch.synergy[b], batch.total[b]],
            [d.redundancy, *d.unique, d.synergy, d.total],
            atol=3e-9,
        )


def test_counts_are_welcome_when_asked_for():
    counts = (gate("and") * 4).astype(int)
    assert decompose(counts, normalize=True).synergy == pytest.approx(0.5, abs=1e-9)
    assert decompose_batch([counts], normalize=True).synergy[0] == pytest.approx(0.5, abs=1e-8)
    with pytest.raises(ValueError, match="normalize=True"):
        decompose(counts)


@pytest.mark.parametrize(
    ("joint", "message"),
    [
        (np.full((2, 2), 0.25), "two modalities"),
        (np.full((2, 2, 2, 2), 1 / 16), "pairwise_decompositions"),
        (np.full((2, 2, 2), np.nan), "NaN"),
    ],
)
def test_decompose_refuses_other_joints(joint, message):
    with pytest.raises(ValueError, match=message):
        decompose(joint)


def test_a_modality_or_target_of_one_symbol_tells_nothing():
    for joint in (np.full((1, 2, 2), 0.25), np.full((2, 2, 1), 0.25), np.ones((1, 1, 1))):
        for name in ALL:
            d = decompose(joint, redundancy=name)
            assert d.total == pytest.approx(0.0, abs=1e-12)


def test_symbols_that_never_occur_change_nothing():
    padded = np.zeros((4, 3, 3))
    padded[:2, 1:, ::2] = gate("and")
    for name in ALL:
        d, e = decompose(padded, redundancy=name), decompose(gate("and"), redundancy=name)
        np.testing.assert_allclose(
            [d.redundancy, *d.unique, d.synergy], [e.redundancy, *e.unique, e.synergy], atol=1e-9
        )


def test_it_reads_in_plain_words():
    text = str(decompose(gate("and")))
    assert "0.8113 bits about the target" in text
    assert "synergy      0.5000 bits  told only by both together" in text
    assert "-0.0000" not in text


def test_the_coupling_of_broja_attains_its_value():
    p = np.random.default_rng(2).dirichlet(np.ones(24)).reshape(3, 4, 2)
    d = decompose(p)
    assert d.coupling is not None
    np.testing.assert_allclose(d.coupling.sum(1), p.sum(1), atol=1e-12)
    np.testing.assert_allclose(d.coupling.sum(0), p.sum(0), atol=1e-12)
    unique = conditional_mutual_information(d.coupling.transpose(0, 2, 1))
    assert unique == pytest.approx(d.unique[0], abs=1e-9)
    assert 0 <= d.gap <= 1e-9


def test_three_modalities_in_pairs_and_against_the_rest():
    p = np.random.default_rng(3).dirichlet(np.ones(36)).reshape(2, 3, 3, 2)
    pairs = pairwise_decompositions(p)
    assert list(pairs) == [(0, 1), (0, 2), (1, 2)]
    assert pairs[0, 2].redundancy == decompose(p.sum(1)).redundancy
    rest = one_against_rest(p)
    for m, d in rest.items():
        assert d.total == pytest.approx(mutual_information(p.reshape(-1, 2)), abs=1e-12)
        assert d.redundancy + d.unique[0] == pytest.approx(mutual_information(p.sum(tuple({0, 1, 2} - {m}))), abs=1e-12)
    with pytest.raises(ValueError, match="two modalities"):
        pairwise_decompositions(np.full((2, 2), 0.25))
    with pytest.raises(ValueError, match="two modalities"):
        one_against_rest(np.full((2, 2), 0.25))


# the pointwise values of broja: which of the optimal duals


def test_and_gate_takes_the_centre_of_a_whole_family():
    d = decompose(gate("and"))
    assert d.pointwise is not None
    synergy = d.pointwise["synergy"]
    np.testing.assert_allclose([synergy[0, 0, 0], synergy[0, 1, 0], synergy[1, 0, 0]], [0, 0.5, 0.5], atol=1e-6)
    assert synergy[1, 1, 1] == pytest.approx(1.0, abs=1e-6)
    low, high = pointwise_range(gate("and"))
    np.testing.assert_allclose([low["synergy"][0, 1, 0], high["synergy"][0, 1, 0]], [0, 1], atol=1e-6)
    np.testing.assert_allclose(
        [low["redundancy"][1, 0, 0], high["redundancy"][1, 0, 0]], [-1 + 0.415037, 0.415037], atol=1e-5
    )


def end_by_cutting_planes(p, cell, sign, best):
    """Slow twin: extreme a + b at a cell over all duals within 1e-9 of the best, by linear programmes with tangents."""
    (k1, k2, k), p1, p2 = p.shape, p.sum(1), p.sum(0)

    def row(i, j, weights):
        out = np.zeros((k1 + k2, k))
        out[i], out[k1 + j] = weights, weights
        return out.ravel()

    cost = row(cell[0], cell[1], np.eye(k)[cell[2]]) * sign
    tables = np.concatenate([p1, p2])
    allowed = (p1 > 0)[:, None] & (p2 > 0)[None]
    rows, limits = [-tables.ravel()], [1e-9 - best]
    bounds = [(-60, 60) if mass > 0 else (0, 0) for mass in tables.ravel()]
    for _ in range(200):
        x = linprog(cost, A_ub=np.array(rows), b_ub=limits, bounds=bounds).x.reshape(k1 + k2, k)
        worst = -np.inf
        for i, j in np.ndindex(k1, k2):
            if allowed[i, j].any():
                e = np.where(allowed[i, j], x[i] + x[k1 + j], -np.inf)
                worst, share = max(worst, logsumexp(e)), np.exp(e - logsumexp(e))
                # tangent of the log-sum-exp at x
                rows.append(row(i, j, share))
                limits.append(share @ np.where(allowed[i, j], e, 0) - logsumexp(e))
        if worst < 1e-7:
            break
    return (x[cell[0]] + x[k1 + cell[1]])[cell[2]]


ODD = np.array([[[0, 2], [0, 1], [2, 1]], [[3, 0], [2, 3], [0, 0]], [[1, 0], [0, 0], [0, 0]]]) / 15


@pytest.mark.parametrize("p", [gate("and"), gate("sum"), ODD], ids=["and", "sum", "odd"])
def test_ranges_equal_the_slow_twin(p):
    solution = solve(p, tolerance=1e-10)
    low, high = extremes(dual_face(p, solution), p > 0)
    for cell in zip(*np.nonzero(p), strict=True):
        assert low[cell] == pytest.approx(end_by_cutting_planes(p, cell, 1, solution.dual), abs=1e-3)
        assert high[cell] == pytest.approx(end_by_cutting_planes(p, cell, -1, solution.dual), abs=1e-3)
    assert (high[p > 0] - low[p > 0]).max() > 0.1  # else nothing was free and nothing was tested


@QUICK
@given(p=joints(3, 3, 2))
def test_values_lie_in_their_range_and_ranges_close_where_the_coupling_has_mass(p):
    local = decompose(p).pointwise
    assert local is not None
    low, high = pointwise_range(p)
    for at_low, value, at_high in (
        (low["redundancy"], local["redundancy"], high["redundancy"]),
        (low["unique"][0], local["unique"][0], high["unique"][0]),
        (low["unique"][1], local["unique"][1], high["unique"][1]),
        (low["synergy"], local["synergy"], high["synergy"]),
    ):
        happens = p > 0
        assert (at_low[happens] <= value[happens] + 1e-5).all()
        assert (value[happens] <= at_high[happens] + 1e-5).all()


@QUICK
@given(p=joints(3, 3, 2))
def test_the_centred_dual_is_feasible_and_as_good(p):
    solution = solve(p, tolerance=1e-10)
    total = centre(dual_face(p, solution), tolerance=1e-10)
    assert logsumexp(total, axis=-1).max() <= 1e-12
    value = (p[p > 0] * total[p > 0]).sum()
    assert value >= solution.dual - 2e-10


def redundancy(joint):
    local = decompose(joint).pointwise
    assert local is not None
    return np.nan_to_num(local["redundancy"])


def test_outcomes_rarer_than_the_tolerance_keep_their_place():
    """Masses of 1e-14 beside a gap of 1e-10: which pairs the coupling uses cannot be read from its values alone."""
    p = np.zeros((4, 3, 2))
    p[..., 0] = [[1e-11, 0, 2], [0, 0, 0], [2e-14, 2, 0], [1, 1, 2e-6]]
    p[..., 1] = [[0, 1, 2e-14], [1e-11, 1, 2e-14], [2e-14, 0, 1], [0, 0, 0]]
    assert np.isfinite(redundancy(p / p.sum())).all()


def test_splitting_a_symbol_does_not_move_the_centre():
    """On a joint of which the optimal duals are many; equal weights of all pairs would move it."""
    split = redundancy(np.concatenate([ODD[:1] * 0.3, ODD[:1] * 0.7, ODD[1:]]))
    np.testing.assert_allclose(split[[0, 2, 3]], redundancy(ODD), atol=1e-6)


@QUICK
@given(p=joints(3, 2, 2), share=st.floats(0.2, 0.8))
def test_the_centre_does_not_depend_on_names_order_or_splitting(p, share):
    here = redundancy(p)
    np.testing.assert_allclose(redundancy(p.swapaxes(0, 1)), here.swapaxes(0, 1), atol=1e-4)
    np.testing.assert_allclose(redundancy(p[::-1, :, ::-1]), here[::-1, :, ::-1], atol=1e-4)
    split = redundancy(np.concatenate([p[:1] * share, p[:1] * (1 - share), p[1:]]))
    np.testing.assert_allclose(split[1:], here, atol=1e-4)
