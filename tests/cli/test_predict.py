"""Prediction in batches: the same bits as at once, any modality absent, nothing half-written."""

import itertools
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from interplay import MultimodalClassifier, MultimodalDataset, MultimodalRegressor
from interplay.cli import app
from interplay.cli.predict import answers
from interplay.data import streaming

N = 3000  # three batches of 1024


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert "Traceback" not in result.output
    return result


def make(n, seed=0, **more):
    rng = np.random.default_rng(seed)
    x = {
        "voice": rng.normal(size=(n, 3)),
        "face": rng.integers(0, 9, (n, 2)),
        "words": rng.normal(size=(n, 4, 2)).astype(np.float32),
    }
    present = {"voice": rng.random(n) > 0.3, "face": rng.random(n) > 0.3}
    x["voice"][~present["voice"]] = np.nan
    y = np.where(np.nan_to_num(x["voice"][:, 0]) + x["words"][:, 0, 0] > 0, "yes", "no")
    lengths = {"words": rng.integers(0, 5, n)}
    return MultimodalDataset(x, y, present=present, lengths=lengths, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    MultimodalClassifier("dmil", max_epochs=2, width=8, random_state=0).fit(make(200)).save(folder / "model")
    make(N, 1, ids=[f"s{i}" for i in range(N)]).save(folder / "new.parquet")
    # As other tools write it: no metadata, other row groups, null rows instead of masks.
    table = pq.read_table(folder / "new.parquet").to_pandas()
    for name in ("voice", "face"):
        columns = [c for c in table if c.startswith(f"{name}.")]
        table[columns] = table[columns].astype(float).mask(~table[f"present.{name}"])
        table = table.drop(columns=f"present.{name}")
    table.drop(columns="ids").to_parquet(folder / "foreign.parquet", row_group_size=700)
    return folder


@pytest.mark.parametrize("file", ["new.parquet", "foreign.parquet"])
@pytest.mark.parametrize("options", [(), ("--explain",)])
def test_the_same_bits_as_at_once(place, tmp_path, file, options, monkeypatch):
    sizes = []
    explain = MultimodalClassifier.explain

    def spy(self, X, **more):
        sizes.append(len(X))
        return explain(self, X, **more)

    model = MultimodalClassifier.load(place / "model")
    whole = MultimodalDataset.load(place / file, modalities=["voice", "face", "words"], target="target")
    expected = answers(model, whole, explain=bool(options))
    monkeypatch.setattr(MultimodalClassifier, "explain", spy)
    result = invoke(
        "predict", place / "model", "--input", place / file, "--output", tmp_path / "y.parquet", "--rows", 1, *options
    )
    assert result.exit_code == 0, result.stderr
    assert sizes == [1024, 1024, 952]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "y.parquet"), expected, check_exact=True)
    np.testing.assert_array_equal(expected[["p:no", "p:yes"]], model.predict_proba(whole))
    assert pq.read_metadata(tmp_path / "y.parquet").num_row_groups == 3
    expected.to_parquet(tmp_path / "once.parquet")
    assert pq.read_schema(tmp_path / "y.parquet").equals(pq.read_schema(tmp_path / "once.parquet"), check_metadata=True)


def test_csv_from_batches(place, tmp_path):
    words = ("predict", place / "model", "--input", place / "new.parquet", "--rows", 1, "--explain")
    assert invoke(*words, "--output", tmp_path / "y.csv").exit_code == 0
    assert (tmp_path / "y.csv").read_text() == invoke(*words).stdout
    assert len(pd.read_csv(tmp_path / "y.csv")) == N


def test_modalities_that_are_no_columns_are_absent(place, tmp_path):
    table = pq.read_table(place / "new.parquet")
    kept = [c for c in table.column_names if not c.startswith(("voice", "present.voice"))]
    pq.write_table(table.select(kept), tmp_path / "less.parquet")
    result = invoke(
        "predict", place / "model", "--input", tmp_path / "less.parquet", "--output", tmp_path / "y.parquet"
    )
    assert "has no voice: counted as missing in all 3000 rows" in result.stderr
    expected = MultimodalClassifier.load(place / "model").explain(make(N, 1).without("voice"))
    found = pd.read_parquet(tmp_path / "y.parquet")
    np.testing.assert_array_equal(found["probability"], expected["probability"])


