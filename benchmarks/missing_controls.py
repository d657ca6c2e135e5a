"""The cheap controls for missing modalities on real data: complete, every subset, missing rates.

    INTERPLAY_DATA=/path/to/data python benchmarks/missing_controls.py --output controls.jsonl --seeds 0 1 2
    python benchmarks/missing_controls.py --output controls.jsonl --table

One setting for all, nothing tuned; official test parts where there are any. A line a model; a run goes on where the
file stops.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
from _real import train_and_test

import interplay as ip
from interplay.evaluation.robustness import robustness

DATA = ("100leaves", "breast_tcga", "cmu_mosi", "handwritten6", "ravdess")
RATE = 0.3
CONTROLS: dict[str, tuple[Any, float | None]] = {
    "joint (mean filling)": ("joint", None),
    "joint, zero filling": (ip.methods.Joint(fill="zero"), None),
    "joint, dropout": ("joint", RATE),
    "joint, zero filling, dropout": (ip.methods.Joint(fill="zero"), RATE),
    "knnimpute": ("knnimpute", None),
    "knnimpute, dropout": ("knnimpute", RATE),
    "poe": ("poe", None),
    "poe, dropout": ("poe", RATE),
    "ensemble": ("ensemble", None),
    "dmil": ("dmil", None),
    "dmil, dropout": ("dmil", RATE),
}
SCORES = ["complete", "mean_subsets", "mean_rates", "relative", "effective"]


def run(output: Path, data: list[str], seeds: list[int]) -> None:
    known = {(r["data"], r["control"], r["seed"]) for r in read(output)} if output.exists() else set()
    for seed in seeds:
        for name in data:
            train, test = train_and_test(name, seed)
            for control, (method, missing) in CONTROLS.items():
                if (name, control, seed) in known:
                    continue
                started = time.process_time()
                model = ip.MultimodalClassifier(
                    method, missing=missing, max_epochs=30, patience=6, batch_size=128, random_state=seed
                ).fit(train)
                seconds = time.process_time() - started
                found = robustness(model, test).to_dict()
                row = {"data": name, "control": control, "seed": seed, "seconds": round(seconds, 2)}
                row |= {score: found[score] for score in SCORES} | {"chance": found["chance"]}
                with output.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def read(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()]


def table(output: Path) -> None:
    rows = pd.DataFrame(read(output))
    for score in SCORES[:3]:
        cells = rows.groupby(["control", "data"])[score].agg(["mean", "std"])
        text = cells.apply(lambda c: f"{c['mean']:.3f} ± {c['std']:.3f}", axis=1).unstack("data")  # noqa: PD010
        print(f"\n{score}\n{text.reindex(CONTROLS).to_string()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        table(options.output)
    else:
        run(options.output, options.data, options.seeds)


if __name__ == "__main__":
    main()
