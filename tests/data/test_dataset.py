"""Rows, views and attributes of a dataset."""

import copy

import numpy as np
import pytest

from interplay.data import MultimodalDataset, as_dataset

N = 6


@pytest.fixture
def dataset() -> MultimodalDataset:
    rng = np.random.default_rng(0)
    return MultimodalDataset(
        {"audio": rng.normal(size=(N, 3)), "video": rng.normal(size=(N, 4, 2)), "age": np.arange(N)},
        ["no", "yes", "maybe", "no", "yes", "no"],
        present={"audio": [True, False, True, True, True, True]},
        lengths={"video": [4, 3, 2, 1, 0, 4]},
        ids=[f"clip{i}" for i in range(N)],
        class_names=["Maybe", "No", "Yes"],
        groups=[0, 0, 1, 1, 2, 2],
    )


@pytest.mark.parametrize(
    "rows",
    [
        slice(1, 4),
        slice(None, None, -2),
        [0, 5, 5],
        np.array([3, -1]),
        np.arange(N) % 2 == 0,
        [True, False, False, True, False, False],
        [],
        (np.array([2, 4]), ...),
        (slice(0, 3), ...),
    ],
    ids=str,
)
def test_rows_are_those_of_every_array(dataset, rows):
    picked = rows[0] if isinstance(rows, tuple) else rows
    expected = np.arange(N)[np.array(picked, int) if isinstance(picked, list) and not picked else picked]
    part = dataset[rows]
    assert isinstance(part, MultimodalDataset)
    assert len(part) == len(expected)
    assert part.shape == (len(expected), 3)
    for name in dataset.names:
        np.testing.assert_array_equal(part.modalities[name], dataset.modalities[name][expected])
        np.testing.assert_array_equal(part.present[name], dataset.present[name][expected])
    np.testing.assert_array_equal(part.lengths["video"], dataset.lengths["video"][expected])
    np.testing.assert_array_equal(part.target, dataset.target[expected])
    np.testing.assert_array_equal(part.ids, dataset.ids[expected])
    np.testing.assert_array_equal(part.groups, dataset.groups[expected])


@pytest.mark.parametrize("row", [0, -1, np.int64(2)])
def test_one_row_is_a_dataset_of_one_row(dataset, row):
    assert len(dataset[row]) == 1
    assert dataset[row].ids[0] == dataset.ids[row]
    assert dataset[row, ...].ids[0] == dataset.ids[row]


def test_iteration_ends(dataset):
    assert [row.ids[0] for row in dataset] == list(dataset.ids)


@pytest.mark.parametrize("rows", ["audio", (0, 1), 0.5, np.ones((2, 2), int), [True, False], N, [0, N]], ids=repr)
def test_wrong_rows_raise(dataset, rows):
    with pytest.raises(IndexError):
        dataset[rows]


def test_classes_codes_and_names_belong_to_the_rows_at_hand(dataset):
    assert dataset.classes.tolist() == ["maybe", "no", "yes"]
    assert dataset.codes.tolist() == [1, 2, 0, 1, 2, 1]
    assert dataset.codes.dtype == np.int64
    part = dataset[dataset.target != "no"]
    assert part.classes.tolist() == ["maybe", "yes"]
    assert part.codes.tolist() == [1, 0, 1]
    assert part.class_names == ("Maybe", "Yes")


def test_names_of_labels_that_do_not_occur():
    dataset = MultimodalDataset({"a": np.ones((3, 1))}, [2, 0, 2], class_names=["zero", "one", "two"])
    assert dataset.class_names == ("zero", "two")


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ([0, 1, 2], "classification"),
        ([True, False, True], "classification"),
        (["x", "y", "x"], "classification"),
        (np.array(["x", "y", "x"], object), "classification"),
        ([0.0, 1.0, 2.0], "regression"),
        (None, None),
    ],
)
def test_task_follows_the_type_of_the_target(target, task):
    dataset = MultimodalDataset({"a": np.ones((3, 1))}, target)
    assert dataset.task == task
    if task == "classification":
        assert dataset.classes[dataset.codes].tolist() == list(target)
    else:
        with pytest.raises(ValueError, match="class labels"):
            _ = dataset.codes


def test_defaults():
    dataset = MultimodalDataset({"a": np.ones((3, 2))})
    assert dataset.ids.tolist() == [0, 1, 2]
    assert dataset.present["a"].tolist() == [True] * 3
    assert dict(dataset.lengths) == {}
    assert dataset.groups is None
    assert dataset.class_names is None


