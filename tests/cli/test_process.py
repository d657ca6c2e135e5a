"""The command as a process: quick start, exit codes, separate streams, interrupts."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import interplay

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(interplay.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
COMMAND = [sys.executable, "-W", "error", "-c", "from interplay.cli import main; main()"]


def run(*words):
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=300
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom interplay.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pytorch_lightning', 'matplotlib', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_starts_quickly():
    started = time.perf_counter()
    run("--help")
    whole = time.perf_counter() - started
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import typer, rich.console"], env=ENVIRONMENT, check=True)
    # Relative to what it cannot do without, so that a busy machine does not fail it.
    assert whole < 1.0 or whole < 4 * (time.perf_counter() - started)


def test_streams_and_codes(folder):
    done = run("predict", folder / "model", "--input", folder / "left.npz", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 20
    assert done.stderr == "note: 'left.npz' has no right: counted as missing in all 20 rows\n"
    wrong = run("predict", folder / "nothing", "--input", folder / "left.npz", "--json")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: no model in")
    assert "Traceback" not in wrong.stderr
    assert run("predict").returncode == 2


def test_the_package_is_the_command_too():
    words = [sys.executable, "-m", "interplay", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    assert done.stdout.split()[-1] == interplay.__version__


def test_debug_shows_where(folder):
    done = run("predict", folder / "nothing", "--input", folder / "left.npz", "--debug")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "persistence.py" in done.stderr


# An interrupt that surely falls into training: the third loss sends it.
INTERRUPTED = """
import os, signal
from interplay.methods import DMIL
calls, loss = [], DMIL.loss
def interrupt(self, *given):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return loss(self, *given)
DMIL.loss = interrupt
from interplay.cli import main
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="interrupts are sent otherwise there")
def test_interrupt_ends_quietly_and_keeps_the_old_model(folder):
    old = (folder / "model" / "model.safetensors").read_bytes()
    words = ["train", folder / "data.parquet", "--output", folder / "model"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERRUPTED, *map(str, words)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert (folder / "model" / "model.safetensors").read_bytes() == old
