"""Files and a trained model that the tests of the command share."""

import numpy as np
import pytest
from typer.testing import CliRunner

from interplay.cli import app
from interplay.data.datasets import load_digit_halves


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with data.npz (own names), data.parquet (ours), left.npz (one modality) and a trained model."""
    path = tmp_path_factory.mktemp("command")
    digits = load_digit_halves()[:400]
    halves = {name: digits.modalities[name] for name in digits.names}
    marks = np.arange(400) % 4 == 0
    np.savez(path / "data.npz", **halves, label=digits.target, is_test=marks, writer=np.arange(400) // 10)
    np.savez(path / "left.npz", left=halves["left"][:20])
    digits.save(path / "data.parquet")
    result = invoke("train", path / "data.npz", *WITH_TEST, "--output", path / "model", "--epochs", 8, "--seed", 1)
    assert result.exit_code == 0, result.stderr
    return path


WITH_TEST = ("--target", "label", "--modalities", "left,right", "--test", "is_test")


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])
