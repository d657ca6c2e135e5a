"""Time and peak memory of the exact layer at several sizes; each size in its own process.

python benchmarks/bounds_time.py
"""

import resource
import subprocess
import sys
import time

import numpy as np

SIZES = [(10, 10, 5), (20, 20, 5), (50, 50, 10), (100, 100, 10)]


def one(k1: int, k2: int, k: int) -> None:
    from interplay.information._additive import additive_fit
    from interplay.information.accuracy import largest_accuracy, smallest_accuracy
    from interplay.information.bounds import _pairwise, cell_information

    p = np.random.default_rng(0).dirichlet(np.full(k1 * k2 * k, 0.3)).reshape(k1, k2, k)
    tables = p.sum(1), p.sum(0), p.sum(2)
    steps = {
        "redundancy, unique": lambda: _pairwise(*tables),
        "lower bound": lambda: additive_fit(*(t[None] for t in tables)),
        "upper bound": lambda: cell_information(*tables),
        "accuracy lower": lambda: smallest_accuracy(*tables),
        "accuracy upper": lambda: largest_accuracy(*tables),
    }
    took = []
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        took.append(f"{name} {time.perf_counter() - start:.2f} s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{k1}x{k2}x{k}: {', '.join(took)}; peak {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        one(*map(int, sys.argv[1:]))
    else:
        for size in SIZES:
            subprocess.run([sys.executable, __file__, *map(str, size)], check=True)
