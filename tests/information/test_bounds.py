"""Bounds of synergy from three pairwise tables, against closed forms and against the joint they never see."""

import inspect

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from interplay.information import entropy, mutual_information
from interplay.information._additive import additive_fit, linear_bound
from interplay.information._bounds_batch import bounds_batch
from interplay.information._programme import Polytope, cell_limits
from interplay.information.bounds import cell_chords, disagreement, disagreement_bound, synergy_bounds

LN2 = np.log(2)


def tables_of(p):
    return p.sum(1), p.sum(0), p.sum(2)


def joint(rng, shape, alpha=1.0):
    return rng.dirichlet(np.full(np.prod(shape), alpha)).reshape(shape)


def table(f, k1, k2, k):
    p = np.zeros((k1, k2, k))
    for i, j in np.ndindex(k1, k2):
        p[i, j, f(i, j)] += 1 / (k1 * k2)
    return p


def side_input(f):
    """X1 = (a, b), X2 = b, Y = f(a, b)."""
    p = np.zeros((4, 2, 2))
    for a, b in np.ndindex(2, 2):
        p[2 * a + b, b, f(a, b)] += 0.25
    return p


def one_bit_each():
    """Y = (r, u1, u2, s) with X1 = (r, u1, c), X2 = (r, u2, c xor s)."""
    p = np.zeros((8, 8, 16))
    for r, u1, u2, c, s in np.ndindex(2, 2, 2, 2, 2):
        p[4 * r + 2 * u1 + c, 4 * r + 2 * u2 + (c ^ s), 8 * r + 4 * u1 + 2 * u2 + s] += 1 / 32
    return p


def dyadic():
    p = np.zeros((4, 4, 4))
    for a, b, c in np.ndindex(2, 2, 2):
        p[2 * a + b, 2 * b + c, 2 * c + a] += 1 / 8
    return p


def triadic():
    p = np.zeros((4, 4, 4))
    for a, b, c in np.ndindex(2, 2, 2):
        p[2 * a + c, 2 * b + c, 2 * (a ^ b) + c] += 1 / 8
    return p


AND = 0.75 * np.log2(4 / 3)
MAX = 0.671180
GATES = {  # specs: R, U1, U2, S, exact lower bound of S
    "and": (table(lambda i, j: i & j, 2, 2, 2), AND, 0, 0, 0.5, 0.5),
    "or": (table(lambda i, j: i | j, 2, 2, 2), AND, 0, 0, 0.5, 0.5),
    "nand": (table(lambda i, j: 1 - (i & j), 2, 2, 2), AND, 0, 0, 0.5, 0.5),
    "implies": (table(lambda i, j: (1 - i) | j, 2, 2, 2), AND, 0, 0, 0.5, 0.5),
    "xor": (table(lambda i, j: i ^ j, 2, 2, 2), 0, 0, 0, 1, 0),
    "unique": (table(lambda i, j: i, 2, 2, 2), 0, 1, 0, 0, 0),
    "copy": (table(lambda i, j: 2 * i + j, 2, 2, 4), 0, 1, 1, 0, 0),
    "sum": (table(lambda i, j: i + j, 2, 2, 3), 0.5, 0, 0, 1, 1),
    "side and": (side_input(lambda a, b: a & b), AND, 0.5, 0, 0, 0),
    "side or": (side_input(lambda a, b: a | b), AND, 0.5, 0, 0, 0),
    "side xor": (side_input(lambda a, b: a ^ b), 0, 1, 0, 0, 0),
    "mod 3": (table(lambda i, j: (i + j) % 3, 3, 3, 3), 0, 0, 0, np.log2(3), 0),
    "mod 5": (table(lambda i, j: (i + j) % 5, 5, 5, 5), 0, 0, 0, np.log2(5), 0),
    "max": (table(max, 4, 4, 4), MAX, 0, 0, 1.077820, 1.077820),
    "one bit each": (one_bit_each(), 1, 1, 1, 1, 0),
    "dyadic": (dyadic(), 0, 1, 1, 0, 0),
    "triadic": (triadic(), 1, 0, 0, 1, 0),
    "redundant": (np.eye(2)[:, :, None] * np.eye(2)[:, None] / 2, 1, 0, 0, 0, 0),
}
TIGHT = {"and", "xor", "sum", "copy"}


