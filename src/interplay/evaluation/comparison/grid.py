"""``ip.compare``: methods x data sets x seeds, each cell once, whatever interrupts it."""

import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from interplay.data.missing import Pattern
from interplay.evaluation.comparison.conditions import asked_tests, own_patterns
from interplay.evaluation.comparison.entries import described, entries
from interplay.evaluation.comparison.kept import check_kept
from interplay.evaluation.comparison.progress import reporter
from interplay.evaluation.comparison.result import Comparison
from interplay.evaluation.comparison.sources import Parts, Source, held, source
from interplay.evaluation.comparison.store import Cell, ConfigurationError, Store
from interplay.evaluation.comparison.trial import Metric, trial
from interplay.evaluation.comparison.tuning import check_tune, space


@dataclass(frozen=True)
class Options:
    """What is the same for all cells of a run."""

    folder: str
    metrics: Mapping[str, Metric]
    missing: bool | Mapping[str, Pattern]
    run: str
    tune: int | None = None

    @property
    def tests(self) -> dict[str, Any]:
        """What each cell has to hold."""
        return asked_tests(self.missing, self.metrics)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: ``done``, ``failed`` or ``taken`` (by another process)."""

    cell: Cell
    state: str
    seconds: float
    error: str = ""
    score: tuple[str, float] = ("", float("nan"))


def compare(
    methods: Mapping[str, Any] | Iterable[str],
    datasets: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] = 5,
    folder: str | Path,
    settings: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    missing: bool | Mapping[str, Pattern | float] = True,
    test_size: float = 0.25,
    folds: int | None = None,
    tune: int | None = None,
    retry: bool = False,
    run: bool = True,
    n_jobs: int | None = None,
    progress: bool | Callable[[str], None] = True,
) -> Comparison:
    """Train and test every method on every data set with every seed; finished cells are kept and never run again.

    Call it again with the same folder to go on after an interruption, to add methods, data sets or seeds, or to work on
    the same grid from several processes. A cell that fails is written down and the others go on.

    Args:
        methods: names (``ip.methods.names()``; ``"logistic"`` and ``"ridge"`` for linear models on all features), or a
            mapping from display name to a name, a configured method, or an unfitted estimator. Any estimator with
            ``fit(X, y)``, ``predict_proba(X)``, ``classes_`` and ``get_params`` will do, where ``X`` maps modality to
            array: NaN in rows that lack the modality, None where all do.
        datasets: name -> labelled `MultimodalDataset` (parted anew by each seed), a pair (train, test), the path of a
            file, or a callable that returns one of the first two, may take the seed, and is called in the worker.
        seeds: so many seeds from 0, or these. A seed draws the parts, the initial weights and the order of batches.
        folder: where results are kept, a file a cell.
        settings: of `MultimodalClassifier`, the same for all methods that are not whole estimators.
        metrics: further functions ``f(model, test) -> float`` by name.
        missing: test with modalities missing, too: every subset, and missing rates. A mapping name -> pattern of
            `interplay.data.missing` (or a rate) adds own patterns: conditions of that name, means over five draws that
            are the same for every model.
        test_size: share of the test part of whole data sets.
        folds: cross-validation of whole data sets instead: each seed cuts them in so many folds, subjects kept whole.
        tune: search settings first, with so many trials for every method in every cell, on a fifth of the training part
            (whole groups): learning rate, weight decay, dropout and width, and what a method declares in
            ``search_space``; what ``settings`` or a configured method set stays as it is. Needs the extra ``tune``.
        retry: try cells again that failed before.
        run: False trains nothing and gives what is finished.
        n_jobs: processes, as joblib counts them; None takes what ``joblib.parallel_config`` says, else one.
        progress: on standard error a bar, or where that is no terminal a line for each finished cell (at most one in
            five seconds); or a function that is told each finished cell in words; or False.

    Returns:
        The cells of this grid that are finished.

    Raises:
        ValueError: something that cannot be compared, named.
        ConfigurationError: the folder holds results of another configuration under the same name, or cells that were
            not tested with what is asked.

    Example:
        >>> import tempfile, interplay as ip
        >>> data = {"xor": ip.datasets.make_gates("XOR", n_samples=200, random_state=0).dataset}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = compare(["ensemble", "logistic"], data, seeds=1, folder=folder, settings={"max_epochs": 3})
        >>> found
        Comparison(2 methods, 1 data set, 2 cells)
    """
    if folds is not None and folds < 2:
        raise ValueError(f"folds: expected at least 2, found {folds}; leave it out for one split a seed")
    if not datasets:
        raise ValueError("datasets: expected at least one, found none")
    check_tune(tune)
    estimators = entries(methods, settings or {})
    patterns = own_patterns(missing)
    options = Options(str(folder), dict(metrics or {}), patterns or bool(missing), uuid.uuid4().hex, tune)
    cells = grid(estimators, datasets, seeds, folds)
    sources = {name: source(name, content, test_size, folds, needed=run) for name, content in datasets.items()}
    store = Store(folder)
    what = {name: _described(estimator, tune) for name, estimator in estimators.items()}
    for name, description in what.items():
        # What is only shown may have been searched: the table says so.
        store.check("methods", name, description if run else {**(store.kept("methods", name) or {}), **description})
    check_kept(store, cells, sources, options.tests)
    if not run:
        return Comparison.of(store, cells)
    for name, description in what.items():
        store.agree("methods", name, description)
    left = [cell for cell in cells if not store.done(cell) and (retry or store.failure(cell) is None)]
    work = (delayed(run_cell)(cell, estimators[cell.method], sources[cell.dataset], options, retry) for cell in left)
    with reporter(progress, len(left), len(cells) - len(left)) as report:
        for outcome in Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(work):
            report(outcome)
    return Comparison.of(store, cells)


def grid(methods: Iterable[str], datasets: Iterable[str], seeds: int | Sequence[int], folds: int | None) -> list[Cell]:
    """All cells in the order in which they are run: seed by seed, so that an unfinished grid is an even one."""
    parts = range(folds) if folds else [None]
    methods, datasets = list(methods), list(datasets)
    return [
        Cell(dataset, method, seed, fold)
        for seed in listed_seeds(seeds)
        for dataset in datasets
        for fold in parts
        for method in methods
    ]


def listed_seeds(seeds: Any) -> list[int]:
    """So many seeds from 0, or these.

    Raises:
        ValueError: no whole number, a negative one, none, or one twice.
    """
    listed = list(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes | Mapping) else [seeds]
    whole = all(isinstance(seed, Integral) and not isinstance(seed, bool) for seed in listed)
    if whole and isinstance(seeds, Integral):
        listed = list(range(int(seeds)))
    if not whole or not listed or len(set(listed)) < len(listed) or min(listed) < 0 or max(listed) >= 2**32:
        raise ValueError(
            "seeds: expected at least one: how many, as a whole number, or a list of different whole numbers from 0 to "
            f"{2**32 - 1}; found {seeds!r}"
        )
    return [int(seed) for seed in listed]


def _described(estimator: Any, tune: int | None) -> dict[str, Any]:
    search = {} if tune is None else {"tune": {"trials": tune, "space": dict(space(estimator))}}
    return {"estimator": described(estimator), **search}


def run_cell(cell: Cell, estimator: Any, origin: Source, options: Options, retry: bool) -> Outcome:
    """Run a cell unless it is done or another process is on it."""
    store, started = Store(options.folder), time.perf_counter()
    with store.claim(cell) as mine:
        if not mine or store.done(cell) or (not retry and store.failure(cell)):
            return Outcome(cell, "taken", 0.0)
        try:
            (train, test), noted = _parts(origin, cell, options)
            found = trial(
                estimator,
                train,
                test,
                cell.seed,
                metrics=options.metrics,
                missing=options.missing,
                tune=options.tune,
                diary=store.path(cell, "trials.json"),
            )
            notes = {**found.notes, **noted, "tests": options.tests}
            store.write(cell, found.rows, found.predictions, notes)
        except ConfigurationError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            store.write_failure(cell, {"error": text, "traceback": traceback.format_exc()})
            return Outcome(cell, "failed", time.perf_counter() - started, text)
    first = found.rows.iloc[0]
    return Outcome(cell, "done", time.perf_counter() - started, score=(first["metric"], float(first["value"])))


# The parts that this process used last: neighbouring cells share them.
_LAST: dict[tuple[str, str, str], tuple[Parts, dict[str, Any]]] = {}


def _parts(origin: Source, cell: Cell, options: Options) -> tuple[Parts, dict[str, Any]]:
    """The parts of a cell, and what it notes of where they come from."""
    key = (options.run, cell.dataset, cell.part)
    if key not in _LAST:
        file = origin.file()
        parts = origin.parts(cell.seed, cell.fold)
        Store(options.folder).agree("data", cell.dataset, held(parts), cell.part)
        _LAST.clear()
        _LAST[key] = parts, {"split": origin.split, **({"file": file} if file else {})}
    return _LAST[key]
