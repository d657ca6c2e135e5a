"""Estimators on continuous inputs whose decomposition is known: gates in 64 dimensions, Gaussian classes.

    python benchmarks/measure_continuous.py

Gaussian: the class moves the mean of each modality's one informative direction by -+m; the weaker modality is then a
degraded version of the stronger one, so U of the weaker is 0, R its information and S the rest. The direction is hidden
in 64 dimensions by a random rotation. Informations are one-dimensional integrals.
"""

import argparse
import time

import numpy as np

import interplay as ip
from interplay.data import MultimodalDataset
from interplay.data.datasets import make_gates

FEATURES = 64


def binary_information(separation):
    """I(X;Y) in bits of N(-+separation, 1) and a fair binary class."""
    x = np.linspace(-12, 12, 20_001) + separation
    density = np.exp(-0.5 * (x - separation) ** 2) / np.sqrt(2 * np.pi)
    return 1 - np.trapezoid(density * np.log2(1 + np.exp(-2 * separation * x)), x)


def gaussian(n, first, second, correlation, rng):
    """Data set and its true parts."""
    y = rng.integers(2, size=n)
    noise = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=n)
    centre = (2 * y - 1)[:, None] * np.array([first, second])
    arrays = {}
    for m, name in enumerate("ab"):
        x = rng.normal(size=(n, FEATURES))
        x[:, 0] = (centre + noise)[:, m]
        arrays[name] = x @ np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))[0]
    means = np.array([first, second])
    both = np.sqrt(means @ np.linalg.solve([[1, correlation], [correlation, 1]], means))
    one, two, together = (binary_information(s) for s in (first, second, both))
    best = max(one, two)
    return MultimodalDataset(arrays, y), (min(one, two), best - two, best - one, together - best)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=(1000, 4000))
    options = parser.parse_args()
    print("truth and estimates: R U1 U2 S; interval of S at 90 %")
    for n in options.samples:
        cases = {}
        for gate in ("XOR", "AND", "COPY", "REDUNDANT"):
            made = make_gates(gate, n_samples=n, n_features=FEATURES, noise=0.3, random_state=0)
            exact = ip.decompose(made.joint)
            cases[gate] = made.dataset, (exact.redundancy, *exact.unique, exact.synergy)
        rng = np.random.default_rng(0)
        cases["gaussian 1, 1"] = gaussian(n, 1.0, 1.0, 0.0, rng)
        cases["gaussian 1.5, 0.5"] = gaussian(n, 1.5, 0.5, 0.0, rng)
        cases["gaussian 1, 1, correlation -0.6"] = gaussian(n, 1.0, 1.0, -0.6, rng)
        cases["gaussian 1.5, 0.5, correlation 0.8"] = gaussian(n, 1.5, 0.5, 0.8, rng)
        for label, (data, truth) in cases.items():
            print(f"{label}, {FEATURES} features, n={n}: truth {np.round(truth, 3)}", flush=True)
            for estimator in ("discrete", "classifiers", "batch"):
                start = time.perf_counter()
                m = ip.measure(
                    data, estimator=estimator, confidence=0.9, n_repeats=1, sensitivity=False, n_bootstrap=50,
                    n_permutations=99, random_state=0,
                )  # fmt: skip
                parts = np.round([m.redundancy, *m.unique.values(), m.synergy], 3)
                ends = np.round(m.intervals["synergy"], 3)
                print(f"   {estimator:<12} {parts}  S in {ends}  {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
