"""What may go wrong with a data set: each worry is a sentence with its numbers, or is not there."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, mannwhitneyu
from sklearn.neighbors import NearestNeighbors

from interplay.data import MultimodalDataset
from interplay.evaluation.advice.gain import Estimate

Array = NDArray[np.float64]
LEVEL = 0.01
FEW_ROWS, FEW_GROUPS = 20, 10
IMBALANCE = 5.0
PERFECT = 0.99
_QUERIES = 2000


@dataclass(frozen=True)
class Worry:
    """Something to fear: what kind it is, in words, and the numbers behind the words."""

    kind: str
    text: str
    evidence: Mapping[str, float]

    def __str__(self) -> str:
        return self.text


def worries(dataset: MultimodalDataset, alone: Mapping[str, Estimate], seed: int) -> list[Worry]:
    """All that the data give reason for, gravest first.

    Args:
        dataset: with a target.
        alone: modality -> held-out worth of the best model that has nothing else.
        seed: of the rows that are looked at where all would be too many.
    """
    found = [*_perfect(dataset, alone), *_alike(dataset, seed), *_missing(dataset), *_groups(dataset)]
    return found + (_classes(dataset) if dataset.task == "classification" else [])


def _perfect(dataset: MultimodalDataset, alone: Mapping[str, Estimate]) -> list[Worry]:
    return [
        Worry(
            "leakage",
            f"{name} alone predicts held-out rows almost without error ({worth}): easy data, or the answer is in it; "
            "ask how it was made",
            {"worth": worth.value, "low": worth.low},
        )
        for name, worth in alone.items()
        if worth.low >= PERFECT
    ]


def _missing(dataset: MultimodalDataset) -> list[Worry]:
    found = []
    for name, here in dataset.present.items():
        absent = float(1 - here.mean())
        if absent == 0:
            continue
        text, evidence = f"{name} is missing in {absent:.1%} of the rows", {"share": absent}
        if dataset.task == "classification" and 0 < absent < 1:
            sides = (dataset.codes[here], dataset.codes[~here])
            table = np.stack([np.bincount(codes, minlength=len(dataset.classes)) for codes in sides])
            p = float(chi2_contingency(table).pvalue)
            evidence["p_value"] = p
            if p < LEVEL:
                text += f", and the class tells whether it is there (p = {p:.1g}): a model may learn the gap itself"
        found.append(Worry("missing", text, evidence))
    return found


def _groups(dataset: MultimodalDataset) -> list[Worry]:
    if dataset.groups is None:
        return []
    n = len(np.unique(dataset.groups))
    if n >= FEW_GROUPS:
        return []
    return [Worry("few groups", f"only {n} groups: intervals know these {n}, not the next one", {"groups": n})]


def _classes(dataset: MultimodalDataset) -> list[Worry]:
    counts = np.bincount(dataset.codes)
    smallest, largest = counts.min(), counts.max()
    found = []
    if smallest < FEW_ROWS:
        few = int((counts < FEW_ROWS).sum())
        found.append(
            Worry(
                "few samples",
                f"{few} of {len(counts)} classes have fewer than {FEW_ROWS} rows (the smallest {smallest}): what is "
                "said of them is luck",
                {"smallest": float(smallest), "classes": float(few)},
            )
        )
    if largest > IMBALANCE * smallest:
        found.append(
            Worry(
                "imbalance",
                f"the largest class has {largest / smallest:.0f} times the rows of the smallest; always saying it is "
                f"right in {largest / len(dataset):.1%}: look at macro-F1, not only at accuracy",
                {"ratio": float(largest / smallest), "chance": float(largest / len(dataset))},
            )
        )
    return found


def _alike(dataset: MultimodalDataset, seed: int) -> list[Worry]:
    """Twins, and neighbours in the file that are more alike than chance; both make a random split leak."""
    x = _features(dataset)
    if x is None or len(np.unique(x, axis=0)) < len(x) / 2:
        return []  # few different values: rows are alike by nature, which tells nothing
    return [*_twins(x, seed), *(_order(dataset, x, seed) if dataset.groups is None else [])]


def _features(dataset: MultimodalDataset) -> Array | None:
    """All modalities side by side, standardised, each weighing the same; None where too few rows have them all."""
    whole = np.all(list(dataset.present.values()), axis=0)
    if whole.sum() < FEW_ROWS:
        return None
    blocks = []
    for x in dataset.modalities.values():
        flat = x[whole].reshape(int(whole.sum()), -1).astype(float)
        sd = flat.std(0)
        kept = sd > 0
        if kept.any():
            blocks.append((flat[:, kept] - flat[:, kept].mean(0)) / sd[kept] / np.sqrt(kept.sum()))
    return np.hstack(blocks) if blocks else None


def _twins(x: Array, seed: int) -> list[Worry]:
    # In two dimensions one row in ten thousand has a neighbour so near by chance, in more even fewer.
    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[:_QUERIES])
    nearest = NearestNeighbors(n_neighbors=2).fit(x).kneighbors(x[rows])[0][:, 1]
    typical = float(np.median(nearest))
    share = float((nearest < 0.01 * typical).mean())
    if typical == 0 or share < 0.005:
        return []
    return [
        Worry(
            "duplicates",
            f"{share:.1%} of the rows have a twin (nearer than a hundredth of the usual distance to the nearest row): "
            "if twins are split over training and test part, tests are too good; drop them or give them a group",
            {"share": share},
        )
    ]


def _order(dataset: MultimodalDataset, x: Array, seed: int) -> list[Worry]:
    """Are rows that follow each other, of the same class, more alike than other rows of that class?"""
    if dataset.task != "classification":
        return []
    y = dataset.codes[np.all(list(dataset.present.values()), axis=0)]
    follow = np.flatnonzero(y[1:] == y[:-1])
    if len(follow) < FEW_ROWS:
        return []
    rng = np.random.default_rng(seed)
    follow = rng.permutation(follow)[:_QUERIES]
    order = np.argsort(y, kind="stable")  # another row of the same class, at random
    start, count = np.searchsorted(y[order], y[follow]), np.bincount(y)[y[follow]]
    other = order[start + rng.integers(count)]
    kept = (other != follow) & (other != follow + 1)
    near, usual = (np.linalg.norm(x[follow[kept]] - x[rows[kept]], axis=1) for rows in (follow + 1, other))
    ratio, p = float(np.median(near) / np.median(usual)), float(mannwhitneyu(near, usual, alternative="less").pvalue)
    if p >= LEVEL or ratio > 0.95:
        return []
    return [
        Worry(
            "undeclared groups",
            f"rows that follow each other are more alike than others of their class (distance {ratio:.2f} of the "
            f"usual, p = {p:.1g}), as if they were of one subject or session: if so, declare groups, or every score "
            "here is too good",
            {"ratio": ratio, "p_value": p},
        )
    ]
