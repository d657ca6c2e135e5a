"""The search: the same budget for all, inside the training part, seeded, resumed, and absent unless asked for."""

import json
import sys
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import interplay as ip
from interplay.data.datasets import make_interactions
from interplay.evaluation import ConcatenationClassifier, DataFile, Plan
from interplay.evaluation.comparison.entries import Entry
from interplay.evaluation.comparison.tuning import SHARED, space, tuned
from interplay.methods import make, names

OPTIONS = {"seeds": 1, "settings": {"max_epochs": 2}, "progress": False, "missing": False}


def parts(seed=0, n=120):
    made = make_interactions({"unique:a": 0.5, "unique:b": 0.5}, n_samples=n, random_state=seed, structure_state=0)
    return made.dataset


class Sharp(ClassifierMixin, BaseEstimator):
    """Right on a share ``s`` of rows by construction: its best setting is known."""

    search_space: ClassVar = {"s": (0.0, 1.0, "linear")}
    fits: ClassVar = []

    def __init__(self, s=0.1):
        self.s = s

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        Sharp.fits.append((self.s, len(y)))
        return self

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(1)]

    def predict_proba(self, x):
        # Best at 0.7: there it is sure of what the first feature says.
        sure = 1 - abs(self.s - 0.7)
        said = (x["a"][:, 0] > 0.5).astype(float)
        return np.stack([1 - (said * sure + (1 - sure) / 2), said * sure + (1 - sure) / 2], 1)


def sharp_data(n=100, seed=0):
    y = np.random.default_rng(seed).integers(0, 2, n)
    return ip.MultimodalDataset({"a": y[:, None].astype(float), "b": np.zeros((n, 1))}, y)


def test_search_finds_a_known_best_setting():
    Sharp.fits.clear()
    found = tuned(Sharp(), space(Sharp()), sharp_data(), 25, seed=0)
    assert abs(found.params["s"] - 0.7) < 0.1
    assert Sharp.fits[0][0] == 0.1  # as it is, first
    assert {n for _, n in Sharp.fits} == {80}
    assert len(Sharp.fits) == found.trials == 25
    assert tuned(Sharp(), space(Sharp()), sharp_data(), 25, seed=0).params == found.params


def test_subjects_are_kept_whole(monkeypatch):
    seen = []
    monkeypatch.setattr(ConcatenationClassifier, "fit", watched(ConcatenationClassifier.fit, seen))
    data = parts()
    who = np.arange(120) // 6
    grouped = ip.MultimodalDataset(dict(data.modalities), data.target, groups=who)
    tuned(ConcatenationClassifier(), {"estimator__C": (0.1, 1.0, "log")}, grouped, 2, 0)
    for train in seen:
        assert all((train.groups == group).sum() == 6 for group in np.unique(train.groups))


def watched(function, seen):
    def fit(self, X, y=None):
        seen.append(X)
        return function(self, X, y)

    return fit


def test_every_method_has_the_same_budget_and_a_space_of_real_parameters():
    for name in names():
        method = make(name)
        assert set(type(method).search_space) <= set(method.get_params())
        assert set(SHARED) <= set(space(Entry(name, {})))
    assert "learning_rate" not in space(Entry("joint", {"learning_rate": 0.1}))
    assert "method__hidden" in space(Entry("joint", {}))
    assert "method__hidden" not in space(Entry(ip.methods.Joint(hidden=8), {}))
    assert space(ip.MultimodalClassifier("ensemble", dropout=0.1)).keys() == SHARED.keys() - {"dropout"}


@pytest.mark.parametrize("name", names())
def test_every_method_with_a_number_to_set_is_searched_between_ends_that_it_takes(name):
    method = make(name)
    searched = type(method).search_space
    assert bool(searched) == any(type(value) in (int, float) for value in method.get_params().values())
    for parameter, choice in searched.items():
        for value in choice[:2] if isinstance(choice, tuple) else choice:
            make(name).set_params(**{parameter: value}).check(("a", "b"), method.tasks[0])


def test_cyin_and_knnimpute_search_what_is_their_own():
    assert {"method__beta", "method__gamma", "method__reconstruction"} <= set(space(Entry("cyin", {})))
    assert "method__beta" not in space(Entry(ip.methods.CyIN(beta=16.0), {}))
    assert {"method__neighbours", "method__hidden"} <= set(space(Entry("knnimpute", {})))


