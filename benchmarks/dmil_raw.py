"""DMIL and its controls on raw inputs: pictures and sounds by convolutions, motion by transformers; one run each.

    INTERPLAY_DATA=... python benchmarks/dmil_raw.py results.jsonl [--data NAME] [--rows N] [--summary]

``av_digits``: images 28 x 28 and log-mel spectrograms 32 x 80, ``encoders="conv"``. ``shoulder_watch``: windows of
200 steps, mean-pooled to 50 tokens, of an accelerometer and a gyroscope; subjects 8-10 test. One seed, the official
test part, read once: figures, no ranking.
"""

import argparse
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _real import train_and_test
from _records import read, run_missing
from sklearn.metrics import f1_score

from interplay import MultimodalClassifier, MultimodalDataset, methods

DATA = {
    "av_digits": {"encoders": "conv", "max_epochs": 12, "batch_size": 64, "learning_rate": 2e-3, "patience": 12},
    "shoulder_watch": {"max_epochs": 40, "batch_size": 32, "learning_rate": 1e-3, "patience": 12},
}
# Its own schedule.
PUBLISHED = {"max_epochs": 70, "batch_size": 64, "patience": 70}
METHODS = {
    "joint": lambda: methods.Joint(),
    "ensemble": lambda: methods.Ensemble(),
    "unimodal": lambda: methods.Unimodal(),
    "published": lambda: methods.DMIL("published"),
    "ours": lambda: methods.DMIL(),
}


def pooled(dataset: MultimodalDataset, tokens: int = 50) -> MultimodalDataset:
    """Sequences shortened by means of neighbouring steps."""
    short = {name: x.reshape(len(x), tokens, -1, x.shape[-1]).mean(2) for name, x in dataset.modalities.items()}
    return MultimodalDataset(short, dataset.target, groups=dataset.groups, ids=dataset.ids)


def run(data: str, method: str, rows: int | None = None) -> dict[str, Any]:
    """Train one model and score it on the test part, complete and with each modality removed."""
    training, test = train_and_test(data, 0)
    if rows is not None:
        training = training[np.random.default_rng(0).permutation(len(training))[:rows]]
    if data == "shoulder_watch":
        training, test = pooled(training), pooled(test)
    started = time.process_time()
    settings = {**DATA[data], **(PUBLISHED if method == "published" else {})}
    model = MultimodalClassifier(METHODS[method](), random_state=0, **settings).fit(training)
    seconds = time.process_time() - started
    predicted = model.predict(test)
    return {
        "accuracy": float((predicted == test.target).mean()),
        "macro_f1": float(f1_score(test.target, predicted, average="macro")),
        "cpu_seconds": seconds,
        "removed": {name: float(model.score(test.without(name))) for name in test.names},
    }


def summary(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a data set and method."""
    rows = [{**r["case"], **{k: r[k] for k in ("accuracy", "macro_f1", "cpu_seconds")}} for r in records]
    return pd.DataFrame(rows).set_index(["data", "method"]).round(3)


def main() -> None:
    """Run what is not yet in the file, or summarise it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", choices=DATA, help="only this one")
    parser.add_argument("--rows", type=int, help="so many training rows, drawn once")
    parser.add_argument("--summary", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.summary:
        print(summary(read(args.results)).to_string())
        return
    chosen = [args.data] if args.data else DATA
    part = {} if args.rows is None else {"rows": args.rows}
    run_missing(args.results, ({"data": d, "method": m, **part} for d, m in product(chosen, METHODS)), run)


if __name__ == "__main__":
    main()
