"""Tables drawn for intervals and tests, and their decompositions: in chunks, on any joblib back end.

Each chunk has a seed of its own, so results do not depend on the number of workers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.sparse import csr_array

from interplay.information.decomposition import decompose_batch

__all__ = ["PARTS", "bootstrap", "decompose_tables", "from_model", "parts_of", "permute_target", "shuffled", "tracker"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Draw = Callable[[np.random.Generator, int], Array]
Track = Callable[[int], None]

PARTS = ("redundancy", "unique:0", "unique:1", "synergy", "total")  # the order of the columns in this package
_CHUNK = 25


def parts_of(tables: NDArray[Any], redundancy: str) -> Array:
    """Plug-in parts ``(B, 5)`` in bits of tables ``(B, K1, K2, k)`` of counts or probabilities; columns `PARTS`."""
    batch = decompose_batch(tables, redundancy=redundancy, normalize=True)
    return np.column_stack([batch.redundancy, batch.unique, batch.synergy, batch.total])


def from_model(joint: Array, n_samples: int) -> Draw:
    """Tables of ``n_samples`` independent draws from a joint."""
    p = joint.ravel() / joint.sum()
    return lambda rng, size: rng.multinomial(n_samples, p, size=size).reshape(size, *joint.shape).astype(np.float64)


def bootstrap(table: NDArray[Any], cells: Codes, groups: Codes | None) -> Draw:
    """Tables of rows drawn with replacement, whole groups together where there are groups.

    Args:
        table: counts ``(K1, K2, k)``.
        cells: ``(n,)``, flat index of each row's cell in the table; used with groups only.
        groups: ``(n,)`` codes from 0, or None.
    """
    if groups is None:
        return from_model(table.astype(np.float64), int(table.sum()))
    n_groups = int(groups.max()) + 1
    members = csr_array((np.ones(len(cells)), (cells, groups)), shape=(table.size, n_groups))

    def draw(rng: np.random.Generator, size: int) -> Array:
        times = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size)
        return np.asarray(members @ times.T.astype(np.float64)).T.reshape(size, *table.shape)

    return draw


def permute_target(y: Codes, groups: Codes | None, rng: np.random.Generator) -> Codes:
    """Shuffle the targets so that what the groups explain stays.

    Without groups all rows are exchanged; where every group has one label, the labels of whole groups; else the rows
    within each group.
    """
    if groups is None:
        return rng.permutation(y)
    _, first = np.unique(groups, return_index=True)
    if (y == y[first][groups]).all():
        return rng.permutation(y[first])[groups]
    shuffled = np.empty_like(y)
    shuffled[np.argsort(groups, kind="stable")] = y[np.lexsort((rng.random(len(y)), groups))]
    return shuffled


def shuffled(pairs: Codes, y: Codes, groups: Codes | None, shape: tuple[int, ...]) -> Draw:
    """Tables of the rows with shuffled targets; ``pairs`` is the flat index of (x1, x2)."""
    k, size_of_table = shape[-1], int(np.prod(shape))

    def one(rng: np.random.Generator) -> NDArray[np.int64]:
        return np.bincount(pairs * k + permute_target(y, groups, rng), minlength=size_of_table)

    return lambda rng, size: np.stack([one(rng) for _ in range(size)]).reshape(size, *shape).astype(np.float64)


def _work(draw: Draw, seed: np.random.SeedSequence, size: int, redundancy: str) -> Array:
    return parts_of(draw(np.random.default_rng(seed), size), redundancy)


def decompose_tables(
    draw: Draw, n_tables: int, *, redundancy: str, seed: np.random.SeedSequence, n_jobs: int | None, track: Track
) -> Array:
    """Draw ``n_tables`` tables and decompose them; plug-in parts ``(n_tables, 5)``."""
    sizes = [min(_CHUNK, n_tables - start) for start in range(0, n_tables, _CHUNK)]
    seeds = seed.spawn(len(sizes))
    if n_jobs in (None, 1):
        jobs: Iterator[Array] = (_work(draw, s, size, redundancy) for s, size in zip(seeds, sizes, strict=True))
        return _collect(jobs, track)
    pool = Parallel(n_jobs=n_jobs, return_as="generator")
    # Tables are drawn here (cheap) so that only arrays travel to the workers.
    tables = (draw(np.random.default_rng(s), size) for s, size in zip(seeds, sizes, strict=True))
    return _collect(pool(delayed(parts_of)(table, redundancy) for table in tables), track)


def _collect(chunks: Iterator[Array], track: Track) -> Array:
    done = []
    for chunk in chunks:
        done.append(chunk)
        track(len(chunk))
    return np.concatenate(done) if done else np.empty((0, len(PARTS)))


@contextmanager
def tracker(progress: bool, total: int, what: str) -> Iterator[Track]:
    """A progress bar on stderr, or nothing; gives the function to call with the number of tables done."""
    if not progress:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
