"""Results as a run leaves them: made by hand, so that every number in a figure or page is known."""

import pytest
from numpy import arange

from interplay.evaluation.results import Data, Results, Run, Sample, Score
from interplay.evaluation.telling import picture

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def measurement():
    return {
        "redundancy": 1.25,
        "unique": {"left": 0.5, "right": 0.25},
        "synergy": 0.125,
        "total": 2.125,
        "intervals": {"redundancy": [1.0, 1.5], "unique:left": [0.4, 0.6], "synergy": [0.0, 0.2]},
        "p_value": 0.3,
        "p_values": {"synergy": 0.3, "redundancy": 0.01, "unique:left": 0.01, "unique:right": 0.2},
        "names": ["left", "right"],
        "confidence": 0.95,
        "definition": "broja",
        "estimator": "discrete",
        "n_samples": 160,
        "warnings": ["only 40 rows"],
    }


@pytest.fixture
def records():
    stages = [("intra", 4), ("consistency", 2), ("joint", 6)]
    return [
        {"stage": s, "epoch": e, "loss": 2 / (e + 1), "validation_loss": 3 / (e + 1), "validation_accuracy": e / 10}
        for s, n in stages
        for e in range(n)
    ]


@pytest.fixture
def results(measurement, records):
    conditions = {"complete": 0.9, "without left": 0.6, "without right": 0.7, "chance": 0.1}
    scores = [
        Score(method=m, seed=seed, condition=c, n=40, accuracy=a - 0.01 * seed, macro_f1=a, nll=1 - a, ece=0.05)
        for m in ("joint", HOSTILE)
        for seed in (0, 1)
        for c, a in conditions.items()
    ]
    parts = {"redundancy": 2.0, "unique:left": -0.5, "unique:right": 0.25, "synergy": 0.0}
    sample = Sample(
        id="7",
        why="right",
        target=HOSTILE,
        prediction="$x_{",
        probability=0.875,
        contributions=parts,
        missing="right",
        pictures={"left": picture(arange(32).reshape(8, 4))},
    )
    return Results(
        title=f"A run of {HOSTILE}",
        data=Data(
            modalities={"left": [32], "right": [32]},
            classes=["no", HOSTILE],
            rows={"train": 120, "test": 40},
            missing={"train": {"left": 3, "right": 0}, "test": {"left": 0, "right": 5}},
        ),
        measurement=measurement,
        scores=scores,
        histories={"joint": records},
        explained="dmil",
        samples=[sample],
        run=Run(command="interplay demo", seeds=[0, 1], configuration={"epochs": 12}),
    )
