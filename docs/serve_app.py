"""Predictions over HTTP: ``INTERPLAY_MODEL=model uvicorn serve_app:app``."""

import os
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from interplay import MultimodalDataset
from interplay.estimators import MultimodalEstimator


class Rows(BaseModel):
    """Samples: modality to numbers, nested as in training; null or left out where it is absent."""

    rows: list[dict[str, list[Any] | None]] = Field(min_length=1, max_length=1000)


def dataset_of(rows: list[dict[str, list[Any] | None]], shapes: dict[str, tuple[int, ...]]) -> MultimodalDataset:
    """One array and one mask a modality; zeros stand where nothing is."""
    unknown = sorted({name for row in rows for name in row} - set(shapes))
    if unknown:
        raise ValueError(f"unknown modalities {unknown}; the model has {list(shapes)}")
    values, present = {}, {}
    for name, shape in shapes.items():
        present[name] = np.array([row.get(name) is not None for row in rows])
        values[name] = np.zeros((len(rows), *shape), np.float32)
        for number in np.flatnonzero(present[name]):
            given = np.asarray(rows[number][name], np.float32)
            if given.shape != shape:
                raise ValueError(f"row {number}, {name!r}: expected shape {shape}, found {given.shape}")
            values[name][number] = given
    return MultimodalDataset(values, present=present)


def make_app(folder: str) -> FastAPI:
    """The app of one saved model."""
    model = MultimodalEstimator.load(folder)
    app = FastAPI(title="interplay")

    @app.post("/predict")
    def predict(request: Rows) -> list[dict[str, Any]]:
        try:
            table = model.explain(dataset_of(request.rows, model.shapes_), probabilities=True)
        except (ValueError, TypeError) as error:
            raise HTTPException(422, str(error)) from None
        return [
            {name: None if value != value else value for name, value in row.items()}  # NaN is no JSON
            for row in table.to_dict(orient="records")
        ]

    return app


if "INTERPLAY_MODEL" in os.environ:
    app = make_app(os.environ["INTERPLAY_MODEL"])
