import numpy as np
import pytest

import interplay as ip
from interplay.estimation._dual_newton import _curvature, _terms, maximise
from interplay.estimation.dual import (
    _round,
    _shift,
    _shift_samples,
    dual_information,
    dual_information_of_samples,
    measure_dual,
)


def told(joint: np.ndarray) -> float:
    """R + U1 + U2 of the exact decomposition, bits."""
    found = ip.decompose(joint)
    return found.redundancy + sum(found.unique)


def random_joint(shape: tuple[int, ...], concentration: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(np.prod(shape), concentration)).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "concentration"),
    [
        ((2, 2, 2), 1.0),
        ((5, 5, 3), 1.0),
        ((4, 4, 2), 0.1),
        ((3, 6, 4), 0.3),
        ((6, 6, 4), 0.03),
        ((10, 10, 4), 1.0),
        ((20, 20, 6), 1.0),
    ],
)
def test_brackets_the_exact_value_of_tables(shape: tuple[int, ...], concentration: float) -> None:
    p = random_joint(shape, concentration)
    found = dual_information(p)
    exact = told(p)
    assert found.lower <= exact + 1e-9
    assert found.upper >= exact - 1e-9
    assert exact - found.lower < 1e-6
    assert found.gap <= 1e-6


def test_a_bracket_wider_than_asked_for_is_said_and_holds() -> None:
    p = random_joint((5, 5, 3), 1.0)
    with pytest.warns(RuntimeWarning, match=r"the bracket is .* bits wide after 3 rounds, not 1.0e-06 as asked for"):
        found = dual_information(p, max_rounds=3)
    assert found.gap > 1e-6
    assert found.lower <= told(p) <= found.upper
    assert dual_information(p, max_rounds=3, tolerance=found.gap).gap == found.gap  # as asked for: nothing to say


