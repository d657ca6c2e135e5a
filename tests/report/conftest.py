"""Results as a run leaves them: made by hand, so that every number in a figure or page is known."""

import copy

import pandas as pd
import pytest
from numpy import arange

from interplay.evaluation import Robustness
from interplay.evaluation.results import (
    CalibrationBin,
    ClassRow,
    Data,
    MissingCurve,
    Results,
    Run,
    Sample,
    Score,
)
from interplay.evaluation.telling import picture

HOSTILE = "<script>alert('x')</script>"
ALSO_HOSTILE = '"><img src=x onerror=alert(1)>'
MEASUREMENT = {
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
STAGES = [("intra", 4), ("consistency", 2), ("joint", 6)]
RECORDS = [
    {"stage": s, "epoch": e, "loss": 2 / (e + 1), "validation_loss": 3 / (e + 1), "validation_accuracy": e / 10}
    for s, n in STAGES
    for e in range(n)
]


@pytest.fixture
def measurement():
    return copy.deepcopy(MEASUREMENT)


@pytest.fixture
def records():
    return copy.deepcopy(RECORDS)


@pytest.fixture
def results(made):
    return made.model_copy(deep=True)


@pytest.fixture(scope="module")
def made():
    """A run with everything that a report can show; some names try to leave their place."""
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
        pictures={ALSO_HOSTILE: picture(arange(32).reshape(8, 4))},
        text=ALSO_HOSTILE,
    )
    return Results(
        title=f"A run of {HOSTILE}",
        data=Data(
            modalities={"left": [32], ALSO_HOSTILE: [32]},
            classes=["no", HOSTILE],
            rows={"train": 120, "test": 40},
            missing={"train": {"left": 3, ALSO_HOSTILE: 0}, "test": {"left": 0, ALSO_HOSTILE: 5}},
            warnings={ALSO_HOSTILE: ["60% of its numbers never vary"]},
            target_warnings=[f"Fewer than 10 train rows each in 1 of 2 classes: {HOSTILE}."],
        ),
        measurement=copy.deepcopy(MEASUREMENT),
        scores=scores,
        curves={method: curve(start) for method, start in (("joint", 0.9), (HOSTILE, 0.8))},
        calibration={"joint": [CalibrationBin(n=30, confidence=0.95, accuracy=0.9)]},
        histories={"joint": RECORDS},
        explained="dmil",
        composition=[
            ClassRow(label=label, n=20, accuracy=0.75, shares=dict.fromkeys(parts, 0.25)) for label in ("no", HOSTILE)
        ],
        samples=[sample],
        rows=[row(i, parts) for i in range(40)],
        run=Run(command="interplay demo", seeds=[0, 1], configuration={ALSO_HOSTILE: ALSO_HOSTILE}),
    )


def row(i, parts):
    """Every third is wrong; probabilities 9 %, 10 %, ... so that words and numbers sort differently."""
    truth = ("no", HOSTILE)[i % 2]
    said = truth if i % 3 else ("no", HOSTILE)[(i + 1) % 2]
    return Sample(
        id=str(i),
        target=truth,
        prediction=said,
        probability=(9 + (7 * i) % 40) / 100,
        contributions=parts | {"synergy": -i / 10},
        missing="right" if i < 5 else "",
        pictures={} if i == 3 else {ALSO_HOSTILE: picture(arange(i, i + 32).reshape(8, 4))},
        text=f"word{i} {ALSO_HOSTILE}",
    )


def curve(start):
    ends = {"low": 0.1, "high": 0.95, "relative": 1.0}
    return MissingCurve.of(
        Robustness(
            "accuracy",
            0.4,
            pd.DataFrame(
                [
                    {"subset": s, "missing": "", "size": n, "accuracy": a, **ends}
                    for s, n, a in (("left + right", 2, start), ("left", 1, 0.625), ("right", 1, 0.5))
                ]
            ),
            pd.DataFrame([{"rate": r, "accuracy": start - r / 2, **ends} for r in (0, 0.25, 0.5)]),
            pd.DataFrame(
                [
                    {"modality": m, "cost": c, "low": c - 0.1, "high": c + 0.1}
                    for m, c in (("left", 0.3), ("right", 0.2))
                ]
            ),
            draws=3,
            confidence=0.95,
        )
    )