def synergy_of(p, found):
    star = found.information[0] + found.unique[1]
    return entropy(p.sum(2)) + entropy(p.sum((0, 1))) - entropy(p) - star


@pytest.mark.parametrize("name", GATES)
def test_gates(name):
    p, redundancy, unique1, unique2, synergy, lower = GATES[name]
    found = synergy_bounds(*tables_of(p))
    accuracy = 1e-8 if name in TIGHT else 1e-6
    got = (found.redundancy, *found.unique, found.lower)
    assert got == pytest.approx((redundancy, unique1, unique2, lower), abs=accuracy)
    assert synergy_of(p, found) == pytest.approx(synergy, abs=accuracy)
    assert found.upper >= synergy - accuracy
    assert found.gap < 1e-9


def holds(p, **settings):
    """All promises on one joint; what is returned is the bounds and the true synergy."""
    found = synergy_bounds(*tables_of(p), **({"starts": 2} | settings))
    synergy, accuracy = synergy_of(p, found), p.max(-1).sum()
    assert found.lower <= synergy + 1e-6
    assert max(synergy, found.inner) <= found.upper + 1e-6
    for value in found.upper_bounds.values():
        assert value >= max(synergy, found.inner) - 1e-6
    for value in found.lower_bounds.values():
        assert value <= found.lower + 1e-6
    assert found.accuracy_lower <= accuracy + 1e-6
    assert accuracy <= found.accuracy_upper + 1e-6
    assert (found.rule * p).sum() >= found.accuracy_lower - 1e-6
    assert found.accuracy_entropy[0] <= accuracy <= found.accuracy_entropy[1]
    assert found.gap < 1e-8
    return found, synergy


@pytest.mark.parametrize("block", range(3))
def test_random_joints_keep_all_promises(block):
    rng = np.random.default_rng(block)
    for _ in range(100):
        shape = [(2, 2, 2), (3, 2, 2), (2, 4, 3), (4, 3, 3)][rng.choice(4, p=[0.6, 0.2, 0.1, 0.1])]
        holds(joint(rng, shape, rng.choice([1.0, 0.3, 0.1])))


@pytest.mark.bench
def test_ten_thousand_random_joints():
    rng = np.random.default_rng(9)
    for _ in range(10_000):
        shape = tuple(rng.integers(2, 5, size=3))
        holds(joint(rng, shape, rng.choice([1.0, 0.3, 0.1])), starts=1)


def test_upper_bound_is_exact_with_one_free_parameter():
    rng = np.random.default_rng(5)
    for _ in range(30):
        found, _ = holds(joint(rng, (2, 2, 2)))
        assert found.upper == pytest.approx(found.inner, abs=1e-6)


def test_lower_bound_is_the_minimum_along_the_free_parameter():
    """2x2x2: all joints with the tables are p + t d with d the parity; the least synergy over a fine grid of t."""
    rng = np.random.default_rng(6)
    parity = np.array([(-1) ** (i + j + y) for i, j, y in np.ndindex(2, 2, 2)]).reshape(2, 2, 2)
    for _ in range(10):
        p = joint(rng, (2, 2, 2))
        steps = np.linspace(-p[parity > 0].min(), p[parity < 0].min(), 401)
        found = synergy_bounds(*tables_of(p))
        values = [synergy_of(np.maximum(p + t * parity, 0), found) for t in steps]
        assert found.lower == pytest.approx(max(min(values), 0), abs=1e-4)
        assert found.upper == pytest.approx(max(values), abs=1e-4)


