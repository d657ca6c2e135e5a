"""What a cell holds, how data are parted, and whose models may take part."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import interplay as ip
from interplay.evaluation import Comparison, ConcatenationClassifier, ConcatenationRegressor, DataFile, evaluate
from interplay.evaluation.comparison.entries import described, entries
from interplay.evaluation.comparison.sources import Source, fingerprint


def rows(n=120, modalities=3, seed=0, **more):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = {name: rng.normal(size=(n, 4)) + y[:, None] * (i + 1) / 3 for i, name in enumerate("abc"[:modalities])}
    return ip.MultimodalDataset(x, y, ids=rng.permutation(n) + 1000, **more)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    train, test = rows(), rows(60, seed=1)
    metrics = {"share of class 0": lambda model, data: float((model.predict(data) == 0).mean()), "broken": broken}
    methods = {"ensemble": "ensemble", "linear": "logistic", "joint": ip.methods.Joint(hidden=8)}
    folder = tmp_path_factory.mktemp("grid")
    options = {"settings": {"max_epochs": 4}, "progress": False}
    result = ip.compare(methods, {"three": (train, test)}, seeds=[3, 5], folder=folder, metrics=metrics, **options)
    return result, train, test


def broken(model, data):
    raise KeyError("no such thing")


def cell(frame, method, seed, condition):
    chosen = frame[(frame["method"] == method) & (frame["seed"] == seed) & (frame["condition"] == condition)]
    return chosen.set_index("metric")["value"]


def test_cell_has_what_the_model_says(found):
    result, train, test = found
    model = ip.MultimodalClassifier(ip.methods.Joint(hidden=8), max_epochs=4, random_state=5).fit(train)
    expected = evaluate(model, test)
    for condition, name in [("complete", "complete"), ("b + c", "without a"), ("b", "only b")]:
        kept = cell(result.frame, "joint", 5, condition)
        np.testing.assert_allclose(kept[["accuracy", "macro_f1", "nll", "ece"]], expected.loc[name].iloc[1:])
    assert cell(result.frame, "joint", 5, "complete")["share of class 0"] == (model.predict(test) == 0).mean()
    cost = cell(result.frame, "joint", 5, "cost")
    assert cost["parameters"] == sum(p.numel() for p in model.method_.parameters())
    assert cost["epochs"] == len(model.history_.records) == 4
    assert (cost[["seconds", "processor_seconds", "test_seconds"]] > 0).all()
    answers = result.predictions("three", "joint")
    answers = answers[answers["seed"] == 5]
    np.testing.assert_array_equal(answers["id"], test.ids)
    np.testing.assert_allclose(np.stack(list(answers["probabilities"])), model.predict_proba(test), rtol=1e-6)
    codes = np.searchsorted(model.classes_, test.target)
    np.testing.assert_allclose(answers["probability"], model.predict_proba(test)[np.arange(60), codes])


def test_every_subset_and_rate_is_there(found):
    result, *_ = found
    accuracy = result.frame[result.frame["metric"] == "accuracy"]
    each = accuracy[(accuracy["method"] == "ensemble") & (accuracy["seed"] == 3)]
    subsets = {"complete", "a", "b", "c", "a + b", "a + c", "b + c"}
    rates = {*(f"rate 0.{i}" for i in range(1, 7)), "rate 0.667"}  # one of three modalities always stays
    assert set(each["condition"]) == subsets | rates | {"chance"}
    assert each.dropna(subset="rate")["rate"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 2 / 3])
    means = result.values("mean_subsets", "missing").set_index(["method", "seed"])["value"]
    proper = each[each["condition"].isin(subsets - {"complete"})]["value"]
    assert means["ensemble", 3] == pytest.approx(proper.mean())
    assert not result.frame.duplicated(["method", "seed", "condition", "metric"]).any()


def test_what_could_not_be_computed_is_noted(found):
    result, *_ = found
    assert all(problems == {"metric broken": "KeyError: 'no such thing'"} for problems in result.notes["problems"])
    assert result.values("broken")["value"].isna().all()


def test_tables_are_means_and_deviations(found):
    result, *_ = found
    table = result.table()
    values = result.values()
    own = values[values["method"] == "joint"]["value"]
    assert table.loc["joint", ("three", "mean")] == pytest.approx(own.mean())
    assert table.loc["joint", ("three", "sd")] == pytest.approx(own.std(ddof=1))
    assert table.loc["joint", ("three", "n")] == 2
    assert result.table(text=True).loc["joint", "three"] == f"{own.mean():.3f} ± {own.std(ddof=1):.3f}"
    ranks = result.ranks("nll")
    assert ranks["mean"].idxmin() == result.means("nll").loc["three"].idxmin()
    assert result.cost().loc["joint", "epochs"] == 4
    with pytest.raises(ValueError, match=r"no metric 'f2' for condition 'complete'; .*'accuracy'"):
        result.table("f2")


def test_paired_tests_are_of_the_predictions(found):
    result, _, test = found
    table = result.tests("linear", n_bootstrap=200).set_index("first")
    hits = {
        m: (p := result.predictions("three", m)).assign(hit=p["predicted"] == p["target"])["hit"].mean()
        for m in result.methods
    }
    assert table.loc["joint", "difference"] == pytest.approx(hits["joint"] - hits["linear"])
    assert table.loc["joint", "n"] == len(test)
    assert (table["p_holm"] >= table["p"]).all()
    assert len(result.tests()) == 3
    with pytest.raises(ValueError, match="no method 'nobody'"):
        result.tests("nobody")
    only = result.tests("linear", methods=["joint"], n_bootstrap=200)
    assert only["first"].tolist() == ["joint"]
    assert only["p_holm"].tolist() == only["p"].tolist()  # one row: nothing to correct
    with pytest.raises(ValueError, match="at least two methods"):
        result.tests("joint", methods=["joint"])


def test_folder_tells_the_same(found):
    result, *_ = found
    again = Comparison.load(result.store.folder)
    order = ["dataset", "method", "seed", "condition", "metric"]
    pd.testing.assert_frame_equal(
        again.frame.sort_values(order, ignore_index=True), result.frame.sort_values(order, ignore_index=True)
    )
    with pytest.raises(FileNotFoundError, match="no finished cell"):
        Comparison.load(result.store.folder / "nothing")


@pytest.mark.parametrize("grouped", [True, False])
def test_folds_test_every_sample_once_and_keep_subjects_whole(tmp_path, grouped):
    data = rows(90, modalities=2, groups=np.arange(90) // 5 if grouped else None)
    found = ip.compare(["logistic"], {"two": data}, seeds=2, folds=3, folder=tmp_path, missing=False, progress=False)
    assert len(found.values()) == 6
    for _, answers in found.predictions("two", "logistic").groupby("seed"):
        assert sorted(answers["id"]) == sorted(data.ids)
    if grouped:
        origin = Source("two", data, folds=3)
        for fold in range(3):
            train, test = origin.parts(1, fold)
            assert not set(train.groups) & set(test.groups)
    with pytest.raises(ValueError, match="'pair': it comes as training and test part"):
        ip.compare(["logistic"], {"pair": (data, data)}, seeds=1, folds=3, folder=tmp_path, progress=False)


def test_regression(tmp_path):
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(100, 3)), "b": rng.normal(size=(100, 2))}
    data = ip.MultimodalDataset(x, x["a"][:, 0] + x["b"][:, 1])
    settings = {"max_epochs": 3}
    found = ip.compare(["ridge", "joint"], {"sum": data}, seeds=2, folder=tmp_path, settings=settings, progress=False)
    assert found.table("r2").loc["ridge", ("sum", "mean")] > 0.99
    assert found.ranks("mae")["mean"].idxmin() == "ridge"
    assert found.tests("joint", metric="mae")["difference"].item() < 0
    assert found.main_metric == "r2"


class OwnModel(ClassifierMixin, BaseEstimator):
    """A model from elsewhere: it takes a mapping and fills what is missing itself."""

    def fit(self, X, y):
        self.pipeline_ = make_pipeline(StandardScaler(), LogisticRegression()).fit(self._flat(X), y)
        self.classes_ = self.pipeline_.classes_
        return self

    def predict_proba(self, X):
        return self.pipeline_.predict_proba(self._flat(X))

    def _flat(self, X):
        assert isinstance(X, dict)
        n = next(len(x) for x in X.values() if x is not None)
        blocks = [np.zeros((n, 4)) if x is None else np.nan_to_num(x) for x in X.values()]
        return np.concatenate(blocks, 1)


def test_any_model_on_a_mapping_takes_part(tmp_path):
    train, test = rows(), rows(60, seed=1)
    found = ip.compare({"own": OwnModel()}, {"three": (train, test)}, seeds=1, folder=tmp_path, progress=False)
    model = OwnModel().fit(dict(train.modalities), train.target)
    expected = (model.predict_proba(dict(test.modalities)).argmax(1) == test.target).mean()
    assert found.values()["value"].item() == expected
    assert len(found.frame[found.frame["condition"] == "a + b"])
    assert not found.notes["problems"].item()


def test_concatenation_is_the_pipeline_on_all_features():
    train, test = rows(), rows(60, seed=1)
    flat = [np.concatenate(list(d.modalities.values()), 1) for d in (train, test)]
    twin = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(flat[0], train.target)
    model = ConcatenationClassifier().fit(train)
    np.testing.assert_allclose(model.predict_proba(test), twin.predict_proba(flat[1]))
    mean_filled = flat[1].copy()
    mean_filled[:, :4] = flat[0][:, :4].mean(0)
    np.testing.assert_allclose(model.predict_proba(test.without("a")), twin.predict_proba(mean_filled))
    y = flat[0].sum(1)
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(flat[0], y)
    own = ConcatenationRegressor(Ridge()).fit(train.with_target(y))
    np.testing.assert_allclose(own.predict(test), ridge.predict(flat[1]))


def test_processes_change_nothing(tmp_path):
    def made(seed):
        return data[: 60 + seed], data[60 + seed :]

    data = rows(80)
    options = {"seeds": 2, "progress": False, "settings": {"max_epochs": 2}}
    results = [
        ip.compare(["logistic", "ensemble"], {"by seed": made}, folder=tmp_path / str(jobs), n_jobs=jobs, **options)
        for jobs in (None, 2)
    ]
    frames = [r.frame[r.frame["condition"] != "cost"].reset_index(drop=True) for r in results]
    pd.testing.assert_frame_equal(*frames)


def test_dask_workers_change_nothing(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    options = {"seeds": 2, "progress": False, "settings": {"max_epochs": 2}}
    data = {"one": rows(80)}
    alone = ip.compare(["logistic", "ensemble"], data, folder=tmp_path / "alone", **options)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        spread = ip.compare(["logistic", "ensemble"], data, folder=tmp_path / "dask", **options)
    frames = [r.frame[r.frame["condition"] != "cost"].reset_index(drop=True) for r in (alone, spread)]
    pd.testing.assert_frame_equal(*frames)


def test_files_are_read_where_they_are_needed(tmp_path):
    data = rows(80)
    marks = np.arange(80) % 4 == 0
    np.savez(tmp_path / "x.npz", **data.modalities, label=data.target, is_test=marks)
    file = DataFile(str(tmp_path / "x.npz"), "label", ("a", "b"), test="is_test")
    train, test = Source("x", file).parts(0)
    np.testing.assert_array_equal(test.target, data.target[marks])
    assert train.names == ("a", "b")
    assert len(train) == 60
    whole = Source("x", DataFile(str(tmp_path / "x.npz"), "label", ("a", "b"))).parts(0)
    assert len(whole[1]) == 20


def test_fingerprint_sees_every_change():
    data = rows(20)
    same = fingerprint((data, data[:10]))
    assert same == fingerprint((rows(20), rows(20)[:10]))
    changed = {name: x.copy() for name, x in data.modalities.items()}
    changed["b"][3, 1] += 1e-9
    others = [
        ip.MultimodalDataset(changed, data.target, ids=data.ids),
        data.with_target((data.target + 1) % 3),
        data.without("a"),
        data[np.r_[1, 0, 2:20]],
        rows(20, groups=np.arange(20)),
    ]
    assert len({same, *(fingerprint((other, data[:10])) for other in others)}) == 6


def test_description_counts_what_differs_from_defaults():
    first, second = (entries({"x": m}, s)["x"] for m, s in [("joint", {"max_epochs": 100}), (ip.methods.Joint(), {})])
    assert described(first) == {"MultimodalClassifier": {"method": "joint"}}
    assert described(second) == {"MultimodalClassifier": {"method": {"Joint": {}}}}
    own = ip.MultimodalClassifier(ip.methods.TCMax("additive"), random_state=3, patience=2)
    assert described(own) == {"MultimodalClassifier": {"method": {"TCMax": {"head": "additive"}}, "patience": 2}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ["nope"]}, "method 'nope': unknown 'nope'; choose one of agm"),
        ({"methods": []}, "methods: expected at least one"),
        ({"methods": "joint"}, "found the text 'joint'; put it in a list"),
        ({"methods": {"x": 3}}, "method 'x': expected a name, .* found int without fit"),
        ({"settings": {"epochs": 3}}, "settings: unknown .'epochs'.; choose among .*max_epochs"),
        ({"datasets": {}}, "datasets: expected at least one"),
        ({"datasets": {"x": "no.npz"}}, "data set 'x': no file 'no.npz'"),
        ({"datasets": {"x": 3}}, "data set 'x': expected a MultimodalDataset or a pair"),
        ({"datasets": {"x": (3, 4)}}, "data set 'x': expected a MultimodalDataset with a target, found int"),
        ({"seeds": []}, "seeds: expected at least one"),
        ({"seeds": 0}, "seeds: expected .* found 0"),
        ({"seeds": -1}, "seeds: expected .* found -1"),
        ({"seeds": [3, -1]}, r"seeds: expected .* found .3, -1"),
        ({"seeds": [0, 1, 0]}, r"seeds: expected .* different .* found .0, 1, 0"),
        ({"seeds": "3"}, "seeds: expected .* found '3'"),
        ({"seeds": [1.5]}, r"seeds: expected .* found .1\.5"),
        ({"seeds": True}, "seeds: expected .* found True"),
        ({"seeds": [2**32]}, "seeds: expected .* to 4294967295; found"),
        ({"missing": {}}, "missing: expected true, false, or a mapping name -> pattern, found {}"),
        ({"missing": {"cost": 0.3}}, "missing: expected names other than .* found 'cost'"),
        ({"missing": {"rate 0.3": 0.3}}, "missing: expected names other than .* found 'rate 0.3'"),
        ({"missing": {"night": 0}}, "missing: 'night': expected a pattern or a rate above 0, found 0"),
        ({"missing": {"night": {"pattern": "Rate", "share": 1}}}, "missing: 'night': expected the fields .*rate"),
        ({"folds": 1}, "folds: expected at least 2, found 1"),
    ],
)
def test_mistakes_are_named(tmp_path, change, message):
    call = {"methods": ["joint"], "datasets": {"one": rows(30)}, "seeds": 1, "folder": tmp_path, "progress": False}
    with pytest.raises(ValueError, match=message):
        ip.compare(**(call | change))
    assert not list(tmp_path.iterdir())
