"""Partitions: number of cells, what they see, masked values."""

import numpy as np
import pytest

from interplay.data import MultimodalDataset
from interplay.estimation.discrete import discretise
from interplay.estimation.discretise import DISCRETISERS, choose_n_bins, is_codes, rows_of


@pytest.mark.parametrize(("n", "k"), [(200, 2), (1800, 10), (5000, 3)])
def test_the_rule_leaves_two_samples_a_cell_and_not_one_bin_more(n, k):
    bins = choose_n_bins(n, k)
    assert n >= 2 * bins**2 * k
    assert bins == 20 or n < 2 * (bins + 1) ** 2 * k
    assert choose_n_bins(n, k, known=(2,)) >= bins


@pytest.mark.parametrize("name", DISCRETISERS)
def test_every_discretiser_gives_codes_in_range_on_new_rows(name):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 3)), rng.integers(3, size=100)
    codes = DISCRETISERS[name](x, y, 4, 0)(rng.normal(size=(50, 3)))
    assert codes.dtype == np.int64
    assert codes.min() >= 0
    assert 1 < len(np.unique(codes)) <= 4
    assert codes.max() < 4


def test_quantiles_cut_equal_shares():
    x = np.random.default_rng(0).normal(size=(400, 1))
    codes = DISCRETISERS["quantile"](x, np.zeros(400, dtype=int), 4, 0)(x)
    assert np.bincount(codes).tolist() == [100] * 4


def test_tree_leaves_follow_the_target():
    x = np.random.default_rng(0).normal(size=(400, 2))
    y = (x[:, 1] > 0.3).astype(int)
    codes = DISCRETISERS["tree"](x, y, 2, 0)(x)
    assert max(np.mean(codes == y), np.mean(codes != y)) > 0.99


def test_constant_features_are_one_cell():
    x, y = np.ones((50, 3)), np.arange(50) % 2
    for name in ("kmeans", "quantile"):
        assert set(DISCRETISERS[name](x, y, 4, 0)(x)) == {0}, name


def test_sequences_are_mean_and_deviation_of_the_steps_that_count():
    x = np.array([[[1.0], [3.0], [99.0]], [[5.0], [1e9], [np.nan]]])
    data = MultimodalDataset({"a": x, "b": [0, 1]}, [0, 1], lengths={"a": [2, 1]})
    np.testing.assert_allclose(rows_of(data, "a"), [[2, 1], [5, 0]])


def test_what_counts_as_codes():
    everywhere = np.ones(40, dtype=bool)
    assert is_codes(np.arange(40) % 5, everywhere)
    assert not is_codes(np.arange(40), everywhere)  # more than 20 values
    assert not is_codes(np.zeros(40), everywhere)  # floats
    assert not is_codes(np.zeros((40, 2), dtype=int), everywhere)


def test_rows_that_were_fitted_on_are_not_counted_and_labels_of_counted_rows_do_not_matter(settings):
    rng = np.random.default_rng(0)
    data = MultimodalDataset({"a": rng.normal(size=(200, 4)), "b": rng.normal(size=(200, 4))}, np.arange(200) % 2)
    y = data.codes
    for method, share in (("kmeans", 0.8), ("tree", 0.5)):
        first = discretise(data, y, None, settings(discretiser=method), 3, 4)
        assert first.counted.mean() == share
        moved = data.modalities["a"] + np.where(first.counted[:, None], 0.01, 0)  # barely moves counted rows only
        again = discretise(
            MultimodalDataset({"a": moved, "b": data.modalities["b"]}, y), y, None, settings(discretiser=method), 3, 4
        )
        assert (again.codes["b"] == first.codes["b"]).all()
        assert np.mean(again.codes["a"] == first.codes["a"]) > 0.95
    # The partition sees no label of a counted row: exchanging them leaves all codes alone.
    chosen = np.flatnonzero(first.counted)
    swapped = y.copy()
    for label in (0, 1):  # keeps the split, which is drawn within classes
        swapped[chosen[y[chosen] == label]] = label
    assert (discretise(data, swapped, None, settings(discretiser="tree"), 3, 4).codes["a"] == first.codes["a"]).all()


def test_groups_stay_on_one_side(settings):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    data = MultimodalDataset({"a": rng.normal(size=(200, 2)), "b": rng.normal(size=(200, 2))}, np.arange(200) % 2)
    counted = discretise(data, data.codes, groups, settings(), 0, 3).counted
    per_group = np.bincount(groups, weights=counted)
    assert set(per_group) == {0, 10}
    assert (per_group == 0).sum() == 4


def test_unknown_or_unfit_discretisers_say_so(settings):
    data = MultimodalDataset({"a": np.random.default_rng(0).normal(size=(50, 2)), "b": np.arange(50) % 3}, [0, 1] * 25)
    with pytest.raises(ValueError, match="unknown discretiser 'forest'"):
        discretise(data, data.codes, None, settings(discretiser="forest"), 0, None)
    with pytest.raises(ValueError, match="modality 'a': discretiser 'codes' expects one column of integers"):
        discretise(data, data.codes, None, settings(discretiser="codes"), 0, None)
    mixed = discretise(data, data.codes, None, settings(discretiser={"a": "quantile"}), 0, 4)
    assert mixed.sizes == {"a": 4, "b": 3}
