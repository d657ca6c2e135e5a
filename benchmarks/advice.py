"""Was the advice right? `ip.advise` on training parts, held against test parts that it never saw.

    INTERPLAY_DATA=/path/to/data python benchmarks/advice.py --results advice.jsonl --grid results
    python benchmarks/advice.py --results advice.jsonl --table

Run it again to go on. Outcomes of real data come from the folder of `benchmarks/real_data.py` (`--grid`, mean over
seeds where the split is fixed); what it lacks is trained here with the same settings. Data sets without an official
split are split by five seeds, each with advice of its own. Made data: six compositions x two sizes x two noises x two
seeds.
"""

import argparse
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _real import train_and_test
from _records import read, run_missing
from sklearn.exceptions import ConvergenceWarning

import interplay as ip
from interplay.data.datasets import make_interactions
from interplay.evaluation import Comparison, ConcatenationClassifier

# True: the split is drawn by the seed.
REAL = {
    "100leaves": True, "3sources": True, "av_digits_degraded": False, "av_digits_small": False, "breast_tcga": False,
    "cmu_mosi": False, "crema_d_votes": False, "handwritten6": False, "ravdess": False, "webkb203": True,
    "wikipedia": False, "shoulder_watch": False,
}  # fmt: skip
MADE: dict[str, dict[str, float]] = {
    "redundant": {"redundancy": 1.0},
    "one modality": {"unique:a": 1.0},
    "one and shared": {"unique:a": 0.5, "redundancy": 0.5},
    "each its own": {"unique:a": 0.5, "unique:b": 0.5},
    "synergy": {"synergy": 1.0},
    "everything": {"redundancy": 0.25, "unique:a": 0.25, "unique:b": 0.25, "synergy": 0.25},
}
SETTINGS: dict[str, Any] = {"max_epochs": 30, "patience": 6, "batch_size": 128}
FUSED = ("ensemble", "naivebayes", "joint")
SEEDS = range(5)


def cases() -> list[dict[str, Any]]:
    """Small data first."""
    real = [{"data": name, "seed": seed} for name, drawn in REAL.items() for seed in (SEEDS if drawn else [0])]
    made = [
        {"data": f"made: {name}", "n": n, "noise": noise, "seed": seed}
        for name in MADE
        for n in (200, 1000)
        for noise in (0.3, 2.0)
        for seed in (0, 1)
    ]
    return made + real


def run(data: str, seed: int, grid: str | None, **made: Any) -> dict[str, Any]:
    if data.startswith("made"):
        train, test = (drawn(data.removeprefix("made: "), seed, part, **made) for part in (0, 1))
    else:
        train, test = train_and_test(data, seed)
        if data == "shoulder_watch":
            train, test = summarised(train), summarised(test)
    found = ip.advise(train, random_state=seed)
    known = outcomes_of_grid(grid, data, seed) if grid and data in REAL else {}
    seeds = [seed] if REAL.get(data, True) else list(SEEDS)
    outcomes = known or trained(train, test, seeds)
    advice = {key: found.to_dict()[key] for key in ("fusion", "gain", "method", "modality", "candidates", "text")}
    return {
        "advice": advice | {"worries": [worry.kind for worry in found.worries]},
        "outcomes": outcomes | linear(train, test),
    }


def summarised(data: ip.MultimodalDataset) -> ip.MultimodalDataset:
    """Sequences as vectors: mean and standard deviation of each channel over time."""
    x = {name: np.hstack([v.mean(1), v.std(1)]) for name, v in data.modalities.items()}
    return ip.MultimodalDataset(x, data.target, groups=data.groups)


def drawn(name: str, seed: int, part: int, n: int, noise: float) -> ip.MultimodalDataset:
    size = n if part == 0 else 4000
    return make_interactions(
        MADE[name], n_samples=size, noise=noise, random_state=2 * seed + part, structure_state=seed
    ).dataset


@cache
def frame_of(grid: str) -> pd.DataFrame:
    return Comparison.load(grid).frame


def outcomes_of_grid(grid: str, data: str, seed: int) -> dict[str, float]:
    """Test accuracy by candidate; single modalities are those of the ensemble, whose members are independent."""
    frame = frame_of(grid)
    frame = frame[(frame["dataset"] == data) & (frame["metric"] == "accuracy")]
    frame = frame[frame["seed"] == seed] if REAL[data] else frame
    if frame.empty:
        return {}
    complete = frame[(frame["condition"] == "complete") & frame["method"].isin(FUSED)]
    found = {method: float(rows["value"].mean()) for method, rows in complete.groupby("method")}
    conditions = frame[(frame["method"] == "ensemble") & frame["rate"].isna()]
    names = [name for name in conditions["condition"].unique() if name not in ("complete", "chance", "missing")]
    for name in names:
        if " + " not in name and not name.startswith("without "):
            found[f"{name} alone (unimodal)"] = float(conditions[conditions["condition"] == name]["value"].mean())
    return found