def test_a_length_is_zero_exactly_where_the_modality_is_absent(dataset):
    assert dataset.lengths["video"].tolist() == [4, 3, 2, 1, 0, 4]
    assert dataset.present["video"].tolist() == [True, True, True, True, False, True]
    masked = MultimodalDataset(
        {"s": np.ones((3, 4, 1))}, lengths={"s": [2, -7, 99]}, present={"s": [True, False, False]}
    )
    assert masked.lengths["s"].tolist() == [2, 0, 0]
    gone = dataset.without("video")
    assert not gone.lengths["video"].any()
    assert dataset.lengths["video"].any()


def test_values_under_a_false_mask_and_in_padding_are_not_looked_at():
    x, s = np.ones((3, 2)), np.ones((3, 4, 1))
    x[1], s[0, 2:], s[2] = np.nan, np.inf, np.nan
    present = {"x": [True, False, True], "s": [True, True, False]}
    dataset = MultimodalDataset({"x": x, "s": s}, present=present, lengths={"s": [2, 4, 4]})
    assert dataset.modalities["x"] is x


def test_select_without_and_with_target(dataset):
    assert dataset.select(["video", "audio"]).names == ("video", "audio")
    assert dataset.select("age").names == ("age",)
    assert dict(dataset.select(["audio"]).lengths) == {}
    part = dataset.without("audio", "age")
    assert part.names == dataset.names
    assert not part.present["audio"].any()
    assert not part.present["age"].any()
    assert dataset.present["age"].all()
    assert dataset.with_target(["yes"] * N).class_names == ("Yes",)
    assert dataset.with_target(np.arange(N)).class_names is None
    assert dataset.with_target(np.linspace(0, 1, N)).task == "regression"
    assert dataset.with_target(None).target is None
    for wrong in (["smell"], [], ["audio", "audio"]):
        with pytest.raises(ValueError, match="select"):
            dataset.select(wrong)
    with pytest.raises(ValueError, match="smell"):
        dataset.without("smell")
    with pytest.raises(ValueError, match="shape"):
        dataset.with_target([1, 2])


def test_attributes_cannot_be_changed(dataset):
    for name in ("modalities", "present", "lengths", "target", "ids", "groups", "names", "class_names", "classes"):
        with pytest.raises(AttributeError):
            setattr(dataset, name, None)
    for mapping in (dataset.modalities, dataset.present, dataset.lengths):
        with pytest.raises(TypeError):
            mapping["audio"] = np.zeros(N)


def test_it_keeps_apart_from_the_mapping_it_was_given_and_shares_its_arrays():
    given = {"a": np.ones((3, 2))}
    dataset = MultimodalDataset(given)
    given["b"] = np.ones((3, 1))
    assert dataset.names == ("a",)
    assert dataset.modalities["a"] is given["a"]


def test_it_can_be_copied(dataset):
    twin = copy.deepcopy(dataset)
    assert twin.names == dataset.names
    np.testing.assert_array_equal(twin.modalities["video"], dataset.modalities["video"])


def test_it_is_not_one_array(dataset):
    with pytest.raises(TypeError, match="several arrays"):
        np.asarray(dataset)


def test_repr_and_summary_are_short_and_say_what_is_missing(dataset):
    text = (
        "MultimodalDataset(6 samples, classification with 3 classes, audio (3,) 83% present, video (4, 2) 83% present"
    )
    assert repr(dataset) == text + ", age ())"
    summary = dataset.summary()
    assert summary.loc["audio", ["present", "absent"]].tolist() == [5, 1]
    assert summary.loc["video", "mean_length"] == pytest.approx(14 / 5)
    assert summary.loc["age", "shape"] == ()


def test_repr_keeps_0_and_100_percent_for_none_and_all():
    mask = np.arange(1000) == 0
    few, many, none = (MultimodalDataset({"a": np.ones(1000)}, present={"a": m}) for m in (mask, ~mask, mask & False))
    assert "1% present" in repr(few)
    assert "99% present" in repr(many)
    assert " 0% present" in repr(none)


def test_as_dataset_takes_mappings_and_none():
    dataset = as_dataset({"a": [[1.0], [2.0]], "b": None}, [0, 1])
    assert dataset.present["a"].all()
    assert not dataset.present["b"].any()
    assert len(dataset.modalities["b"]) == 2
    assert dataset.target.tolist() == [0, 1]
    assert as_dataset(dataset) is dataset
    assert as_dataset(dataset, names=["b", "a"]).names == ("b", "a")
    for names in (["a"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="modalities"):
            as_dataset(dataset, names=names)
    with pytest.raises(ValueError, match="mapping"):
        as_dataset(np.ones((3, 2)))


def test_indexing_copies_the_chosen_rows_only():
    """A slice is a view; picked rows are a copy as large as they are."""
    x = np.zeros((1000, 10))
    dataset = MultimodalDataset({"a": x})
    assert np.shares_memory(dataset[10:20].modalities["a"], x)
    assert dataset[[1, 2]].modalities["a"].base is None
    assert dataset[[1, 2]].modalities["a"].size == 20
