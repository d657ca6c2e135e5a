"""Every method on six real data sets: accuracy, calibration, the modalities alone, agreement, total correlation.

    INTERPLAY_DATA=/path/to/data python benchmarks/methods.py results.jsonl --seeds 5
    python benchmarks/methods.py results.jsonl --table

Results are appended run by run, so an interrupted benchmark goes on where it stopped. Same settings for all methods and
data sets, nothing tuned; a seed sets the validation split, the initial weights and the order of batches.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score

import interplay as ip
from interplay.methods import Method
from interplay.training import evaluate, to_batch

DATA = ("crema_d_votes", "ravdess", "cmu_mosi", "av_digits_small", "av_digits_degraded", "100leaves", "handwritten6")
VARIANTS: dict[str, Method] = {
    "tcmax:additive": ip.methods.TCMax("additive"),
    "tcmax:joint": ip.methods.TCMax("joint"),
}
SETTINGS: dict[str, Any] = {"max_epochs": 30, "patience": 6, "batch_size": 128}


def load(name: str) -> tuple[ip.MultimodalDataset, ip.MultimodalDataset]:
    """Training and test part: the official split, else a fixed stratified quarter."""
    root = Path(os.environ["INTERPLAY_DATA"])
    spec = importlib.util.spec_from_file_location("loading", root / "loading.py")
    loading = sys.modules["loading"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loading)
    sample = loading.load(name)
    data = ip.MultimodalDataset(sample.modalities, sample.target, present=sample.present, groups=sample.groups)
    if sample.is_test is None:
        return data.split(0.25, random_state=0)
    return data[~sample.is_test], data[sample.is_test]


def calibration_error(p: np.ndarray, y: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the predicted class, equal-width bins."""
    confidence, right = p.max(1), p.argmax(1) == y
    cell = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(cell, right - confidence, bins)
    return float(np.abs(gap).sum() / len(y))


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Mean Jensen-Shannon divergence in bits."""
    middle = (p + q) / 2
    return float(np.mean([(np.where(r > 0, r * np.log2(np.maximum(r, 1e-300) / middle), 0)).sum(1) for r in (p, q)]))


def alone(model: ip.MultimodalClassifier, data: ip.MultimodalDataset) -> dict[str, np.ndarray]:
    """Class probabilities from each modality alone: the method's own, else its answer without the others."""
    found = evaluate(model.method_, to_batch(data, shapes=model.shapes_), 1024).unimodal
    if found:
        return {name: logits.double().softmax(-1).numpy() for name, logits in found.items()}
    others = {name: [other for other in data.names if other != name] for name in data.names}
    return {name: model.predict_proba(data.without(*others[name])) for name in data.names}


def run(data: str, parts: tuple[ip.MultimodalDataset, ip.MultimodalDataset], method: str, seed: int) -> dict[str, Any]:
    train, test = parts
    start = time.perf_counter()
    model = ip.MultimodalClassifier(VARIANTS.get(method, method), random_state=seed, **SETTINGS).fit(train)
    seconds = time.perf_counter() - start
    y = np.searchsorted(model.classes_, test.target)
    p = model.predict_proba(test)
    each = alone(model, test)
    names = list(each)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    log_prior = model.method_.log_prior.double()
    critics = [torch.from_numpy(q).clamp_min(1e-12).log() - log_prior for q in each.values()]
    target = torch.from_numpy(y)
    bound = ip.losses.tcmax_additive(critics, target, label_marginal=log_prior.softmax(0))
    return {
        "data": data,
        "method": method,
        "seed": seed,
        "accuracy": float((p.argmax(1) == y).mean()),
        "f1": float(f1_score(y, p.argmax(1), average="macro")),
        "nll": float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean()),
        "ece": calibration_error(p, y),
        "alone": {name: float((q.argmax(1) == y).mean()) for name, q in each.items()},
        "divergence": float(np.mean([divergence(each[a], each[b]) for a, b in pairs])) if pairs else None,
        "total_correlation": float(ip.losses.tcmax_estimate(bound, target, len(each))),
        "epochs": len(model.history_.records),
        "seconds": seconds,
    }


def _cell(c: pd.Series) -> str:
    return f"{c['mean']:.3f}" + ("" if np.isnan(c["std"]) else f" ± {c['std']:.3f}")


def table(path: Path) -> None:
    """Mean and standard deviation over seeds, and mean rank over data sets, as Markdown."""
    frame = pd.read_json(path, lines=True)
    order = [name for name in DATA if name in set(frame["data"])]
    print("seeds:", ", ".join(f"{d} {frame[frame['data'] == d]['seed'].nunique()}" for d in order))
    for metric in ("accuracy", "f1", "nll", "ece", "divergence", "total_correlation", "seconds"):
        cells = frame.groupby(["method", "data"])[metric].agg(["mean", "std"])
        text = cells.apply(_cell, axis=1).unstack()[order]  # noqa: PD010
        # Ranks and means over the data sets that every method has been run on.
        mean = cells["mean"].unstack()[order].dropna(axis=1)  # noqa: PD010
        text["rank"] = mean.rank(ascending=metric not in ("accuracy", "f1")).mean(axis=1).round(2)
        text["mean"] = mean.mean(axis=1).round(3)
        print(f"\n### {metric}\n\n{text.fillna('-').sort_values('rank').to_markdown()}")
    own = pd.json_normalize(frame["alone"].tolist()).set_index([frame["data"], frame["method"]])
    print("\n### accuracy of each modality alone\n")
    for name in order:
        print(f"{name}\n\n{own.loc[name].dropna(axis=1, how='all').groupby(level=0).mean().round(3).to_markdown()}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--methods", nargs="+", default=[*ip.methods.names(), *VARIANTS])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        table(options.results)
        return
    torch.set_num_threads(1)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {(r["data"], r["method"], r["seed"]) for r in map(json.loads, lines)}
    loaded: dict[str, Any] = {}
    for seed in range(options.seeds):
        for data in options.data:
            for method in options.methods:
                if (data, method, seed) in done:
                    continue
                parts = loaded.setdefault(data, None) or loaded.update({data: load(data)}) or loaded[data]
                try:
                    result = run(data, parts, method, seed)
                except ValueError as error:
                    print(f"{data} {method}: {error}")
                    continue
                with options.results.open("a") as file:
                    file.write(json.dumps(result) + "\n")
                print({k: round(v, 3) if isinstance(v, float) else v for k, v in result.items() if k != "alone"})


if __name__ == "__main__":
    main()
