"""Samples to look at: the telling ones, carried by one part or confidently wrong; and the test rows as a table."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.estimators import MultimodalClassifier, MultimodalEstimator
from interplay.evaluation.parts import part_columns
from interplay.evaluation.results import Sample

MOST_ROWS = 500
LONGEST_TEXT = 200
LARGE, SMALL = 128, 48  # longest sides of pictures, of telling samples and in the table
ALL_PICTURES = 2_000_000  # characters; the report has to stay below 5 MB


@dataclass(frozen=True)
class Shown:
    """What to show of samples beside numbers.

    Attributes:
        images: modality -> shape of its picture, ``(height, width)`` or ``(channels, height, width)``; modalities that
            are no pictures are left out.
        texts: id -> a few words; what is longer than 200 characters is cut.
    """

    images: Mapping[str, Sequence[int]] = field(default_factory=dict)
    texts: Mapping[Any, str] = field(default_factory=dict)


def sample_rows(
    model: MultimodalEstimator, dataset: MultimodalDataset, *, shown: Shown | None = None, most: int = MOST_ROWS
) -> list[Sample]:
    """Test rows with what was predicted and what each part contributed, in the order of the data.

    Args:
        model: fitted; contributions are empty where its method has no parts.
        dataset: test data with a target.
        shown: pictures and texts. Pictures are left out where all together would take more than 2 MB.
        most: of more rows, so many are chosen at random, always the same ones.
    """
    n = len(dataset)
    chosen = np.arange(n) if n <= most else np.sort(np.random.default_rng(0).choice(n, most, replace=False))
    part, shown = dataset[chosen], shown or Shown()
    explained, display = model.explain(part), _display(model)
    found = [_sample(part, explained, row, "", display, shown, SMALL) for row in range(len(part))]
    if sum(len(image) for sample in found for image in sample.pictures.values()) > ALL_PICTURES:
        found = [sample.model_copy(update={"pictures": {}}) for sample in found]
    return found


def telling_samples(
    model: MultimodalEstimator,
    dataset: MultimodalDataset,
    *,
    shown: Shown | None = None,
    mistakes: int = 2,
) -> list[Sample]:
    """Choose samples that show what the parts of a model do.

    One for each part, the correct prediction in which it has the largest share of what speaks for the prediction; one
    that is right with everything and wrong without any single modality; the most confident mistakes. In regression
    a prediction counts as right if its error is at most the median of all, and the largest errors are the mistakes.

    Args:
        model: fitted; of a method without parts only the last two kinds are found.
        dataset: test data with a target.
        shown: pictures and texts.
        mistakes: how many wrong predictions to show.
    """
    explained, target = model.explain(dataset), np.asarray(dataset.target)
    names = [name for name in dataset.names if dataset.present[name].any()]
    alone = [model.predict(dataset.without(name)) for name in names]
    if isinstance(model, MultimodalClassifier):
        right = explained["prediction"].to_numpy() == target
        needed = np.all([said != target for said in alone], axis=0)
        sure = explained["probability"].to_numpy(float)
    else:
        error = np.abs(explained["prediction"].to_numpy(float) - target)
        right = error <= np.median(error)
        needed = np.all([np.abs(said - target) > np.median(error) for said in alone], axis=0)
        sure = np.where(right, -error, error)
    chosen = _choose(explained, right, needed, sure, mistakes)
    display, shown = _display(model), shown or Shown()
    return [_sample(dataset, explained, row, why, display, shown, LARGE) for row, why in chosen.items()]


def _display(model: MultimodalEstimator) -> dict[Any, str]:
    """Names of the classes by label; none in regression."""
    if not isinstance(model, MultimodalClassifier):
        return {}
    return dict(zip(model.classes_.tolist(), model.class_names_, strict=True))


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

    parts = part_columns(explained)
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
    shown: Shown,
    side: int,
) -> Sample:
    said = explained.iloc[row]
    truth, prediction = np.asarray(dataset.target)[row].item(), said["prediction"]
    prediction = getattr(prediction, "item", lambda: prediction)()
    text = " ".join(str(shown.texts.get(dataset.ids[row], "")).split())
    return Sample(
        id=str(dataset.ids[row]),
        why=why,
        target=display.get(truth) or _text(truth),
        prediction=display.get(prediction) or _text(prediction),
        probability=float(said["probability"]) if "probability" in said else None,
        contributions={part: float(said[part]) for part in part_columns(explained)},
        missing=str(said["missing"]),
        pictures={
            name: picture(dataset.modalities[name][row].reshape(shape), side)
            for name, shape in shown.images.items()
            if dataset.present[name][row]
        },
        text=text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…",
    )


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def picture(values: NDArray[Any], side: int = LARGE) -> str:
    """A PNG as a ``data:`` address, from ``(height, width)`` or ``(channels, height, width)``, dark where low.

    Longer sides than ``side`` are reduced by a whole factor; each pixel is the mean of those that it stands for.
    """
    from matplotlib.image import imsave

    x = np.asarray(values, np.float64)
    low, high = x.min(), x.max()
    levels = np.clip((x - low) / (high - low) if high > low else x * 0, 0, 1)
    if levels.ndim == 3:
        levels = levels.mean(0) if len(levels) not in (3, 4) else levels.transpose(1, 2, 0)
    file = io.BytesIO()
    small = _reduced(levels, -(-max(levels.shape[:2]) // side))
    bare: dict[str, Any] = {"Software": None}  # None leaves the entry out
    imsave(file, small, cmap="gray", vmin=0, vmax=1, format="png", metadata=bare)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _reduced(levels: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Means over blocks of ``factor`` times ``factor`` pixels; what is left over at the edges is dropped."""
    if factor <= 1:
        return levels
    height, width = (max(length // factor, 1) for length in levels.shape[:2])
    cut = levels[: height * factor, : width * factor]
    return cut.reshape(height, cut.shape[0] // height, width, cut.shape[1] // width, *levels.shape[2:]).mean((1, 3))
