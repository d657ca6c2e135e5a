"""Warnings about data: each appears where it should and nowhere else."""

import numpy as np

from interplay.data import MultimodalDataset
from interplay.evaluation.caution import modality_warnings, target_warnings


def rows(n=100, width=3, absent=0, classes=2):
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(n, width)), "b": rng.normal(size=(n, 3))}
    return MultimodalDataset(x, np.arange(n) % classes, present={"b": np.arange(n) >= absent})


def test_ordinary_data_have_none():
    parts = {"train": rows(), "test": rows(30)}
    assert modality_warnings(parts) == {}
    assert target_warnings(parts) == []
    assert modality_warnings({}) == {}
    assert target_warnings({}) == []


def test_gaps_are_said_where_they_are_many_or_not_alike():
    assert modality_warnings({"train": rows(absent=60), "test": rows(absent=55)}) == {
        "b": ["missing in 60% of the train rows and 55% of the test rows"]
    }
    assert modality_warnings({"train": rows(absent=5), "test": rows(absent=40)}) == {
        "b": ["not missing alike: in 5% of the train rows and 40% of the test rows"]
    }
    assert modality_warnings({"train": rows(absent=35), "test": rows(absent=40)}) == {}
    assert modality_warnings({"test": rows(absent=100)}) == {"b": ["missing in 100% of the test rows"]}


def test_wide_and_still_modalities():
    wide = rows(20, width=300)
    assert modality_warnings({"train": wide}) == {"a": ["300 numbers a sample and only 20 rows"]}
    x = {name: value.copy() for name, value in rows().modalities.items()}
    x["a"][:, :2] = 7
    assert modality_warnings({"train": MultimodalDataset(x)}) == {"a": ["67% of its numbers never vary"]}
    # What is missing does not count as variation.
    x["a"][0] = np.nan
    there = {"a": np.arange(100) > 0}
    assert "67%" in modality_warnings({"train": MultimodalDataset(x, present=there)})["a"][0]


def test_rare_classes_and_one_that_most_rows_have():
    few = MultimodalDataset({"a": np.zeros(100)}, np.repeat([0, 1, 2], [90, 5, 5]), class_names=["x", "<y>", "z"])
    assert target_warnings({"train": few}) == [
        "Fewer than 10 train rows each in 2 of 3 classes: <y>, z.",
        "90% of the train rows are of one class: compare with chance.",
    ]
    assert target_warnings({"train": MultimodalDataset({"a": np.zeros(9)}, np.arange(9.0))}) == []
    assert target_warnings({"train": MultimodalDataset({"a": np.zeros(9)})}) == []
