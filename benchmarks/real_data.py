"""Every method on real data sets, by `ip.compare`: run it again to go on, several at a time to share the work.

    INTERPLAY_DATA=/path/to/data python benchmarks/real_data.py --folder results
    python benchmarks/real_data.py --folder results --table

Official test parts where there are any (subjects never split); otherwise a quarter for testing, drawn by the seed. One
setting for all methods and data sets, nothing tuned; `dmil published`, `cyin paper` and `cyin published` alone have
the epochs of their papers.
"""

import argparse
from functools import partial
from typing import Any

import pandas as pd
import torch
from _agreement import metrics
from _real import train_and_test

import interplay as ip

DATA = (
    "100leaves",
    "av_digits_degraded",
    "av_digits_small",
    "breast_tcga",
    "cmu_mosi",
    "crema_d_votes",
    "handwritten6",
    "ravdess",
)
SETTINGS: dict[str, Any] = {"max_epochs": 30, "patience": 6, "batch_size": 128}
PUBLISHED = {"max_epochs": 70, "patience": 70, "batch_size": 64}
CYIN = {"max_epochs": 40, "patience": 40, "batch_size": 128}
ABLATIONS = {
    "dmil FC": ip.methods.DMIL(variational=False),
    "dmil ID": ip.methods.DMIL(levels="intra"),
    "dmil CD": ip.methods.DMIL(levels="consistency"),
}
ABLATED = ("100leaves", "ravdess")
# What the tables show: condition and metric.
TABLES = {
    "Accuracy": ("complete", "accuracy"),
    "Accuracy, mean over all proper subsets of modalities": ("missing", "mean_subsets"),
    "Accuracy, mean over missing rates": ("missing", "mean_rates"),
    "Macro-F1": ("complete", "macro_f1"),
    "Negative log-likelihood (nats)": ("complete", "nll"),
    "Calibration error": ("complete", "ece"),
    "Divergence of the modalities' own predictions (bits)": ("complete", "divergence"),
    "Total correlation of target and the modalities' own predictions (bits)": ("complete", "total_correlation"),
    "Seconds of training (processor)": ("cost", "processor_seconds"),
}
# What dmil is tested against.
CONTROLS = ["unimodal", "ensemble", "joint", "naivebayes", "dmil published"]
METHODS: dict[str, Any] = {
    **{name: name for name in (*ip.methods.names(), "logistic")},
    "tcmax additive": ip.methods.TCMax("additive"),
    "tcmax joint": ip.methods.TCMax("joint"),
    # Modality dropout: training rows lose three in ten of what they have, drawn anew each epoch.
    "joint dropout": ip.MultimodalClassifier("joint", missing=0.3, **SETTINGS),
    "dmil published": ip.MultimodalClassifier(ip.methods.DMIL("published"), **PUBLISHED),
    "joint zero": ip.methods.Joint(fill="zero"),
    "i2m2 shared": ip.methods.I2M2(shared_encoders=True),
    "cyin paper": ip.MultimodalClassifier(ip.methods.CyIN("paper"), **CYIN),
    "cyin published": ip.MultimodalClassifier(ip.methods.CyIN("published"), **CYIN),
    **ABLATIONS,
}


def agreement(name: str, model: Any, test: ip.MultimodalDataset) -> float:
    """How the modalities agree in a model; NaN for what is no network of ours."""
    return metrics[name](model, test) if hasattr(model, "method_") else float("nan")


def run(chosen: argparse.Namespace) -> None:
    """Train and test what is not finished, seed by seed."""
    ablated_data = [name for name in chosen.data if name in ABLATED]
    for seed in chosen.seeds:
        for data, ablated in ((chosen.data, False), (ablated_data, True)):
            named = {name: METHODS[name] for name in chosen.methods if (name in ABLATIONS) == ablated}
            if named and data:
                ip.compare(
                    named,
                    {name: partial(train_and_test, name) for name in data},
                    seeds=[seed],
                    folder=chosen.folder,
                    settings=SETTINGS,
                    metrics={name: partial(agreement, name) for name in chosen.metrics},
                    n_jobs=chosen.jobs,
                    retry=chosen.retry,
                    progress=partial(print, flush=True),
                )


def alone(found: ip.evaluation.Comparison) -> pd.DataFrame:
    """What each model says from a single modality: mean over modalities, then mean and sd over seeds."""
    frame = found.frame[found.frame["metric"] == "accuracy"]
    kept = frame["condition"]
    lost = set(found.frame["condition"][found.frame["condition"].str.startswith("without ")])
    single = frame[kept.isin({name.removeprefix("without ") for name in lost})]
    cells = single.groupby(["method", "dataset", "seed"])["value"].mean().groupby(["method", "dataset"])
    text = cells.agg(lambda v: f"{v.mean():.3f} ± {v.std():.3f}").unstack("dataset")  # noqa: PD010
    return text.fillna("")


def table(folder: str, figure: str | None) -> None:
    """Means and standard deviations, ranks, costs and paired tests as Markdown; the ranks as a figure."""
    found = ip.evaluation.Comparison.load(folder)
    seeds = found.frame.groupby("dataset")["seed"].nunique()
    print("seeds:", ", ".join(f"{name} {count}" for name, count in seeds.items()))
    known = set(found.frame["metric"])
    for title, (condition, metric) in TABLES.items():
        if metric not in known:
            continue
        print(f"\n## {title}\n\n{found.table(metric, condition=condition, text=True).to_markdown()}")
    print(f"\n## Accuracy from one modality alone, mean over the modalities\n\n{alone(found).to_markdown()}")
    full = found.table()
    everywhere = [name for name in found.methods if full.loc[name].unstack()["mean"].notna().all()]  # noqa: PD010
    shown = found.of(found.store, [cell for cell in found.cells if cell.method in everywhere])
    title, ranks = "Mean ranks of accuracy, of those that have finished everywhere", shown.ranks().round(1)
    print(f"\n## {title}\n\n{ranks.to_markdown()}")
    cost = found.means("processor_seconds", "cost").T
    ratio = cost.div(cost.loc["joint"]).round(1)
    print(f"\n## Processor time of training, times that of joint\n\n{ratio.to_markdown()}")
    tests = found.tests("dmil", methods=CONTROLS, n_bootstrap=10000).round(4)
    print(f"\n## Differences from dmil\n\n{tests.drop(columns='second').to_markdown(index=False)}")
    if figure:
        shown.plot("accuracy").figure.savefig(figure, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="of the results")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), metavar="NAME")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)), metavar="SEED")
    parser.add_argument("--metrics", nargs="*", choices=list(metrics), default=list(metrics), metavar="NAME",
                        help="further metrics; total_correlation trains critics, which takes long")  # fmt: skip
    parser.add_argument("--jobs", type=int, help="processes; more than one process may also work on one folder")
    parser.add_argument("--retry", action="store_true", help="try failed cells again")
    parser.add_argument("--figure", help="with --table: where to draw the ranks")
    parser.add_argument("--table", action="store_true", help="show what is finished")
    chosen = parser.parse_args()
    if chosen.table:
        table(chosen.folder, chosen.figure)
        return
    torch.set_num_threads(1)
    run(chosen)


if __name__ == "__main__":
    main()