def test_neither_target_nor_subjects_are_looked_at(place, tmp_path):
    table = pq.read_table(place / "foreign.parquet").to_pandas()
    table.assign(target=None, groups=1.5).to_parquet(tmp_path / "odd.parquet")
    words = ("predict", place / "model", "--input")
    one, two = (invoke(*words, path) for path in (tmp_path / "odd.parquet", place / "foreign.parquet"))
    assert one.exit_code == 0, one.stderr
    assert one.stdout == two.stdout


def spoil_value(table):
    table.loc[2500, "voice.1"] = np.nan
    return table


def spoil_mask(table):
    table["words"] = [x if row != 2500 else [[np.inf, 0.0]] * 4 for row, x in enumerate(table["words"])]
    table.loc[2500, "lengths.words"] = 4
    return table


def spoil_length(table):
    table.loc[2500, "lengths.words"] = 9
    return table


def spoil_list(table):
    table["words"] = [x if row != 2500 else [[0.0, 0.0]] * 3 for row, x in enumerate(table["words"])]
    return table


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_value, "rows 2048 to 2999 of 'bad.parquet': modality 'voice': .* the first is row 2500; mark them"),
        (spoil_mask, "rows 2048 to 2999 of 'bad.parquet': modality 'words': .* the first is row 2500; mark them"),
        (spoil_length, "lengths\\['words'\\]: .* the first is row 2500 with 9"),
        (spoil_list, "rows 2048 to 2999 of 'bad.parquet': column 'words': expected lists of one length"),
    ],
)
def test_a_bad_row_late_in_the_file_leaves_nothing_behind(place, tmp_path, spoil, message):
    table = pq.read_table(place / "new.parquet").to_pandas()
    table["present.voice"] = True
    table[["voice.0", "voice.1", "voice.2"]] = table[["voice.0", "voice.1", "voice.2"]].fillna(0.0)
    spoil(table).to_parquet(tmp_path / "bad.parquet")
    kept = tmp_path / "y.parquet"
    kept.write_text("old")
    result = invoke("predict", place / "model", "--input", tmp_path / "bad.parquet", "--output", kept, "--rows", 1)
    assert result.exit_code == 1
    assert re.search(message, result.stderr), result.stderr
    assert kept.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.parquet", "y.parquet"]


def test_ids_that_come_again_in_another_batch_are_found(place, tmp_path):
    table = pq.read_table(place / "new.parquet").to_pandas()
    table.loc[2999, "ids"] = "s3"
    table.to_parquet(tmp_path / "twice.parquet")
    result = invoke("predict", place / "model", "--input", tmp_path / "twice.parquet")
    assert result.exit_code == 1
    assert "occur more than once, the first is 's3'" in result.stderr


def test_no_rows_are_a_mistake(place, tmp_path):
    pq.write_table(pq.read_table(place / "new.parquet")[:0], tmp_path / "none.parquet")
    result = invoke("predict", place / "model", "--input", tmp_path / "none.parquet", "--output", tmp_path / "y.csv")
    assert result.exit_code == 1
    assert "at least 1 row" in result.stderr
    assert not (tmp_path / "y.csv").exists()


@pytest.mark.parametrize("size", [1, 7, 700, 5000])
def test_batches_have_one_size_whatever_the_row_groups(place, size):
    rows = streaming.open_rows(place / "foreign.parquet", ["words", "smell", "voice"])
    assert (rows.absent, rows.count) == (("smell",), N)
    data = list(itertools.islice(rows.batches(size), 50))
    assert {len(part) for part in data[:-1]} <= {size}
    np.testing.assert_array_equal(np.concatenate([part.ids for part in data]), np.arange(min(50 * size, N)))
    assert not any(part.present["smell"].any() for part in data)


def test_a_regressor_streams_too(tmp_path):
    data = make(1500, 2).with_target(np.arange(1500.0))
    model = MultimodalRegressor("joint", max_epochs=1, width=8, random_state=0).fit(data)
    model.save(tmp_path / "model")
    data.save(tmp_path / "new.parquet")
    invoke("predict", tmp_path / "model", "-i", tmp_path / "new.parquet", "-o", tmp_path / "y.parquet", "--rows", 9)
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "y.parquet")["prediction"], model.predict(data))
