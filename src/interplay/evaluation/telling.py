"""Samples worth a look: carried by one part, needing every modality, or confidently wrong."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.estimators import MultimodalClassifier, MultimodalEstimator
from interplay.evaluation.parts import part_columns
from interplay.evaluation.results import Sample


def telling_samples(
    model: MultimodalEstimator,
    dataset: MultimodalDataset,
    *,
    images: Mapping[str, Sequence[int]] | None = None,
    mistakes: int = 2,
) -> list[Sample]:
    """Choose samples that show what the parts of a model do.

    One for each part, the correct prediction in which it has the largest share of what speaks for the prediction; one
    that is right with everything and wrong without any single modality; the most confident mistakes. In regression
    a prediction counts as right if its error is at most the median of all, and the largest errors are the mistakes.

    Args:
        model: fitted, of a method that has parts.
        dataset: test data with a target.
        images: modality -> shape of its picture, ``(height, width)`` or ``(channels, height, width)``; modalities that
            are no pictures are left out.
        mistakes: how many wrong predictions to show.
    """
    explained, target = model.explain(dataset), np.asarray(dataset.target)
    names = [name for name in dataset.names if dataset.present[name].any()]
    alone = [model.predict(dataset.without(name)) for name in names]
    display: dict[Any, str] = {}
    if isinstance(model, MultimodalClassifier):
        display = dict(zip(model.classes_.tolist(), model.class_names_, strict=True))
        right = explained["prediction"].to_numpy() == target
        needed = np.all([said != target for said in alone], axis=0)
        sure = explained["probability"].to_numpy(float)
    else:
        error = np.abs(explained["prediction"].to_numpy(float) - target)
        right = error <= np.median(error)
        needed = np.all([np.abs(said - target) > np.median(error) for said in alone], axis=0)
        sure = np.where(right, -error, error)
    chosen = _choose(explained, right, needed, sure, mistakes)
    return [_sample(dataset, explained, row, why, display, images or {}) for row, why in chosen.items()]


def parts_of(explained: pd.DataFrame) -> list[str]:
    """Columns of an explanation that hold contributions."""
    return part_columns(explained)


def _choose(
    explained: pd.DataFrame,
    right: NDArray[np.bool_],
    needed: NDArray[np.bool_],
    sure: NDArray[np.float64],
    mistakes: int,
) -> dict[int, str]:
    chosen: dict[int, str] = {}

    def take(value: NDArray[np.float64], among: NDArray[np.bool_], why: str) -> None:
        free = among.copy()
        free[list(chosen)] = False
        if free.any():
            chosen[int(np.where(free, value, -np.inf).argmax())] = why

    parts = parts_of(explained)
    pushes = explained[parts].to_numpy(float)
    if "probability" not in explained:  # numbers: the pushes add up to the prediction, upwards or downwards
        pushes = pushes * np.sign(pushes.sum(1, keepdims=True))
    positive = pushes.clip(min=0)
    total = positive.sum(1)
    for i, part in enumerate(parts):
        share = np.divide(positive[:, i], total, out=np.zeros_like(total), where=total > 0)
        take(share, right & (share > 0), f"right, with the largest share of {part}")
    take(sure, right & needed, "right, and wrong without any one modality")
    for _ in range(mistakes):
        take(sure, ~right, "wrong, and sure of it" if "probability" in explained else "furthest off")
    return chosen


def _sample(
    dataset: MultimodalDataset,
    explained: pd.DataFrame,
    row: int,
    why: str,
    display: Mapping[Any, str],
    images: Mapping[str, Sequence[int]],
) -> Sample:
    said = explained.iloc[row]
    truth, prediction = np.asarray(dataset.target)[row].item(), said["prediction"]
    prediction = getattr(prediction, "item", lambda: prediction)()
    return Sample(
        id=str(dataset.ids[row]),
        why=why,
        target=display.get(truth) or _text(truth),
        prediction=display.get(prediction) or _text(prediction),
        probability=float(said["probability"]) if "probability" in said else None,
        contributions={part: float(said[part]) for part in parts_of(explained)},
        missing=str(said["missing"]),
        pictures={
            name: picture(dataset.modalities[name][row].reshape(shape))
            for name, shape in images.items()
            if dataset.present[name][row]
        },
    )


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def picture(values: NDArray[Any]) -> str:
    """A PNG as a ``data:`` address, from ``(height, width)`` or ``(channels, height, width)``, dark where low."""
    from matplotlib.image import imsave

    x = np.asarray(values, np.float64)
    low, high = x.min(), x.max()
    levels = np.clip((x - low) / (high - low) if high > low else x * 0, 0, 1)
    if levels.ndim == 3:
        levels = levels.mean(0) if len(levels) not in (3, 4) else levels.transpose(1, 2, 0)
    file = io.BytesIO()
    imsave(file, levels, cmap="gray", vmin=0, vmax=1, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
