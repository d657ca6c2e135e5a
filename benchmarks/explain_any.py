"""The additive projection against the gate on data of known composition: a table, and a picture with --figure.

python benchmarks/explain_any.py --figure agreement.png
"""

import argparse

import torch

import interplay as ip
from interplay.data.datasets import make_interactions
from interplay.evaluation import additive_projection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", help="file of the picture")
    parser.add_argument("--methods", nargs="+", default=["dmil", "joint"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    made = make_interactions(n_samples=2000, n_classes=4, noise=0.3, n_features=48, random_state=0)
    train, test, kind = made.dataset[:1600], made.dataset[1600:], made.kind[1600:]
    for name in chosen.methods:
        model = ip.MultimodalClassifier(name, max_epochs=30, batch_size=128, random_state=0).fit(train)
        found, explained = additive_projection(model, test, references=100), model.explain(test)
        table = found.table.assign(kind=kind)
        if "synergy" in explained:
            table["gate: synergy"] = explained["synergy"]
            if chosen.figure:
                ip.plot.agreement(found, explained, kind).figure.savefig(chosen.figure, dpi=110)
        print(f"\n{name}: {found}\n")
        print(table.drop(columns=["prediction", "prediction:additive"]).groupby("kind").mean().round(3).to_markdown())


if __name__ == "__main__":
    main()
