"""Every method that can regress, against ridge regression; one JSON line a run, finished runs are skipped.

    INTERPLAY_DATA=/path/to/data python benchmarks/regression.py results.jsonl [--data NAME] [--seeds 0 1] [--summary]

crema_d_votes: how intense the acted emotion was rated to be in the audio-visual clip (0 to 100), from votes and rated
intensities of the voice alone and of the face alone; a quarter of the actors for testing. diabetes: progression of the
disease in a year, from what a questionnaire and scales give (age, sex, body mass, blood pressure) and from six values
of the serum; a quarter of the rows for testing. The library's default settings, nothing tuned; the penalty of ridge
regression by its own cross-validation on the training part.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

import interplay as ip
from interplay.evaluation import evaluate

# The cheap controls against gaps beside the methods by name: the method and settings of the estimator.
CONTROLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "joint zero": (ip.methods.Joint(fill="zero"), {}),
    "joint dropout": ("joint", {"missing": 0.3}),
}
NAMED = [name for name in ip.methods.names() if "regression" in ip.methods.make(name).tasks]
METHODS = ["ridge", *NAMED, *CONTROLS]
OTHER_LOSSES = ["joint l1", "joint l2", "dmil l2"]


class Ridge:
    """Ridge regression on the concatenation of standardised features; absent modalities are filled by their mean."""

    def fit(self, data: ip.MultimodalDataset) -> "Ridge":
        """Complete data only."""
        features = np.hstack([data.modalities[name] for name in data.names])
        self.scale = StandardScaler().fit(features)
        self.model = RidgeCV(np.logspace(-2, 4, 25)).fit(self.scale.transform(features), data.target)
        return self

    def predict(self, data: ip.MultimodalDataset) -> Any:
        """Numbers ``(n,)``."""
        known = [np.tile(data.present[name][:, None], data.modalities[name].shape[1]) for name in data.names]
        features = self.scale.transform(np.hstack([data.modalities[name] for name in data.names]))
        return self.model.predict(np.where(np.hstack(known), features, 0))


def crema() -> ip.MultimodalDataset:
    """Votes ``(n, 6)`` and intensities ``(n, 6)``, 0 where nobody voted, of each channel."""
    folder = Path(os.environ["INTERPLAY_DATA"]) / "crema_d_votes"
    with np.load(folder / "crema_d_votes.npz", allow_pickle=False) as z:
        target = z["audiovisual_level"][np.arange(len(z["emotion"])), z["emotion"]].astype(float)
        rated = target >= 0
        channels = {
            c: np.hstack([z[f"{c}_votes"], z[f"{c}_level"].clip(min=0)]).astype(float) for c in ("voice", "face")
        }
        rows = {name: x[rated] for name, x in channels.items()}
        return ip.MultimodalDataset(rows, target[rated], groups=z["actor"][rated].astype(int))


def diabetes() -> ip.MultimodalDataset:
    """442 patients."""
    x, y = load_diabetes(return_X_y=True)
    return ip.MultimodalDataset({"person": x[:, :4], "serum": x[:, 4:]}, y)


DATA = {"crema_d_votes": crema, "diabetes": diabetes}


def run(name: str, method: str, seed: int) -> dict[str, Any]:
    """Train on one part, test on the other, complete and without each modality."""
    train, test = DATA[name]().split(0.25, random_state=seed)
    kind, _, loss = method.partition(" ")
    chosen, settings = CONTROLS.get(method, (kind, {"loss": loss or None}))
    started = time.process_time()
    model = Ridge() if kind == "ridge" else ip.MultimodalRegressor(chosen, **settings, random_state=seed)
    model.fit(train)
    seconds = time.process_time() - started
    scores = evaluate(model, test).reset_index().to_dict(orient="records")
    return {"data": name, "method": method, "seed": seed, "cpu_seconds": seconds, "scores": scores}


def summary(records: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    """Mean and standard deviation over seeds, a row a method, best first."""
    rows = [
        {**{key: r[key] for key in ("data", "method", "seed")}, "condition": s["condition"], "value": s[metric]}
        for r in records
        for s in r["scores"]
        if s["condition"] != "chance"
    ]
    cells = (
        pd.DataFrame(rows).groupby(["data", "method", "condition"], sort=False)["value"].agg(["mean", "std", "size"])
    )
    text = (
        cells.apply(lambda c: f"{c['mean']:.3f} ± {c['std']:.3f} ({c['size']:.0f})", axis=1)
        .rename("text")
        .reset_index()
    )
    shown = text.pivot_table("text", ["data", "method"], "condition", aggfunc="first", sort=False)
    order = cells.xs("complete", level="condition").sort_values(["data", "mean"], ascending=[True, metric != "r2"])
    return shown.loc[order.index]


def main() -> None:
    """Run what is not finished, or summarise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", default=METHODS + OTHER_LOSSES)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5))
    parser.add_argument("--summary", nargs="?", const="r2", help="a metric: r2, mae, rmse, pearson")
    given = parser.parse_args()
    torch.set_num_threads(1)
    records = [json.loads(line) for line in given.results.read_text().splitlines()] if given.results.exists() else []
    if given.summary:
        print(summary([r for r in records if r["data"] in given.data], given.summary).to_markdown())
        return
    done = {(r["data"], r["method"], r["seed"]) for r in records}
    for seed in given.seeds:
        for name in given.data:
            for method in given.methods:
                if (name, method, seed) not in done:
                    line = json.dumps(run(name, method, seed)) + "\n"
                    with given.results.open("a") as file:
                        file.write(line)


if __name__ == "__main__":
    main()