def test_cells_keep_what_was_chosen(tmp_path):
    data = {"made": (parts(), parts(1))}
    found = ip.compare(["joint", "logistic"], data, folder=tmp_path, tune=3, **OPTIONS)
    frame = found.frame[found.frame["condition"] == "tuned"].pivot_table(
        index="method", columns="metric", values="value"
    )
    assert (frame["trials"] == 3).all()
    assert found.trials == 3
    assert frame.loc["joint", "learning_rate"] <= 0.01
    kept = {row["method"]: row["tuned"] for _, row in found.notes.iterrows()}
    assert set(kept["joint"]["params"]) == {*SHARED, "method__hidden"}
    assert set(kept["logistic"]["params"]) == {"estimator__C"}
    # The cell's model is the one with the chosen settings, on the whole training part.
    params = kept["joint"]["params"]
    model = ip.MultimodalClassifier(ip.methods.Joint(), max_epochs=2, random_state=0).set_params(**params)
    expected = model.fit(data["made"][0]).score(data["made"][1])
    assert found.values()["value"][found.values()["method"] == "joint"].item() == expected
    with pytest.raises(ip.evaluation.ConfigurationError, match="tune"):
        ip.compare(["joint"], data, folder=tmp_path, **OPTIONS)


def test_the_search_never_sees_the_test_part(tmp_path):
    train, test = parts(), parts(1)
    poisoned = test.with_target(np.roll(test.target, 1))
    chosen = []
    for name, part in (("clean", test), ("poisoned", poisoned)):
        found = ip.compare(["joint"], {"made": (train, part)}, folder=tmp_path / name, tune=3, **OPTIONS)
        chosen.append((found.notes["tuned"].iloc[0], found.values()["value"].item()))
    assert chosen[0][0] == chosen[1][0]
    assert chosen[0][1] != chosen[1][1]


def test_an_interrupted_search_goes_on_where_it_stood(tmp_path):
    diary = tmp_path / "trials.json"
    Sharp.fits.clear()
    whole = tuned(Sharp(), space(Sharp()), sharp_data(), 14, 0, diary)
    trials = json.loads(diary.read_text())
    diary.write_text(json.dumps({**trials, "trials": trials["trials"][:11]}))
    Sharp.fits.clear()
    again = tuned(Sharp(), space(Sharp()), sharp_data(), 14, 0, diary)
    assert len(Sharp.fits) == 3
    assert again.params == whole.params
    assert json.loads(diary.read_text()) == trials


def test_trials_of_another_search_are_left_out(tmp_path):
    diary = tmp_path / "trials.json"
    tuned(Sharp(), space(Sharp()), sharp_data(), 2, 0, diary)
    with pytest.warns(UserWarning, match="another search"):
        tuned(Sharp(), {"s": (0.0, 0.5, "linear")}, sharp_data(), 2, 0, diary)


class Brittle(Sharp):
    def fit(self, x, y):
        if self.s > 0.05:
            raise ValueError("too sharp")
        return super().fit(x, y)


def test_a_trial_that_fails_counts_and_all_failing_is_said():
    found = tuned(Brittle(), {"s": [0.01, 0.9]}, sharp_data(), 6, 0)
    assert (found.params, found.trials) == ({"s": 0.01}, 6)
    with pytest.raises(ValueError, match=r"none of 2 trials.*too sharp"):
        tuned(Brittle(), {"s": [0.9]}, sharp_data(), 2, 0)


def test_optuna_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"interplay\[tune\]"):
        ip.compare(["joint"], {"made": parts()}, folder=tmp_path, tune=2, **OPTIONS)
    ip.compare(["logistic"], {"made": parts()}, folder=tmp_path, **OPTIONS)


@pytest.mark.parametrize("tune", [0, -1, 2.5, True])
def test_budgets_that_are_none(tmp_path, tune):
    with pytest.raises(ValueError, match="tune"):
        ip.compare(["joint"], {"made": parts()}, folder=tmp_path, tune=tune, **OPTIONS)


def test_plan_says_how_many_trials(tmp_path):
    parts().save(tmp_path / "made.npz")
    (tmp_path / "plan.yaml").write_text(
        "data: {made: made.npz}\nmethods: [logistic]\nseeds: 1\ntune: 2\nmissing: false\n"
    )
    plan = Plan.load(tmp_path / "plan.yaml")
    assert plan.tune == 2
    assert plan.run(progress=False).notes["tuned"].iloc[0]["trials"] == 2
    (tmp_path / "plan.yaml").write_text("data: {made: made.npz}\nmethods: [logistic]\ntune: 0\n")
    with pytest.raises(ValueError, match="tune"):
        Plan.load(tmp_path / "plan.yaml")


def test_files_are_tuned_in_the_worker(tmp_path):
    parts().save(tmp_path / "made.npz")
    data = {"made": DataFile(str(tmp_path / "made.npz"))}
    found = ip.compare(["ensemble"], data, folder=tmp_path / "cells", tune=2, **OPTIONS)
    assert found.notes["tuned"].iloc[0]["trials"] == 2
