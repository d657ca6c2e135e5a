"""Bias, error, coverage, false alarms and power of the discrete estimator on tables of known joints.

    python benchmarks/measure_bias.py [--repetitions 100] [--alarms 400] [--tables 100]

One thread is enough; about 40 minutes on two shared cores. Prints one line a setting as it is known.
"""

import argparse
import time

import numpy as np

from interplay.estimation.counts import pairwise_maximum_entropy
from interplay.estimation.held_out import held_out_union
from interplay.estimation.resample import from_model, parts_of
from interplay.estimation.table import CORRECTIONS, correct, correction_error, estimate_and_intervals, synergy_free

SIZES = ((6, 6, 3), (10, 10, 5))
SAMPLES = (100, 1000, 10_000)
NAMES = ("R", "U1", "U2", "S")


def noisy_copy(size, n_classes, sharpness):
    """p(x|y) of an ordered reading of the class."""
    place = np.linspace(0, 1, size)[None, :] - np.linspace(0, 1, n_classes)[:, None]
    p = np.exp(-sharpness * place**2)
    return p / p.sum(axis=1, keepdims=True)


def mixed(shape, weight, smooth):
    """Two equal noisy readings of the class (U1 = U2 = 0), mixed with a sum modulo k: R and S positive."""
    k1, k2, k = shape
    read = noisy_copy(k1, k, 12)
    shared = np.einsum("yi,yj->ijy", read, noisy_copy(k2, k, 12)) / k
    modulo = np.zeros(shape)
    i, j = np.indices((k1, k2))
    for step, share in ((0, 0.6), (1, 0.2), (-1, 0.2)) if smooth else ((0, 1.0),):
        modulo[i, j, (i + j + step) % k] += share / (k1 * k2)
    return (1 - weight) * shared + weight * modulo


def truths(shape):
    """Name -> joint: of many kinds; "unique" and "duplicate" have no synergy though they are not independent."""
    k1, k2, k = shape
    p1, p2 = np.random.default_rng(1).dirichlet(np.ones(k1)), np.random.default_rng(2).dirichlet(np.ones(k2))
    independent = np.einsum("i,j,k->ijk", p1, p2, np.full(k, 1 / k))
    read = noisy_copy(k1, k, 8) / k
    return {
        "dirichlet": np.random.default_rng(0).dirichlet(np.ones(np.prod(shape))).reshape(shape),
        "mixed": mixed(shape, 0.3, True),
        "modular": mixed(shape, 0.5, False),
        "independent": independent,
        "unique": np.einsum("yi,j->ijy", read, p2),
        "duplicate": np.einsum("yi,ij->ijy", read, np.eye(k1, k2)),
    }


def gate(name, flip):
    """Noisy two-bit gate: the class is flipped with probability ``flip``."""
    joint = np.zeros((2, 2, 2))
    for a in (0, 1):
        for b in (0, 1):
            y = a ^ b if name == "XOR" else a & b
            joint[a, b, y] += (1 - flip) / 4
            joint[a, b, 1 - y] += flip / 4
    return joint


def p_of_synergy(table, n_tables, rng):
    plugin = parts_of(table[None], "broja")[0, 3]
    null = synergy_free(table)
    drawn = parts_of(from_model(null, int(table.sum()))(rng, n_tables), "broja")[:, 3]
    return (1 + (drawn >= plugin - 1e-9).sum()) / (1 + n_tables)


def estimates(table, n_tables, rng):
    """Corrected parts by method, the deviation of the intervals, and how far the adaptive I* may be too large."""
    n = int(table.sum())
    model = pairwise_maximum_entropy(table, shrink=True)
    plugin, exact = parts_of(np.stack([table / n, model]), "broja")
    drawn = parts_of(from_model(model, n)(rng, n_tables), "broja")
    scatter = parts_of(from_model(table / n, n)(rng, n_tables), "broja").std(axis=0, ddof=1)
    deviation = np.hypot(scatter, correction_error(table, plugin, drawn, exact, "broja"))
    corrected = {method: correct(table, plugin, drawn, exact, method) for method in CORRECTIONS}
    cells = np.repeat(np.arange(table.size), table.ravel().astype(int))
    below = corrected["adaptive"][:3].sum() - held_out_union(table, cells, None, rng)
    return corrected, deviation, max(below, 0.0)