def test_additive_fit_agrees_with_a_general_optimiser():
    rng = np.random.default_rng(7)
    p = joint(rng, (3, 2, 3))
    p1y, p2y, p12 = tables_of(p)

    def dual(theta):
        a, b = theta[:9].reshape(3, 3), theta[9:].reshape(2, 3)
        z = a[:, None] + b[None]
        return (p12 * np.log(np.exp(z).sum(-1))).sum() - (a * p1y).sum() - (b * p2y).sum()

    fit = additive_fit(p1y[None], p2y[None], p12[None])
    assert fit.value[0] == pytest.approx(minimize(dual, np.zeros(15), method="BFGS").fun, abs=1e-8)


def test_linear_bound_approaches_the_programme_from_above():
    rng = np.random.default_rng(8)
    p = joint(rng, (4, 3, 3), 0.3)
    tables = tables_of(p)
    cost = rng.normal(size=p.shape)
    _, exact = Polytope(*tables).maximise(cost[Polytope(*tables).cells])
    value, *_ = linear_bound(*(t[None] for t in tables), cost[None])
    assert exact - 1e-9 <= value[0] <= exact + 2e-3


def test_cell_limits_are_exact_for_two_symbols_and_valid_for_more():
    rng = np.random.default_rng(10)
    for shape, exact in (((2, 2, 2), True), ((3, 3, 2), False)):
        p = joint(rng, shape)
        tables = tables_of(p)
        low, high = cell_limits(*tables)
        matrix, right = Polytope(*tables).equalities
        for at in range(p.size):
            cost = np.eye(p.size)[at]
            least = linprog(cost, A_eq=matrix, b_eq=right).fun
            most = -linprog(-cost, A_eq=matrix, b_eq=right).fun
            assert low.flat[at] <= least + 1e-8
            assert high.flat[at] >= most - 1e-8
            if exact:
                assert (low.flat[at], high.flat[at]) == pytest.approx((least, most), abs=1e-7)


def test_cell_bound_is_never_above_the_profile_bound():
    """A cell's largest mass is at most that of each table's entry, which is all that the profile uses."""
    rng = np.random.default_rng(20)
    for shape in ((2, 2, 2), (3, 3, 2), (3, 4, 3)) * 5:
        named = synergy_bounds(*tables_of(joint(rng, shape, 0.5)), starts=0).upper_bounds
        assert named["cells"] <= named["profile"] + 1e-7


def test_chords_lie_above():
    rng = np.random.default_rng(11)
    p = joint(rng, (3, 3, 2))
    slope, constant = cell_chords(*tables_of(p))
    assert (p * np.log(p)).sum() <= (slope * p).sum() + constant + 1e-12


def test_disagreement_bound_never_exceeds_the_exact_minimum():
    rng = np.random.default_rng(12)
    positive = 0
    for _ in range(100):
        p = joint(rng, (2, 2, 2))
        found = synergy_bounds(*tables_of(p), starts=0)
        assert found.lower_bounds["disagreement"] <= found.lower_bounds["three tables"] + 1e-9
        positive += found.lower_bounds["disagreement"] > 0
    assert positive > 40  # 58 % in the literature's test


def test_disagreement_bound_formula_and_shift():
    assert disagreement_bound(0.4, 0.0, 0.0) == pytest.approx(0.1 / LN2)
    assert disagreement_bound(0.4, 0.1, 0.1) < disagreement_bound(0.4, 0.05, 0.05)
    u1, u2, alpha = 0.2 * LN2, 0.1 * LN2, 0.5  # sqrt(alpha) = sqrt(S + U1) + sqrt(S + U2) solved for S
    s = disagreement_bound(alpha, 0.2, 0.1) * LN2
    assert np.sqrt(s + u1) + np.sqrt(s + u2) == pytest.approx(np.sqrt(alpha))
    assert disagreement(np.eye(2) / 2, np.eye(2) / 2, np.eye(2) / 2) == 0


def test_exchanging_the_modalities_exchanges_the_answer():
    p = joint(np.random.default_rng(13), (4, 3, 3), 0.5)
    one, other = synergy_bounds(*tables_of(p)), synergy_bounds(*tables_of(p.swapaxes(0, 1)))
    assert one.unique == pytest.approx(other.unique[::-1], abs=1e-8)
    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), abs=1e-6)
    assert one.accuracy_lower == pytest.approx(other.accuracy_lower, abs=1e-7)


