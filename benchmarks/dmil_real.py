"""DMIL beside its controls on real data; one JSON line a run, finished runs are skipped.

    INTERPLAY_DATA=... python benchmarks/dmil_real.py results.jsonl [--ablations] [--seeds N] [--summary]

Official test parts where there are any (groups never split); otherwise a quarter for testing, drawn by the seed.
The summary gives mean and standard deviation over seeds, and a paired test of ours against each method: a bootstrap
over test samples of the difference in accuracy, averaged over the seeds of each sample.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _real import train_and_test
from sklearn.metrics import f1_score

from interplay import MultimodalClassifier, methods

DATA = {"crema_d_votes": 5, "ravdess": 5, "cmu_mosi": 5, "100leaves": 5, "av_digits_small": 5, "handwritten6": 3}
BUDGET = {"max_epochs": 60, "batch_size": 64, "learning_rate": 2e-3, "patience": 10}
METHODS = {
    "unimodal": (lambda: methods.Unimodal(), {}),
    "ensemble": (lambda: methods.Ensemble(), {}),
    "joint": (lambda: methods.Joint(), {}),
    "published": (lambda: methods.DMIL("published"), {"max_epochs": 70, "patience": 70}),
    "ours": (lambda: methods.DMIL(), {}),
}
ABLATIONS = {
    "FC": (lambda: methods.DMIL(variational=False), {}),
    "ID": (lambda: methods.DMIL(levels="intra"), {}),
    "CD": (lambda: methods.DMIL(levels="consistency"), {}),
    "corrected": (lambda: methods.DMIL("corrected"), {}),
    "ours": METHODS["ours"],
}


def run(data: str, method: str, seed: int) -> dict[str, Any]:
    """Train one model and score it on the test part."""
    make, change = {**ABLATIONS, **METHODS}[method]
    training, test = train_and_test(data, seed)
    started = time.process_time()
    model = MultimodalClassifier(make(), random_state=seed, **{**BUDGET, **change}).fit(training)
    seconds = time.process_time() - started
    predicted = model.predict(test)
    right = predicted == test.target
    return {
        "data": data,
        "method": method,
        "seed": seed,
        "accuracy": float(right.mean()),
        "macro_f1": float(f1_score(test.target, predicted, average="macro")),
        "cpu_seconds": seconds,
        "ids": test.ids.tolist(),
        "right": right.astype(int).tolist(),
    }


def paired(records: list[dict[str, Any]], data: str, one: str, other: str) -> tuple[float, float, float]:
    """Difference in accuracy and its 95 % bootstrap interval over test samples, seeds of a sample kept together."""
    differences: dict[Any, list[int]] = {}
    chosen = {(r["method"], r["seed"]): r for r in records if r["data"] == data and r["method"] in (one, other)}
    for (method, seed), first in chosen.items():
        second = chosen.get((other, seed))
        if method == one and second is not None:
            for sample, a, b in zip(first["ids"], first["right"], second["right"], strict=True):
                differences.setdefault(sample, []).append(a - b)
    sums = np.array([sum(d) for d in differences.values()])
    counts = np.array([len(d) for d in differences.values()])
    rows = np.random.default_rng(0).integers(len(sums), size=(2000, len(sums)))
    low, high = np.quantile(sums[rows].sum(1) / counts[rows].sum(1), (0.025, 0.975))
    return float(sums.sum() / counts.sum()), float(low), float(high)


def summary(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a data set and method."""
    frame = pd.DataFrame(records)
    table = frame.groupby(["data", "method"], sort=False).agg(
        accuracy=("accuracy", "mean"),
        sd=("accuracy", "std"),
        macro_f1=("macro_f1", "mean"),
        seeds=("seed", "count"),
        cpu=("cpu_seconds", "mean"),
    )
    for data, method in table.index:
        if method != "ours" and (data, "ours") in table.index:
            table.loc[(data, method), ["ours minus", "low", "high"]] = paired(records, data, "ours", method)
    return table.round(3)


def main() -> None:
    """Run what is not yet in the file, or summarise it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--seeds", type=int, default=5, help="at most this many")
    parser.add_argument("--summary", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    records = [json.loads(line) for line in args.results.read_text().splitlines()] if args.results.exists() else []
    if args.summary:
        print(summary(records).to_string())
        return
    done = {(r["data"], r["method"], r["seed"]) for r in records}
    chosen = ABLATIONS if args.ablations else METHODS
    for seed in range(args.seeds):
        for data, seeds in DATA.items():
            if seed < seeds and (not args.ablations or data in ("ravdess", "100leaves")):
                for method in chosen:
                    if (data, method, seed) not in done:
                        with args.results.open("a") as file:
                            file.write(json.dumps(run(data, method, seed)) + "\n")


if __name__ == "__main__":
    main()
