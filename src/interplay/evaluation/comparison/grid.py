"""``ip.compare``: methods x data sets x seeds, each cell once, whatever interrupts it."""

import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from interplay.data import MultimodalDataset
from interplay.evaluation.comparison.entries import described, entries
from interplay.evaluation.comparison.progress import reporter
from interplay.evaluation.comparison.result import Comparison
from interplay.evaluation.comparison.sources import Parts, Source, fingerprint, sizes, source
from interplay.evaluation.comparison.store import Cell, ConfigurationError, Store
from interplay.evaluation.comparison.trial import Metric, trial
from interplay.evaluation.comparison.tuning import check_tune, space


@dataclass(frozen=True)
class Options:
    """What is the same for all cells of a run."""

    folder: str
    metrics: Mapping[str, Metric]
    missing: bool
    run: str
    tune: int | None = None


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
    missing: bool = True,
    test_size: float = 0.25,
    folds: int | None = None,
    tune: int | None = None,
    retry: bool = False,
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
        missing: test with modalities missing, too.
        test_size: share of the test part of whole data sets.
        folds: cross-validation of whole data sets instead: each seed cuts them in so many folds, subjects kept whole.
        tune: search settings first, with so many trials for every method in every cell, on a fifth of the training part
            (whole groups): learning rate, weight decay, dropout and width, and what a method declares in
            ``search_space``; what ``settings`` or a configured method set stays as it is. Needs the extra ``tune``.
        retry: try cells again that failed before.
        n_jobs: processes, as joblib counts them; None takes what ``joblib.parallel_config`` says, else one.
        progress: a bar on standard error; or a function that is told each finished cell in words; or False.

    Returns:
        The cells of this grid that are finished.

    Raises:
        ValueError: something that cannot be compared, named.
        ConfigurationError: the folder holds results of another configuration under the same name.

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
    sources = {name: source(name, content, test_size, folds) for name, content in datasets.items()}
    store = Store(folder)
    for name, estimator in estimators.items():
        search = {} if tune is None else {"tune": {"trials": tune, "space": dict(space(estimator))}}
        store.agree("methods", name, {"estimator": described(estimator), **search})
    options = Options(str(folder), dict(metrics or {}), missing, uuid.uuid4().hex, tune)
    cells = grid(estimators, sources, seeds, folds)
    _check_kept(store, cells, sources)
    left = [cell for cell in cells if not store.done(cell) and (retry or store.failure(cell) is None)]
    work = (delayed(run_cell)(cell, estimators[cell.method], sources[cell.dataset], options, retry) for cell in left)
    with reporter(progress, len(left), len(cells) - len(left)) as report:
        for outcome in Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(work):
            report(outcome)
    return Comparison.of(store, cells)


def grid(methods: Iterable[str], datasets: Iterable[str], seeds: int | Sequence[int], folds: int | None) -> list[Cell]:
    """All cells in the order in which they are run: seed by seed, so that an unfinished grid is an even one."""
    listed = range(seeds) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if not len(listed):
        raise ValueError(f"seeds: expected at least one, found {seeds!r}")
    parts = range(folds) if folds else [None]
    methods, datasets = list(methods), list(datasets)
    return [
        Cell(dataset, method, seed, fold)
        for seed in listed
        for dataset in datasets
        for fold in parts
        for method in methods
    ]


def run_cell(cell: Cell, estimator: Any, origin: Source, options: Options, retry: bool) -> Outcome:
    """Run a cell unless it is done or another process is on it."""
    store, started = Store(options.folder), time.perf_counter()
    with store.claim(cell) as mine:
        if not mine or store.done(cell) or (not retry and store.failure(cell)):
            return Outcome(cell, "taken", 0.0)
        try:
            train, test = _parts(origin, cell, options)
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
            store.write(cell, found.rows, found.predictions, found.notes)
        except ConfigurationError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            store.write_failure(cell, {"error": text, "traceback": traceback.format_exc()})
            return Outcome(cell, "failed", time.perf_counter() - started, text)
    first = found.rows.iloc[0]
    return Outcome(cell, "done", time.perf_counter() - started, score=(first["metric"], float(first["value"])))


# The parts that this process used last: neighbouring cells share them.
_LAST: dict[tuple[str, str, str], Parts] = {}


def _parts(origin: Source, cell: Cell, options: Options) -> Parts:
    key = (options.run, cell.dataset, cell.part)
    if key not in _LAST:
        parts = origin.parts(cell.seed, cell.fold)
        content = {"fingerprint": fingerprint(parts), **sizes(parts)}
        Store(options.folder).agree("data", cell.dataset, content, cell.part)
        _LAST.clear()
        _LAST[key] = parts
    return _LAST[key]


def _check_kept(store: Store, cells: Sequence[Cell], sources: Mapping[str, Source]) -> None:
    """Compare data in memory with what finished cells were run on; callables are compared when they are called."""
    for dataset, part in {(cell.dataset, cell.part): cell for cell in cells if store.done(cell)}:
        origin = sources[dataset]
        if isinstance(origin.content, MultimodalDataset | tuple):
            seed, _, fold = part.partition(".")
            parts = origin.parts(int(seed), int(fold) if fold else None)
            store.agree("data", dataset, {"fingerprint": fingerprint(parts), **sizes(parts)}, part)
