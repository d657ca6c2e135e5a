"""``results.json``: everything a run found, validated when read, enough to write its report again.

The schema is these classes; ``Results.model_json_schema()`` gives it as JSON Schema. ``version`` grows when a reader
of older files would misread a newer one.
"""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import interplay
from interplay.data.files import replacing
from interplay.evaluation.metrics import METRICS, REGRESSION_METRICS
from interplay.evaluation.robustness import Robustness

FILE_NAME, VERSION = "results.json", 1

# Only pictures that lie in the file itself: a report makes no request.
Picture = Annotated[str, Field(pattern=r"^data:image/png;base64,[A-Za-z0-9+/]+=*$")]
Record = dict[str, int | float | str | None]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Data(_Strict):
    """Sizes: shape of a sample by modality, display names of the classes, rows and missing values by part.

    Regression has no classes. Warnings are by modality, and of the target.
    """

    modalities: dict[str, list[int]]
    classes: list[str]
    rows: dict[str, int]
    missing: dict[str, dict[str, int]]
    warnings: dict[str, list[str]] = {}
    target_warnings: list[str] = []


class Score(_Strict):
    """One row of `interplay.evaluation.evaluate` for one method and seed; the other task's measures are None."""

    method: str
    seed: int
    condition: str
    n: int
    accuracy: float | None = None
    macro_f1: float | None = None
    nll: float | None = None
    ece: float | None = None
    r2: float | None = None
    mae: float | None = None
    rmse: float | None = None
    pearson: float | None = None
    low: float | None = None
    high: float | None = None


class MissingCurve(_Strict):
    """What `interplay.evaluation.robustness` found for one method: its frames as records."""

    metric: Literal["accuracy", "mae"]
    chance: float
    draws: int
    confidence: float
    subsets: list[Record]
    rates: list[Record]
    costs: list[Record]

    @model_validator(mode="after")
    def _complete(self) -> "MissingCurve":
        scored = {self.metric, "low", "high", "relative"}
        for name, needed in (("subsets", {"subset", "size"} | scored), ("rates", {"rate"} | scored)):
            rows = getattr(self, name)
            if not rows or any(needed - set(row) for row in rows):
                raise ValueError(f"{name}: expected at least one row, each with {sorted(needed)}")
        return self

    @classmethod
    def of(cls, found: Robustness) -> "MissingCurve":
        """The records of a result."""
        return cls(**{name: value for name, value in found.to_dict().items() if name in cls.model_fields})

    def robustness(self) -> Robustness:
        """The result again, for figures and summaries."""
        frames = {name: pd.DataFrame(getattr(self, name)) for name in ("subsets", "rates", "costs")}
        words = ("subset", "missing", "modality")
        numbers = {
            name: frame.astype({column: float for column in frame if column not in words})
            for name, frame in frames.items()
        }
        numbers["costs"] = numbers["costs"].reindex(columns=["modality", "cost", "low", "high"])
        return Robustness(self.metric, self.chance, **numbers, draws=self.draws, confidence=self.confidence)


class CalibrationBin(_Strict):
    """A row of `interplay.evaluation.metrics.calibration_table`."""

    n: int
    confidence: float
    accuracy: float


class ClassRow(_Strict):
    """A row of `interplay.evaluation.class_table` by true class: mean share of each part."""

    label: str
    n: int
    accuracy: float
    shares: dict[str, float]


class Sample(_Strict):
    """A sample: what it is, what was said, what each part contributed, pictures, text; why it is worth a look.

    Contributions are in logits, in regression in units of the target, and there is no probability.
    """

    id: str
    why: str = ""
    target: str
    prediction: str
    probability: float | None = None
    contributions: dict[str, float]
    missing: str = ""
    pictures: dict[str, Picture] = {}
    text: str = ""


class Run(_Strict):
    """What was run, so that it can be repeated."""

    command: str | None = None
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    seconds: float | None = None
    seeds: list[int] = []
    configuration: dict[str, Any] = {}
    versions: dict[str, str] = Field(default_factory=lambda: versions())
    platform: str = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")


class Results(_Strict):
    """Everything a run found.

    Attributes:
        format: always ``interplay-results``.
        version: of this schema.
        title: one line.
        data: see `Data`.
        measurement: ``Measurement.to_dict()``, or None where nothing was measured.
        scores: a row for each method, seed and condition.
        curves: method -> scores with every subset of modalities and over missing rates (first seed).
        calibration: method -> how often it is right by how sure it is (first seed); none in regression.
        histories: method -> records of the training (first seed).
        explained: the method that samples, rows and composition are about, or None.
        composition: what its predictions of each class are made of; empty without parts and in regression.
        samples: telling samples.
        rows: all test rows, or a random choice where there are many.
        run: versions, seeds, configuration, command.
    """

    format: Literal["interplay-results"] = "interplay-results"
    version: Literal[1] = 1
    title: str
    data: Data
    measurement: dict[str, Any] | None = None
    scores: list[Score] = []
    curves: dict[str, MissingCurve] = {}
    calibration: dict[str, list[CalibrationBin]] = {}
    histories: dict[str, list[dict[str, Any]]] = {}
    explained: str | None = None
    composition: list[ClassRow] = []
    samples: list[Sample] = []
    rows: list[Sample] = []
    run: Run = Field(default_factory=Run)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures that the scores have; the first is the one that tables and figures are about."""
        return METRICS if self.data.classes else REGRESSION_METRICS

    @property
    def parts(self) -> list[str]:
        """Names of the parts of the method that is explained; none where it has none."""
        return next((list(sample.contributions) for sample in [*self.rows, *self.samples]), [])

    def score_frame(self) -> pd.DataFrame:
        """Scores as a frame, a row for each method, seed and condition."""
        other = {*METRICS, *REGRESSION_METRICS}.difference(self.metrics)
        return pd.DataFrame([score.model_dump(exclude=other) for score in self.scores])

    def summary(self, metric: str | None = None) -> pd.DataFrame:
        """Mean over seeds of one metric: a row for each method, a column for each condition, in order of run.

        Args:
            metric: a column of :meth:`score_frame`; None is accuracy, in regression R2.
        """
        table, metric = self.score_frame(), metric or self.metrics[0]
        mean = table.pivot_table(index="method", columns="condition", values=metric, aggfunc="mean", sort=False)
        return mean.reindex(index=table["method"].unique(), columns=table["condition"].unique())

    def save(self, folder: str | Path) -> Path:
        """Write ``results.json`` into an existing folder in one step and return its path."""
        path = Path(folder) / FILE_NAME
        with replacing(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: str | Path) -> "Results":
        """Read the ``results.json`` of a folder.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged or of a newer version.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"no {FILE_NAME} in {str(folder)!r}; give the folder that 'interplay demo --output' or "
                "'interplay train --report' wrote"
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:  # not JSON, or not text
            raise ValueError(
                f"{str(path)!r} is not a JSON file ({error}); run the command that wrote it again"
            ) from None
        found = content.get("version") if isinstance(content, Mapping) else None
        if isinstance(found, int) and found > VERSION:
            raise ValueError(
                f"{str(path)!r} has version {found}, this interplay reads {VERSION}; install a newer interplay"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "the file"
            raise ValueError(
                f"{str(path)!r} is not a result of interplay: {where}: {first['msg']}; run the command again"
            ) from None


def versions() -> dict[str, str]:
    """Versions of Python and of what computes."""
    found = {"interplay": interplay.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "scikit-learn", "pandas", "torch", "pytorch-lightning"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
