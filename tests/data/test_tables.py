"""Data frames, Hugging Face data sets and MuData: what goes in comes back, what is odd is named."""

import numpy as np
import pandas as pd
import pytest

from interplay import MultimodalDataset


def rich(n: int = 6) -> MultimodalDataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    x[1] = np.nan
    return MultimodalDataset(
        {
            "voice": x,
            "video": rng.normal(size=(n, 4, 2)).astype(np.float32),
            "picture": rng.integers(0, 255, (n, 3, 5, 4)).astype(np.uint8),
            "age": np.arange(n)[:, None],
        },
        np.arange(n) % 3,
        present={"voice": np.arange(n) != 1},
        lengths={"video": np.arange(n) % 5},
        ids=[f"s{i}" for i in range(n)],
        groups=np.arange(n) // 2,
    )


def assert_same(one: MultimodalDataset, two: MultimodalDataset) -> None:
    assert one.names == two.names
    for name in one.names:
        here = two.present[name]
        np.testing.assert_array_equal(one.present[name], here)
        np.testing.assert_array_equal(one.modalities[name][here], two.modalities[name][here])
        assert one.modalities[name].dtype == two.modalities[name].dtype
        np.testing.assert_array_equal(one.lengths.get(name, 0), two.lengths.get(name, 0))
    for role in ("target", "ids", "groups"):
        np.testing.assert_array_equal(getattr(one, role), getattr(two, role))


def test_frame_and_back(tmp_path):
    data = rich()
    frame = data.to_frame()
    assert_same(MultimodalDataset.from_frame(frame), data)
    frame.to_parquet(tmp_path / "frame.parquet")  # without our metadata
    assert_same(MultimodalDataset.load(tmp_path / "frame.parquet"), data)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "pitch": [1.0, None, 3.0],
            "tempo": [4.0, None, 6.0],
            "mfcc_1": [1, 2, 3],
            "mfcc_0": [4, 5, 6],
            "steps": [[1.0, 2.0], None, [3.0, 4.0]],
            "mood": ["sad", "glad", "sad"],
            "who": ["x", "x", "y"],
            "odd": [object(), 3, "?"],
        },
        index=["p", "q", "r"],
    )


def test_columns_are_named_listed_or_begin_alike(frame):
    chosen = {"voice": ["tempo", "pitch"], "sound": "mfcc_", "walk": "steps", "beat": "tempo"}
    data = MultimodalDataset.from_frame(frame, modalities=chosen, target="mood", groups="who", class_names=["G", "S"])
    assert data.names == ("voice", "sound", "walk", "beat")
    assert data.present["voice"].tolist() == data.present["walk"].tolist() == [True, False, True]
    np.testing.assert_array_equal(data.modalities["voice"][[0, 2]], [[4, 1], [6, 3]])
    np.testing.assert_array_equal(data.modalities["sound"], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(data.modalities["walk"][[0, 2]], [[1, 2], [3, 4]])
    assert data.modalities["beat"].shape == (3, 1)
    assert data.ids.tolist() == ["p", "q", "r"]
    assert data.groups.tolist() == ["x", "x", "y"]
    assert data.class_names == ("G", "S")
    counted = MultimodalDataset.from_frame(frame.reset_index(drop=True), modalities={"a": "mfcc_"})
    assert counted.ids.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"modalities": {"voice": ["pitch", "mfcc_0"]}}, "modality 'voice': expected finite .* 1 rows .* row 1"),
        ({"modalities": {"voice": ["pitch", "volume"]}}, r"modality 'voice': .*found \['volume'\]; correct"),
        ({"modalities": {"voice": "volume"}}, r"modality 'voice': .*found \['volume...'\]; correct"),
        ({"modalities": {"voice": []}}, "modality 'voice': .*found none"),
        ({"modalities": {"mood": "mood"}}, "modality 'mood': expected real numbers"),
        ({"modalities": {"sound": "mfcc_"}, "target": "feeling"}, "frame, target: expected one of .*'feeling'"),
        ({"modalities": {"sound": "mfcc_"}, "ids": "who"}, "ids: expected a different id"),
    ],
)
def test_mistakes_in_frames_are_named(frame, keys, message):
    with pytest.raises(ValueError, match=message):
        MultimodalDataset.from_frame(frame, **keys)
    with pytest.raises(ValueError, match=r"frame: expected different strings as column names"):
        MultimodalDataset.from_frame(pd.DataFrame([[1.0, 2.0]]))


