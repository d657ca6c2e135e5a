"""From three separate samples to bounds of synergy and of the accuracy of fusion: no labelled pair is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from interplay.estimation._bound_input import Sources, read_sources
from interplay.estimation.bound_result import Bound
from interplay.estimation.counts import count_table
from interplay.estimation.disagreement import disagreement_of_samples
from interplay.estimation.discretise import DISCRETISERS
from interplay.information._bounds_batch import bounds_batch
from interplay.information._programme import cell_limits
from interplay.information.accuracy import smallest_accuracy, threshold
from interplay.information.bounds import SynergyBounds, synergy_bounds
from interplay.information.tables import reconcile_batch

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
MAX_BINS = 12
RULE_FOLDS = 5


@dataclass(frozen=True)
class Coded:
    """Symbols of the rows counted in one split: codes of modality 1 and 2 with labels, codes of the pairs.

    rows1, rows2: which labelled samples are counted. shape: (K1, K2, k).
    """

    codes1: Codes
    codes2: Codes
    rows1: Codes
    rows2: Codes
    y1: Codes
    y2: Codes
    pair1: Codes
    pair2: Codes
    shape: tuple[int, int, int]

    def counts(self, keep: tuple[Any, Any, Any] = (slice(None),) * 3) -> tuple[Array, Array, Array]:
        """Counts of the three tables over the chosen rows."""
        k1, k2, k = self.shape
        return (
            count_table(self.codes1[keep[0]], self.y1[keep[0]], shape=(k1, k)).astype(float),
            count_table(self.codes2[keep[1]], self.y2[keep[1]], shape=(k2, k)).astype(float),
            count_table(self.pair1[keep[2]], self.pair2[keep[2]], shape=(k1, k2)).astype(float),
        )


def bound(
    labelled: Mapping[str, tuple[ArrayLike, ArrayLike]],
    pairs: Mapping[str, ArrayLike],
    *,
    n_bins: int | None = None,
    discretiser: str = "classifier",
    confidence: float = 0.95,
    n_bootstrap: int = 100,
    n_splits: int = 2,
    random_state: int | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Bound:
    """Bound synergy and the accuracy of fusion from samples that were never labelled together.

    Each modality is cut into symbols on some folds and counted on the others; the three tables are reconciled
    and bounded (`synergy_bounds`); ends are one-sided at `confidence`. What is bounded is the synergy of the
    symbols; the lower end of accuracy holds for the modalities themselves, too, the upper end for the symbols.

    Args:
        labelled: name -> (values (n, ...), labels (n,)) of exactly two modalities; the samples need not match.
        pairs: the same two names -> values (m, ...), row by row from the same unlabelled samples.
        n_bins: symbols a modality; chosen from the sample sizes if None. Integer codes are used as they stand.
        discretiser: "classifier" (clusters of predicted probabilities), "kmeans", "tree" or "quantile".
        confidence: of each one-sided end.
        n_bootstrap: resamples of the three sources.
        n_splits: folds; every labelled sample is counted once, by a partition fitted without it.
        random_state: seed.
        n_jobs: processes for the splits.
        progress: show a bar.

    Returns:
        The bounds, with `.advice` in plain words.

    Raises:
        ValueError: names, lengths, shapes or labels that do not fit, or settings out of range.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.integers(2, size=(2, 3000, 2))   # inputs of two separate labelled samples: y = a AND b
    >>> y = x[..., 0] & x[..., 1]
    >>> pairs = rng.integers(2, size=(2, 3000))
    >>> found = bound({"a": (x[0, :, 0], y[0]), "b": (x[1, :, 1], y[1])}, {"a": pairs[0], "b": pairs[1]},
    ...               random_state=0)
    >>> found.accuracy[0] > 0.95 and found.synergy[0] > 0.4
    True
    """
    _check_settings(n_bins, discretiser, confidence, n_bootstrap, n_splits)
    sources = read_sources(labelled, pairs, n_splits)
    seeds = np.random.SeedSequence(random_state).generate_state(n_splits + 2)
    bins = n_bins or choose_pair_bins(sources)
    coded = code_sources(sources, bins, discretiser, n_splits, int(seeds[-1]))
    work = _track(list(enumerate(coded)), progress)
    results = Parallel(n_jobs=n_jobs)(delayed(_one_split)(part, n_bootstrap, int(seeds[i])) for i, part in work)
    exact: list[SynergyBounds] = [r[0] for r in results]
    draws = {name: np.mean([r[1][name] for r in results], axis=0) for name in results[0][1]}
    seen = {name: float(np.mean([r[2][name] for r in results])) for name in results[0][2]}
    honest = honest_accuracy(coded, len(sources.pairs[0]), int(seeds[-2]))
    continuous = None if all(sources.are_codes) else disagreement_of_samples(sources, n_splits, int(seeds[-2]))
    return Bound.assemble(sources, coded, exact, draws, seen, honest, continuous, confidence)


def _check_settings(n_bins: int | None, discretiser: str, confidence: float, n_bootstrap: int, n_splits: int) -> None:
    if n_bins is not None and n_bins < 2:
        raise ValueError(f"n_bins is {n_bins}, expected at least 2")
    if discretiser not in DISCRETISERS:
        raise ValueError(f"discretiser {discretiser!r} is unknown; there are {', '.join(DISCRETISERS)}")
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected a number between 0.5 and 1")
    if n_bootstrap < 20 or n_splits < 2:
        raise ValueError(f"n_bootstrap is {n_bootstrap} (at least 20), n_splits is {n_splits} (at least 2)")


def choose_pair_bins(sources: Sources) -> int:
    """Symbols a modality: ten counted labelled samples a cell of (K, k), ten pairs a cell of (K, K), 2 to 12."""
    counted = min(map(len, sources.y)) / 2
    labels = counted / (10 * len(sources.classes))
    return int(np.clip(min(labels, np.sqrt(len(sources.pairs[0]) / 10)), 2, MAX_BINS))


def code_sources(sources: Sources, n_bins: int, discretiser: str, n_splits: int, seed: int) -> list[Coded]:
    """The samples as symbols, once a split; a partition never counts the labelled rows that it was fitted on."""
    folds = [
        list(StratifiedKFold(n_splits, shuffle=True, random_state=seed + m).split(sources.y[m], sources.y[m]))
        for m in (0, 1)
    ]
    if all(sources.are_codes):
        everything = np.arange(len(sources.y[0])), np.arange(len(sources.y[1]))
        return [_coded(sources, (everything[0], everything[1]), (None, None), n_bins, discretiser, seed)]
    parts = []
    for split in range(n_splits):
        counted = (folds[0][split][1], folds[1][split][1])
        fitted = (folds[0][split][0], folds[1][split][0])
        parts.append(_coded(sources, counted, fitted, n_bins, discretiser, seed + split))
    return parts


def _coded(
    sources: Sources,
    counted: tuple[Codes, Codes],
    fitted: tuple[Codes | None, Codes | None],
    n_bins: int,
    discretiser: str,
    seed: int,
) -> Coded:
    codes, pair_codes, sizes = [], [], []
    for m in (0, 1):
        fit_rows = fitted[m]
        if sources.are_codes[m] or fit_rows is None:
            alphabet = np.unique(np.concatenate([sources.x[m][:, 0], sources.pairs[m][:, 0]]))
            codes.append(np.searchsorted(alphabet, sources.x[m][counted[m], 0]))
            pair_codes.append(np.searchsorted(alphabet, sources.pairs[m][:, 0]))
            sizes.append(len(alphabet))
            continue
        partition = DISCRETISERS[discretiser](sources.x[m][fit_rows], sources.y[m][fit_rows], n_bins, seed)
        codes.append(partition(sources.x[m][counted[m]]))
        pair_codes.append(partition(sources.pairs[m]))
        sizes.append(int(max(codes[-1].max(), pair_codes[-1].max())) + 1)
    y1, y2 = sources.y[0][counted[0]], sources.y[1][counted[1]]
    shape = (sizes[0], sizes[1], len(sources.classes))
    return Coded(codes[0], codes[1], counted[0], counted[1], y1, y2, pair_codes[0], pair_codes[1], shape)


def _one_split(part: Coded, n_bootstrap: int, seed: int) -> tuple[SynergyBounds, dict[str, Array], dict[str, float]]:
    """Bounds of the split's tables, their bootstrap draws, and the same batch computation on the tables seen."""
    counts = part.counts()
    sizes = tuple(int(c.sum()) for c in counts)
    exact = synergy_bounds(*(c / c.sum() for c in counts), reconcile=True, sizes=sizes, starts=2)  # type: ignore[arg-type]
    moved = exact.reconciliation
    assert moved is not None
    seen = _batch((moved.p1y[None], moved.p2y[None], moved.p12[None]))
    rng = np.random.default_rng(seed)
    draws = [
        rng.multinomial(n, c.ravel() / n, size=n_bootstrap).reshape(n_bootstrap, *c.shape) / n
        for n, c in zip(sizes, counts, strict=True)
    ]
    weights = np.array(sizes) / sum(sizes)
    *tables, _ = reconcile_batch(draws[0], draws[1], draws[2], weights, tolerance=1e-4, max_iterations=100)
    return exact, _batch((tables[0], tables[1], tables[2])), {name: float(v[0]) for name, v in seen.items()}


