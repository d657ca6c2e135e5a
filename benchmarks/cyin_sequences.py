"""CyIN and others on real sequences: complete, each modality alone, mean over missing rates; one run each.

``shoulder_watch``: accelerometer and gyroscope, windows of 200 steps pooled to 50, tested on other subjects.
``av_digits``: sound as 80 steps of 32 bands beside the image, some rows for training.

    INTERPLAY_DATA=/path/to/data python benchmarks/cyin_sequences.py results.jsonl
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _real import train_and_test
from _records import read, run_missing

import interplay as ip

ROWS = 2000
SETTINGS = {"max_epochs": 25, "patience": 8, "batch_size": 64, "width": 32, "random_state": 0}
# Estimator settings on top of SETTINGS by method.
METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "cyin": (ip.methods.CyIN(tokens=16), {}),
    "cyin published": (ip.methods.CyIN("published", tokens=16), {"max_epochs": 40, "patience": 40}),
    "dmil": ("dmil", {}),
    "tcmax": ("tcmax", {}),
    "joint": ("joint", {}),
    "joint zero": (ip.methods.Joint(fill="zero"), {}),
    "joint dropout": ("joint", {"missing": 0.3}),
    "ensemble": ("ensemble", {}),
    "knnimpute": ("knnimpute", {}),
    "poe": ("poe", {}),
}


def _pooled(data: ip.MultimodalDataset) -> ip.MultimodalDataset:
    x = {name: v.reshape(len(v), 50, -1, v.shape[2]).mean(2) for name, v in data.modalities.items()}
    return ip.MultimodalDataset(x, data.target, groups=data.groups)


def _heard(data: ip.MultimodalDataset) -> ip.MultimodalDataset:
    """Log-mel spectrograms 32 x 80 as 80 steps of 32; the image stays an image."""
    x = {"image": data.modalities["image"], "audio": data.modalities["audio"].transpose(0, 2, 1)}
    return ip.MultimodalDataset(x, data.target)


def parts(name: str) -> tuple[ip.MultimodalDataset, ip.MultimodalDataset, dict[str, str]]:
    """Training part, test part and encoders."""
    train, test = train_and_test(name, 0)
    if name == "shoulder_watch":
        return _pooled(train), _pooled(test), {}
    rows = np.random.default_rng(0).permutation(len(train))[:ROWS]
    return _heard(train[rows]), _heard(test), {"image": "conv"}


def run(data: str, method: str) -> dict[str, Any]:
    """Train and test once."""
    train, test, encoders = parts(data)
    chosen, settings = METHODS[method]
    started = time.process_time()
    model = ip.MultimodalClassifier(chosen, encoders=encoders, **{**SETTINGS, **settings}).fit(train)
    seconds = time.process_time() - started
    found = ip.evaluation.robustness(model, test, draws=3, random_state=0)
    alone = found.subsets[found.subsets["size"] == 1].set_index("subset")["accuracy"]
    return {
        "cpu_seconds": round(seconds, 1),
        "complete": found.complete,
        **{f"{name} alone": value for name, value in alone.items()},
        "mean_subsets": found.mean_subsets,
        "mean_rates": found.mean_rates,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="JSON lines; what is there is not run again")
    parser.add_argument("--summary", action="store_true", help="show what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.summary:
        frame = pd.DataFrame([{**r["case"], **r} for r in read(chosen.results)]).drop(columns="case")
        print(frame.round(3).to_markdown(index=False))
        return
    cases = [{"data": data, "method": method} for data in ("shoulder_watch", "av_digits") for method in METHODS]
    run_missing(chosen.results, cases, run)


if __name__ == "__main__":
    main()
