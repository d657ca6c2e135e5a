"""Random joints: do the bounds hold, how wide are they, how do the published forms compare?

    python benchmarks/bounds_random.py [number of joints, default 10000] [figure.png]

Prints violations beyond 1e-6, mean gaps on random 2x2x2 joints (normalised exponentials, as in the paper) and the
rank correlation of lower and upper end with the true synergy over joints of mixed sizes; the figure shows both.
"""

import sys
import time
from collections import defaultdict
from io import BytesIO

import numpy as np
from scipy.stats import spearmanr

from interplay.information import entropy
from interplay.information.bounds import SynergyBounds, disagreement, synergy_bounds

SIZES = [(2, 2, 2), (3, 3, 2), (2, 4, 3), (4, 4, 3), (5, 3, 4), (6, 6, 2)]


def check(p: np.ndarray) -> tuple[SynergyBounds, float, float]:
    """Bounds from the three tables, true synergy, true Bayes accuracy; assertion where a bound fails."""
    found = synergy_bounds(p.sum(1), p.sum(0), p.sum(2), starts=1)
    star = found.information[0] + found.unique[1]
    synergy = entropy(p.sum(2)) + entropy(p.sum((0, 1))) - entropy(p) - star
    return found, float(synergy), float(p.max(-1).sum())


def run(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    gaps: dict[str, list[float]] = defaultdict(list)
    rows, violations, start = [], defaultdict(int), time.perf_counter()
    for at in range(count):
        size = SIZES[0] if at % 2 == 0 else SIZES[at // 2 % len(SIZES)]
        alpha = 1.0 if at % 2 == 0 else rng.choice([1.0, 0.3, 0.1])
        p = rng.dirichlet(np.full(np.prod(size), alpha)).reshape(size)
        found, s, accuracy = check(p)
        violations["lower > S"] += found.lower > s + 1e-6
        violations["upper < S"] += found.upper < s - 1e-6
        violations["upper < attained"] += found.upper < found.inner - 1e-6
        violations["accuracy below"] += found.accuracy_lower > accuracy + 1e-6
        violations["accuracy above"] += found.accuracy_upper < accuracy - 1e-6
        violations["rule below its guarantee"] += (found.rule * p).sum() < found.accuracy_lower - 1e-6
        violations["entropy form wrong"] += not (
            found.accuracy_entropy[0] - 1e-6 <= accuracy <= found.accuracy_entropy[1] + 1e-6
        )
        rows.append((s, found.lower, found.upper, accuracy, found.accuracy_lower, found.accuracy_upper))
        if at % 2 == 0:
            alpha_nats = disagreement(p.sum(1), p.sum(0), p.sum(2))
            released = alpha_nats - max(found.unique)
            gaps["S"].append(s)
            gaps["lower: three tables"].append(s - found.lower)
            gaps["lower: disagreement"].append(s - found.lower_bounds["disagreement"])
            gaps["released disagreement (c = 1) exceeds S"].append(released > s + 1e-9)
            gaps["attained maximum"].append(found.inner - s)
            for name, value in found.upper_bounds.items():
                gaps[f"upper: {name}"].append(value - s)
            gaps["accuracy lower"].append(accuracy - found.accuracy_lower)
            gaps["accuracy upper"].append(found.accuracy_upper - accuracy)
            gaps["entropy form lower"].append(accuracy - found.accuracy_entropy[0])
            gaps["entropy form upper"].append(found.accuracy_entropy[1] - accuracy)
        if (at + 1) % 1000 == 0 or at + 1 == count:
            report(at + 1, time.perf_counter() - start, violations, gaps, rows)
    return np.array(rows)


def report(count, seconds, violations, gaps, rows) -> None:
    print(f"{count} joints in {seconds:.0f} s; violations:", dict(violations))
    print("2x2x2, mean:", *(f"  {name}: {np.mean(v):.4f}" for name, v in gaps.items()), sep="\n")
    table = np.array(rows)
    for name, column in (("lower", 1), ("upper", 2)):
        print(
            f"rank correlation of {name} with S: {spearmanr(table[:, 0], table[:, column]).statistic:.3f}", flush=True
        )
    for name, column in (("lower", 4), ("upper", 5)):
        print(
            f"rank correlation of accuracy {name}: {spearmanr(table[:, 3], table[:, column]).statistic:.3f}", flush=True
        )


def draw(rows: np.ndarray, path: str) -> None:
    """Lower and upper end against the truth, synergy on the left, accuracy on the right."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, at, what in zip(axes, (0, 3), ("synergy (bits)", "Bayes accuracy"), strict=True):
        truth, lower, upper = rows[:, at : at + 3].T
        axis.plot(truth, upper, ".", color="#c44e52", markersize=1.2, alpha=0.4, label="upper end")
        axis.plot(truth, lower, ".", color="#4c72b0", markersize=1.2, alpha=0.4, label="lower end")
        axis.plot([truth.min(), truth.max()], [truth.min(), truth.max()], color="black", linewidth=0.8)
        axis.set(xlabel=f"true {what}", ylabel="bound from three tables")
    axes[1].legend(markerscale=8, frameon=False, loc="lower right")
    whole = BytesIO()
    figure.savefig(whole, dpi=90)
    Image.open(whole).convert("RGB").quantize(24).save(path, optimize=True)  # a quarter of the size


if __name__ == "__main__":
    joints = run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    if len(sys.argv) > 2:
        draw(joints, sys.argv[2])
