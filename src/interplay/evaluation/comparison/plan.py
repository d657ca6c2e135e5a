"""A comparison written down in a YAML file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from interplay import methods
from interplay.data.missing import Pattern
from interplay.evaluation.comparison.conditions import own_patterns
from interplay.evaluation.comparison.entries import CONTROLS, Entry
from interplay.evaluation.comparison.grid import compare, listed_seeds
from interplay.evaluation.comparison.result import Comparison
from interplay.evaluation.comparison.sources import DataFile

Share = Annotated[float, Field(gt=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class FitSettings(_Strict):
    """Settings of the estimators, as `MultimodalClassifier` and `MultimodalRegressor` have them."""

    encoders: str | dict[str, str] | None = None
    width: PositiveInt | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_epochs: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    learning_rate: PositiveFloat | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    patience: PositiveInt | None = None
    validation_fraction: Share | None = None
    device: str | None = None
    precision: str | None = None
    missing: Share | None = None
    loss: str | None = None

    def given(self) -> dict[str, Any]:
        """Those that were written down."""
        return self.model_dump(exclude_none=True)


class MethodPlan(_Strict):
    """A method: ``method`` alone, or with a display name, parameters of its own, and settings of its own."""

    method: str
    name: str | None = None
    params: dict[str, Any] = {}
    settings: FitSettings = FitSettings()

    def entry(self, shared: Mapping[str, Any]) -> Any:
        """What `compare` takes."""
        if self.method in CONTROLS:
            if self.params or self.settings.given():
                raise ValueError(f"{self.method!r} takes neither params nor settings")
            return self.method
        known = methods.make(self.method).get_params()
        unknown = sorted(set(self.params) - set(known))
        if unknown:
            raise ValueError(f"unknown params {unknown}; choose among {sorted(known)}")
        return Entry(methods.make(self.method, **self.params), {**shared, **self.settings.given()})


class DataPlan(_Strict):
    """A data file: where it is, and what in it is the target, a modality, the subjects, the test marks."""

    file: str
    target: str | None = None
    modalities: list[str] | None = None
    groups: str | None = None
    test: str | None = None

    def source(self, folder: Path) -> DataFile:
        """What `compare` takes; the path is relative to the plan's folder."""
        names = None if self.modalities is None else tuple(self.modalities)
        return DataFile(str(folder / self.file), self.target, names, self.groups, self.test)


def _key(key: str) -> BeforeValidator:
    """A text alone stands for a mapping with this one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class Plan(_Strict):
    """What to compare; the fields of the YAML file.

    Attributes:
        data: name -> path or `DataPlan`.
        methods: names or `MethodPlan`.
        seeds: so many, or these.
        settings: the same for all methods.
        folder: where results are kept, relative to the plan.
        test_size: share of the test part of files without test marks.
        folds: cross-validation instead.
        missing: test with modalities missing, too; or name -> pattern as `interplay.data.missing.Pattern.to_dict` gives
            it, ``{pattern: Independent, rates: {voice: 0.5}}``, or a missing rate.
        tune: search settings with so many trials for every method in every cell.
        jobs: processes.
    """

    data: Annotated[dict[str, Annotated[DataPlan, _key("file")]], Field(min_length=1)]
    methods: Annotated[list[Annotated[MethodPlan, _key("method")]], Field(min_length=1)]
    seeds: Annotated[int | Sequence[int], PlainValidator(lambda given: listed_seeds(given))] = 5
    settings: FitSettings = FitSettings()
    folder: str = "comparison"
    test_size: Share = 0.25
    folds: Annotated[int, Field(ge=2)] | None = None
    missing: Annotated[bool | Mapping[str, Pattern], PlainValidator(lambda given: own_patterns(given) or given)] = True
    tune: PositiveInt | None = None
    jobs: int | None = None

    _base: Path = Path()

    @classmethod
    def load(cls, path: str | Path) -> "Plan":
        """Read a YAML file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is no YAML, or a field is wrong; the message names the field.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no file {str(path)!r}; expected a YAML file that says what to compare")
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            where = getattr(error, "problem_mark", None)
            line = f", line {where.line + 1}" if where is not None else ""
            raise ValueError(f"{path.name!r} is not YAML{line}: {getattr(error, 'problem', error)}") from None
        try:
            plan = cls.model_validate(content)
            plan._base = path.parent
            plan.entries()
        except ValidationError as error:
            raise ValueError(f"{path.name!r}, {_explained(error)}") from None
        except ValueError as error:
            raise ValueError(f"{path.name!r}, {error}") from None
        return plan

    def entries(self) -> dict[str, Any]:
        """The methods by display name.

        Raises:
            ValueError: an unknown method or parameter, or a name that occurs twice.
        """
        found: dict[str, Any] = {}
        for at, plan in enumerate(self.methods):
            name = plan.name or plan.method
            if name in found:
                raise ValueError(f"methods.{at}: {name!r} occurs twice; give one of them another name")
            try:
                found[name] = plan.entry(self.settings.given())
            except ValueError as error:
                raise ValueError(f"methods.{at} ({name}): {error}") from None
        return found

    def run(
        self,
        *,
        folder: str | Path | None = None,
        jobs: int | None = None,
        tune: int | None = None,
        retry: bool = False,
        progress: bool | Callable[[str], None] = True,
    ) -> Comparison:
        """`compare` as planned; what is given here goes first."""
        return self._compare(folder, n_jobs=jobs or self.jobs, tune=tune, retry=retry, progress=progress)

    def found(self, folder: str | Path | None = None, *, tune: int | None = None) -> Comparison:
        """What is finished of the plan; runs nothing."""
        return self._compare(folder, tune=tune, run=False)

    def _compare(self, folder: str | Path | None, *, tune: int | None, **options: Any) -> Comparison:
        return compare(
            self.entries(),
            {name: data.source(self._base) for name, data in self.data.items()},
            seeds=self.seeds,
            folder=self.path(folder),
            missing=self.missing,
            test_size=self.test_size,
            folds=self.folds,
            tune=tune or self.tune,
            **options,
        )

    def path(self, folder: str | Path | None = None) -> Path:
        """The folder of the results."""
        return Path(folder) if folder is not None else self._base / self.folder


_FIELDS: dict[str, type[BaseModel]] = {"data": DataPlan, "methods": MethodPlan, "settings": FitSettings}


# Pydantic's kinds of errors in plain words.
_EXPECTED = {
    **dict.fromkeys(("dict_type", "model_type", "mapping_type"), "a mapping, name: value"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "list_type": "a list",
    "string_type": "a text",
    "too_short": "at least one",
}


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, with the field and, for an unknown one, those that there are."""
    first = error.errors()[0]
    place = [str(step) for step in first["loc"]]
    where = ".".join(place) or "the file"
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = (
            FitSettings if "settings" in place[:-1] else _FIELDS.get(place[0], Plan) if len(place) > 1 else Plan
        )
        return f"unknown field {where!r}; choose among {', '.join(model.model_fields)}"
    if first["type"] == "value_error":  # ours, which says all
        return f"field {where!r}: {str(first['ctx']['error']).removeprefix(f'{where}: ')}"
    if first["type"] == "missing":
        return f"field {where!r} is missing"
    said = _EXPECTED.get(first["type"]) or first["msg"].removeprefix("Input should be ")
    return f"field {where!r}: expected {said}, found {first['input']!r}"
