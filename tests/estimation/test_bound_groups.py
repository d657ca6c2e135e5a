"""Bounds from samples of few subjects: folds, errors and draws keep a subject together."""

import numpy as np
import pytest

from interplay.data import MultimodalDataset
from interplay.estimation._bound_codes import code_sources
from interplay.estimation._bound_draws import draw_tables, effective_sizes
from interplay.estimation._bound_folds import clustered_error, fold_of_units
from interplay.estimation._bound_input import read_sources
from interplay.estimation.bound import bound
from interplay.estimation.promises import honest_promises


def voices(rng, n_subjects, each, first=0):
    """Every subject has a voice of its own (far from all others) and nearly always one label: nothing carries over."""
    subject = np.repeat(np.arange(n_subjects), each)
    own = 4 * rng.normal(size=(n_subjects, 30))
    usual = np.arange(n_subjects) % 2
    y = np.where(rng.random(len(subject)) < 0.95, usual[subject], 1 - usual[subject])
    return own[subject] + 0.3 * rng.normal(size=(len(subject), 30)), y, subject + first


def correlated(p, n_subjects, each, seed):
    """Three samples of codes in which each subject repeats one draw `each` times, and their subjects."""
    rng = np.random.default_rng(seed)
    draws = [np.unravel_index(rng.choice(p.size, size=n_subjects, p=p.ravel()), p.shape) for _ in range(3)]
    x1, x2, y = (np.repeat(np.array([d[i] for d in draws]), each, axis=1) for i in range(3))
    groups = [np.repeat(np.arange(n_subjects), each) + 1000 * source for source in range(3)]
    with_groups = {"a": (x1[0], y[0], groups[0]), "b": (x2[1], y[1], groups[1])}
    without = {name: entry[:2] for name, entry in with_groups.items()}
    return without, with_groups, {"a": x1[2], "b": x2[2]}, groups[2]


@pytest.fixture(scope="module")
def leaky():
    rng = np.random.default_rng(0)
    a, b = voices(rng, 24, 20), voices(rng, 24, 20, first=100)
    (pa, _, group), (pb, _, _) = voices(rng, 24, 20, first=200), voices(rng, 24, 20)
    return {"a": a, "b": b}, {"a": pa, "b": pb}, group


def test_a_subject_in_both_folds_would_look_like_knowledge(leaky):
    labelled, pairs, group = leaky
    blind = {name: entry[:2] for name, entry in labelled.items()}
    leaking = bound(blind, pairs, random_state=0, n_bootstrap=20)
    honest = bound(labelled, pairs, pair_groups=group, random_state=0, n_bootstrap=20)
    assert min(leaking.single.values()) > 0.75
    assert max(honest.single.values()) < 0.7
    assert honest.accuracy_interval[0] < 0.55
    assert honest.n_subjects == {"a": 24, "b": 24, "pairs": 24}
    assert "a 480 (24 subjects)" in str(honest)


def test_partitions_never_count_a_subject_they_were_fitted_on():
    """The same subjects are in all three samples."""
    rng = np.random.default_rng(1)
    x, y, group = voices(rng, 12, 10)
    sources = read_sources({"a": (x, y, group), "b": (x, y, group)}, {"a": x, "b": x}, 3, group)
    for part in code_sources(sources, 3, "kmeans", 3, 0):
        fitted = set(group) - set(group[part.rows1])
        assert len(fitted) >= 4
        assert set(part.units1) == set(part.units2) == set(part.units12)
        assert not fitted & set(part.units12)


def test_folds_of_units_are_whole_and_even():
    units = np.repeat(np.arange(10), 3), np.arange(10, 35), np.repeat(np.arange(5, 10), 2)
    folds = fold_of_units(units, 5, 0)
    assert all(len(np.unique(f[u == unit])) == 1 for f, u in zip(folds, units, strict=True) for unit in np.unique(u))
    assert (folds[0][units[0] == 7] == folds[2][units[2] == 7][0]).all()
    assert set(np.bincount(folds[1])) == {5}


def test_clustered_error_matches_the_closed_forms():
    rng = np.random.default_rng(2)
    v, w = rng.normal(size=50), rng.normal(size=80)
    rows = [((v - v.mean()) / 50, np.arange(50)), ((w - w.mean()) / 80, np.arange(50, 130))]
    assert clustered_error(rows) == pytest.approx(np.sqrt(v.var(ddof=1) / 50 + w.var(ddof=1) / 80))
    ten = np.repeat(v, 10)
    repeated = [((ten - ten.mean()) / 500, np.repeat(np.arange(50), 10))]
    assert clustered_error(repeated) == pytest.approx(np.sqrt(v.var(ddof=1) / 50))