def test_curvature_is_the_change_of_the_slope() -> None:
    rng = np.random.default_rng(0)
    p, z, v, tau = random_joint((4, 3, 2), 1.0), rng.normal(size=14), rng.normal(size=14), 7.0
    log_w = np.log(rng.dirichlet(np.ones(12)).reshape(4, 3))

    def at(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        _, share, softmax = _terms(z[:8].reshape(4, 2), z[8:].reshape(3, 2), p.sum(1), p.sum(0), log_w, tau)
        q = share[..., None] * softmax
        return q, softmax, np.concatenate([q.sum(1).ravel(), q.sum(0).ravel()])  # the slope, less a constant

    change = (at(z + 1e-5 * v)[2] - at(z - 1e-5 * v)[2]) / 2e-5
    np.testing.assert_allclose(_curvature(*at(z), tau) @ v, change, atol=1e-8)


@pytest.mark.parametrize(("option", "value"), [("tau", 0), ("tau", 1e5), ("tolerance", np.nan), ("max_rounds", 0)])
def test_options_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{option}: expected a number above 0, at most .*, found {value}; leave it"):
        dual_information(random_joint((2, 2, 2), 1.0), **{option: value})


def test_steps_reach_the_margins_whatever_the_power() -> None:
    """The maximum over critics of J_tau is where its coupling has the margins of the table."""
    p = random_joint((4, 3, 3), 0.5)
    log_w = np.log(np.outer(p.sum((1, 2)), p.sum((0, 2))))
    for tau in (1.0, 30.0, 300.0):
        a, b = maximise(np.zeros((4, 3)), np.zeros((3, 3)), p.sum(1), p.sum(0), log_w, tau)
        log_q = log_w[..., None] + (tau - 1) * np.log(np.exp(a[:, None] + b).sum(2))[..., None] + a[:, None] + b
        q = np.exp(log_q - log_q.max())
        q /= q.sum()
        np.testing.assert_allclose(q.sum(1), p.sum(1), atol=1e-6)
        np.testing.assert_allclose(q.sum(0), p.sum(0), atol=1e-6)


@pytest.mark.parametrize(("name", "value"), [("XOR", 0.0), ("AND", 0.311278), ("COPY", 1.0)])
def test_gates(name: str, value: float) -> None:
    p = np.zeros((2, 2, 2))
    for a in range(2):
        for b in range(2):
            p[a, b, {"XOR": a ^ b, "AND": a & b, "COPY": a}[name]] += 0.25
    found = dual_information(p)
    assert found.lower == pytest.approx(value, abs=1e-4)
    assert found.upper == pytest.approx(value, abs=1e-4)


def test_any_critics_give_a_lower_and_any_coupling_an_upper_bound() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        p = random_joint((4, 3, 3), 0.5, seed)
        a, b = _shift(rng.normal(size=(4, 3)) * 2, rng.normal(size=(3, 3)) * 2)
        assert (np.exp(a[:, None] + b).sum(2) <= 1 + 1e-12).all()
        h = -(p.sum((0, 1)) * np.log2(p.sum((0, 1)))).sum()
        assert h + ((p.sum(1) * a).sum() + (p.sum(0) * b).sum()) / np.log(2) <= told(p) + 1e-9
        q = _round(rng.random((4, 3, 3)), p.sum(1), p.sum(0))
        np.testing.assert_allclose(q.sum(1), p.sum(1), atol=1e-14)
        np.testing.assert_allclose(q.sum(0), p.sum(0), atol=1e-14)


def test_both_shifts_count() -> None:
    """The row shift alone is feasible; the column shift raises the value until each column has a tight constraint."""
    rng = np.random.default_rng(0)
    p = random_joint((6, 5, 3), 1.0)
    a, b = 2 * rng.normal(size=(6, 3)), 2 * rng.normal(size=(5, 3))
    by_rows = a - np.log(np.exp(a[:, None] + b).sum(2)).max(1)[:, None]
    shifted = _shift(a, b)
    np.testing.assert_allclose(np.log(np.exp(shifted[0][:, None] + shifted[1]).sum(2)).max(0), 0, atol=1e-12)
    gained = (p.sum(1) * shifted[0]).sum() + (p.sum(0) * shifted[1]).sum() - (p.sum(1) * by_rows).sum()
    assert gained - (p.sum(0) * b).sum() > 0.1  # nats
    # A block of rows at a time for samples: the same shifts.
    for ours, expected in zip(_shift_samples(a, b, block=4), shifted, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_critics_returned_are_the_certificate() -> None:
    p = random_joint((5, 4, 3), 0.5)
    found = dual_information(p)
    a, b = found.critics
    assert (np.exp(a[:, None] + b).sum(2) <= 1 + 1e-12).all()
    h = -(p.sum((0, 1)) * np.log2(p.sum((0, 1)))).sum()
    assert h + ((p.sum(1) * a).sum() + (p.sum(0) * b).sum()) / np.log(2) == pytest.approx(found.lower, abs=1e-12)


@pytest.mark.parametrize(("gate", "low", "high"), [("xor", -0.15, 0.05), ("copy", 0.75, 1.02)])
def test_samples_of_continuous_modalities(gate: str, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(2, size=(2, 800))
    y = bits[0] ^ bits[1] if gate == "xor" else bits[0]
    x = tuple((2.0 * b - 1)[:, None] + 0.3 * rng.normal(size=(800, 1)) for b in bits)
    found = dual_information_of_samples(x, y, n_splits=2, epochs=25)
    assert low < found.lower < high
    assert np.isnan(found.upper)
    again = dual_information_of_samples(x, y, n_splits=2, epochs=25)
    assert again == found or (again.lower == found.lower)


def test_measurement_of_continuous_xor_finds_synergy_only(settings) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(2, size=(2, 600))
    x = {n: (2.0 * b - 1)[:, None] + 0.2 * rng.normal(size=(600, 1)) for n, b in zip("ab", bits, strict=True)}
    data = ip.MultimodalDataset(x, bits[0] ^ bits[1])
    found = measure_dual(data, data.codes, None, settings(n_splits=3), lambda _: None)
    # How much of the one bit is found at all is up to the classifiers.
    assert found.total > 0.3
    assert found.synergy > 0.9 * found.total
    assert abs(found.redundancy) < 0.2
    parts = found.redundancy + sum(found.unique.values()) + found.synergy
    assert parts == pytest.approx(found.total, abs=1e-9)
    assert found.p_values["synergy"] < 0.01
    assert found.estimator == "dual"
    assert found.warnings


def test_bad_samples_are_refused() -> None:
    z, y = np.zeros((8, 1)), np.arange(8) % 2
    gap = z.copy()
    gap[3] = np.nan
    for x, labels, options, match in [
        ((z, z[:5]), y, {}, r"x\[1\]: expected as many rows as y, 8, found 5; give all of the same samples"),
        ((gap, z), y, {}, r"x\[0\]: expected finite numbers, found 1 rows with NaN or infinity, the first is row 3"),
        ((z, z), np.where(y == 1, np.nan, 0.0), {}, "y: expected finite numbers, found 4 rows with NaN"),
        ((z, z), y, {"groups": y[:4]}, "groups: expected as many rows as y, 8, found 4"),
        ((z, z, z), y, {}, "x: expected two modalities, found 3; give pairs of modalities"),
        ((z, z), y, {"batch_size": 1}, "batch_size: expected at least 2, for pairs of rows, found 1"),
        ((z[:6], z[:6]), y[:6], {}, "y: expected at least 2 rows for each of 4 folds, found 6 rows; give more"),
    ]:
        with pytest.raises(ValueError, match=match):
            dual_information_of_samples(x, labels, **options)


def test_measure_offers_it_for_broja_only():
    from interplay.data.datasets import make_gates
    from interplay.estimation import measure

    data = make_gates("COPY", n_samples=200, random_state=0).dataset
    found = measure(data, estimator="dual", n_splits=2, random_state=0)
    assert found.estimator == "dual"
    assert found.total == pytest.approx(found.redundancy + sum(found.unique.values()) + found.synergy)
    with pytest.raises(ValueError, match="estimator 'dual' is for redundancy 'broja', not 'mmi'"):
        measure(data, estimator="dual", redundancy="mmi")
