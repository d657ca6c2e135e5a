"""Real data with the labels of the pairs hidden: predicted interval and advice against what trained models reach.

    python benchmarks/bounds_real.py run RESULTS.jsonl [DATA ...]
    python benchmarks/bounds_real.py report RESULTS.jsonl

The training part is cut into three disjoint thirds (by subject where there are subjects): labelled samples of one
modality, labelled samples of the other, unlabelled pairs. Then models see all training labels: logistic regression and
a multilayer perceptron on each modality alone and on both; the best of both kinds is compared on the official test part
(or 30 %). On cmu_mosi two modalities know the training labels, so its thirds come from the test part.
"""

import itertools
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from _real import load
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import interplay as ip

ASKED = ["ravdess", "cmu_mosi", "crema_d_votes", "av_digits_small", "100leaves"]
MORE = ["av_digits_degraded", "wikipedia", "3sources", "handwritten6"]


def thirds(rows, y, groups, seed):
    if groups is None:
        first, rest = train_test_split(rows, train_size=1 / 3, stratify=y[rows], random_state=seed)
        return first, *train_test_split(rest, train_size=1 / 2, stratify=y[rest], random_state=seed)
    parts = np.array_split(np.random.default_rng(seed).permutation(np.unique(groups[rows])), 3)
    return tuple(rows[np.isin(groups[rows], part)] for part in parts)


def split(sample, y, seed):
    if sample.is_test is not None:
        return np.flatnonzero(~sample.is_test), np.flatnonzero(sample.is_test)
    if sample.groups is not None:
        return next(GroupShuffleSplit(1, test_size=0.3, random_state=seed).split(y, y, sample.groups))
    return train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)


def reached(x, y, train, test, seed):
    """Test accuracy of the linear and the nonlinear model."""
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    network = make_pipeline(
        StandardScaler(),
        MLPClassifier((128,), alpha=1e-2, early_stopping=len(train) > 1000, max_iter=40, random_state=seed),
    )
    return tuple(float(m.fit(x[train], y[train]).score(x[test], y[test])) for m in (linear, network))


def one(name, seed=0):
    sample = load(name)
    y = np.unique(sample.target, return_inverse=True)[1]
    train, test = split(sample, y, seed)
    flat = {k: np.nan_to_num(v.reshape(len(y), -1)) for k, v in sample.modalities.items()}
    alone = {k: reached(x, y, train, test, seed) for k, x in flat.items()}
    whole = ip.MultimodalDataset(flat, y, groups=sample.groups)
    for a, b in itertools.combinations(flat, 2):
        first, second, pairs = thirds(test if name == "cmu_mosi" else train, y, sample.groups, seed)
        start = time.perf_counter()
        draws = 50 if len(np.unique(y)) < 50 else 20
        found = ip.bound({a: whole[first], b: whole[second]}, whole[pairs], random_state=seed, n_bootstrap=draws)
        took = time.perf_counter() - start
        both = reached(np.hstack([flat[a], flat[b]]), y, train, test, seed)
        single = max(max(alone[a]), max(alone[b]))
        yield {
            "data": name, "a": a, "b": b, "single": single, "linear": both[0], "network": both[1],
            "gain": max(both) - single, "interactive": both[1] - both[0], "took": took, "n_test": len(test),
            **{k: v for k, v in found.to_dict().items() if k not in ("single", "gain")},
            "single_predicted": found.to_dict()["single"], "predicted": found.gain,
        }  # fmt: skip


def report(rows):
    print(
        "data, pair | single -> linear, network | gain | predicted | expected | S | disagreement | fusion | same p | s"
    )
    for r in rows:
        print(
            f"{r['data']} {r['a']}, {r['b']} | {r['single']:.3f} -> {r['linear']:.3f}, {r['network']:.3f} | "
            f"{r['gain']:+.3f} | "
            f"{r['predicted'][0]:.3f} to {r['predicted'][1]:.3f} | {r['expected_gain']:.3f} | "
            f"{r['synergy'][0]:.2f} to {r['synergy'][1]:.2f} | {(r['disagreement'] or {'bound': 0})['bound']:.3f} | "
            f"{r['fusion']} | {r['p_value']:.2g} | {r['took']:.0f}"
        )
    for title, chosen in (("asked for", [r for r in rows if r["data"] in ASKED]), ("all", rows)):
        print(f"{title}: {len(chosen)} pairs")
        correlations(chosen)


def correlations(rows):
    gain = np.array([r["gain"] for r in rows])
    inside = [r["predicted"][0] - 0.01 <= r["gain"] <= r["predicted"][1] + 0.01 for r in rows]
    print(f"  gain inside the predicted interval (1 point of slack): {np.sum(inside)} of {len(rows)}")
    sets = np.unique([r["data"] for r in rows], return_inverse=True)[1]
    scores = {
        "lower": [r["predicted"][0] for r in rows],
        "upper": [r["predicted"][1] for r in rows],
        "middle": [np.mean(r["predicted"]) for r in rows],
        "expected": [r["expected_gain"] for r in rows],
        "alpha": [r["disagreement"]["alpha"] if r["disagreement"] else 0 for r in rows],
    }
    for name, score in scores.items():
        value = spearmanr(score, gain).statistic
        pairs, whole = interval(np.array(score), gain, np.arange(len(gain))), interval(np.array(score), gain, sets)
        print(f"  rank correlation with the gain, {name}: {value:.2f} {pairs}; data sets drawn as a whole {whole}")


def interval(score, gain, units):
    """95 % by bootstrap over units (pairs, or whole data sets)."""
    rng, members = np.random.default_rng(0), [np.flatnonzero(units == u) for u in np.unique(units)]
    draws = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all equal in some draws
        for _ in range(2000):
            rows = np.concatenate([members[u] for u in rng.integers(len(members), size=len(members))])
            draws.append(spearmanr(score[rows], gain[rows]).statistic)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return f"[{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    path = Path(sys.argv[2])
    if sys.argv[1] == "report":
        report([json.loads(line) for line in path.read_text().splitlines()])
    else:
        warnings.simplefilter("ignore")
        for each in sys.argv[3:] or ASKED + MORE:
            for row in one(each):
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
