"""Mistakes made on purpose: one plain sentence with the remedy on standard error, nothing on standard output."""

import numpy as np
import pytest
from typer.testing import CliRunner

from interplay.cli import app

# name, words of the command ({} is the folder with the files), exit code, what the sentence says
MISTAKES = [
    ("no such file", "measure {}/nothing.npz", 1, "no file '{}/nothing.npz'; expected a .npz or .parquet file"),
    (
        "misspelt target",
        "measure {}/data.npz --target lable",
        1,
        "target: expected one of ['left', 'right', 'label', 'is_test', 'writer'], found 'lable'; correct the name",
    ),
    (
        "a label taken for a modality",
        "train {}/data.npz --target label --output {}/x",
        1,
        "'is_test': expected an array (n, features), found shape (400,), which may be no modality; choose with",
    ),
    (
        "misspelt modality",
        "measure {}/data.npz --target label --modalities left,rigth",
        1,
        "modality: expected one of ['left', 'right', 'label', 'is_test', 'writer'], found 'rigth'; correct the name",
    ),
    (
        "not a number in the data",
        "train {}/nan.npz --target label --output {}/x",
        1,
        "left",
    ),
    (
        "unknown method",
        "train {}/data.parquet --method jiont --output {}/x",
        1,
        "unknown method 'jiont'; choose one of ",
    ),
    (
        "a model that is none",
        "predict {} --input {}/data.npz",
        1,
        "no model in '{}': expected the file model.safetensors",
    ),
    (
        "other features than in training",
        "predict {}/model --input {}/wide.npz",
        1,
        "modality 'left': expected samples of shape (32,), as in training, found (7,); prepare the data as",
    ),
    (
        "none of the model's modalities",
        "predict {}/model --input {}/other.npz",
        1,
        "'other.npz' has none of the model's modalities ['left', 'right'], found ['audio']; rename them",
    ),
    (
        "output over the input",
        "predict {}/model --input {}/data.parquet --output {}/data.parquet",
        1,
        "'{}/data.parquet' is the input; write the output to another file",
    ),
    (
        "a folder with something else",
        "train {}/data.parquet --output {}",
        1,
        "holds something else (no model.safetensors); choose another folder, or add --force",
    ),
    (
        "two test parts",
        "train {}/data.npz --target label --test is_test --test-size 0.2 --output {}/x",
        2,
        "give --test or --test-size, not both; see 'interplay train --help'",
    ),
    (
        "a figure of nothing",
        "evaluate {}/model --input {}/data.npz --target label --figure {}/c.png",
        2,
        "--figure draws the curve of --missing; add --missing",
    ),
    (
        "a figure in no format",
        "evaluate {}/model --input {}/data.npz --target label --missing --figure {}/c.txt",
        2,
        "a figure's file must end in .png, .svg or .pdf",
    ),
    (
        "a rate that cannot be had",
        "train {}/data.parquet --output {}/x --missing-rate 0.6",
        1,
        "expected at most 0.5 with 2 modalities, found 0.6",
    ),
    ("no output", "train {}/data.npz", 2, "Missing option '--output' / '-o'; see 'interplay train --help'"),
    ("unknown command", "trian {}/data.npz", 2, "No such command 'trian'"),
    (
        "a word for a number",
        "train {}/data.npz --output {}/x --epochs many",
        2,
        "Invalid value for '--epochs'",
    ),
    ("unknown device", "train {}/data.parquet --output {}/x --device gpu", 1, "device"),
    ("no result to report", "report {}/model", 1, "no results.json in '{}/model'; give the folder that"),
    ("damaged file", "measure {}/damaged.npz", 1, "expected an .npz archive of arrays, found something else"),
    ("wrong encoder option", "train {}/data.parquet --output {}/x --encoder conv", 2, "--encoder takes name=value"),
    ("no such method to test", "faithfulness jiont", 1, "unknown method 'jiont'; choose one of agm, "),
    ("no such parameter", "faithfulness --param widht=3", 1, "DMIL has no parameter 'widht'"),
    ("no such option", "faithfulness discrete --param bins=3", 1, "estimator 'discrete' has no option 'bins'; --param"),
    ("shares that do not sum to 1", "faithfulness --kind synergy=0.5", 1, "shares of at least 0 that sum to 1"),
    ("no such kind", "faithfulness --kind synergie=1", 1, "expected kinds among ['redundancy', 'unique:a', "),
    ("a share that is no number", "faithfulness --kind synergy=half", 2, "--kind synergy: expected a share such as"),
    ("noise below zero", "faithfulness --noise=-1", 1, "noise: expected a standard deviation of at least 0"),
    ("one class", "faithfulness --classes 1", 1, "n_classes: expected an integer of at least 2"),
    ("a table of no format", "faithfulness --table {}/kinds.txt", 2, "must end in .csv or .parquet, found 'kinds.txt'"),
    ("no folder", "faithfulness --figure {}/nowhere/f.png", 1, "no folder '{}/nowhere'; make it first"),
    (
        "unknown definition",
        "measure {}/data.parquet --redundancy bruja",
        1,
        "bruja",
    ),
]


@pytest.fixture(scope="module")
def prepared(folder):
    data = dict(np.load(folder / "data.npz"))
    halves = {name: data[name].copy() for name in ("left", "right")}
    halves["left"][3, 2] = np.nan
    np.savez(folder / "nan.npz", **halves, label=data["label"])
    np.savez(folder / "wide.npz", left=np.ones((5, 7)), right=halves["right"][:5])
    np.savez(folder / "other.npz", audio=np.ones((5, 7)))
    (folder / "damaged.npz").write_bytes(b"PK this is no archive")
    return folder


@pytest.mark.parametrize(("words", "code", "sentence"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistake(prepared, words, code, sentence):
    before = sorted(prepared.iterdir())
    result = CliRunner().invoke(app, words.replace("{}", str(prepared)).split())
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert sentence.replace("{}", str(prepared)) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert sorted(prepared.iterdir()) == before
