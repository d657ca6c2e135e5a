"""Every complaint about data: where, what was expected, what was found, what to do."""

import numpy as np
import pytest
import scipy.sparse

from interplay.data import MultimodalDataset, check_target

OK = np.ones((4, 2))
SEQUENCE = np.ones((4, 5, 2))
LABELS = [0, 1, 0, 1]


def holed(value, shape=(4, 2)):
    x = np.ones(shape)
    x[2] = x[3] = value
    return x


# what is given, words the message must hold: the place, the expected, the found, the remedy
CASES = {
    "not a mapping": ({"modalities": OK}, ["modalities", "mapping", "ndarray"]),
    "no modality": ({"modalities": {}}, ["modalities", "at least 1", "none"]),
    "only None": ({"modalities": {"a": None}}, ["modalities", "only None"]),
    "empty name": ({"modalities": {"": OK}}, ["modalities", "non-empty", "''"]),
    "numbered name": ({"modalities": {0: OK}}, ["modalities", "strings", "0", "rename"]),
    "name of a column": ({"modalities": {"target": OK}}, ["modalities", "'target'", "rename"]),
    "name of a mask": ({"modalities": {"present.a": OK}}, ["modalities", "'present.a'", "rename"]),
    "unequal rows": ({"modalities": {"a": OK, "b": OK[:3]}}, ["modality 'b'", "4 rows", "'a'", "found 3"]),
    "strings": ({"modalities": {"a": np.full((4, 1), "hi")}}, ["modality 'a'", "<U2", "encode text first"]),
    "objects": ({"modalities": {"a": np.array([[1, "x"]] * 4, object)}}, ["modality 'a'", "object", "encode text"]),
    "complex": ({"modalities": {"a": OK + 1j}}, ["modality 'a'", "complex128"]),
    "dates": ({"modalities": {"a": np.zeros((4, 1), "M8[s]")}}, ["modality 'a'", "datetime64"]),
    "ragged": ({"modalities": {"a": [[1], [1, 2], [1], [1]]}}, ["modality 'a'", "pad sequences"]),
    "sparse": ({"modalities": {"a": scipy.sparse.eye_array(4)}}, ["modality 'a'", "sparse", ".toarray()"]),
    "masked array": ({"modalities": {"a": np.ma.masked_equal(OK, 0)}}, ["modality 'a'", "masked", "present"]),
    "one value": ({"modalities": {"a": 3.0}}, ["modality 'a'", "single value"]),
    "no samples": ({"modalities": {"a": np.ones((0, 2))}}, ["modality 'a'", "at least 1 sample", "0 rows"]),
    "no features": ({"modalities": {"a": np.ones((4, 0))}}, ["modality 'a'", "at least 1 feature", "(4, 0)"]),
    "NaN": (
        {"modalities": {"a": holed(np.nan)}},
        ["modality 'a'", "2 rows", "row 2", "present={'a': np.isfinite(x).all(axis=1)}", "fill"],
    ),
    "infinity": ({"modalities": {"a": OK, "b": holed(np.inf, (4,))}}, ["modality 'b'", "row 2", "np.isfinite(x)}"]),
    "NaN beside an absent row": (
        {"modalities": {"a": holed(np.nan)}, "present": {"a": [True, True, False, True]}},
        ["modality 'a'", "1 rows", "row 3"],
    ),
    "NaN in a step that counts": (
        {"modalities": {"a": holed(np.nan, (4, 5, 2))}, "lengths": {"a": [5, 5, 0, 1]}},
        ["modality 'a'", "1 rows", "row 3", "axis=(1, 2)"],
    ),
    "mask of an unknown modality": (
        {"modalities": {"a": OK}, "present": {"b": [True] * 4}},
        ["present", "['a']", "['b']"],
    ),
    "mask of integers": (
        {"modalities": {"a": OK}, "present": {"a": [1, 0, 1, 1]}},
        ["present['a']", "booleans", "int64", "astype(bool)"],
    ),
    "short mask": ({"modalities": {"a": OK}, "present": {"a": [True] * 3}}, ["present['a']", "(4,)", "(3,)"]),
    "mask of features": (
        {"modalities": {"a": OK}, "present": {"a": np.ones((4, 2), bool)}},
        ["present['a']", "(4,)", "(4, 2)"],
    ),
    "mask of None": (
        {"modalities": {"a": OK, "b": None}, "present": {"b": [True] * 4}},
        ["present['b']", "None", "4 True"],
    ),
    "lengths of an unknown modality": (
        {"modalities": {"a": SEQUENCE}, "lengths": {"b": [1] * 4}},
        ["lengths", "['b']"],
    ),
    "lengths of a vector": ({"modalities": {"a": OK}, "lengths": {"a": [1] * 4}}, ["lengths['a']", "(4, 2)"]),
    "lengths of floats": (
        {"modalities": {"a": SEQUENCE}, "lengths": {"a": [1.0] * 4}},
        ["lengths['a']", "integers", "float64"],
    ),
    "too long": (
        {"modalities": {"a": SEQUENCE}, "lengths": {"a": [1, 6, 7, 5]}},
        ["lengths['a']", "0 to 5", "2 rows", "row 1 with 6"],
    ),
    "negative length": (
        {"modalities": {"a": SEQUENCE}, "lengths": {"a": [1, 1, 1, -1]}},
        ["lengths['a']", "0 to 5", "row 3 with -1"],
    ),
    "short target": ({"modalities": {"a": OK}, "target": [0, 1]}, ["target", "(4,)", "(2,)"]),
    "target as a column": ({"modalities": {"a": OK}, "target": np.ones((4, 1))}, ["target", "(4,)", "(4, 1)"]),
    "NaN target": ({"modalities": {"a": OK}, "target": [0, np.nan, 1, np.nan]}, ["target", "2 rows", "row 1"]),
    "missing label": ({"modalities": {"a": OK}, "target": ["x", None, "y", "x"]}, ["target", "object", "missing"]),
    "complex target": ({"modalities": {"a": OK}, "target": [1j] * 4}, ["target", "complex128"]),
    "ids twice": ({"modalities": {"a": OK}, "ids": list("xyxz")}, ["ids", "different", "'x'"]),
    "ids of floats": ({"modalities": {"a": OK}, "ids": [0.5, 1, 2, 3]}, ["ids", "float64"]),
    "short ids": ({"modalities": {"a": OK}, "ids": [0]}, ["ids", "(4,)", "(1,)"]),
    "groups of floats": ({"modalities": {"a": OK}, "groups": [0, np.nan, 1, 1]}, ["groups", "float64", "missing"]),
    "short groups": ({"modalities": {"a": OK}, "groups": [0, 1]}, ["groups", "(4,)", "(2,)"]),
    "names without target": ({"modalities": {"a": OK}, "class_names": ["x"]}, ["class_names", "no target"]),
    "names of numbers": (
        {"modalities": {"a": OK}, "target": [0.0, 1, 2, 3], "class_names": ["x"]},
        ["class_names", "floats"],
    ),
    "too few names": ({"modalities": {"a": OK}, "target": LABELS, "class_names": ["x"]}, ["class_names", "2 names"]),
    "too many names": (
        {"modalities": {"a": OK}, "target": list("xyxy"), "class_names": list("xyz")},
        ["class_names", "['x', 'y']", "found 3"],
    ),
    "a name twice": (
        {"modalities": {"a": OK}, "target": LABELS, "class_names": ["x", "x"]},
        ["class_names", "different"],
    ),
    "names no strings": (
        {"modalities": {"a": OK}, "target": LABELS, "class_names": [0, 1]},
        ["class_names", "strings"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_complaints_name_place_expectation_finding_and_remedy(case):
    arguments, words = CASES[case]
    with pytest.raises(ValueError) as caught:
        MultimodalDataset(**arguments)
    message = str(caught.value)
    assert "expected" in message
    assert "found" in message
    assert "; " in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "x",
    [
        np.ones((4, 2), np.float16),
        np.ones((4, 2), np.uint8),
        np.ones((4, 2), bool),
        np.arange(4),
        np.ones((4, 3, 8, 8)),
        [[1, 2]] * 4,
    ],
)
def test_real_arrays_are_kept_as_they_are(x):
    dataset = MultimodalDataset({"a": x})
    assert dataset.modalities["a"].dtype == np.asarray(x).dtype
    np.testing.assert_array_equal(dataset.modalities["a"], x)


def test_a_row_without_any_modality_is_allowed():
    assert len(MultimodalDataset({"a": OK}, present={"a": [False] * 4})) == 4


def test_nothing_given_is_changed():
    x, y, mask, steps = holed(np.nan, (4, 5, 2)), np.array(LABELS), np.array([True, True, False, False]), np.full(4, 5)
    copies = [array.copy() for array in (x, y, mask, steps)]
    MultimodalDataset({"a": x}, y, present={"a": mask}, lengths={"a": np.where(mask, steps, 0)})
    for array, copy in zip((x, y, mask, steps), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.writeable


def test_finite_values_are_checked_block_by_block(monkeypatch):
    monkeypatch.setattr("interplay.data.validation._BLOCK", 7)
    x = np.ones((50, 3))
    x[[13, 49], 1] = np.nan
    with pytest.raises(ValueError, match=r"2 rows .* row 13;"):
        MultimodalDataset({"a": x})
    present = np.isfinite(x).all(axis=1)
    assert MultimodalDataset({"a": x}, present={"a": present}).present["a"].sum() == 48


def test_the_remedy_in_the_message_works():
    x = holed(np.nan, (4, 5, 2))
    with pytest.raises(ValueError) as caught:
        MultimodalDataset({"a": x})
    remedy = str(caught.value).partition("present=")[2].partition(", or")[0]
    present = eval(remedy, {"np": np, "x": x})
    assert MultimodalDataset({"a": x}, present=present).present["a"].tolist() == [True, True, False, False]


def test_check_target_gives_what_a_learner_needs():
    data = MultimodalDataset({"a": OK})
    np.testing.assert_array_equal(check_target(data.with_target(list("xyxx")), "classification"), [0, 1, 0, 0])
    np.testing.assert_array_equal(check_target(data.with_target([3, 1, 2, 2]), "regression"), [3.0, 1, 2, 2])
    assert check_target(data.with_target([3, 1, 2, 2]), "regression").dtype == np.float64


@pytest.mark.parametrize(
    ("target", "task", "message"),
    [
        (None, "classification", "found none"),
        (None, "regression", "found none"),
        ([0.0, 1, 0, 1], "classification", "found float64"),
        ([3, 3, 3, 3], "classification", r"at least 2 classes, found only \[3\]"),
        (list("xyxy"), "regression", "found strings"),
    ],
)
def test_check_target_complains(target, task, message):
    with pytest.raises(ValueError, match=message):
        check_target(MultimodalDataset({"a": OK}, target), task)
