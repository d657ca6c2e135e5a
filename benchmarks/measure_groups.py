"""False alarms of the synergy test where rows of one group are alike: single rows as units against whole groups.

    python benchmarks/measure_groups.py [--repetitions 200] [--shape 3 3 2]

No case has synergy. "single": no effect of groups. "copies": five copies of each row; "uneven": 1 to 11 copies.
"places": each group has a distribution over the cells of its own. "inputs": a person's two modalities are alike, the
target is drawn anew; a synergy test needs no correction there. "subject": all three depend on the person.
"""

import argparse
import time

import numpy as np

from interplay.estimation.design import effective_rows
from interplay.estimation.resample import from_model, parts_of
from interplay.estimation.table import synergy_free

GROUPS, SIZE = 40, 15
KINDS = ("single", "copies", "uneven", "places", "inputs", "subject")


def rows(kind, shape, rng):
    """Flat index of each row's cell, and its group."""
    cells = int(np.prod(shape))
    if kind == "single":
        return rng.integers(cells, size=GROUPS * SIZE), np.repeat(np.arange(GROUPS), SIZE)
    if kind in ("copies", "uneven"):
        times = np.full(120, 5) if kind == "copies" else rng.integers(1, 12, size=120)
        return np.repeat(rng.integers(cells, size=120), times), np.repeat(np.arange(120), times)
    groups = np.repeat(np.arange(GROUPS), SIZE)
    if kind == "places":
        p = rng.dirichlet(np.full(cells, 5 / cells), size=GROUPS)
        return np.concatenate([rng.choice(cells, size=SIZE, p=each) for each in p]), groups
    columns = []
    for axis, size in enumerate(shape):
        own, free = rng.integers(size, size=GROUPS)[groups], rng.integers(size, size=len(groups))
        if axis == 2:
            columns.append(own if kind == "subject" else free)
        else:
            columns.append(np.where(rng.random(len(groups)) < 0.75, own, free))
    return np.ravel_multi_index(tuple(columns), shape), groups


def p_value(table, worth, n_tables, rng):
    """Of the plug-in synergy against tables of ``worth`` rows without synergy."""
    null = synergy_free(table * (worth / table.sum()))
    drawn = parts_of(from_model(null, worth)(rng, n_tables), "broja")[:, 3]
    return (1 + (drawn >= parts_of(table[None], "broja")[0, 3] - 1e-9).sum()) / (1 + n_tables)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--shape", type=int, nargs=3, default=(3, 3, 2))
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    options = parser.parse_args()
    shape, rng = tuple(options.shape), np.random.default_rng(2026)
    print(f"{shape}: share rejected at 5 %; mean design effect of pairs, of synergy")
    for kind in options.kinds:
        start, single, grouped, effects = time.process_time(), [], [], []
        for _ in range(options.repetitions):
            cells, groups = rows(kind, shape, rng)
            table = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
            worth = effective_rows(table, cells, groups)
            effects.append([len(cells) / each for each in worth])
            single.append(p_value(table, len(cells), 99, rng))
            grouped.append(p_value(table, worth[1], 99, rng))
        alarms = [(np.array(p) <= 0.05 + 1e-12).mean() for p in (single, grouped)]
        print(
            f"{kind:<8} rows {alarms[0]:.3f}  groups {alarms[1]:.3f}  effects {np.round(np.mean(effects, axis=0), 2)}"
            f"  ({time.process_time() - start:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