def _batch(tables: tuple[Array, Array, Array]) -> dict[str, Array]:
    found = bounds_batch(*tables)
    found["accuracy_upper"] = np.minimum(cell_limits(*tables)[1].max(-1).sum((1, 2)), 1.0)
    found["single1"], found["single2"] = tables[0].max(2).sum(1), tables[1].max(2).sum(1)
    return found


def honest_accuracy(parts: list[Coded], n_pairs: int, seed: int) -> dict[str, tuple[float, float]]:
    """(mean, standard error) of the guaranteed accuracy of rules on samples they were not fitted on.

    The guarantee <a, p1y> + <b, p2y> - <threshold, p12> is linear in the tables, so three sample means estimate it
    without bias whatever the weights; "single1" and "single2" are the accuracies of each modality's own rule.
    """
    first = [np.zeros(0), np.zeros(0)]  # by modality: score of the labelled samples under the rules
    alone = [np.zeros(0), np.zeros(0)]
    pair_values = np.zeros(n_pairs)
    for part in parts:
        at = [KFold(RULE_FOLDS, shuffle=True, random_state=seed + i) for i in range(3)]
        folds = zip(at[0].split(part.codes1), at[1].split(part.codes2), at[2].split(part.pair1), strict=True)
        for (train1, test1), (train2, test2), (train12, test12) in folds:
            counts = part.counts((train1, train2, train12))
            a, b = _rule_weights(counts)
            t = threshold(a[:, None, :] + b[None, :, :])
            first[0] = np.append(first[0], a[part.codes1[test1], part.y1[test1]])
            first[1] = np.append(first[1], b[part.codes2[test2], part.y2[test2]])
            pair_values[test12] += t[part.pair1[test12], part.pair2[test12]] / len(parts)
            alone[0] = np.append(alone[0], counts[0].argmax(1)[part.codes1[test1]] == part.y1[test1])
            alone[1] = np.append(alone[1], counts[1].argmax(1)[part.codes2[test2]] == part.y2[test2])
    pieces = [*first, -pair_values]
    error = float(np.sqrt(sum(p.var() / len(p) for p in pieces)))
    found = {"joint": (float(sum(p.mean() for p in pieces)), error)}
    for m in (0, 1):
        found[f"single{m + 1}"] = (float(alone[m].mean()), float(alone[m].std() / np.sqrt(len(alone[m]))))
    return found


def _rule_weights(counts: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Weights of the rule with the largest guarantee under slightly smoothed tables."""
    smooth = []
    for table in counts:
        independent = np.outer(table.sum(1) + 0.5, table.sum(0) + 0.5)
        smooth.append(table + np.sqrt(table.size) / 2 * independent / independent.sum())
    weights = np.array([t.sum() for t in smooth])
    batch = [(t / t.sum())[None] for t in smooth]
    *moved, _ = reconcile_batch(
        batch[0], batch[1], batch[2], weights / weights.sum(), tolerance=1e-4, max_iterations=200
    )
    found = smallest_accuracy(*(t[0] for t in moved))
    return found.a, found.b


def _track(work: list[Any], progress: bool) -> Any:
    if not progress:
        return work
    from rich.progress import track

    return track(work, description="bounds")


__all__ = ["bound"]