def trained(train: ip.MultimodalDataset, test: ip.MultimodalDataset, seeds: list[int]) -> dict[str, float]:
    """The same, trained here."""
    scores: dict[str, list[float]] = {}
    for seed in seeds:
        for method in FUSED:
            model = ip.MultimodalClassifier(method, **SETTINGS, random_state=seed).fit(train)
            scores.setdefault(method, []).append(model.score(test))
            for name in test.names if method == "ensemble" else ():
                only = test.without(*(other for other in test.names if other != name))
                scores.setdefault(f"{name} alone (unimodal)", []).append(model.score(only))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def linear(train: ip.MultimodalDataset, test: ip.MultimodalDataset) -> dict[str, float]:
    """Logistic regression, which has no seed."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name in (None, *train.names):
            names = train.names if name is None else [name]
            model = ConcatenationClassifier().fit(train.select(names))
            label = "logistic" if name is None else f"{name} alone (logistic)"
            found[label] = float((model.predict(test.select(names)) == test.target).mean())
    return found


def judged(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the advice was worth on the test part."""
    advice, outcome = record["advice"], record["outcomes"]
    scored = [(label(row["method"], row["modality"]), row["score"]) for row in advice["candidates"]]
    single = max((pair for pair in scored if "alone" in pair[0]), key=lambda pair: pair[1])[0]
    fused = max((pair for pair in scored if "alone" not in pair[0]), key=lambda pair: pair[1])[0]
    gain = outcome[fused] - outcome[single]
    advised = outcome[label(advice["method"], advice["modality"])]
    right = {"yes": gain > 0, "no": gain < 0.01}.get(advice["fusion"])
    return {
        **{key: value for key, value in record["case"].items() if key != "grid"},
        "fusion": advice["fusion"],
        "said": advice["gain"]["value"],
        "low": advice["gain"]["low"],
        "high": advice["gain"]["high"],
        "gain": gain,
        "right": right,
        "method": label(advice["method"], advice["modality"]),
        "advised": advised,
        "joint": outcome["joint"],
        "single": outcome[single],
        "best": max(outcome.values()),
        "worries": ", ".join(sorted(set(advice["worries"]))),
    }


def label(method: str, modality: Any) -> str:
    return method if not isinstance(modality, str) else f"{modality} alone ({method})"


def table(records: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame([judged(record) for record in records])
    frame["kind"] = np.where(frame["data"].str.startswith("made"), "made", "real")
    columns = ["fusion", "said", "low", "high", "gain", "method", "advised", "joint", "single", "best", "worries"]
    real = frame[frame["kind"] == "real"].set_index(["data", "seed"])
    print(real[columns].round(3).to_markdown())
    made = frame[frame["kind"] == "made"]
    keys = ["data", "n", "noise"]
    means = made.groupby(keys)[["said", "gain", "advised", "joint", "single", "best"]].mean().round(3)
    words = made.groupby(keys)[["fusion", "method"]].agg(lambda values: "; ".join(dict.fromkeys(values)))
    print("\n" + means.join(words).to_markdown())
    # A data set counts once, however many splits it has.
    for kind, rows in frame.groupby("kind"):
        print(f"\n## {kind}: {len(rows)} advices, {rows['data'].nunique()} data sets\n")
        decided = rows[rows["right"].notna()]
        for said in ("yes", "no", "cannot say"):
            chosen = rows[rows["fusion"] == said]
            right = f", right {int(chosen['right'].sum())}" if said != "cannot say" else ""
            print(f"{said}: {len(chosen)}{right}; mean gain on the test part {chosen['gain'].mean():+.3f}")
        print(f"fusion verdicts right: {int(decided['right'].sum())} of {len(decided)}")
        inside = (rows["gain"] >= rows["low"]) & (rows["gain"] <= rows["high"])
        print(f"gain on the test part inside the interval: {int(inside.sum())} of {len(rows)}")
        means = rows.groupby("data")[["advised", "joint", "single", "best"]].mean()
        print(means.mean().round(4).to_string())
        for rule in ("joint", "single"):
            apart = rows["advised"] - rows[rule]
            better, worse = int((apart > 0.005).sum()), int((apart < -0.005).sum())
            print(f"against always {rule}: better {better}, worse {worse}, alike {len(rows) - better - worse}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="JSON lines")
    parser.add_argument("--grid", help="folder of benchmarks/real_data.py")
    parser.add_argument("--only", nargs="+", help="data sets; 'made' for all made ones")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if chosen.table:
        table(read(chosen.results))
        return
    torch.set_num_threads(1)
    wanted = [c for c in cases() if not chosen.only or any(c["data"].startswith(name) for name in chosen.only)]
    run_missing(chosen.results, wanted, lambda **case: run(grid=chosen.grid, **case))


if __name__ == "__main__":
    main()
