"""Train several models on one data set, test each complete and with modalities missing, keep what was found."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from interplay.data import MultimodalDataset
from interplay.estimators import MultimodalClassifier, MultimodalEstimator
from interplay.evaluation.caution import modality_warnings, target_warnings
from interplay.evaluation.metrics import calibration_table, encode
from interplay.evaluation.missing import evaluate
from interplay.evaluation.parts import class_table, part_columns
from interplay.evaluation.results import CalibrationBin, ClassRow, Data, MissingCurve, Results, Run, Score
from interplay.evaluation.robustness import robustness
from interplay.evaluation.telling import Shown, sample_rows, telling_samples

Notice = Callable[[str], None]


def study(
    models: Mapping[str, MultimodalEstimator],
    dataset: MultimodalDataset,
    *,
    seeds: Sequence[int] = (0,),
    test_size: float = 0.25,
    measurement: Any = None,
    images: Mapping[str, Sequence[int]] | None = None,
    texts: Mapping[Any, str] | None = None,
    missing: bool = False,
    title: str = "Multimodal interactions",
    command: str | None = None,
    configuration: Mapping[str, Any] | None = None,
    notice: Notice = lambda _: None,
) -> Results:
    """Train and test models; every seed draws its own split and its own initial weights.

    Args:
        models: display name -> unfitted classifier, or regressor; each is cloned and seeded.
        dataset: labelled data; subjects (``groups``) are never split over training and test part.
        seeds: one run of everything for each.
        test_size: share of the test part.
        measurement: a `Measurement` of the data to keep beside, or None.
        images: modality -> shape of its picture, for the samples that are shown.
        texts: id -> a few words about a sample, for the same.
        missing: whether to test every subset of the modalities and missing rates, too
            (`interplay.evaluation.robustness`).
        title: of the report.
        command: how to repeat the run.
        configuration: what else to write down about the run.
        notice: called with a few words before each training.

    Returns:
        Scores of all seeds; all else, such as training curves and samples, of the first.
    """
    started = time.monotonic()
    if not seeds or not models:
        raise ValueError(f"study: expected at least one model and one seed, found {len(models)} and {len(seeds)}")
    results = Results(
        title=title,
        data=describe(dataset, {}),
        measurement=None if measurement is None else measurement.to_dict(),
        run=Run(command=command, seeds=list(seeds), configuration=dict(configuration or {})),
    )
    for seed in seeds:
        train, test = dataset.split(test_size, random_state=seed)
        first = seed == seeds[0]
        if first:
            results.data = describe(dataset, {"train": train, "test": test})
        for name, model in models.items():
            notice(f"training {name}" + (f", seed {seed}" if len(seeds) > 1 else ""))
            fitted = clone(model).set_params(random_state=seed).fit(train)
            results.scores += score_rows(fitted, test, name, seed)
            if first:
                add_details(results, fitted, test, name, Shown(images or {}, texts or {}))
                if missing:
                    add_curve(results, fitted, test, name)
    results.run.seconds = round(time.monotonic() - started, 1)
    return results


def score_rows(model: MultimodalEstimator, test: MultimodalDataset, method: str, seed: int) -> list[Score]:
    """Rows of the score table for one fitted model, with 95 % bootstrap intervals of accuracy or R2."""
    table = evaluate(model, test, confidence=0.95, random_state=seed)
    rows: list[dict[str, Any]] = table.reset_index().to_dict(orient="records")  # type: ignore[assignment]
    # An interval that cannot be had (one subject) is NaN in the table and left out here: JSON has no NaN.
    known = [{key: value for key, value in row.items() if value == value} for row in rows]
    return [Score(method=method, seed=seed, **row) for row in known]


def add_details(
    results: Results,
    model: MultimodalEstimator,
    test: MultimodalDataset,
    method: str,
    shown: Shown | None = None,
) -> None:
    """Add what the report shows beside scores: training, calibration, and samples.

    Samples, rows and composition are those of the first model that has parts, else of the first model.
    """
    results.histories[method] = model.history_.records
    if isinstance(model, MultimodalClassifier):
        codes = encode(np.asarray(test.target), model.classes_)
        bins = calibration_table(codes, model.predict_proba(test)).to_dict(orient="records")
        results.calibration[method] = [CalibrationBin.model_validate(row) for row in bins]
    has_parts = bool(part_columns(model.explain(test[:1])))
    if results.explained is None or (has_parts and not results.parts):
        results.explained = method
        results.samples = telling_samples(model, test, shown=shown)
        results.rows = sample_rows(model, test, shown=shown)
        results.composition = _composition(model, test) if has_parts else []


def add_curve(results: Results, model: MultimodalEstimator, test: MultimodalDataset, method: str) -> None:
    """Add the scores with every subset of modalities and over missing rates; one modality alone has none."""
    if sum(there.any() for there in test.present.values()) > 1:
        results.curves[method] = MissingCurve.of(robustness(model, test))


def _composition(model: MultimodalEstimator, test: MultimodalDataset) -> list[ClassRow]:
    """What speaks for the predictions of each true class; nothing in regression."""
    if not isinstance(model, MultimodalClassifier):
        return []
    display = dict(zip(model.classes_.tolist(), model.class_names_, strict=True))
    table = class_table(model.explain(test), test.target)
    parts = part_columns(table)
    return [
        ClassRow(label=display[label], n=row["n"], accuracy=row["accuracy"], shares={part: row[part] for part in parts})
        for label, row in zip(table.index.tolist(), table.to_dict(orient="records"), strict=True)
    ]


def describe(dataset: MultimodalDataset, parts: Mapping[str, MultimodalDataset]) -> Data:
    """Sizes of a data set and of its parts."""
    labelled = dataset.task == "classification"
    return Data(
        modalities={name: list(x.shape[1:]) for name, x in dataset.modalities.items()},
        classes=list(dataset.class_names or map(str, dataset.classes.tolist())) if labelled else [],
        rows={part: len(rows) for part, rows in parts.items()},
        missing={part: {name: _absent(mask) for name, mask in rows.present.items()} for part, rows in parts.items()},
        warnings=modality_warnings(parts),
        target_warnings=target_warnings(parts),
    )


def configuration_of(model: MultimodalEstimator) -> dict[str, Any]:
    """How a fitted model was made, for the report: its method and the parameters that are set."""
    aside = {"method", "random_state", "progress", "checkpoints", "logger"}
    params = {name: value for name, value in model.get_params(deep=False).items() if name not in aside}
    own = model.method_.get_params()
    shown = ", ".join(f"{name}={value!r}" for name, value in own.items())
    return {"method": f"{type(model.method_).__name__.lower()}({shown})"} | {
        name: value if isinstance(value, bool | int | float) else str(value)
        for name, value in params.items()
        if value is not None
    }


def _absent(mask: Iterable[Any]) -> int:
    return int((~np.asarray(mask, bool)).sum())