def show_estimates(shape, name, joint, n, repetitions, n_tables, rng):
    start = time.perf_counter()
    true = parts_of(joint[None], "broja")[0]
    found, covered, widths = {method: [] for method in CORRECTIONS}, [], []
    for table in from_model(joint, n)(rng, repetitions):
        corrected, deviation, below = estimates(table, n_tables, rng)
        for method, parts in corrected.items():
            found[method].append(estimate_and_intervals(parts, deviation, "broja", 0.9)[0])
        intervals = estimate_and_intervals(corrected["adaptive"], deviation, "broja", 0.9, below=below)[1]
        widths.append(np.diff(intervals)[:4, 0])
        covered.append((intervals[:, 0] <= true + 1e-9) & (true <= intervals[:, 1] + 1e-9))
    size = "x".join(map(str, shape))
    truth = " ".join(f"{part}={value:.3f}" for part, value in zip(NAMES, true, strict=False))
    print(f"{size} {name} n={n} truth {truth}  ({time.perf_counter() - start:.0f} s)", flush=True)
    for method, parts in found.items():
        error = np.array(parts)[:, :4] - true[:4]
        bias, rmse = error.mean(axis=0), np.sqrt((error**2).mean(axis=0))
        print(f"   {method:<13} bias {np.round(bias, 4)}  rmse {np.round(rmse, 4)}", flush=True)
    print(f"   coverage of 90 % intervals (adaptive): R U1 U2 S total {np.mean(covered, axis=0)}", flush=True)
    print(f"   their mean width: R U1 U2 S {np.round(np.mean(widths, axis=0), 3)}", flush=True)


def show_test(label, joint, n, repetitions, n_tables, rng):
    start = time.perf_counter()
    p = np.array([p_of_synergy(table, n_tables, rng) for table in from_model(joint, n)(rng, repetitions)])
    rejected = ", ".join(f"{(p <= level + 1e-12).mean():.3f} at {level:.0%}" for level in (0.01, 0.05, 0.1))
    print(f"test of S: {label} n={n}: rejected {rejected}  ({time.perf_counter() - start:.0f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--alarms", type=int, default=400)
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--size", type=int, choices=(0, 1), help="6x6x3 or 10x10x5 only")
    parser.add_argument("--part", choices=("tests", "gates", "estimates"), help="only these")
    parser.add_argument("--truths", nargs="+", default=("dirichlet", "mixed", "modular", "independent"))
    parser.add_argument("--samples", type=int, nargs="+", default=SAMPLES)
    options = parser.parse_args()
    kinds = ("tests", "gates", "estimates") if options.part is None else (options.part,)
    rng = np.random.default_rng(2026)
    for shape in SIZES if options.size is None else SIZES[options.size :][:1]:
        if "tests" in kinds:
            tests(shape, options, rng)
        if "gates" in kinds and shape == SIZES[0]:
            gates(options, rng)
        if "estimates" in kinds:
            for name in options.truths:
                for n in options.samples:
                    joint = truths(shape)[name]
                    show_estimates(shape, name, joint, n, options.repetitions, options.tables, rng)


def tests(shape, options, rng):
    joints = truths(shape)
    size = "x".join(map(str, shape))
    for n in options.samples:
        show_test(f"{size} independent", joints["independent"], n, options.alarms, 99, rng)
    for name in ("unique", "duplicate"):
        for n in options.samples:
            show_test(f"{size} {name} (S = 0)", joints[name], n, options.repetitions, 99, rng)


def gates(options, rng):
    for name in ("XOR", "AND"):
        for flip in (0.0, 0.2, 0.35):
            for n in options.samples:
                show_test(f"2x2x2 {name}, flipped {flip}", gate(name, flip), n, options.repetitions, 99, rng)


if __name__ == "__main__":
    main()
