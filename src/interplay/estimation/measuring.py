"""`measure`: from a data set to redundancy, unique information and synergy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interplay.data import MultimodalDataset, as_dataset
from interplay.estimation.classifiers import measure_batch, measure_classifiers
from interplay.estimation.controls import run_controls
from interplay.estimation.discrete import measure_discrete
from interplay.estimation.dual import measure_dual
from interplay.estimation.measurement import Measurement
from interplay.estimation.resample import Track, tracker
from interplay.estimation.settings import Settings
from interplay.estimation.several import measure_several
from interplay.estimation.table import CORRECTIONS
from interplay.information import definitions

__all__ = ["ESTIMATORS", "measure"]

Estimator = Callable[[MultimodalDataset, NDArray[np.int64], NDArray[np.int64] | None, Settings, Track], Measurement]
_ESTIMATORS: dict[str, Estimator] = {
    "discrete": measure_discrete,
    "classifiers": measure_classifiers,
    "batch": measure_batch,
    "dual": measure_dual,
}
ESTIMATORS = tuple(_ESTIMATORS)
_TARGET_BINS = 4
_FEWEST_ROWS = 10
_FEW_GROUPS = 10


def measure(
    X: MultimodalDataset | Mapping[str, ArrayLike | None],
    target: ArrayLike | None = None,
    *,
    modalities: Sequence[str] | None = None,
    redundancy: str = "broja",
    estimator: str = "discrete",
    discretiser: str | Mapping[str, str] = "auto",
    n_bins: int | None = None,
    correction: str = "adaptive",
    n_bootstrap: int = 200,
    n_permutations: int = 200,
    confidence: float = 0.95,
    n_splits: int = 5,
    n_repeats: int = 3,
    sensitivity: bool = True,
    controls: bool = False,
    n_jobs: int | None = None,
    random_state: int | None = None,
    progress: bool = False,
) -> Measurement:
    """Measure what two modalities share, have alone and tell only together about the target.

    The "discrete" estimator turns each modality into codes (a partition fitted on a fifth of the rows, with a
    supervised discretiser on half, and counted on the others), decomposes the table of counts and corrects it::

        S = S(counts) - mean over tables drawn from m of [ S(drawn) - S(m) ]

    with m the joint of largest entropy that has the pairwise tables of the data, so no interaction of third order; the
    other parts alike. As far as the data clearly have such an interaction, Grassberger's estimate of I(X1,X2;Y) takes
    the place of this correction ("adaptive"). Intervals: corrected value -+ z * deviation, of the bootstrap and of the
    correction itself; for "broja" also as far as the duals of some rows, evaluated on the others, find less of
    R + U1 + U2 than the counts do (where both unique parts are zero, the counts exaggerate it by order n^(-1/2)). The
    p-value of the synergy is that of the counts among tables drawn from a joint without synergy; p-values of the other
    parts are against shuffled targets. ``docs/measure.md`` has the reasons, the measured bias and the coverage.

    Rows in which a measured modality is absent are left out (and said in the warnings). Whole groups of the data set
    are resampled and kept on one side, and tables are drawn with as many rows as the groups are worth. The order of
    rows changes nothing as long as the ids come with them.

    Args:
        X: data set, or mapping name -> array.
        target: classes ``(n,)`` where ``X`` has none. Floats are cut into 4 classes of equal size, with a warning.
        modalities: the modalities to measure; default all. With three and more: every pair, each against the rest.
        redundancy: definition, see `interplay.information.decompose`; "classifiers" has "broja", "mmi" and
            "pointwise_min" only, "batch" and "dual" "broja" only.
        estimator: "discrete", or "classifiers" (cross-fitted, calibrated classifiers, evaluated on held-out labels;
            for inputs of many dimensions and for single samples), or "batch" (the same classifiers, the convex
            programme on the samples themselves), or "dual" (the programme's dual by trained critics; an estimate
            without certificate).
        discretiser: "auto" ("codes" for a column of integers with at most 20 values, else "kmeans"), "kmeans" (on
            standardised features and at most 10 principal components), "quantile", "tree", "classifier", "codes", or
            a mapping name -> one of these.
        n_bins: cells a modality; default the largest K from 2 to 20 with ``n >= 2 K^2 k``.
        correction: "adaptive", "maxent", "grassberger", "chao-shen", "miller-madow" or "none".
        n_bootstrap: tables drawn for the correction and as many for the intervals.
        n_permutations: tables drawn for each test.
        confidence: of the intervals; ``1 - confidence`` is the level of the tests in the printed reading.
        n_splits: folds of cross-fitting ("classifiers").
        n_repeats: rounds of cross-fitting, whose spread is the uncertainty of each sample ("classifiers").
        sensitivity: also estimate with other numbers of cells and other fits.
        controls: also measure three cases of known synergy at this size: the first modality twice, an embedded XOR,
            shuffled targets; a failure becomes a warning.
        n_jobs: workers; results do not depend on it.
        random_state: seed; None draws one.
        progress: show a progress bar.

    Returns:
        `Measurement`; where there are fewer samples than cells an estimate is NaN and the warnings give the reason.

    Raises:
        ValueError: no target, one class, fewer than two modalities or ten complete rows, unknown names or options.

    Example:
        >>> from interplay.data.datasets import make_gates
        >>> data = make_gates("XOR", n_samples=500, random_state=0).dataset
        >>> print(measure(data, n_bootstrap=50, n_permutations=50, random_state=0))
        What a and b tell about the target, in bits (500 samples, 2 x 2 cells; discrete, broja):
        ...
    """
    dataset = as_dataset(X, target)
    dataset = dataset if modalities is None else dataset.select(list(modalities))
    if len(dataset.names) < 2:
        raise ValueError(f"measure needs two modalities at least, found {list(dataset.names)}; name two.")
    settings = _check(
        redundancy=redundancy,
        discretiser=discretiser,
        n_bins=n_bins,
        correction=correction,
        n_bootstrap=n_bootstrap,
        n_permutations=n_permutations,
        confidence=confidence,
        n_splits=n_splits,
        n_repeats=n_repeats,
        sensitivity=sensitivity,
        n_jobs=n_jobs,
        seed=int(np.random.SeedSequence(random_state).generate_state(1)[0]),
    )
    if estimator not in _ESTIMATORS:
        raise ValueError(f"unknown estimator {estimator!r}; there are {', '.join(_ESTIMATORS)}.")
    m = len(dataset.names)
    runs = (4 if controls else 1) if m == 2 else m * (m - 1) // 2 + m
    with tracker(progress, runs * 2 * (n_bootstrap + n_permutations), "measuring") as track:

        def measure_two(pair: MultimodalDataset, settings: Settings) -> Measurement:
            whole, y, groups, warnings = _prepare(pair)
            found = _ESTIMATORS[estimator](whole, y, groups, settings, track)
            found.warnings[:0] = warnings
            return replace(found, samples=None if found.samples is None else found.samples.reindex(pair.ids))

        if m == 2:
            found = measure_two(dataset, settings)
            if not controls:
                return found
            whole, _, groups, _ = _prepare(dataset)
            checks, warnings = run_controls(whole, groups, settings, measure_two)
            found.warnings.extend(warnings)
            return replace(found, controls=checks)
        whole, y, groups, warnings = _prepare(dataset)
        found = measure_several(dataset, whole, y, groups, settings, measure_two)
        found.warnings[:0] = warnings
        return found


def _check(**choices: Any) -> Settings:
    settings = Settings(**choices)
    definitions.get(settings.redundancy)
    if settings.correction not in CORRECTIONS:
        raise ValueError(f"unknown correction {settings.correction!r}; there are {', '.join(CORRECTIONS)}.")
    for name, least in (("n_bootstrap", 2), ("n_permutations", 1), ("n_splits", 2), ("n_repeats", 1)):
        value = getattr(settings, name)
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, found {value!r}.")
    if settings.n_bins is not None and not 2 <= settings.n_bins <= 200:
        raise ValueError(f"n_bins must be from 2 to 200, found {settings.n_bins!r}.")
    if not 0 < settings.confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, found {settings.confidence!r}.")
    return settings


def _prepare(
    dataset: MultimodalDataset,
) -> tuple[MultimodalDataset, NDArray[np.int64], NDArray[np.int64] | None, list[str]]:
    """Complete rows, codes of their classes and groups, and what to say about them."""
    whole, warnings = _complete(dataset)
    y, more = _classes(whole)
    if whole.groups is None:
        return whole, y, None, [*warnings, *more]
    known, groups = np.unique(whole.groups, return_inverse=True)
    if len(known) < _FEW_GROUPS:
        more.append(f"{len(known)} group(s): whole groups are resampled, and of so few the intervals say little.")
    return whole, y, groups, [*warnings, *more]


def _complete(dataset: MultimodalDataset) -> tuple[MultimodalDataset, list[str]]:
    """Rows in which all modalities are present, sorted by id so that the order of rows does not matter."""
    whole = np.all([dataset.present[name] for name in dataset.names], axis=0)
    kept = np.flatnonzero(whole)
    kept = kept[np.argsort(dataset.ids[kept], kind="stable")]
    names = " or ".join(repr(name) for name in dataset.names)
    if len(kept) < _FEWEST_ROWS:
        raise ValueError(
            f"measure needs {_FEWEST_ROWS} rows with all of {', '.join(dataset.names)} present, found {len(kept)} of "
            f"{len(dataset)}; name the modalities that matter, or give more rows."
        )
    lost = len(dataset) - len(kept)
    warnings = [f"{lost} of {len(dataset)} rows lack {names} and are left out."] if lost else []
    return dataset[kept], warnings


def _classes(dataset: MultimodalDataset) -> tuple[NDArray[np.int64], list[str]]:
    """Codes of the target's classes; numbers are cut at their quartiles."""
    if dataset.task is None or dataset.target is None:
        raise ValueError("measure needs a target; give one as measure(X, target) or dataset.with_target(y).")
    if dataset.task == "classification":
        y, warnings = dataset.codes, []
    else:
        edges = np.unique(np.quantile(dataset.target, np.linspace(0, 1, _TARGET_BINS + 1)[1:-1]))
        _, y = np.unique(np.searchsorted(edges, dataset.target, side="right"), return_inverse=True)
        warnings = [f"the target is numeric; it is cut into {int(y.max()) + 1} classes of equal size."]
    if y.max() == 0:
        raise ValueError("the target has one class only in the rows measured; there is nothing to tell about it.")
    return y.astype(np.int64), warnings
