"""I* from held-out duals: below the truth where counts are above it, also at a kink."""

import numpy as np
import pytest

from interplay.estimation.held_out import held_out_union
from interplay.estimation.resample import from_model, parts_of


def equal_readings(size=5, k=3):
    """Two equal noisy readings of the class, independent given it: both unique parts are zero, I* has a kink."""
    place = np.linspace(0, 1, size)[None, :] - np.linspace(0, 1, k)[:, None]
    read = np.exp(-8 * place**2)
    read /= read.sum(axis=1, keepdims=True)
    return np.einsum("yi,yj->ijy", read, read) / k


def union(table, rng, groups=None):
    cells = np.repeat(np.arange(table.size), table.ravel().astype(int))
    return held_out_union(table, cells, groups, rng)


@pytest.mark.parametrize("kind", ["kink", "smooth"])
def test_the_truth_lies_between_held_out_duals_and_counts(kind):
    rng = np.random.default_rng(0)
    joint = equal_readings() if kind == "kink" else rng.dirichlet(np.ones(48)).reshape(4, 4, 3)
    true = parts_of(joint[None], "broja")[0, :3].sum()
    tables = from_model(joint, 400)(rng, 15)
    counted = parts_of(tables, "broja")[:, :3].sum(axis=1)
    held = np.array([union(table, rng) for table in tables])
    assert (held < counted).all()
    assert held.mean() < true + 0.01
    assert counted.mean() > true + 0.01


def test_whole_groups_are_held_out():
    """Ten copies of each of 60 independent rows: single rows held out find their copies, whole groups do not."""
    rng = np.random.default_rng(0)
    cells, groups = np.repeat(rng.integers(48, size=60), 10), np.repeat(np.arange(60), 10)
    table = np.bincount(cells, minlength=48).reshape(4, 4, 3)
    by_row = held_out_union(table, cells, None, rng)
    by_group = held_out_union(table, cells, groups, rng)
    assert by_group < by_row - 0.2
    assert by_group < 0


def test_exact_where_the_sample_is_large_and_symbols_may_be_missing():
    gate = np.zeros((3, 3, 2))
    for a, b in np.ndindex(2, 2):
        gate[a, b, a & b] = 100_000  # a kink, where the error falls like n^(-1/2)
    assert union(gate, np.random.default_rng(0)) == pytest.approx(0.311278, abs=3e-3)
    gate[2, 2, 1] = 1  # in one fold only
    assert np.isfinite(union(gate, np.random.default_rng(0)))
