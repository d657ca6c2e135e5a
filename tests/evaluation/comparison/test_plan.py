"""A plan in YAML: what it may say, and what a mistake in it is called."""

import pytest
import yaml

import interplay as ip
from interplay.evaluation import Plan
from interplay.evaluation.comparison.entries import NOT_SETTINGS, described
from interplay.evaluation.comparison.plan import FitSettings

PLAN = """
data:
  xor: xor.parquet
  and: {file: and.parquet, target: target, modalities: [a, b]}
methods:
  - logistic
  - ensemble
  - {method: tcmax, name: tcmax additive, params: {head: additive}, settings: {max_epochs: 3}}
seeds: [4, 2]
settings: {max_epochs: 2, batch_size: 64}
test_size: 0.4
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("XOR", "AND"):
        ip.datasets.make_gates(name, n_samples=60, random_state=0).dataset.save(tmp_path / f"{name.lower()}.parquet")
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def test_plan_runs_as_it_says(folder):
    plan = Plan.load(folder / "plan.yaml")
    assert not plan.found().cells
    found = plan.run(progress=False)
    assert found.methods == ["logistic", "ensemble", "tcmax additive"]
    assert {(c.dataset, c.seed) for c in found.cells} == {(d, s) for d in ("xor", "and") for s in (4, 2)}
    assert found.failures.empty
    assert (folder / "comparison").is_dir()
    assert len(found.predictions("xor", "logistic").query("seed == 4")) == 24
    cost = found.cost()["epochs"]
    assert (cost["ensemble"], cost["tcmax additive"]) == (2, 3)
    entries = plan.entries()
    settings = {"batch_size": 64, "max_epochs": 3}
    expected = ip.MultimodalClassifier(ip.methods.TCMax(head="additive"), **settings)
    assert described(entries["tcmax additive"]) == described(expected)
    assert len(plan.found().cells) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": 1}, "unknown field 'method'; choose among data, methods, seeds"),
        ({"methods": ["joint", "nope"]}, r"methods.1 .nope.: unknown method 'nope'"),
        ({"methods": ["joint", "joint"]}, r"methods.1: 'joint' occurs twice"),
        (
            {"methods": [{"method": "tcmax", "params": {"hed": 1}}]},
            r"methods.0 .tcmax.: unknown params .'hed'.; .*'head'",
        ),
        (
            {"methods": [{"method": "joint", "setings": {}}]},
            r"unknown field 'methods.0.setings'; choose among method, name",
        ),
        ({"methods": [{"method": "logistic", "params": {"C": 1}}]}, "'logistic' takes neither"),
        ({"methods": []}, "field 'methods'"),
        ({"seeds": 0}, "field 'seeds': expected at least one"),
        ({"seeds": "3"}, "field 'seeds': expected .* whole number.* found '3'"),
        ({"data": ["x.npz"]}, "field 'data': expected a mapping, name: value, found"),
        ({"methods": "joint"}, "field 'methods': expected a list, found 'joint'"),
        ({"folds": "many"}, "field 'folds': expected a whole number, found 'many'"),
        ({"missing": "some"}, "field 'missing': expected true, false, or a mapping name -> pattern, found 'some'"),
        ({"missing": {"dark": {"pattern": "Rte"}}}, "field 'missing': 'dark': pattern: expected one of .*Rate"),
        ({"settings": {"max_epochs": "many"}}, "field 'settings.max_epochs': .*found 'many'"),
        ({"settings": {"epochs": 3}}, "unknown field 'settings.epochs'; choose among encoders, .*max_epochs"),
        ({"data": {"x": {"path": "x.npz"}}}, "field 'data.x.file' is missing"),
        ({"test_size": 2}, "field 'test_size'"),
        ({"data": {"x": "nowhere.npz"}}, "data set 'x': no file"),
    ],
)
def test_mistakes_name_the_field(folder, change, message):
    (folder / "plan.yaml").write_text(yaml.safe_dump(yaml.safe_load(PLAN) | change))
    with pytest.raises(ValueError, match=message):
        Plan.load(folder / "plan.yaml").run(progress=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [", "is not YAML, line 1"),
        ("- a", "'plan.yaml', field 'the file': expected a mapping, name: value, found"),
        ("a: !!python/name:os.system", "YAML"),
    ],
)
def test_what_is_no_plan(folder, text, message):
    (folder / "plan.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        Plan.load(folder / "plan.yaml")
    with pytest.raises(FileNotFoundError, match="expected a YAML file"):
        Plan.load(folder / "other.yaml")


def test_settings_are_those_of_the_estimators():
    params = {name for c in (ip.MultimodalClassifier, ip.MultimodalRegressor) for name in c().get_params(deep=False)}
    assert set(FitSettings.model_fields) == params - {"method", *NOT_SETTINGS}
