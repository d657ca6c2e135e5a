"""The digits cut in two."""

import numpy as np
from sklearn.datasets import load_digits

from interplay.data import datasets


def test_the_halves_make_the_pictures():
    dataset = datasets.load_digit_halves()
    halves = [dataset.modalities[name].reshape(-1, 8, 4) for name in ("left", "right")]
    np.testing.assert_array_equal(np.concatenate(halves, axis=2) * 16, load_digits().images)
    np.testing.assert_array_equal(dataset.target, load_digits().target)
    assert dataset.class_names == tuple("0123456789")
    assert all(half.dtype == np.float32 for half in halves)
    assert (min(half.min() for half in halves), max(half.max() for half in halves)) == (0, 1)


def test_the_split_is_fixed_and_stratified():
    train, test = datasets.load_digit_halves(split=True)
    again = datasets.load_digit_halves(split=True)[1]
    np.testing.assert_array_equal(test.ids, again.ids)
    assert sorted([*train.ids, *test.ids]) == list(range(1797))
    assert abs(np.bincount(test.target) - np.bincount(train.target) / 3).max() < 1.5
