"""Faithfulness of decompositions on data of known interactions; one JSON line a run, finished runs are skipped.

    python benchmarks/faithfulness.py results.jsonl [--part ours|gates|baselines|further|more] [--seeds N] [--summary]

Thresholds (ours, kinds visible, equal shares, 8000 samples, 48 features, 5 seeds, K = 2, 4, 10): at noise 0.3 accuracy
>= .985, routing >= .95, synergy alone within .10 of chance where there is none; at noise 1.0 accuracy >= .96,
routing >= .88. Pure XOR and sum modulo 4: accuracy >= .97. --summary names those groups of which the file has runs; its
exit status says whether all of them hold their thresholds, and that there is one.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from _records import read, run_missing

from interplay import methods
from interplay.evaluation import faithfulness

BUDGET = {"max_epochs": 40, "batch_size": 128, "learning_rate": 3e-3, "patience": 6}
METHODS = {
    "ours": (lambda: methods.DMIL(), BUDGET),
    # Its own schedule: 70 epochs, batches of 64, its own learning rates.
    "published": (lambda: methods.DMIL("published"), {"max_epochs": 70, "batch_size": 64, "patience": 70}),
    "joint": (lambda: methods.Joint(hidden=256), BUDGET),
    "ensemble": (lambda: methods.Ensemble(), BUDGET),
    "mixture": (lambda: methods.GatedMixture(hidden=256), BUDGET),
    "ours, pairs": (lambda: methods.DMIL(pairs="both"), BUDGET),
    # Estimators of single samples, which need no training: the definition that follows kinds, and the default one.
    "discrete": (lambda: "discrete", {"redundancy": "pointwise_min"}),
    "classifiers": (lambda: "classifiers", {"redundancy": "pointwise_min"}),
    "classifiers, broja": (lambda: "classifiers", {}),
}
SYNERGY = {"composition": {"synergy": 1.0}}
# Shares of the kinds in each of four classes.
BY_CLASS = {
    "redundancy": [0.7, 0.1, 0.1, 0.1],
    "unique:a": [0.1, 0.7, 0.1, 0.1],
    "unique:b": [0.1, 0.1, 0.7, 0.1],
    "synergy": [0.1, 0.1, 0.1, 0.7],
}
PAIRS = [f"{family}:{pair}" for family in ("redundancy", "synergy") for pair in ("a+b", "a+c", "b+c")]
ELEVEN = dict.fromkeys(["redundancy", "unique:a", "unique:b", "unique:c", "synergy", *PAIRS], 1 / 11)


def cases(part: str) -> Iterator[dict[str, Any]]:
    """What to run, seeds outermost so that an interrupted run is balanced."""
    base = {"n_samples": 8000, "noise": 0.3, "nonlinear": True}
    if part == "ours":
        for seed, noise, k, nonlinear in product(range(5), (1.0, 0.3), (10, 4, 2), (True, False)):
            yield {"method": "ours", "n_classes": k, "n_samples": 8000, "noise": noise, "nonlinear": nonlinear,
                   "random_state": seed}  # fmt: skip
    elif part == "gates":
        for seed, k, method in product(range(5), (2, 4), ("ours", "published", "joint")):
            if method == "ours" or seed == 0:
                yield {**base, **SYNERGY, "method": method, "n_classes": k, "random_state": seed}
    elif part == "baselines":
        for seed, k, method in product(range(5), (4, 2, 10), ("joint", "ensemble", "mixture", "published")):
            if k == 4 or seed == 0:
                yield {**base, "method": method, "n_classes": k, "random_state": seed}
    elif part == "more":
        for seed, noise in product(range(5), (0.3, 1.0)):
            here = {**base, "noise": noise, "n_classes": 4, "random_state": seed}
            for method in ("ours", "discrete", "classifiers", "classifiers, broja"):
                yield {**here, "method": method}
            yield {**here, "method": "ours", "composition": BY_CLASS}
            for k in (2, 4):
                yield {**here, "method": "ours, pairs", "n_modalities": 3, "composition": ELEVEN, "n_classes": k}
    else:
        for seed, noise, k in product(range(1), (0.3, 1.0), (2, 4)):
            for change in ({"type_visible": False}, {"n_samples": 2000}, {"n_modalities": 3}):
                yield {**base, "method": "ours", "n_classes": k, "noise": noise, "random_state": seed, **change}


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Train and score one case."""
    make, budget = METHODS[case["method"]]
    started = time.process_time()
    found = faithfulness(**{**budget, **case, "method": make()})
    return {"cpu_seconds": time.process_time() - started, **found.to_dict()}


def _label(composition: dict[str, Any] | None) -> str:
    if composition is None:
        return "equal"
    return "by class" if composition == BY_CLASS else "eleven" if composition == ELEVEN else ",".join(composition)


def summary(records: list[dict[str, Any]]) -> tuple[pd.DataFrame, dict[str, bool]]:
    """Mean, spread and extremes of the runs of each setting; of the groups that have runs, whether ours holds."""
    rows = [
        {"type_visible": True, "n_modalities": 2, **r["case"], "composition": _label(r["case"].get("composition")),
         **{k: r[k] for k in ("accuracy", "routing", "gate_routing", "synergy_leak", "calibration_error")}}
        for r in records
    ]  # fmt: skip
    frame = pd.DataFrame(rows).astype({"accuracy": float, "routing": float, "gate_routing": float})
    keys = ["method", "composition", "n_classes", "noise", "nonlinear", "type_visible", "n_modalities", "n_samples"]
    table = frame.groupby(keys)[["accuracy", "routing", "gate_routing", "synergy_leak", "calibration_error"]]
    held = frame[(frame.method == "ours") & (frame.n_samples == 8000) & frame.type_visible & (frame.n_modalities == 2)]
    equal = held.composition == "equal"
    clean, gates = held[equal & (held.noise == 0.3)], held[held.composition == "synergy"]
    noisy = held[equal & (held.noise == 1.0)]
    verdicts = {
        "clean": (clean.accuracy >= 0.985) & (clean.routing >= 0.95) & (clean.synergy_leak <= 0.10),
        "noisy": (noisy.accuracy >= 0.96) & (noisy.routing >= 0.88),
        "gates": gates.accuracy >= 0.97,
    }
    judged = {name: bool(runs.all()) for name, runs in verdicts.items() if len(runs)}
    return table.agg(["mean", "std", "min", "max", "count"]).round(3), judged


def verdict(judged: dict[str, bool]) -> str:
    """One line: which groups were measured, and which missed their thresholds."""
    if not judged:
        return "nothing measured that has thresholds"
    missed = [name for name, holds in judged.items() if not holds]
    measured = f"measured: {', '.join(judged)}"
    return f"thresholds missed: {', '.join(missed)} ({measured})" if missed else f"thresholds hold ({measured})"


def main() -> int:
    """Run what is not yet in the file, or summarise it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--part", choices=("ours", "gates", "baselines", "further", "more"), default="ours")
    parser.add_argument("--seeds", type=int, default=5, help="at most this many")
    parser.add_argument("--summary", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.summary:
        records = read(args.results)
        table, judged = summary(records) if records else (pd.DataFrame(), {})
        print(table.to_string())
        print(verdict(judged))
        return int(not judged or not all(judged.values()))
    chosen = (case for case in cases(args.part) if case["random_state"] < args.seeds)
    run_missing(args.results, chosen, lambda **case: run(case))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
