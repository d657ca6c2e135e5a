"""Three separately drawn samples: how often do the one-sided 95 % ends hold?

    python benchmarks/bounds_coverage.py [repetitions, default 60] [rows a source, default 300 1000 5000]

Each repetition draws a joint (4 x 4 x 3; three kinds), three independent samples of n rows, and calls `bound`.
"limit": the end against the exact bound of the true tables. "truth": against the synergy or Bayes accuracy of the
joint itself, which lies inside the exact bounds.
"""

import sys
import time
from collections import defaultdict

import numpy as np

from interplay.estimation.bound import bound
from interplay.information import entropy
from interplay.information.bounds import synergy_bounds

SHAPE = (4, 4, 3)
KINDS = ("dense", "sparse", "independent given label")


def draw_joint(kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "dense":
        return rng.dirichlet(np.ones(48)).reshape(SHAPE)
    if kind == "sparse":
        return rng.dirichlet(np.full(48, 0.2)).reshape(SHAPE)
    given = [rng.dirichlet(np.full(4, 0.5), size=3) for _ in range(2)]  # independent given the label
    return np.einsum("y,yi,yj->ijy", rng.dirichlet(np.full(3, 5.0)), *given)


def sample(p: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.array(np.unravel_index(rng.choice(p.size, size=n, p=p.ravel()), p.shape)).T


def run(repetitions: int, sizes: tuple[int, ...]) -> None:
    for n in sizes:
        rng = np.random.default_rng(n)
        hits: dict[str, list[float]] = defaultdict(list)
        start = time.perf_counter()
        for at in range(repetitions):
            p = draw_joint(kind := KINDS[at % 3], rng)
            exact = synergy_bounds(p.sum(1), p.sum(0), p.sum(2), starts=0)
            synergy = entropy(p.sum(2)) + entropy(p.sum((0, 1))) - entropy(p) - exact.information[0] - exact.unique[1]
            one, two, pairs = (sample(p, n, rng) for _ in range(3))
            found = bound(
                {"a": (one[:, 0], one[:, 2]), "b": (two[:, 1], two[:, 2])},
                {"a": pairs[:, 0], "b": pairs[:, 1]},
                random_state=at,
                n_bootstrap=80,
            )
            low, high = found.synergy_interval
            hits["S lower, limit"].append(low <= exact.lower + 1e-9)
            hits["S lower, truth"].append(low <= synergy + 1e-9)
            hits["S upper, limit"].append(high >= min(exact.upper, exact.upper_bounds["cells"]) - 1e-6)
            hits[f"S upper, limit, {kind}"].append(hits["S upper, limit"][-1])
            hits["S upper, truth"].append(high >= synergy - 1e-9)
            low, high = found.accuracy_interval
            accuracy = p.max(-1).sum()
            hits["accuracy lower, limit"].append(low <= exact.accuracy_lower + 1e-9)
            hits["accuracy lower, truth"].append(low <= accuracy + 1e-9)
            hits["accuracy upper, limit"].append(high >= exact.accuracy_upper - 1e-6)
            hits["accuracy upper, truth"].append(high >= accuracy - 1e-9)
            hits["(error of S lower end)"].append(found.synergy_interval[0] - exact.lower)
            hits["(error of S upper end)"].append(found.synergy_interval[1] - exact.upper)
            hits["(bias of S lower)"].append(found.synergy[0] - exact.lower)
            hits["(bias of S upper)"].append(found.synergy[1] - exact.upper)
            hits["(bias of accuracy lower)"].append(found.accuracy[0] - exact.accuracy_lower)
            hits["(p < 0.05)"].append(found.p_value < 0.05)
        print(f"n = {n} a source, {repetitions} repetitions, {time.perf_counter() - start:.0f} s")
        print(*(f"  {name}: {np.mean(v):.3f}" for name, v in hits.items()), sep="\n", flush=True)


if __name__ == "__main__":
    chosen = tuple(map(int, sys.argv[2:])) or (300, 1000, 5000)
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 60, chosen)