def test_unused_symbols_change_nothing():
    p = joint(np.random.default_rng(14), (3, 3, 2), 0.5)
    wide = np.zeros((4, 4, 3))
    wide[:3, :3, :2] = p
    one, other = synergy_bounds(*tables_of(p)), synergy_bounds(*tables_of(wide))
    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), abs=1e-6)
    assert (one.accuracy_lower, one.accuracy_upper) == pytest.approx(
        (other.accuracy_lower, other.accuracy_upper), abs=1e-5
    )


def test_the_synergy_of_the_additive_joint_is_the_lower_bound():
    """A joint whose log is a sum of pairwise terms is its own maximum-entropy fit."""
    rng = np.random.default_rng(15)
    logs = rng.normal(size=(3, 1, 2)) + rng.normal(size=(1, 4, 2)) + rng.normal(size=(3, 4, 1))
    p = np.exp(logs) / np.exp(logs).sum()
    found = synergy_bounds(*tables_of(p))
    assert found.lower == pytest.approx(synergy_of(p, found), abs=1e-8)
    assert found.accuracy_additive == pytest.approx(p.max(-1).sum(), abs=1e-7)


def test_batch_agrees_with_single():
    rng = np.random.default_rng(16)
    many = np.stack([joint(rng, (4, 3, 3), 0.5) for _ in range(6)])
    batch = bounds_batch(many.sum(2), many.sum(1), many.sum(3))
    for at, p in enumerate(many):
        found = synergy_bounds(*tables_of(p), starts=0)
        assert batch["lower"][at] == pytest.approx(found.lower, abs=1e-5)
        assert batch["redundancy"][at] == pytest.approx(found.redundancy, abs=1e-5)
        assert found.upper_bounds["cells"] - 1e-6 <= batch["upper"][at] <= found.upper_bounds["cells"] + 0.05


def test_larger_tables_cool_instead(monkeypatch):
    p = joint(np.random.default_rng(17), (4, 4, 3), 0.3)
    exact = synergy_bounds(*tables_of(p), starts=0).upper_bounds["cells"]
    monkeypatch.setattr("interplay.information.bounds.EXACT", 0)
    assert exact - 1e-7 <= synergy_bounds(*tables_of(p), starts=0).upper_bounds["cells"] <= exact + 2e-3


def test_information_of_tables():
    p = joint(np.random.default_rng(18), (3, 4, 2))
    found = synergy_bounds(*tables_of(p), starts=0)
    assert found.information == pytest.approx((mutual_information(p.sum(1)), mutual_information(p.sum(0))))
    assert np.isnan(found.inner)


def test_tables_that_disagree_are_refused_or_reconciled():
    rng = np.random.default_rng(19)
    tables = [rng.multinomial(200, t.ravel()).reshape(t.shape) / 200 for t in tables_of(joint(rng, (3, 3, 2)))]
    with pytest.raises(ValueError, match="reconcile=True"):
        synergy_bounds(*tables)
    found = synergy_bounds(*tables, reconcile=True, sizes=(200, 200, 200))
    assert found.reconciliation.p_value > 0.001
    assert "total variation" in str(found)


def test_a_cycle_without_a_joint_is_refused():
    same, other = np.eye(2) / 2, np.eye(2)[::-1] / 2
    with pytest.raises(ValueError, match="no joint has these three tables"):
        synergy_bounds(same, other, same)
    assert synergy_bounds(same, other, same, reconcile=True).upper >= 0


def test_a_slightly_broken_cycle_is_refused():
    eps = 0.05
    same = np.array([[0.5 - eps, eps], [eps, 0.5 - eps]])
    other = same[::-1].copy()
    with pytest.raises(ValueError, match="no joint has these three tables"):
        synergy_bounds(same, other, same)


def test_no_way_to_pass_labelled_pairs():
    assert set(inspect.signature(synergy_bounds).parameters) == {
        "p1y", "p2y", "p12", "reconcile", "sizes", "starts",
    }  # fmt: skip
