"""The exact solver: closed forms, certificates checked by hand, an independent method, invariances."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interplay.information.broja import BrojaSolution, solve, solve_batch


def entropy(p):
    p = np.asarray(p)[np.asarray(p) > 0]
    return float(-(p * np.log2(p)).sum())


def mutual_information(p):
    return entropy(p.sum(axis=0)) + entropy(p.sum(axis=1)) - entropy(p)


def parts(joint: np.ndarray, **options: float) -> np.ndarray:
    """Redundancy, unique of the first, unique of the second, synergy."""
    union = solve(joint, **options).information
    first, second = mutual_information(joint.sum(axis=1)), mutual_information(joint.sum(axis=0))
    total = mutual_information(joint.reshape(-1, joint.shape[2]))
    return np.array([first + second - union, union - second, union - first, total - union])


def gate(function: Callable[[int, int], int], n1: int = 2, n2: int = 2) -> np.ndarray:
    values = np.array([[function(i, j) for j in range(n2)] for i in range(n1)])
    return np.eye(values.max() + 1)[values] / (n1 * n2)


def random_joint(rng, alpha, shape, cut=1e-8):
    """Dirichlet joint without masses below ``cut``."""
    p = rng.dirichlet(np.full(np.prod(shape), alpha)).reshape(shape)
    p[p < cut] = 0
    return p / p.sum()


def random_problem(rng, alpha):
    return random_joint(rng, alpha, (*rng.integers(2, 13, 2), rng.integers(2, 7)))


@st.composite
def joints(draw, largest=5):
    """Joints with every kind of zeros, from smooth to nearly deterministic."""
    shape = tuple(draw(st.integers(1, largest)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random_joint(rng, draw(st.sampled_from([1.0, 0.3, 0.1, 0.03])), shape)


# ---------------------------------------------------------------------------------------------- closed forms

AND = entropy([0.75, 0.25]) - 0.5  # I(X1; Y)
MAX = entropy(np.array([1, 3, 5, 7]) / 16)
MAX1 = MAX - np.mean([entropy([(m + 1) / 4] + [1 / 4] * (3 - m)) for m in range(4)])
COPY_WITH_PART = {(2 * a + b, b): (a, b) for a in (0, 1) for b in (0, 1)}  # X1 = (a, b), X2 = b


def composite(function):
    p = np.zeros((4, 2, 2))
    for (x1, x2), (a, b) in COPY_WITH_PART.items():
        p[x1, x2, function(a, b)] = 1 / 4
    return p


def one_bit_each():
    p = np.zeros((8, 8, 16))
    for r, u, v, x, z in np.ndindex(2, 2, 2, 2, 2):
        p[4 * r + 2 * u + x, 4 * r + 2 * v + z, 8 * r + 4 * u + 2 * v + (x ^ z)] = 1 / 32
    return p


def dyadic():
    p = np.zeros((4, 4, 4))
    for a, b, c in np.ndindex(2, 2, 2):
        p[2 * a + b, 2 * b + c, 2 * c + a] = 1 / 8
    return p


def triadic():
    p = np.zeros((4, 4, 4))
    for s, a, b in np.ndindex(2, 2, 2):
        p[2 * a + s, 2 * b + s, 2 * (a ^ b) + s] = 1 / 8
    return p


GATES = {
    "and": (gate(lambda i, j: i & j), (AND, 0, 0, 0.5)),
    "or": (gate(lambda i, j: i | j), (AND, 0, 0, 0.5)),
    "nand": (gate(lambda i, j: 1 - (i & j)), (AND, 0, 0, 0.5)),
    "implies": (gate(lambda i, j: (1 - i) | j), (AND, 0, 0, 0.5)),
    "xor": (gate(lambda i, j: i ^ j), (0, 0, 0, 1)),
    "first": (gate(lambda i, j: i), (0, 1, 0, 0)),
    "copy": (gate(lambda i, j: 2 * i + j), (0, 1, 1, 0)),
    "same": (np.eye(2)[:, :, None] * np.eye(2) / 2, (1, 0, 0, 0)),
    "sum": (gate(lambda i, j: i + j), (0.5, 0, 0, 1)),
    "composite and": (composite(lambda a, b: a & b), (AND, 0.5, 0, 0)),
    "composite or": (composite(lambda a, b: a | b), (AND, 0.5, 0, 0)),
    "composite xor": (composite(lambda a, b: a ^ b), (0, 1, 0, 0)),
    "mod 3": (gate(lambda i, j: (i + j) % 3, 3, 3), (0, 0, 0, np.log2(3))),
    "mod 5": (gate(lambda i, j: (i + j) % 5, 5, 5), (0, 0, 0, np.log2(5))),
    "max": (gate(max, 4, 4), (MAX1, 0, 0, MAX - MAX1)),
    "one bit each": (one_bit_each(), (1, 1, 1, 1)),
    "dyadic": (dyadic(), (0, 1, 1, 0)),
    "triadic": (triadic(), (1, 0, 0, 1)),
}


@pytest.mark.parametrize("name", GATES)
def test_gates(name):
    joint, expected = GATES[name]
    np.testing.assert_allclose(parts(joint, tolerance=1e-11), expected, atol=1e-10)


def test_one_symbol_leaves_all_to_the_other():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(12)).reshape(4, 1, 3)
    np.testing.assert_allclose(parts(p), [0, mutual_information(p[:, 0]), 0, 0], atol=1e-10)
    np.testing.assert_allclose(parts(p.swapaxes(0, 1)), [0, 0, mutual_information(p[:, 0]), 0], atol=1e-10)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (3, 4, 1)])
def test_nothing_to_tell(shape):
    p = np.random.default_rng(0).dirichlet(np.ones(np.prod(shape))).reshape(shape)
    np.testing.assert_allclose(parts(p), 0, atol=1e-10)


# ----------------------------------------------------------------------------------------------- certificate


def check_certificate(joint: np.ndarray, solution: BrojaSolution) -> None:
    """The definition, entry by entry: feasible coupling, feasible duals, values that differ by the gap."""
    q, a, b = solution.coupling, solution.a, solution.b
    assert (q >= 0).all()
    np.testing.assert_allclose(q.sum(axis=1), joint.sum(axis=1), rtol=0, atol=1e-15)
    np.testing.assert_allclose(q.sum(axis=0), joint.sum(axis=0), rtol=0, atol=1e-15)
    primal = dual = 0.0
    for i, j in np.ndindex(joint.shape[:2]):
        assert sum(np.exp(a[i, y] + b[j, y]) for y in range(joint.shape[2])) <= 1 + 1e-12
        primal += sum(m * np.log(m / q[i, j].sum()) for m in q[i, j] if m > 0)
    for table, multiplier in ((joint.sum(axis=1), a), (joint.sum(axis=0), b)):
        np.testing.assert_array_equal(np.isneginf(multiplier), table == 0)
        dual += sum(table[i] * multiplier[i] for i in np.ndindex(table.shape) if table[i] > 0)
    assert solution.primal == pytest.approx(primal, abs=1e-13)
    assert solution.dual == pytest.approx(dual, abs=1e-12)
    assert solution.gap == pytest.approx((primal - dual) / np.log(2), abs=1e-12)
    assert solution.information == pytest.approx(mutual_information(q.reshape(-1, q.shape[2])), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(joints(), st.sampled_from([1e-2, 1e-5, 1e-10]))
def test_certificate_holds_at_every_tolerance(joint, tolerance):
    solution = solve(joint, tolerance=tolerance)
    check_certificate(joint, solution)
    assert solution.gap <= tolerance


def test_certificate_holds_when_stopped_early():
    joint = random_joint(np.random.default_rng(1), 1.0, (6, 5, 3))
    gaps = []
    for steps in range(5):
        solution = solve(joint, max_iterations=steps)
        check_certificate(joint, solution)
        assert solution.iterations == steps
        gaps.append(solution.gap)
    assert min(gaps) > 1e-6


def barrier_twin(joint: np.ndarray, smallest: float = 1e-13) -> float:
    """Slow and obvious: Newton's method on ``f(q) - mu sum log q`` with dense equality constraints, in nats.

    The value lies above the optimum by at most ``mu`` times the number of entries.
    """
    k1, k2, k = joint.shape
    p1, p2, label = joint.sum(axis=1), joint.sum(axis=0), joint.sum(axis=(0, 1))
    q = (p1[:, None] * p2[None] / label).ravel()
    index = np.arange(q.size).reshape(joint.shape)
    pair, constraints = np.zeros((k1 * k2, q.size)), []
    for row, (i, j) in enumerate(np.ndindex(k1, k2)):
        pair[row, index[i, j]] = 1
    for y in range(k):
        constraints += [np.isin(np.arange(q.size), index[i, :, y]) for i in range(k1)]
        constraints += [np.isin(np.arange(q.size), index[:, j, y]) for j in range(k2)]
    free = np.linalg.svd(np.array(constraints, dtype=float))[2][np.linalg.matrix_rank(constraints) :].T
    mu = 0.1
    while mu > smallest:
        mu *= 0.3
        for _ in range(40):
            mass = pair @ q
            gradient = np.log(q) - pair.T @ np.log(mass) - mu / q
            hessian = np.diag(1 / q + mu / q**2) - pair.T @ np.diag(1 / mass) @ pair
            scale = 1 / np.sqrt(np.einsum("ij,ik,kj->j", free, hessian, free))
            change = free @ (
                scale
                * np.linalg.solve(scale[:, None] * (free.T @ hessian @ free) * scale, -scale * (free.T @ gradient))
            )
            if -(gradient @ change) < 1e-3 * mu:
                break
            shrinking = change < 0
            length = min(1.0, 0.9 * np.min(-q[shrinking] / change[shrinking])) if shrinking.any() else 1.0
            q = q + length * change
    return float((q * np.log(q / (pair.T @ (pair @ q)))).sum())


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 2, 2), (3, 3, 2), (2, 4, 3), (3, 4, 3)])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_agrees_with_a_dense_barrier_method(shape, alpha):
    rng = np.random.default_rng(sum(shape))
    for _ in range(3):
        joint = random_joint(rng, alpha, shape, cut=0.0) * 0.99 + 0.01 / np.prod(shape)
        best = barrier_twin(joint)
        exact = solve(joint, tolerance=1e-12)
        assert exact.dual - 1e-12 <= best
        assert exact.primal == pytest.approx(best, abs=1e-10)
        for tolerance in (1e-1, 1e-3, 1e-6):
            rough = solve(joint, tolerance=tolerance)
            assert rough.primal - best <= rough.gap * np.log(2) + 1e-11
            assert rough.dual <= best + 1e-12


# ---------------------------------------------------------------------------------------------- invariances


@settings(max_examples=40, deadline=None)
@given(joints())
def test_swapping_the_modalities_swaps_the_unique_parts(joint):
    r, u1, u2, s = parts(joint)
    np.testing.assert_allclose(parts(joint.swapaxes(0, 1)), [r, u2, u1, s], atol=3e-10)


@settings(max_examples=40, deadline=None)
@given(joints(), st.randoms(use_true_random=False))
def test_relabelling_changes_nothing(joint, random):
    order = [random.sample(range(size), size) for size in joint.shape]
    np.testing.assert_allclose(parts(joint[np.ix_(*order)]), parts(joint), atol=3e-10)


@settings(max_examples=40, deadline=None)
@given(joints(), st.floats(0.01, 0.99))
def test_splitting_a_symbol_into_copies_changes_nothing(joint, share):
    split = np.concatenate([share * joint[:1], joint[1:], (1 - share) * joint[:1]])
    np.testing.assert_allclose(parts(split), parts(joint), atol=3e-10)


@settings(max_examples=40, deadline=None)
@given(joints())
def test_merging_symbols_never_adds_union_information(joint):
    merged = np.concatenate([joint[:2].sum(axis=0, keepdims=True), joint[2:]])
    assert solve(merged).information <= solve(joint).information + 2e-10


@settings(max_examples=40, deadline=None)
@given(joints())
def test_bounds_that_need_no_optimisation(joint):
    assert (parts(joint) >= -3e-10).all()


@settings(max_examples=30, deadline=None)
@given(joints(largest=4))
def test_unused_symbols_change_nothing(joint):
    padded = np.zeros(tuple(size + 1 for size in joint.shape))
    padded[1:, 1:, :-1] = joint
    solution, padded_solution = solve(joint), solve(padded)
    check_certificate(padded, padded_solution)
    assert padded_solution.information == pytest.approx(solution.information, abs=1e-14)
    assert not padded_solution.coupling[0].any()


def test_duals_are_central_where_they_are_free():
    """On AND the dual has one free direction; the centre treats both modalities alike, and copies as one."""
    joint = GATES["and"][0]
    solution = solve(joint)
    log_conditional = solution.a[:, None] + solution.b[None]
    synergy = -log_conditional[[0, 1], [1, 0], 0] / np.log(2)  # log p(y|x1,x2) is zero on the inputs
    np.testing.assert_allclose(synergy, 0.5, atol=1e-6)
    split = np.concatenate([0.9 * joint[:1], joint[1:], 0.1 * joint[:1]])
    copies = solve(split)
    again = copies.a[:, None] + copies.b[None]
    np.testing.assert_allclose(again[[0, 1, 2], :, 0], log_conditional[[0, 1, 0], :, 0], atol=1e-6)


# ---------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 5, 2), (7, 4, 3)])
def test_batch_agrees_with_single_problems(shape):
    rng = np.random.default_rng(0)
    batch = np.stack([random_joint(rng, alpha, shape, cut=1e-4) for alpha in (1, 0.3, 0.1, 0.03) for _ in range(15)])
    batch[0, 0], batch[1, :, 1], batch[2, :, :, 0] = 0, 0, 0  # unused symbols of each variable
    batch /= batch.sum(axis=(1, 2, 3), keepdims=True)
    together = solve_batch(batch, tolerance=1e-10)
    assert together.gap.max() <= 1e-10
    for i, joint in enumerate(batch):
        alone = solve(joint, tolerance=1e-10)
        assert abs(together.information[i] - alone.information) <= together.gap[i] + alone.gap + 1e-14


def test_batch_order_and_company_do_not_matter():
    rng = np.random.default_rng(3)
    batch = np.stack([random_joint(rng, 0.3, (20, 20, 2)) for _ in range(70)])  # more than one chunk
    everything = solve_batch(batch)
    order = rng.permutation(70)
    np.testing.assert_allclose(solve_batch(batch[order]).information, everything.information[order], atol=2e-9)
    assert everything.gap.max() <= 1e-9


def test_empty_batch():
    assert solve_batch(np.empty((0, 3, 2, 2))).information.shape == (0,)


# ------------------------------------------------------------------------------------------------- robustness


def test_random_sample_of_hard_problems():
    rng = np.random.default_rng(11)
    for i in range(200):
        joint = random_problem(rng, (1.0, 0.3, 0.1, 0.03, 0.01)[i % 5])
        assert solve(joint).gap <= 1e-9


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6, 1e-8])
def test_near_copies(noise):
    rng = np.random.default_rng(5)
    k1, k = 12, 3
    copy = np.eye(k1)[:, :, None] * rng.dirichlet(np.ones(k), k1)[:, None] / k1
    joint = (1 - noise) * copy + noise * rng.dirichlet(np.ones(copy.size)).reshape(copy.shape)
    solution = solve(joint)
    check_certificate(joint, solution)
    assert solution.gap <= 1e-9


@pytest.mark.parametrize("noise", [1e-2, 1e-5, 1e-8])
def test_rare_labels_and_symbols(noise):
    joint = np.random.default_rng(6).dirichlet(np.ones(90)).reshape(6, 5, 3)
    joint[0] *= noise
    joint[:, :, 2] *= noise
    assert solve(joint / joint.sum()).gap <= 1e-9


def test_large_problem():
    joint = random_joint(np.random.default_rng(8), 1.0, (40, 50, 5), cut=0.0)
    solution = solve(joint)
    check_certificate(joint, solution)
    assert solution.gap <= 1e-10


@pytest.mark.bench
@pytest.mark.parametrize("alpha", [1.0, 0.3, 0.1, 0.03, 0.01])
def test_three_thousand_random_problems(alpha):
    rng = np.random.default_rng(int(1000 * alpha))
    gaps = np.array([solve(random_problem(rng, alpha)).gap for _ in range(600)])
    assert gaps.max() <= 1e-9