def test_hugging_face_and_back():
    hf = pytest.importorskip("datasets")
    data = rich()
    made = data.to_hf()
    assert isinstance(made, hf.Dataset)
    assert made.column_names == data.to_frame().columns.tolist()
    assert_same(MultimodalDataset.from_hf(made), data)
    # Rows that were picked and shuffled are an indirection in a Hugging Face data set.
    assert_same(MultimodalDataset.from_hf(made.select([4, 0, 2])), data[[4, 0, 2]])
    with pytest.raises(ValueError, match=r"expected a datasets.Dataset, found DatasetDict; choose a split"):
        MultimodalDataset.from_hf(hf.DatasetDict({"train": made}))
    named = MultimodalDataset({"a": np.ones((3, 2))}, [0, 1, 1], class_names=["no", "yes"])
    assert MultimodalDataset.from_hf(named.to_hf()).class_names == ("no", "yes")


def test_hugging_face_arrays_images_and_labels():
    hf = pytest.importorskip("datasets")
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 5, 4, 3)).astype(np.uint8)
    rows = {
        "picture": [image.fromarray(pixels[0]), None, image.fromarray(pixels[2])],
        "track": np.arange(24.0).reshape(3, 4, 2).tolist(),
        "text": ["some", "more", "words"],
        "label": [1, 0, 1],
    }
    features = hf.Features(
        picture=hf.Image(),
        track=hf.Array2D((4, 2), "float64"),
        text=hf.Value("string"),
        label=hf.ClassLabel(names=["n", "y"]),
    )
    made = hf.Dataset.from_dict(rows, features=features)
    data = MultimodalDataset.from_hf(made, modalities={"face": "picture", "walk": "track"}, target="label")
    assert data.present["face"].tolist() == [True, False, True]
    np.testing.assert_array_equal(data.modalities["face"][2], pixels[2].transpose(2, 0, 1))
    np.testing.assert_array_equal(data.modalities["walk"], rows["track"])
    assert (data.target.tolist(), data.class_names) == ([1, 0, 1], ("n", "y"))
    with pytest.raises(ValueError, match=r"modality 'text': expected real numbers.*encode text first"):
        MultimodalDataset.from_hf(made, modalities={"text": "text"})
    mixed = hf.Dataset.from_dict({"p": [image.fromarray(pixels[0]), image.fromarray(pixels[0, :3])]})
    with pytest.raises(ValueError, match=r"'p': expected images of one size"):
        MultimodalDataset.from_hf(mixed.cast_column("p", hf.Image()), modalities={"p": "p"})


def test_mudata_and_back():
    mudata = pytest.importorskip("mudata", reason="mudata cannot be installed beside pandas 3 on Python 3.11")
    from anndata import AnnData
    from scipy import sparse

    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (4, 3)).astype(np.float32))
    cells = ["c0", "c1", "c2", "c3", "c4"]
    assays = {
        "rna": AnnData(counts, obs=pd.DataFrame(index=cells[:4]), var=pd.DataFrame(index=["g0", "g1", "g2"])),
        "protein": AnnData(
            rng.normal(size=(3, 2)), obs=pd.DataFrame(index=["c4", "c0", "c2"]), var=pd.DataFrame(index=list("pq"))
        ),
    }
    with mudata.set_options(pull_on_update=False):
        mdata = mudata.MuData(assays)
    kinds = dict(zip(cells, "TTBBT", strict=True))
    mdata.obs["kind"] = pd.Categorical([kinds[c] for c in mdata.obs_names])
    mdata.obs["donor"] = ["d"] * 5
    data = MultimodalDataset.from_mudata(mdata, target="kind", groups="donor")
    assert sorted(data.ids.tolist()) == cells
    assert [kinds[c] for c in data.ids] == data.target.tolist()
    for name, assay in assays.items():
        measured = data.ids[data.present[name]].tolist()
        assert sorted(measured) == sorted(assay.obs_names)
        x = assay[measured].X
        x = x.toarray() if sparse.issparse(x) else x
        np.testing.assert_array_equal(data.modalities[name][data.present[name]], x)
    again = MultimodalDataset.from_mudata(data.to_mudata(), target="target", groups="groups")
    order = [again.ids.tolist().index(c) for c in data.ids]
    assert_same(again[order], data)
    with pytest.raises(ValueError, match=r"'rna': expected a dense matrix of at most .*choose features"):
        MultimodalDataset.from_mudata(mdata, max_bytes=10)
    with pytest.raises(ValueError, match=r"target: expected a column of obs among \['kind', 'donor'\], found 'sort'"):
        MultimodalDataset.from_mudata(mdata, target="sort")
    with pytest.raises(ValueError, match=r"1 rows without"):
        data.without("rna")[data.ids == "c1"].to_mudata()
