"""Deficits by composition: accuracy by kind of ensemble, joint and DMIL, complete and with either modality removed.

    python benchmarks/dmil_sweep.py [--seeds N]

Ensembles cannot form synergy; joint learning may leave the second modality's redundant evidence unlearned, which shows
when the first is removed. DMIL with modality dropout is the version meant for gaps.
"""

import argparse

import pandas as pd
import torch

from interplay import MultimodalClassifier, methods
from interplay.data.datasets import make_interactions

COMPOSITIONS = {
    "1/2 unique + 1/2 redundant": {"unique:a": 0.25, "unique:b": 0.25, "redundancy": 0.5},
    "1/4 unique + 3/4 redundant": {"unique:a": 0.125, "unique:b": 0.125, "redundancy": 0.75},
    "3/4 unique + 1/4 redundant": {"unique:a": 0.375, "unique:b": 0.375, "redundancy": 0.25},
    "1/2 synergistic + 1/2 redundant": {"synergy": 0.5, "redundancy": 0.5},
    **{kind: {kind: 1.0} for kind in ("redundancy", "unique:a", "unique:b", "synergy")},
}
METHODS = {
    "ensemble": lambda: methods.Ensemble(),
    "joint": lambda: methods.Joint(),
    "ours": lambda: methods.DMIL(),
    "ours, dropout": lambda: methods.DMIL(modality_dropout=0.3),
}
BUDGET = {"max_epochs": 30, "batch_size": 64, "learning_rate": 3e-3, "patience": 6}


def accuracies(name: str, method: str, seed: int) -> list[dict[str, object]]:
    """One row a kind and removed modality."""
    settings = {"n_classes": 4, "n_features": 24, "noise": 0.5, "structure_state": seed}
    training = make_interactions(COMPOSITIONS[name], n_samples=2000, random_state=2 * seed + 1, **settings)
    test = make_interactions(COMPOSITIONS[name], n_samples=2000, random_state=2 * seed + 2, **settings)
    model = MultimodalClassifier(METHODS[method](), random_state=seed, **BUDGET).fit(training.dataset)
    rows = []
    for removed in ((), ("a",), ("b",)):
        right = model.predict(test.dataset.without(*removed)) == test.dataset.target
        row = {"composition": name, "method": method, "removed": "".join(removed) or "none", "seed": seed}
        rows.append({**row, "all": right.mean(), **{k: right[test.kind == k].mean() for k in sorted(set(test.kind))}})
    return rows


def main() -> None:
    """Print the table, a composition at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    for name in COMPOSITIONS:
        rows = [row for method in METHODS for seed in seeds for row in accuracies(name, method, seed)]
        keys = ["composition", "method", "removed"]
        print(pd.DataFrame(rows).groupby(keys, sort=False).mean().drop(columns="seed").round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
