"""CyIN without each of its parts, on two data sets, complete and with modalities missing; run it again to go on.

INTERPLAY_DATA=/path/to/data python benchmarks/cyin_ablations.py --folder results [--seeds 0 1 2 3 4]
python benchmarks/cyin_ablations.py --folder results --table
"""

import argparse
from functools import partial

import torch
from _real import train_and_test
from real_data import SETTINGS

import interplay as ip
from interplay.evaluation.comparison.conditions import MISSING
from interplay.methods._cyin_presets import ABLATIONS

DATA = ("100leaves", "ravdess")
METHODS = {
    "cyin": ip.methods.CyIN(),
    **{f"cyin without {part}": ip.methods.CyIN(without=part) for part in ABLATIONS},
    # Not in the published table: what the mended form changes.
    "cyin without gaps": ip.methods.CyIN(pattern=None),
    "cyin directed": ip.methods.CyIN(translator="directed"),
    "cyin paper": ip.methods.CyIN("paper"),
    "cyin published": ip.methods.CyIN("published"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="of the results")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)), metavar="SEED")
    parser.add_argument("--table", action="store_true", help="show what is finished")
    chosen = parser.parse_args()
    if chosen.table:
        found = ip.evaluation.Comparison.load(chosen.folder)
        for metric, condition in (("accuracy", "complete"), ("mean_subsets", MISSING), ("mean_rates", MISSING)):
            print(f"\n### {metric}, {condition}\n\n{found.table(metric, condition, text=True).to_markdown()}")
        return
    torch.set_num_threads(1)
    for seed in chosen.seeds:
        ip.compare(
            {name: METHODS[name] for name in chosen.methods},
            {name: partial(train_and_test, name) for name in chosen.data},
            seeds=[seed],
            folder=chosen.folder,
            settings=SETTINGS,
            progress=partial(print, flush=True),
        )


if __name__ == "__main__":
    main()