def test_copies_of_a_row_are_no_new_rows():
    """Ten copies of each of 150 rows: sizes, errors and spread are those of 150 rows."""
    p = np.random.default_rng(3).dirichlet(np.ones(12)).reshape(3, 2, 2)
    without, with_groups, pairs, group = correlated(p, 150, 10, 0)
    parts = [
        code_sources(read_sources(labelled, pairs, 2, of), 2, "kmeans", 2, 0)[0]
        for labelled, of in ((without, None), (with_groups, group))
    ]
    assert effective_sizes(parts[0]) == ((1500, 1500, 1500), None)
    sizes, subjects = effective_sizes(parts[1])
    assert sizes == pytest.approx((150, 150, 150), rel=0.03)
    assert subjects == (150, 150, 150)
    spread, error = [], []
    for part in parts:
        centre = tuple(t / t.sum() for t in part.counts())
        draws = draw_tables(part, centre, 400, np.random.default_rng(0))
        spread.append([d.std(0).mean() for d in draws])
        np.testing.assert_allclose(draws[2].mean(0), centre[2], atol=0.01)
        error.append(honest_promises([part], 0)["single1"][1])
    assert np.divide(*spread[::-1]) == pytest.approx(np.sqrt(10), rel=0.1)
    assert error[1] / error[0] == pytest.approx(np.sqrt(10), rel=0.15)


def test_subjects_do_not_look_like_other_populations():
    p = np.random.default_rng(4).dirichlet(np.ones(12)).reshape(3, 2, 2)
    without, with_groups, pairs, group = correlated(p, 60, 20, 1)
    assert bound(without, pairs, random_state=0, n_bootstrap=20).p_value < 0.01
    found = bound(with_groups, pairs, pair_groups=group, random_state=0, n_bootstrap=20)
    assert found.p_value > 0.05
    assert found.accuracy_interval[1] - found.accuracy_interval[0] > 0.02


def test_shared_subjects_are_drawn_together():
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(30), 4)
    x = np.repeat(rng.integers(2, size=30), 4)
    y = np.tile([0, 1], 60)
    sources = read_sources({"a": (x, y, group), "b": (x, y, group)}, {"a": x, "b": x}, 2, group)
    part = code_sources(sources, 2, "kmeans", 2, 0)[0]
    centre = tuple(t / t.sum() for t in part.counts())
    one, two, both = draw_tables(part, centre, 50, rng)
    np.testing.assert_allclose(one.sum(2), two.sum(2))
    np.testing.assert_allclose(one.sum(2), both.sum(2))
    assert one.sum(2).std(0).min() > 0.03


def test_datasets_are_taken_as_they_are(leaky):
    labelled, pairs, group = leaky
    sets = {name: MultimodalDataset({name: x, "other": x[:, :1]}, y, groups=g) for name, (x, y, g) in labelled.items()}
    target = np.zeros(len(group), dtype=int)  # labels of pairs are not read
    both = MultimodalDataset(pairs, target, groups=group)
    one = bound(labelled, pairs, pair_groups=group, random_state=0, n_bootstrap=20)
    other = bound(sets, both, random_state=0, n_bootstrap=20)
    assert one.to_dict() == other.to_dict()


def test_absent_rows_of_a_dataset_are_left_out():
    rng = np.random.default_rng(6)
    x, y = rng.integers(3, size=(2, 40)), np.tile([0, 1], 20)
    here = np.arange(40) % 4 > 0
    full = MultimodalDataset({"a": x[0], "b": x[1]}, y, present={"a": here})
    sources = read_sources({"a": full, "b": full}, full, 2)
    assert (len(sources.y[0]), len(sources.y[1]), len(sources.pairs[0])) == (30, 40, 30)


X, Y, G = np.tile([0, 1], 10), np.tile([0, 0, 1, 1], 5), np.arange(20) // 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": {"a": (X, Y, G[:-1]), "b": (X, Y)}}, r"a: groups have shape \(19,\)"),
        ({"labelled": {"a": (X, Y, G * 0), "b": (X, Y)}}, "a: 1 subjects in groups"),
        ({"labelled": {"a": (X, Y, G % 3), "b": (X, Y)}}, "3 subjects in groups, expected at least 2 n_splits = 4"),
        ({"labelled": {"a": (X, Y, G * 0.5), "b": (X, Y)}}, "integers or strings"),
        ({"labelled": {"a": (X, Y, G), "b": (X, Y, G.astype(str))}}, "numbers in one source and strings in another"),
        ({"pair_groups": G[:3]}, r"pairs: groups have shape \(3,\)"),
        ({"labelled": {"a": MultimodalDataset({"a": X}), "b": (X, Y)}}, r"labelled\['a'\] is a data set .* no target"),
        ({"pairs": MultimodalDataset({"a": X})}, r"pairs has the modalities \['a'\]"),
        ({"pairs": MultimodalDataset({"a": X, "b": X}, groups=G), "pair_groups": G}, "leave pair_groups out"),
        ({"labelled": {"a": (X * 0.5, Y, np.where(Y, 9, np.arange(20) % 3)), "b": (X, Y)}}, "no 2 folds by subject"),
    ],
)
def test_bad_input_is_named(change, message):
    good = {"labelled": {"a": (X, Y), "b": (X, Y)}, "pairs": {"a": X, "b": X}}
    with pytest.raises(ValueError, match=message):
        bound(**(good | change))
