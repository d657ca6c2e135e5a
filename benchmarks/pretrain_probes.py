"""Probes on pre-trained encoders: agreement only against agreement that allows disagreement, few labels, 5 seeds.

    python benchmarks/pretrain_probes.py [number of seeds]

`make_interactions` with equal shares of the four kinds, 3 classes, 4000 pairs without labels; encoders of width 8, so
that there is not room for everything. A linear probe cannot show synergy; the one-hidden-layer probe can.
"""

import sys
from collections import defaultdict

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interplay.data import datasets
from interplay.training.pretrain import pretrain

KINDS = ("redundancy", "unique:a", "unique:b", "synergy")


def probes():
    yield "linear", LogisticRegression(max_iter=1000)
    yield "one hidden layer", MLPClassifier((64,), alpha=1e-2, max_iter=400, random_state=0)


def run(seeds: int) -> None:
    found = defaultdict(list)
    for seed in range(seeds):
        made = datasets.make_interactions(dict.fromkeys(KINDS, 0.25), n_classes=3, n_samples=6000, random_state=seed)
        data, kind, y = made.dataset, np.asarray(made.kind), made.dataset.codes
        pairs, test = np.arange(4000), np.arange(4000, 6000)
        for objective in ("agreement", "disagreement"):
            fitted = pretrain(
                data[pairs],
                objective=objective,
                width=8,
                drop=0.2,
                max_epochs=60,
                learning_rate=3e-3,
                random_state=seed,
            )
            z = np.hstack(list(fitted.encode(data).values()))
            for share in (0.01, 0.05, 0.1):
                rows = pairs[: int(share * len(pairs))]
                for name, probe in probes():
                    right = make_pipeline(StandardScaler(), probe).fit(z[rows], y[rows]).predict(z[test]) == y[test]
                    score = [right.mean(), *(right[kind[test] == k].mean() for k in KINDS)]
                    found[objective, share, name].append(score)
    print("objective | labels | probe | all |", " | ".join(KINDS))
    for (objective, share, name), scores in found.items():
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(np.mean(scores, 0), np.std(scores, 0), strict=True)]
        print(f"{objective} | {share:.0%} | {name} | " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
