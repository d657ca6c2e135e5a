"""Which head of TCMax should be the default? Compared on splits of the training parts only; test parts stay unseen.

    INTERPLAY_DATA=/path/to/data python benchmarks/tcmax_heads.py results.jsonl --seeds 5

Each seed draws its own quarter of the training part to judge on (whole actors where there are groups), the validation
rows inside the rest, and the initial weights. Results are appended run by run; a second call goes on where one stopped.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _real import train_and_test

import interplay as ip

HEADS = ip.methods.TCMax.limits["head"]
# Not cmu_mosi: its features have seen the labels of its training part.
DATA = ("ravdess", "100leaves", "handwritten6", "crema_d_votes")
METHODS = (*(f"tcmax:{head}" for head in HEADS), "naivebayes", "joint", "i2m2")
METRICS = ("accuracy", "nll", "alone", "seconds")


def judge(data: str, method: str, seed: int) -> dict[str, object]:
    train, _ = train_and_test(data, 0)
    train, judged = train.split(0.25, random_state=100 + seed)
    chosen = ip.methods.TCMax(method.removeprefix("tcmax:")) if method.startswith("tcmax:") else method
    start = time.process_time()
    model = ip.MultimodalClassifier(chosen, random_state=seed, max_epochs=30, patience=6, batch_size=128).fit(train)
    seconds = time.process_time() - start
    p = np.maximum(model.predict_proba(judged), 1e-12)
    y = np.searchsorted(model.classes_, judged.target)
    others = [[other for other in judged.names if other != name] for name in judged.names]
    alone = np.mean([model.score(judged.without(*names)) for names in others])
    return {
        "data": data, "method": method, "seed": seed,
        "accuracy": float((p.argmax(1) == y).mean()), "nll": float(-np.log(p[np.arange(len(y)), y]).mean()),
        "alone": float(alone), "seconds": seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {(r["data"], r["method"], r["seed"]) for r in map(json.loads, lines)}
    for seed in range(options.seeds):
        for data in options.data:
            for method in METHODS:
                if (data, method, seed) not in done:
                    with options.results.open("a") as file:
                        file.write(json.dumps(judge(data, method, seed)) + "\n")
    frame = pd.read_json(options.results, lines=True)
    for metric in METRICS:
        table = frame.pivot_table(index="method", columns="data", values=metric, aggfunc=["mean", "std"])
        text = table["mean"].round(3).astype(str) + " ± " + table["std"].round(3).astype(str)
        text["mean"] = table["mean"].mean(axis=1).round(3)
        print(f"\n{metric}\n\n{text.to_markdown()}")


if __name__ == "__main__":
    main()
