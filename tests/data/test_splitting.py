"""Splits by class and by subject."""

import numpy as np
import pytest

from interplay.data import MultimodalDataset


def labelled(counts, groups=None, seed=0):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    return MultimodalDataset({"a": np.arange(len(y), dtype=float)[:, None]}, y, groups=groups)


def check_parts(dataset, train, test):
    assert sorted([*train.ids, *test.ids]) == dataset.ids.tolist()
    for part in (train, test):
        np.testing.assert_array_equal(part.ids, np.sort(part.ids))
        np.testing.assert_array_equal(part.modalities["a"][:, 0], part.ids)


@pytest.mark.parametrize("test_size", [0.25, 0.1, 40, 0.7])
def test_stratified_parts_have_the_shares_of_the_whole(test_size):
    dataset = labelled([100, 60, 40])
    train, test = dataset.split(test_size, random_state=0)
    check_parts(dataset, train, test)
    share = test_size / 200 if test_size > 1 else test_size
    np.testing.assert_array_equal(np.bincount(test.target), np.array([100, 60, 40]) * share)


def test_same_seed_same_split_other_seed_another():
    dataset = labelled([50, 50])
    first, again, other = (dataset.split(random_state=seed)[1].ids for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("target", [None, np.linspace(0, 1, 20)])
def test_other_targets_are_not_stratified(target):
    dataset = MultimodalDataset({"a": np.arange(20.0)[:, None]}, target)
    train, test = dataset.split(0.3, random_state=0)
    check_parts(dataset, train, test)
    assert len(test) == 6


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("test_size", [0.25, 0.3, 0.6, 30])
def test_no_subject_is_in_both_parts(stratify, test_size):
    groups = np.repeat([f"subject{i}" for i in range(20)], 10)
    dataset = labelled([120, 80], groups)
    train, test = dataset.split(test_size, stratify=stratify, random_state=3)
    check_parts(dataset, train, test)
    assert not set(train.groups) & set(test.groups)
    share = test_size / 200 if test_size > 1 else test_size
    assert len(test) / 200 == pytest.approx(share, abs=0.06)


def test_stratified_groups_come_nearer_to_the_shares_than_groups_at_random():
    rng = np.random.default_rng(0)
    groups = np.arange(300) // 10
    y = (rng.random(300) < rng.random(30)[groups]).astype(int)  # subjects differ widely in their share
    dataset = MultimodalDataset({"a": np.ones((300, 1))}, y, groups=groups)

    def error(stratify):
        tests = [dataset.split(stratify=stratify, random_state=seed)[1] for seed in range(10)]
        return np.mean([abs(test.target.mean() - y.mean()) for test in tests])

    assert error(True) < error(False) / 2


def test_groups_can_be_given_for_one_split():
    dataset = labelled([20, 20])
    groups = np.arange(40) // 4
    train, test = dataset.split(groups=groups, random_state=0)
    assert not set(groups[train.ids]) & set(groups[test.ids])
    assert train.groups is None


def test_a_grouped_split_keeps_every_class_in_both_parts():
    """Each class lives in its own subjects, so an unstratified split by subject would often lose one."""
    groups = np.repeat(np.arange(12), 5)
    y = groups % 4
    dataset = MultimodalDataset({"a": np.ones((60, 1))}, y, groups=groups)
    for seed in range(10):
        train, test = dataset.split(1 / 3, random_state=seed)
        assert set(train.target) == set(test.target) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("dataset", "arguments", "message"),
    [
        (labelled([10, 1]), {}, "class 1: expected at least 2 samples .* found 1; .*stratify=False"),
        (labelled([5, 5, 5]), {"test_size": 2}, "each of 3 classes in both parts, found parts of 13 and 2"),
        (labelled([5, 5]), {"test_size": 0.0}, "test_size"),
        (labelled([5, 5]), {"test_size": 1.5}, "test_size"),
        (labelled([5, 5]), {"test_size": 10}, "1 to 9"),
        (labelled([5, 5], np.zeros(10, int)), {}, r"at least 2 groups, found only \[0\]"),
        (labelled([5, 5]), {"groups": [1, 2]}, r"groups: expected shape \(10,\)"),
        (MultimodalDataset({"a": np.ones((6, 1))}, [0, 0, 0, 1, 1, 1], groups=[0, 0, 1, 2, 2, 2]), {}, "2 groups"),
        (MultimodalDataset({"a": np.ones((1, 1))}), {}, "at least 2 samples"),
    ],
)
def test_impossible_splits_say_why(dataset, arguments, message):
    with pytest.raises(ValueError, match=message):
        dataset.split(**arguments)


def test_an_impossible_stratification_can_be_given_up():
    train, test = labelled([10, 1]).split(stratify=False, random_state=0)
    assert len(train) + len(test) == 11
