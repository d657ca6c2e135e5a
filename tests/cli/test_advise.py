"""``interplay advise``."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from interplay.cli import app
from interplay.data.datasets import make_interactions


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    data = make_interactions({"unique:a": 0.5, "unique:b": 0.5}, n_samples=300, random_state=0).dataset
    path = tmp_path_factory.mktemp("advise") / "data.npz"
    np.savez(path, **data.modalities, mood=data.target, who=np.arange(300) // 5)
    return path


def test_words_and_json_say_the_same(file):
    options = ("--target", "mood", "--groups", "who", "--quick", "--folds", 3)
    said = invoke("advise", file, *options)
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith("Fusion is worth it: +0.")
    assert "3-fold cross-validation of 300 rows of 60 groups" in said.stdout
    found = json.loads(invoke("advise", file, *options, "--json").stdout)
    assert found["text"] == said.stdout.rstrip("\n")
    assert (found["fusion"], found["method"], found["n_groups"]) == ("yes", "logistic", 60)
    assert found["gain"]["low"] > 0
    assert found["candidates"][0]["modality"] is None
    assert {row["modality"] for row in found["modalities"]} == {"a", "b"}


def test_options_reach_the_library(file):
    options = ("--target", "mood", "--modalities", "a,b", "--quick", "--max-rows", 100, "--least", 0.9)
    found = json.loads(invoke("advise", file, *options, "--json").stdout)
    assert (found["n_samples"], found["fusion"]) == (100, "yes")  # a sure gain is one, however small


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--target", "mood", "--modalities", "a"), 1, "two modalities"),
        (("--target", "mood", "--modalities", "a,b", "--methods", "magic"), 1, "unknown methods"),
        (("--target", "nothing"), 1, "nothing"),
        (("--folds", "many"), 2, "folds"),
    ],
)
def test_mistakes_are_one_sentence(file, options, code, message):
    result = invoke("advise", file, *options)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
