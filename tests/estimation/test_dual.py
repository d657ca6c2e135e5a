import numpy as np
import pytest

import interplay as ip
from interplay.estimation.dual import _round, _shift, dual_information, dual_information_of_samples, measure_dual


def told(joint: np.ndarray) -> float:
    """R + U1 + U2 of the exact decomposition, bits."""
    found = ip.decompose(joint)
    return found.redundancy + sum(found.unique)


def random_joint(shape: tuple[int, ...], concentration: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(np.prod(shape), concentration)).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "concentration"), [((2, 2, 2), 1.0), ((5, 5, 3), 1.0), ((4, 4, 2), 0.1), ((3, 6, 4), 0.3)]
)
def test_brackets_the_exact_value_of_tables(shape: tuple[int, ...], concentration: float) -> None:
    p = random_joint(shape, concentration)
    found = dual_information(p)
    exact = told(p)
    assert found.lower <= exact + 1e-9
    assert found.upper >= exact - 1e-9
    assert found.gap < 1e-4


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


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="as many rows"):
        dual_information_of_samples((np.zeros((4, 1)), np.zeros((5, 1))), np.zeros(4))


def test_measure_offers_it_for_broja_only():
    from interplay.data.datasets import make_gates
    from interplay.estimation import measure

    data = make_gates("COPY", n_samples=200, random_state=0).dataset
    found = measure(data, estimator="dual", n_splits=2, random_state=0)
    assert found.estimator == "dual"
    assert found.total == pytest.approx(found.redundancy + sum(found.unique.values()) + found.synergy)
    with pytest.raises(ValueError, match="estimator 'dual' is for redundancy 'broja', not 'mmi'"):
        measure(data, estimator="dual", redundancy="mmi")
