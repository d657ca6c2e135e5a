"""Accuracy on real data sets: each modality alone, ensemble, joint and dmil, beside logistic regression on everything.

The folder of the data comes from INTERPLAY_DATA; its loading.py gives named arrays, groups and the official test rows.

    INTERPLAY_DATA=... python benchmarks/real_data.py --seeds 5 crema_d_votes cmu_mosi ravdess
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interplay.data import MultimodalDataset
from interplay.estimators import MultimodalClassifier
from interplay.evaluation import evaluate
from interplay.methods import DMIL, Ensemble, Joint, Unimodal


def loader() -> Any:
    root = os.environ.get("INTERPLAY_DATA")
    if not root:
        sys.exit("set INTERPLAY_DATA to the folder with the data and loading.py")
    spec = importlib.util.spec_from_file_location("loading", Path(root) / "loading.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["loading"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.load


def parts(name: str, load: Any) -> tuple[MultimodalDataset, MultimodalDataset]:
    found = load(name)
    data = MultimodalDataset(found.modalities, found.target, present=found.present, groups=found.groups)
    return data[~found.is_test], data[found.is_test]


def logistic(train: MultimodalDataset, test: MultimodalDataset) -> float:
    x, y = (np.concatenate(list(d.modalities.values()), axis=1) for d in (train, test))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(x, train.target)
    return float(model.score(y, test.target))


def methods(names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{n} alone": Unimodal(n) for n in names} | {"ensemble": Ensemble(), "joint": Joint(), "dmil": DMIL()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", default=["crema_d_votes", "cmu_mosi", "ravdess"])
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--epochs", type=int, default=100)
    chosen = options.parse_args()
    load = loader()
    print("| data | method | complete | modality missing | macro-F1 | NLL | s |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: |")
    for name in chosen.names:
        train, test = parts(name, load)
        print(f"| {name} | logistic regression | {logistic(train, test):.3f} | | | | |", flush=True)
        for label, method in methods(train.names).items():
            started = time.perf_counter()
            tables = [
                evaluate(MultimodalClassifier(method, max_epochs=chosen.epochs, random_state=s).fit(train), test)
                for s in range(chosen.seeds)
            ]
            seconds = (time.perf_counter() - started) / chosen.seeds
            print(f"| {name} | {label} | {row(tables)} | {seconds:.1f} |", flush=True)


def row(tables: list[Any]) -> str:
    def mean(condition: str, metric: str = "accuracy") -> float:
        return float(np.mean([t.loc[condition, metric] for t in tables]))

    spread = np.std([t.loc["complete", "accuracy"] for t in tables], ddof=1) if len(tables) > 1 else 0.0
    missing = [c for c in tables[0].index if c.startswith("without")]
    lost = ", ".join(f"{c} {mean(c):.3f}" for c in missing)
    quality = f"{mean('complete', 'macro_f1'):.3f} | {mean('complete', 'nll'):.3f}"
    return f"{mean('complete'):.3f} ± {spread:.3f} | {lost} | {quality}"


if __name__ == "__main__":
    main()
