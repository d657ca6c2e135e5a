"""Files come back as they were written, foreign ones are understood, and an interrupted save changes nothing."""

import json
import zipfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from interplay.data import MultimodalDataset, files, load, save

SUFFIXES = [".npz", ".parquet"]


def assert_same(first: MultimodalDataset, second: MultimodalDataset) -> None:
    """Equal in everything, NaN under masks included."""
    assert first.names == second.names
    assert set(first.lengths) == set(second.lengths)
    assert first.class_names == second.class_names
    assert first.task == second.task
    pairs = [(getattr(first, role), getattr(second, role)) for role in ("target", "ids", "groups")]
    for part in ("modalities", "present", "lengths"):
        pairs += [(getattr(first, part)[name], getattr(second, part)[name]) for name in getattr(first, part)]
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def rich() -> MultimodalDataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    x[1] = np.nan
    return MultimodalDataset(
        {
            "audio": x,
            "video.left": rng.normal(size=(5, 4, 2)),
            "picture": rng.integers(0, 255, (5, 2, 3, 4)).astype(np.uint8),
            "age": np.arange(5),
            "file": np.ones((5, 1), bool),
            "wide": rng.normal(size=(5, 2000)),
            "gone": None,
        },
        ["no", "yes", "maybe", "ja", "no"],
        present={"audio": [True, False, True, True, True]},
        lengths={"video.left": [4, 0, 1, 2, 3]},
        ids=["a", "b", "c", "d", "e"],
        class_names=["Ja!", "Maybe", "No", "Yes"],
        groups=[3, 3, 1, 1, 2],
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path, suffix):
    dataset = rich()
    dataset.save(tmp_path / f"data{suffix}")
    assert_same(MultimodalDataset.load(tmp_path / f"data{suffix}"), dataset)
    # A part without "ja", whose class names no longer are those of the whole.
    save(dataset[dataset.target != "ja"], tmp_path / f"part{suffix}")
    assert load(tmp_path / f"part{suffix}").class_names == ("Maybe", "No", "Yes")
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in SUFFIXES] == []


@st.composite
def multimodal_datasets(draw):
    n = draw(st.integers(1, 6))
    kinds = st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.int8, np.uint16, np.bool_, ">f4"])
    names = draw(st.lists(st.text("ab.é_ 0", min_size=1, max_size=4), min_size=1, max_size=3, unique=True))
    modalities, present, lengths = {}, {}, {}
    for i, name in enumerate(names):
        name = f"{i}{name}"  # "x" and "x.0" may collide as columns, which has its own test
        shape = draw(st.lists(st.integers(1, 3), max_size=3))
        modalities[name] = draw(hnp.arrays(np.dtype(draw(kinds)), (n, *shape)))
        present[name] = np.zeros(n, bool)
        if modalities[name].dtype.kind != "f":
            present[name] = draw(hnp.arrays(bool, n))
        elif np.isfinite(modalities[name]).all():
            present[name] = ~present[name]
        if len(shape) > 1:
            lengths[name] = draw(hnp.arrays(int, n, elements=st.integers(0, shape[0])))
    targets = [
        st.none(),
        hnp.arrays(np.int64, n),
        hnp.arrays(np.float64, n, elements=st.floats(-10, 10)),
        hnp.arrays(bool, n),
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3), min_size=n, max_size=n),
    ]
    return MultimodalDataset(modalities, draw(st.one_of(targets)), present=present, lengths=lengths)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dataset=multimodal_datasets())
