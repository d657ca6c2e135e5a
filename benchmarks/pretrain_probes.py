"""Probes on pre-trained encoders with few labels: no pre-training, agreement only, agreement that allows disagreement.

    python benchmarks/pretrain_probes.py run RESULTS.jsonl SEED [DATA ...]
    python benchmarks/pretrain_probes.py report RESULTS.jsonl

DATA: mixes of `make_interactions` (equal, redundancy, unique, synergy: 3 classes, 4000 pairs, encoders of width 8, so
that there is not room for everything) and real sets (from INTERPLAY_DATA; default settings; official or seeded split).
A linear probe cannot show synergy; the one-hidden-layer probe can. "none": probes on the standardised features.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from _real import train_and_test
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interplay.data import datasets
from interplay.training import pretrain

KINDS = ("redundancy", "unique:a", "unique:b", "synergy")
MIXES = {
    "equal": (0.25, 0.25, 0.25, 0.25),
    "redundancy": (0.7, 0.1, 0.1, 0.1),
    "unique": (0.1, 0.4, 0.4, 0.1),
    "synergy": (0.1, 0.1, 0.1, 0.7),
}
REAL = {
    "av_digits_small": ("image", "audio"),
    "ravdess": ("audio", "face"),
    "100leaves": ("margin", "texture"),
    "handwritten6": ("fou", "zer"),
}
SCARCE = {"width": 8, "drop": 0.2, "max_epochs": 60, "learning_rate": 3e-3}
SHARES = (0.01, 0.05, 0.1)


def probes():
    yield "linear", LogisticRegression(max_iter=1000)
    yield "one hidden layer", MLPClassifier((64,), alpha=1e-2, max_iter=400, random_state=0)


def load(name, seed):
    """Pairs to pre-train and probe on, test data, kind of every test sample, settings of `pretrain`."""
    if name in REAL:
        train, test = (part.select(REAL[name]) for part in train_and_test(name, seed))
        return train, test, None, {}
    shares = dict(zip(KINDS, MIXES[name], strict=True))
    made = datasets.make_interactions(shares, n_classes=3, n_samples=6000, random_state=seed)
    return made.dataset[:4000], made.dataset[4000:], np.asarray(made.kind)[4000:], SCARCE


def features(data):
    return np.hstack([np.nan_to_num(x.reshape(len(x), -1)) for x in data.modalities.values()])


def run(path, seed, names):
    for name in names:
        train, test, kind, settings = load(name, seed)
        y, truth = train.codes, np.searchsorted(np.unique(train.target), test.target)
        for objective in ("none", "agreement", "disagreement"):
            if objective == "none":
                z, z_test = features(train), features(test)
            else:
                fitted = pretrain(train, objective=objective, random_state=seed, **settings)
                z, z_test = (np.hstack(list(fitted.encode(data).values())) for data in (train, test))
            for share in SHARES:
                n_rows = max(int(share * len(y)), len(np.unique(y)))
                rows, _ = train_test_split(np.arange(len(y)), train_size=n_rows, stratify=y, random_state=seed)
                for probe, model in probes():
                    right = make_pipeline(StandardScaler(), model).fit(z[rows], y[rows]).predict(z_test) == truth
                    row = {"data": name, "seed": seed, "objective": objective, "share": share, "probe": probe}
                    row |= {"labels": n_rows, "all": float(right.mean())}
                    row |= {} if kind is None else {k: float(right[kind == k].mean()) for k in KINDS}
                    with Path(path).open("a") as file:
                        file.write(json.dumps(row) + "\n")


def report(path):
    found = defaultdict(list)
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        key = row["data"], row["share"], row["probe"], row["objective"]
        found[key].append([row.get(name, np.nan) for name in ("labels", "all", *KINDS)])
    print("data | share | labels | probe | objective | seeds | all ± sd | " + " | ".join(KINDS))
    for key, scores in sorted(found.items()):
        labels, *mean = np.mean(scores, 0)
        cells = [f"{m:.3f}" for m in mean]
        cells[0] += f" ± {np.std(scores, 0)[1]:.3f}"
        print(*key[:2], int(labels), *key[2:], len(scores), *cells, sep=" | ")


if __name__ == "__main__":
    if sys.argv[1] == "report":
        report(sys.argv[2])
    else:
        run(sys.argv[2], int(sys.argv[3]), sys.argv[4:] or [*MIXES, *REAL])
