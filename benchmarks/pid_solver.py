"""Our exact solver against general cone programming: CPU seconds of one thread, peak memory, certified error.

    python benchmarks/pid_solver.py                  # up to 64 x 64 x 10
    python benchmarks/pid_solver.py --largest 128    # everything

Rivals (``pip install cvxpy dit ecos``): one vectorised ``rel_entr`` programme in cvxpy, redundant constraints
dropped, Clarabel at 1e-10; and dit's cone solver. Every figure comes from a process of its own, after a small
problem has warmed it up; what takes more than ``--limit`` CPU seconds is stopped. The error of a rival's
coupling is that of the exactly feasible coupling next to it above our certified lower bound; dit's is the
larger error of its two unique informations.
"""

# ruff: noqa: E402  (the number of threads is set before numpy is loaded)

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

from interplay.information._certificate import Programme, feasible_coupling, primal_value
from interplay.information.broja import solve, solve_batch

SHAPES = [(2, 2, 2), (8, 8, 5), (20, 20, 2), (20, 20, 10), (32, 32, 10), (64, 64, 10), (128, 128, 5)]
METHODS = ("ours", "clarabel", "dit")
BITS = 1 / np.log(2)


def joint(shape: tuple[int, ...], alpha: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(int(np.prod(shape)), alpha)).reshape(shape)


def ours(p: np.ndarray) -> Callable[[], float]:
    """Solve; the error is the certified gap."""
    solution = solve(p, tolerance=1e-9)
    return lambda: solution.gap


def clarabel(p: np.ndarray) -> Callable[[], float]:
    import cvxpy as cp
    import scipy.sparse as sp

    k1, k2, k = p.shape
    rows = sp.kron(sp.eye(k1), np.ones((1, k2)))
    columns = sp.kron(np.ones((1, k1)), sp.eye(k2)).tocsr()[:-1]  # the last column follows from the others
    q = cp.Variable((k1 * k2, k), nonneg=True)
    objective = cp.sum(cp.rel_entr(q, cp.sum(q, axis=1, keepdims=True) @ np.ones((1, k))))
    limits = [rows @ q == p.sum(axis=1), columns @ q == p.sum(axis=0)[:-1]]
    tight = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    cp.Problem(cp.Minimize(objective), limits).solve(solver=cp.CLARABEL, **tight)
    value = np.maximum(q.value, 0).reshape(p.shape)
    return lambda: coupling_error(p, value)


def dit(p: np.ndarray) -> Callable[[], float]:
    from dit import Distribution
    from dit.pid import PID_BROJA

    unique = PID_BROJA._measure(Distribution.from_ndarray(p), ((0,), (1,)), (2,), method="cone")

    def error() -> float:
        union = solve(p, tolerance=1e-11).information
        true = union - mutual_information(p.sum(axis=0)), union - mutual_information(p.sum(axis=1))
        return max(abs(u - t) for u, t in zip((unique[(0,)], unique[(1,)]), true, strict=True))

    return error


def mutual_information(p: np.ndarray) -> float:
    return float((p * np.log2(p / (p.sum(axis=0) * p.sum(axis=1, keepdims=True)))).sum())


def coupling_error(p: np.ndarray, q: np.ndarray) -> float:
    problem = Programme.from_tables(p.sum(axis=1).T[None], p.sum(axis=0).T[None])
    value = primal_value(feasible_coupling(problem, q.transpose(2, 0, 1)[None]))[0]
    return float(BITS * (value - solve(p, tolerance=1e-11).dual))


def one(method: str, shape: tuple[int, ...], alpha: float, limit: int) -> None:
    """Child process: print CPU seconds, peak memory and error as JSON."""
    run = globals()[method]
    run(joint((3, 3, 2), 1.0))
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    p, seconds = joint(shape, alpha), []
    while len(seconds) < 5 and sum(seconds) < 2:
        start = time.process_time()
        error = run(p)
        seconds.append(time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": statistics.median(seconds), "memory": memory, "error": error()}))


def measure(method: str, shape: tuple[int, ...], alpha: float, limit: int) -> dict[str, float] | str:
    command = [sys.executable, __file__, "--one", method, *map(str, shape), str(alpha), str(limit)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        return f"> {limit} s" if child.returncode < 0 else child.stderr.strip().splitlines()[-1][:60]
    return json.loads(child.stdout.splitlines()[-1])


def table(largest: int, limit: int) -> None:
    print("| joint | Dirichlet | method | CPU s | ours faster by | peak MB | error, bits |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        for alpha in (1.0, 0.1) if max(shape) <= largest else ():
            base = 0.0
            for method in METHODS:
                result = measure(method, shape, alpha, limit)
                start = f"| {'x'.join(map(str, shape))} | {alpha:g} | {method} |"
                if isinstance(result, str):
                    print(f"{start} {result} | | | |", flush=True)
                    continue
                base = base or result["seconds"]
                ratio = "" if method == "ours" else f"{result['seconds'] / base:.0f}"
                figures = f"{result['seconds']:.4f} | {ratio} | {result['memory']:.0f} | {result['error']:.0e}"
                print(f"{start} {figures} |", flush=True)


def bootstrap(replicates: int = 1000, rivals: int = 20) -> None:
    """Multinomial replicates of one 20x20x2 table; the rival is timed on a few of them."""
    rng = np.random.default_rng(1)
    batch = rng.multinomial(2000, joint((20, 20, 2), 1.0).ravel(), replicates).reshape(-1, 20, 20, 2) / 2000
    start = time.process_time()
    result = solve_batch(batch)
    seconds = time.process_time() - start
    clarabel(batch[0])
    start = time.process_time()
    for p in batch[:rivals]:
        clarabel(p)
    each = (time.process_time() - start) / rivals
    print(
        f"\nBootstrap, 20x20x2: {replicates} replicates in {seconds:.2f} s, "
        f"largest gap {result.gap.max():.0e} bits; "
        f"cvxpy with Clarabel needs {each:.4f} s each: {seconds / each:.0f} in the same time."
    )


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        method, *shape, alpha, limit = sys.argv[2:]
        one(method, tuple(map(int, shape)), float(alpha), int(limit))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=64, help="largest number of symbols")
    parser.add_argument("--limit", type=int, default=180, help="CPU seconds after which a method is stopped")
    arguments = parser.parse_args()
    table(arguments.largest, arguments.limit)
    bootstrap()


if __name__ == "__main__":
    main()
