"""Draws respect groups, and seeds do not depend on workers."""

import numpy as np
from joblib import parallel_config

from interplay.estimation.resample import bootstrap, decompose_tables, from_model, parts_of, permute_target, shuffled


def quiet(done):
    return None


def test_bootstrap_of_groups_draws_whole_groups():
    # Each group sits in a cell of its own with a size of its own.
    cells = np.repeat(np.arange(4), [1, 10, 100, 1000])
    groups = cells.copy()
    table = np.bincount(cells, minlength=8).reshape(2, 2, 2)
    tables = bootstrap(table, cells, groups)(np.random.default_rng(0), 50).reshape(50, 8)
    multiples = tables[:, :4] / [1, 10, 100, 1000]
    assert (multiples == multiples.round()).all()
    assert (multiples.sum(axis=1) == 4).all()


def test_bootstrap_of_groups_is_wider_than_of_rows():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 20)
    y = rng.integers(2, size=30)[groups]
    cells = np.ravel_multi_index((y, rng.integers(2, size=600), y), (2, 2, 2))
    table = np.bincount(cells, minlength=8).reshape(2, 2, 2)
    rows, whole = (
        parts_of(bootstrap(table, cells, g)(np.random.default_rng(1), 100), "broja").std(axis=0) for g in (None, groups)
    )
    assert whole[4] > 2 * rows[4]


def test_shuffling_keeps_what_groups_explain():
    rng = np.random.default_rng(0)
    groups = np.array([2, 0, 1, 0, 2, 1, 0, 1])
    within = permute_target(np.array([5, 1, 3, 2, 6, 4, 0, 3]), groups, rng)
    for group, labels in ((0, [0, 1, 2]), (1, [3, 3, 4]), (2, [5, 6])):
        assert sorted(within[groups == group]) == labels
    constant = permute_target(np.array([7, 1, 3, 1, 7, 3, 1, 3]), groups, rng)
    assert all(len(set(constant[groups == group])) == 1 for group in range(3))
    assert sorted(permute_target(np.arange(8), None, rng)) == list(range(8))


def test_shuffled_tables_keep_both_margins():
    rng = np.random.default_rng(0)
    pairs, y = rng.integers(6, size=300), rng.integers(3, size=300)
    tables = shuffled(pairs, y, None, (2, 3, 3))(rng, 5)
    assert (tables.sum(axis=3).reshape(5, 6) == np.bincount(pairs)).all()
    assert (tables.sum(axis=(1, 2)) == np.bincount(y)).all()
    assert len(np.unique(tables.reshape(5, -1), axis=0)) > 1


def test_results_do_not_depend_on_the_number_of_workers():
    joint = np.random.default_rng(0).dirichlet(np.ones(18)).reshape(3, 3, 2)

    def draw(n_jobs):
        return decompose_tables(
            from_model(joint, 200), 60, redundancy="broja", seed=np.random.SeedSequence(5), n_jobs=n_jobs, track=quiet
        )

    with parallel_config(backend="threading"):  # processes: see test_measure
        np.testing.assert_array_equal(draw(2), draw(None))
    assert draw(None).shape == (60, 5)


def test_draws_from_a_model_have_its_mean():
    joint = np.random.default_rng(0).dirichlet(np.ones(8)).reshape(2, 2, 2)
    tables = from_model(joint, 100)(np.random.default_rng(1), 2000)
    assert (tables.sum(axis=(1, 2, 3)) == 100).all()
    np.testing.assert_allclose(tables.mean(axis=0) / 100, joint, atol=0.006)
