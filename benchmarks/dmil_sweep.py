"""Deficits by composition: accuracy by kind of ensemble, joint and DMIL, complete and with either modality removed.

    python benchmarks/dmil_sweep.py results.jsonl [--seeds N] [--summary] [--figure sweep.png]

Modality ``b`` is noisier than ``a`` (1.0 against 0.3), as real modalities differ: learned together, the easier one is
learned first. Ensembles cannot form synergy. Joint learning leaves redundant evidence of the second modality unlearned:
with the first removed it is worse on redundant samples than a network trained on the second alone (a part of the
ensemble). DMIL with modality dropout is the version meant for gaps.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from _records import Case, read, run_missing

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.data.datasets import Interactions, make_interactions

COMPOSITIONS = {
    "1/2 unique, 1/2 redundant": {"unique:a": 0.25, "unique:b": 0.25, "redundancy": 0.5},
    "1/4 unique, 3/4 redundant": {"unique:a": 0.125, "unique:b": 0.125, "redundancy": 0.75},
    "3/4 unique, 1/4 redundant": {"unique:a": 0.375, "unique:b": 0.375, "redundancy": 0.25},
    "1/2 synergistic, 1/2 redundant": {"synergy": 0.5, "redundancy": 0.5},
    **{f"only {kind}": {kind: 1.0} for kind in ("redundancy", "unique:a", "unique:b", "synergy")},
}
METHODS = {
    "ensemble": lambda: methods.Ensemble(),
    "joint": lambda: methods.Joint(),
    "ours": lambda: methods.DMIL(),
    "ours, dropout": lambda: methods.DMIL(modality_dropout=0.3),
}
BUDGET = {"max_epochs": 30, "batch_size": 64, "learning_rate": 3e-3, "patience": 6}
NOISE = {"a": 0.3, "b": 1.0}
REMOVED = {"none": (), "a": ("a",), "b": ("b",)}


def draw(composition: str, n: int, seed: int, structure: int) -> tuple[MultimodalDataset, Interactions]:
    """Both modalities of the same samples, each with its own noise: draws that differ in nothing else."""
    made = {
        noise: make_interactions(
            COMPOSITIONS[composition], n_classes=4, n_samples=n, n_features=24, noise=noise, random_state=seed,
            structure_state=structure,
        )
        for noise in NOISE.values()
    }  # fmt: skip
    data = {name: made[noise].dataset.modalities[name] for name, noise in NOISE.items()}
    first = next(iter(made.values()))
    return MultimodalDataset(data, first.dataset.target), first


def run(composition: str, method: str, seed: int) -> dict[str, Any]:
    """Accuracy over all and by kind, for each removed modality."""
    training, _ = draw(composition, 2000, 2 * seed + 1, seed)
    test, made = draw(composition, 2000, 2 * seed + 2, seed)
    model = MultimodalClassifier(METHODS[method](), random_state=seed, **BUDGET).fit(training)
    found = {}
    for removed, names in REMOVED.items():
        right = model.predict(test.without(*names)) == test.target
        by_kind = {str(kind): float(right[made.kind == kind].mean()) for kind in sorted(set(made.kind))}
        found[removed] = {"all": float(right.mean()), **by_kind}
    return {"accuracy": found}


def cases(seeds: int) -> list[Case]:
    """Seeds outermost, so that an interrupted run is balanced."""
    keys = ("seed", "composition", "method")
    return [dict(zip(keys, values, strict=True)) for values in product(range(seeds), COMPOSITIONS, METHODS)]


def summary(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Mean accuracy over seeds: a row for each composition and kind, a column for each method and removed modality."""
    rows = [
        {**record["case"], "kind": kind, "removed": removed, "accuracy": value}
        for record in records
        for removed, scores in record["accuracy"].items()
        for kind, value in scores.items()
    ]
    table = pd.DataFrame(rows).pivot_table("accuracy", ["composition", "kind"], ["removed", "method"], sort=False)
    return table.reindex(columns=list(product(REMOVED, METHODS))).round(3)


def figure(table: pd.DataFrame, path: Path) -> None:
    """One map: rows compositions and kinds, columns methods and removed modalities."""
    from matplotlib.figure import Figure

    new = Figure(figsize=(10, 7.5), layout="constrained")
    axes = new.subplots()
    axes.imshow(table.to_numpy(), vmin=0.2, vmax=1, cmap="Blues", aspect="auto")
    for (y, x), value in zip(product(*map(range, table.shape)), table.to_numpy().ravel(), strict=True):
        axes.text(x, y, f"{value:.2f}".lstrip("0"), ha="center", va="center", color="white" if value > 0.7 else "black")
    axes.set_yticks(range(len(table)), [f"{composition}: {kind}" for composition, kind in table.index])
    axes.set_xticks(range(table.shape[1]), [method for _, method in table.columns], rotation=30, ha="left")
    axes.xaxis.tick_top()
    for i, removed in enumerate(REMOVED):
        label = "both modalities" if removed == "none" else f"{removed} removed"
        axes.text((i + 0.5) * len(METHODS) - 0.5, len(table), label, ha="center", va="center")
        axes.axvline(i * len(METHODS) - 0.5, color="white", linewidth=4)
    new.savefig(path, dpi=80)


def main() -> None:
    """Run what is not yet in the file, or summarise it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.summary and args.figure is None:
        run_missing(args.results, cases(args.seeds), run)
        return
    table = summary(read(args.results))
    print(table.to_string())
    if args.figure is not None:
        figure(table, args.figure)


if __name__ == "__main__":
    main()
