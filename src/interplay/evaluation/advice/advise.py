"""``ip.advise``: measure first, then say what to do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from interplay import methods as all_methods
from interplay.data import MultimodalDataset, as_dataset
from interplay.evaluation.advice.controls import Candidate, Held, cross_validated
from interplay.evaluation.advice.gain import Draws, Estimate, best_against_best, difference, draws, of
from interplay.evaluation.advice.interactions import bounded, measured, two_best
from interplay.evaluation.advice.result import NO, UNSURE, YES, Advice
from interplay.evaluation.advice.worries import worries

METHODS = ("ensemble", "naivebayes", "joint")
SETTINGS: Mapping[str, Any] = {"max_epochs": 30, "patience": 6, "batch_size": 128, "progress": False}
_LEAST_ROWS, _DRAWS = 30, 2000


def advise(
    X: MultimodalDataset | Mapping[str, ArrayLike | None],
    target: ArrayLike | None = None,
    *,
    methods: Sequence[str] | None = None,
    quick: bool = False,
    folds: int = 5,
    max_rows: int = 4000,
    least: float = 0.01,
    settings: Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    random_state: int = 0,
    progress: bool = False,
) -> Advice:
    """Say whether fusion is worth it, which modalities matter, which method to try first, and what to fear.

    Every way of predicting is cross-validated on the same folds, subjects (``groups``) kept whole: each modality alone
    and all together by a linear model; each alone and all together by networks. Fusion is worth it ("yes") if the
    interval of the gain of the best way of fusing over the best single modality lies above 0, is not ("no") if it lies
    below ``least``, and otherwise the data "cannot say". The gain is corrected for the choice of the best of several.
    What to try first is the best way of fusing after a yes, the best single modality after a no, else whatever has the
    best score. Redundancy, unique information and synergy of the two best modalities come from `ip.measure` with at
    most 8 cells a modality; where less than half of the rows have both, `ip.bound` adds what all labels say.

    Args:
        X: data set, or mapping name -> array; give groups where rows are not independent.
        target: ``(n,)`` where ``X`` has none.
        methods: fused candidates by name; default ensemble, naivebayes and joint (with ``"logistic"``, or in regression
            ``"ridge"``, always).
        quick: linear models only and no measurement: seconds instead of a minute.
        folds: of the cross-validation, at least 2.
        max_rows: of larger data so many rows are looked at, whole groups, drawn at random.
        least: gains below this (in accuracy or R2) are not worth the trouble.
        settings: of the networks, as `MultimodalClassifier` takes them.
        confidence: of the intervals. They take the models as given: other seeds of the networks are not in them.
        random_state: seed.
        progress: show a bar on standard error.

    Raises:
        ValueError: no target, one modality, too few rows or groups, an unknown method.

    Example:
        >>> from interplay.data.datasets import make_interactions
        >>> data = make_interactions({"unique:a": 0.5, "unique:b": 0.5}, n_samples=600, random_state=0).dataset
        >>> found = advise(data, quick=True)
        >>> found.fusion, found.method, found.gain.low > 0.05
        ('yes', 'logistic', True)
    """
    dataset = as_dataset(X, target)
    names = tuple(() if quick else METHODS if methods is None else methods)
    _check(dataset, names, folds, confidence)
    notes: list[str] = []
    rows = _few_enough(dataset, max_rows, random_state)
    if len(rows) < len(dataset):
        notes.append(f"{len(rows)} of {len(dataset)} rows were looked at (max_rows={max_rows}).")
        dataset = dataset[rows]
    folds = folds if dataset.groups is None else min(folds, len(np.unique(dataset.groups)))
    steps = folds * (len(names) + len(dataset.names) + 1) + 2
    with _steps(progress, steps) as step:
        held = cross_validated(dataset, names, {**SETTINGS, **(settings or {})}, folds, random_state, step)
        notes += [f"{candidate} could not be fitted: {why}" for candidate, why in held.failed.items()]
        ranked, drawn = _ranked(held, random_state)
        column = {candidate: i for i, candidate in enumerate(ranked)}
        alone = {
            name: of(drawn, min(column[c] for c in held.single if c.modality == name), confidence)
            for name in dataset.names
        }
        step("measuring")
        pair = two_best(dataset, alone)
        bits = None if quick else measured(pair, confidence, random_state, notes)
        limits = None if quick else bounded(pair, confidence, random_state, notes)
        step("looking for trouble")
        found = worries(dataset, alone, random_state)
    fused, single = ([column[c] for c in chosen] for chosen in (held.fused, held.single))
    gain = best_against_best(drawn, fused, single, confidence)
    fusion = YES if gain.low > 0 else NO if gain.high < least else UNSURE
    first = min({YES: fused, NO: single, UNSURE: range(len(ranked))}[fusion])
    chosen = ranked[first]
    others = [
        str(other) for i, other in enumerate(ranked) if i != first and difference(drawn, first, i, confidence).low <= 0
    ]
    return Advice(
        fusion=fusion,
        gain=gain,
        method=chosen.method,
        modality=chosen.modality,
        alternatives=others,
        candidates=_candidates(held, ranked, drawn, first, confidence),
        modalities=_modalities(dataset, held, ranked[min(fused)], alone, random_state, confidence),
        chance=_chance(dataset),
        measurement=bits,
        bound=limits,
        worries=found,
        notes=notes,
        metric="accuracy" if dataset.task == "classification" else "r2",
        least=least,
        n_samples=len(dataset),
        n_groups=None if dataset.groups is None else len(np.unique(dataset.groups)),
        folds=folds,
        confidence=confidence,
    )


def _check(dataset: MultimodalDataset, names: Sequence[str], folds: int, confidence: float) -> None:
    if dataset.target is None:
        raise ValueError("advise needs a target; give one, or see ip.bound for modalities never labelled together")
    if len(dataset.names) < 2:
        raise ValueError(f"advise needs two modalities at least, found {list(dataset.names)}")
    if len(dataset) < _LEAST_ROWS:
        raise ValueError(f"advise needs {_LEAST_ROWS} rows at least, found {len(dataset)}; collect more first")
    if dataset.task == "classification" and len(dataset.classes) < 2:
        raise ValueError(f"advise needs two classes at least, found only {dataset.classes.tolist()}")
    if dataset.groups is not None and len(np.unique(dataset.groups)) < 2:
        raise ValueError("advise needs two groups at least, found one; leave groups out if rows are independent")
    if not isinstance(folds, int) or folds < 2:
        raise ValueError(f"folds must be an integer of at least 2, found {folds!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, found {confidence!r}")
    unknown = [name for name in names if name not in all_methods.names()]
    if unknown:
        raise ValueError(f"unknown methods {unknown}; choose among {', '.join(all_methods.names())}")


def _few_enough(dataset: MultimodalDataset, most: int, seed: int) -> Any:
    """Rows in their order; of too many a random part, whole groups."""
    n = len(dataset)
    if n <= most:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    if dataset.groups is None:
        return np.sort(rng.permutation(n)[:most])
    groups = np.unique(dataset.groups, return_inverse=True)[1]
    order = rng.permutation(groups.max() + 1)
    taken = order[: max(2, int((np.cumsum(np.bincount(groups)[order]) <= most).sum()))]
    return np.flatnonzero(np.isin(groups, taken))


def _ranked(held: Held, seed: int) -> tuple[list[Candidate], Draws]:
    """Candidates, the best first, and the bootstrap of their scores in this order."""
    ranked = sorted(held.worth, key=lambda candidate: -held.worth[candidate].mean())
    return ranked, draws(np.column_stack([held.worth[c] for c in ranked]), held.units, _DRAWS, seed)


def _candidates(held: Held, ranked: Sequence[Candidate], drawn: Draws, first: int, confidence: float) -> pd.DataFrame:
    """The chosen one first, then the others by score."""
    order = [first, *(i for i in range(len(ranked)) if i != first)]
    rows = []
    for i in order:
        candidate, score = ranked[i], of(drawn, i, confidence)
        row = {"method": candidate.method, "modality": candidate.modality, "score": score.value}
        rows.append(row | {"low": score.low, "high": score.high, "seconds": held.seconds.get(candidate, np.nan)})
    return pd.DataFrame(rows)


def _modalities(
    dataset: MultimodalDataset, held: Held, best: Candidate, alone: Mapping[str, Estimate], seed: int, confidence: float
) -> pd.DataFrame:
    rows = {}
    for name in dataset.names:
        pair = np.column_stack([held.worth[best], held.without[best, name]])
        lost = difference(draws(pair, held.units, _DRAWS, seed), 0, 1, confidence)
        rows[name] = {
            **{"alone": alone[name].value, "low": alone[name].low, "high": alone[name].high},
            **{"lost": lost.value, "lost:low": lost.low, "lost:high": lost.high},
            "present": float(dataset.present[name].mean()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("modality")


def _chance(dataset: MultimodalDataset) -> float:
    return float(np.bincount(dataset.codes).max() / len(dataset)) if dataset.task == "classification" else 0.0


@contextmanager
def _steps(progress: bool, total: int) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not progress) as bar:
        task = bar.add_task("", total=total)
        yield lambda text: bar.update(task, advance=1, description=text)