def test_round_trip_of_any_dataset(tmp_path, suffix, dataset):
    save(dataset, tmp_path / f"any{suffix}")
    loaded = load(tmp_path / f"any{suffix}")
    for name, x in dataset.modalities.items():
        np.testing.assert_array_equal(loaded.modalities[name].shape, x.shape)
    native = {name: x.astype(x.dtype.newbyteorder("=")) for name, x in dataset.modalities.items()}
    written = native if suffix == ".parquet" else dataset.modalities
    expected = MultimodalDataset(
        written, dataset.target, present=dataset.present, lengths=dataset.lengths, ids=dataset.ids
    )
    assert_same(loaded, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_loaded_can_be_written_to(tmp_path, suffix):
    """Tensors cannot be made from read-only memory without a warning."""
    save(rich(), tmp_path / f"data{suffix}")
    loaded = load(tmp_path / f"data{suffix}")
    for x in [*loaded.modalities.values(), loaded.target, loaded.ids, loaded.groups]:
        assert x.flags.writeable


def test_the_same_dataset_gives_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        save(rich(), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_interrupted_save_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"data{suffix}"
    save(rich(), path)
    before = path.read_bytes()
    write = files._WRITE[suffix]

    def half_way(dataset, temporary):
        write(dataset, temporary)
        temporary.write_bytes(temporary.read_bytes()[:100])
        raise KeyboardInterrupt

    monkeypatch.setitem(files._WRITE, suffix, half_way)
    with pytest.raises(KeyboardInterrupt):
        save(rich()[:2], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_npz(tmp_path):
    path = tmp_path / "foreign.npz"
    x, y = np.ones((4, 2)), np.arange(8.0).reshape(4, 2)
    actor, label = np.array([7, 7, 8, 8]), np.array(["u", "v", "v", "u"])
    np.savez(path, audio=x, face=y, label=label, actor=actor, label_names=["U", "V"])
    dataset = load(path, target="label", groups="actor", class_names="label_names")
    assert dataset.names == ("audio", "face")
    assert dataset.target.tolist() == label.tolist()
    assert dataset.groups.tolist() == actor.tolist()
    assert dataset.class_names == ("U", "V")
    assert load(path, target="label", modalities=["face", "actor"]).names == ("face", "actor")
    assert load(path, target="label", modalities="face").names == ("face",)
    with pytest.raises(ValueError, match=r"'actor': expected an array \(n, features\), .*modalities=\[...\]"):
        load(path, target="label", class_names="label_names")


def test_class_names_of_the_file_are_those_of_its_own_target(tmp_path):
    path = tmp_path / "two.npz"
    np.savez(path, a=np.ones((3, 1)), target=[0, 1, 1], other=[5, 6, 7], class_names=["no", "yes"])
    assert load(path, modalities=["a"]).class_names == ("no", "yes")
    assert load(path, target="other").class_names is None


def test_foreign_parquet(tmp_path):
    frame = pd.DataFrame(
        {
            "audio.1": [1.0, 2.0, 3.0],
            "audio.0": [4.0, 5.0, 6.0],
            "audio.10": [7.0, 8.0, 9.0],
            "face.mouth": [1, 0, 1],
            "face.eyes": [0, 0, 1],
            "words": [[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]],
            "label": pd.Categorical(["u", "v", "u"]),
            "actor": ["x", "y", "z"],
        },
        index=[10, 20, 30],
    )
    path = tmp_path / "foreign.parquet"
    frame.to_parquet(path)
    dataset = load(path, target="label", groups="actor")
    assert dataset.names == ("audio", "face", "words")
    np.testing.assert_array_equal(dataset.modalities["audio"], frame[["audio.0", "audio.1", "audio.10"]])
    np.testing.assert_array_equal(dataset.modalities["face"], frame[["face.mouth", "face.eyes"]])
    assert dataset.modalities["face"].dtype == np.int64
    np.testing.assert_array_equal(dataset.modalities["words"], np.arange(1.0, 7).reshape(3, 1, 2))
    assert dataset.target.tolist() == ["u", "v", "u"]
    assert dataset.groups.tolist() == ["x", "y", "z"]
    with pytest.raises(ValueError, match="'actor': expected an array"):
        load(path, target="label")


def test_a_dotted_column_can_be_the_target(tmp_path):
    path = tmp_path / "dotted.parquet"
    pd.DataFrame({"a.0": [1.0, 2], "meta.label": [0, 1]}).to_parquet(path)
    assert load(path, target="meta.label").names == ("a",)


def test_null_rows_of_a_foreign_parquet_are_absent(tmp_path):
    path = tmp_path / "null.parquet"
    audio = [None, [1.0, 2.0], [3.0, 4.0]]
    frame = pd.DataFrame({"audio": audio, "face.0": [1.0, None, 3.0], "face.1": [1.0, None, 3.0], "y": [0, 1, 0]})
    frame.to_parquet(path)
    dataset = load(path, target="y")
    assert dataset.present["audio"].tolist() == [False, True, True]
    assert dataset.present["face"].tolist() == [True, False, True]
    np.testing.assert_array_equal(dataset.modalities["audio"][1:], audio[1:])
    frame.assign(**{"face.1": [None, None, 3.0]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"modality 'face'.*1 rows.*row 0"):
        load(path, target="y")


@pytest.mark.parametrize("metadata", [True, False])
def test_columns_of_vectors_are_read_with_and_without_metadata(tmp_path, metadata):
    dataset = rich().select(["audio", "file"])
    save(dataset, tmp_path / "data.parquet")
    table = pq.read_table(tmp_path / "data.parquet")
    assert {"audio.0", "audio.1", "audio.2", "present.audio", "target", "ids", "groups"} < set(table.column_names)
    if not metadata:
        pq.write_table(table.replace_schema_metadata(None), tmp_path / "data.parquet")
    loaded = load(tmp_path / "data.parquet")
    np.testing.assert_array_equal(loaded.modalities["audio"], dataset.modalities["audio"])
    assert loaded.present["audio"].tolist() == dataset.present["audio"].tolist()
    assert (loaded.class_names is not None) == metadata


def test_metadata_that_does_not_fit_is_not_believed(tmp_path):
    table = pa.table({"a.0": [1.0, 2.0], "a.1": [3.0, 4.0]})
    table = table.replace_schema_metadata({"interplay": json.dumps({"shapes": {"a": [7, 7]}})})
    pq.write_table(table, tmp_path / "odd.parquet")
    assert load(tmp_path / "odd.parquet").modalities["a"].shape == (2, 2)


def write_text(path: Path) -> None:
    path.write_text("no data")


def write_objects(path: Path) -> None:
    # The hostile file that loading has to refuse.
    np.savez(path, a=np.ones((2, 1)), b=np.array([{"x": 1}, None]), allow_pickle=True)


def write_ragged(path: Path) -> None:
    pd.DataFrame({"words": [[1.0], [1.0, 2.0]]}).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "write", "arguments", "error", "message"),
    [
        ("none.npz", None, {}, FileNotFoundError, "no file .*none.npz"),
        ("none.h5", None, {}, ValueError, r"suffix among \['.npz', '.parquet'\], found '.h5'"),
        ("none", None, {}, ValueError, "found ''"),
        ("text.npz", write_text, {}, ValueError, "'text.npz': expected an .npz archive"),
        ("text.parquet", write_text, {}, ValueError, "'text.parquet': expected a .parquet file"),
        ("objects.npz", write_objects, {}, ValueError, "'b': .*never unpickled"),
        ("ragged.parquet", write_ragged, {}, ValueError, "'words': expected lists of one length, .*1 to 2; pad"),
        ("ours.npz", "ours", {"target": "label"}, ValueError, r"target: expected one of \['audio', .*found 'label'"),
        ("ours.parquet", "ours", {"target": "label"}, ValueError, r"target: .*'target'.*found 'label'"),
        ("ours.npz", "ours", {"modalities": ["smell"]}, ValueError, "modality: .*found 'smell'"),
        ("ours.npz", "ours", {"ids": "name"}, ValueError, "ids: .*found 'name'"),
    ],
)
def test_complaints(tmp_path, name, write, arguments, error, message):
    path = tmp_path / name
    if write == "ours":
        save(rich(), path)
    elif write is not None:
        write(path)
    with pytest.raises(error, match=message):
        load(path, **arguments)


def test_complaints_when_saving(tmp_path):
    dataset = MultimodalDataset({"a": np.ones((2, 1)), "a.0": np.ones((2, 1, 1))})
    with pytest.raises(ValueError, match=r"\['a.0'\] twice"):
        save(dataset, tmp_path / "twice.parquet")
    with pytest.raises(ValueError, match="ids: expected a different id"):
        save(dataset[[0, 0]], tmp_path / "again.npz")
    with pytest.raises(ValueError, match="suffix"):
        save(dataset, tmp_path / "data.pkl")
    with pytest.raises(FileNotFoundError, match="no folder"):
        save(dataset, tmp_path / "nowhere" / "data.npz")
    assert list(tmp_path.iterdir()) == []
