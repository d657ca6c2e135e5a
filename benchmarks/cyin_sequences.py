"""CyIN, joint and ensemble on real sequences, complete and with each modality alone; one run each.

``shoulder_watch``: accelerometer and gyroscope, windows of 200 steps pooled to 50, tested on other subjects.
``av_digits``: sound as 80 steps of 32 bands beside the image, some rows for training.

    INTERPLAY_DATA=/path/to/data python benchmarks/cyin_sequences.py results.jsonl
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from _real import train_and_test

import interplay as ip

ROWS = 2000
SETTINGS = {"max_epochs": 25, "patience": 8, "batch_size": 64, "width": 32, "random_state": 0}
METHODS = {
    "cyin": lambda: ip.methods.CyIN(tokens=16),
    "joint": lambda: "joint",
    "joint dropout": lambda: "joint",
    "ensemble": lambda: "ensemble",
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


def run(data: str, method: str) -> dict[str, object]:
    """Train and test once."""
    train, test, encoders = parts(data)
    chosen = METHODS[method]()
    missing = 0.3 if method == "joint dropout" else None
    started = time.process_time()
    model = ip.MultimodalClassifier(chosen, encoders=encoders, missing=missing, **SETTINGS).fit(train)
    seconds = time.process_time() - started
    record: dict[str, object] = {"data": data, "method": method, "cpu_seconds": round(seconds, 1)}
    record["complete"] = model.score(test)
    for name in test.names:
        record[f"{name} alone"] = model.score(test.without(*(set(test.names) - {name})))
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="JSON lines; what is there is not run again")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    lines = chosen.results.read_text().splitlines() if chosen.results.exists() else []
    done = {(record["data"], record["method"]) for record in map(json.loads, lines)}
    for data in ("shoulder_watch", "av_digits"):
        for method in METHODS:
            if (data, method) not in done:
                with chosen.results.open("a") as file:
                    file.write(json.dumps(run(data, method)) + "\n")


if __name__ == "__main__":
    main()
