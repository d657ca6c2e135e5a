"""From three separate samples to bounds of synergy and of the accuracy of fusion: no labelled pair is used."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray

from interplay.estimation._bound_codes import Coded, choose_pair_bins, code_sources
from interplay.estimation._bound_draws import draw_tables, effective_sizes
from interplay.estimation._bound_input import Labelled, Pairs, read_sources
from interplay.estimation.bound_result import Bound
from interplay.estimation.disagreement import disagreement_of_samples
from interplay.estimation.discretise import DISCRETISERS
from interplay.estimation.promises import honest_promises
from interplay.information._bounds_batch import bounds_batch
from interplay.information._programme import cell_limits
from interplay.information.bounds import SynergyBounds, synergy_bounds
from interplay.information.tables import reconcile, reconcile_batch

__all__ = ["bound"]

Array = NDArray[np.float64]
BATCH_NUMBERS = 20_000_000


def bound(
    labelled: Mapping[str, Labelled],
    pairs: Pairs,
    *,
    pair_groups: ArrayLike | None = None,
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
        labelled: name -> (values (n, ...), labels (n,)), or with subjects (values, labels, groups (n,)), or a
            `MultimodalDataset` that has the modality, a target and perhaps groups; exactly two modalities. The samples
            need not match. Nothing else of a data set is read.
        pairs: the same two names -> values (m, ...), row by row from the same unlabelled samples; or a data set, whose
            target is not read.
        pair_groups: (m,) subjects of the pairs. The same name is the same subject in all three samples; subjects are
            kept together in folds and drawn as a whole in the bootstrap.
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
    sources = read_sources(labelled, pairs, n_splits, pair_groups)
    seeds = np.random.SeedSequence(random_state).generate_state(n_splits + 2)
    bins = n_bins or choose_pair_bins(sources)
    coded = code_sources(sources, bins, discretiser, n_splits, int(seeds[-1]))
    work = _track(list(enumerate(coded)), progress)
    results = Parallel(n_jobs=n_jobs)(delayed(_one_split)(part, n_bootstrap, int(seeds[i])) for i, part in work)
    exact: list[SynergyBounds] = [r[0] for r in results]
    draws = {name: np.mean([r[1][name] for r in results], axis=0) for name in results[0][1]}
    seen = {name: float(np.mean([r[2][name] for r in results])) for name in results[0][2]}
    promised = honest_promises(coded, int(seeds[-2]))
    continuous = None if all(sources.are_codes) else disagreement_of_samples(sources, n_splits, int(seeds[-2]))
    return Bound.assemble(sources, coded, exact, draws, seen, promised, continuous, confidence)


def _check_settings(n_bins: int | None, discretiser: str, confidence: float, n_bootstrap: int, n_splits: int) -> None:
    if n_bins is not None and n_bins < 2:
        raise ValueError(f"n_bins is {n_bins}, expected at least 2")
    if discretiser not in DISCRETISERS:
        raise ValueError(f"discretiser {discretiser!r} is unknown; there are {', '.join(DISCRETISERS)}")
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected a number between 0.5 and 1")
    if n_bootstrap < 20 or n_splits < 2:
        raise ValueError(f"n_bootstrap is {n_bootstrap} (at least 20), n_splits is {n_splits} (at least 2)")


def _one_split(part: Coded, n_bootstrap: int, seed: int) -> tuple[SynergyBounds, dict[str, Array], dict[str, float]]:
    """Bounds of the split's tables, their bootstrap draws, and the same batch computation on the tables seen."""
    sizes, subjects = effective_sizes(part)
    one, two, pairs = (c / c.sum() for c in part.counts())
    moved = reconcile(one, two, pairs, sizes=sizes, subjects=subjects)
    exact = replace(synergy_bounds(moved.p1y, moved.p2y, moved.p12, starts=2), reconciliation=moved)
    centre = (moved.p1y, moved.p2y, moved.p12)
    seen = _batch((centre[0][None], centre[1][None], centre[2][None]))
    draws = draw_tables(part, centre, n_bootstrap, np.random.default_rng(seed))
    weights = np.array(sizes) / sum(sizes)
    *tables, _ = reconcile_batch(draws[0], draws[1], draws[2], weights, tolerance=1e-4, max_iterations=100)
    drawn = _batch((tables[0], tables[1], tables[2]))
    return exact, drawn, {name: float(v[0]) for name, v in seen.items()}


def _batch(tables: tuple[Array, Array, Array]) -> dict[str, Array]:
    """Bounds of every set of tables, some at a time: a Newton step holds these many numbers for each."""
    (_, k1, k2), k = tables[2].shape, tables[0].shape[2]
    at_once = max(1, BATCH_NUMBERS // max(k1 * k2 * k**2, (k1 + k2) ** 2 * k**2))
    chunks = [
        _some((tables[0][i : i + at_once], tables[1][i : i + at_once], tables[2][i : i + at_once]))
        for i in range(0, len(tables[0]), at_once)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _some(tables: tuple[Array, Array, Array]) -> dict[str, Array]:
    found = bounds_batch(*tables)
    found["accuracy_upper"] = np.minimum(cell_limits(*tables)[1].max(-1).sum((1, 2)), 1.0)
    return found


def _track(work: list[Any], progress: bool) -> Any:
    if not progress:
        return work
    from rich.progress import track

    return track(work, description="bounds")
