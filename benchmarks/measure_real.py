"""What can be told from none on real data, found through INTERPLAY_DATA: ``python benchmarks/measure_real.py``."""

import argparse
import time

from _real import load

import interplay as ip
from interplay.data import MultimodalDataset


def show(label, data, **more):
    start = time.process_time()
    found = ip.measure(data, sensitivity=False, random_state=0, **more)
    print(f"== {label} ({time.process_time() - start:.0f} CPU s)\n{found}", flush=True)


def crema_d_votes():
    crema = load("crema_d_votes")
    votes = MultimodalDataset(
        {name: x.argmax(1) for name, x in crema.modalities.items()}, crema.target, groups=crema.groups
    )
    for definition in ("broja", "mmi", "pointwise_min", "ccs", "pm", "sx"):
        show(f"crema_d_votes, {definition}", votes, redundancy=definition)


def cmu_mosi():
    mosi = load("cmu_mosi")
    data = MultimodalDataset(mosi.modalities, mosi.target, groups=mosi.groups)[mosi.is_test]
    show("cmu_mosi, test part", data)
    show("cmu_mosi, test part, classifiers", data, estimator="classifiers", n_repeats=1)


def leaves():
    leaves = load("100leaves")
    data = MultimodalDataset(leaves.modalities, leaves.target)
    for pair in (["margin", "shape"], ["margin", "texture"], ["shape", "texture"]):
        show("100leaves, classifiers", data, modalities=pair, estimator="classifiers", n_repeats=1)
    show("100leaves, four cells a modality", data, modalities=["margin", "shape"], n_bins=4)
    show("100leaves", data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    for name in parser.parse_args().data:
        DATA[name]()


DATA = {"crema_d_votes": crema_d_votes, "cmu_mosi": cmu_mosi, "100leaves": leaves}

if __name__ == "__main__":
    main()
