"""Advice on data whose composition is known, and on data that are broken in a known way."""

import json
import re

import numpy as np
import pytest

import interplay as ip
from interplay.data.datasets import make_gates, make_interactions


def made(n=600, noise=1.0, **composition):
    names = {key.replace("_", ":"): share for key, share in composition.items()}
    return make_interactions(names, n_samples=n, noise=noise, random_state=0).dataset


def kinds(advice):
    return [worry.kind for worry in advice.worries]


def test_each_its_own_is_worth_fusing():
    found = ip.advise(made(unique_a=0.5, unique_b=0.5), quick=True)
    assert (found.fusion, found.method, found.modality) == ("yes", "logistic", None)
    assert (found.modalities["lost:low"] > 0).all()
    assert found.gain.low > 0.1
    assert "Fusion is worth it" in str(found)


def test_one_modality_that_has_it_all_is_not_fused():
    found = ip.advise(made(unique_a=1.0, noise=0.3), quick=True, least=0.02)
    assert (found.fusion, found.modality) == ("no", "a")
    assert found.modalities.loc["a", "alone"] > 0.95 > 0.6 > found.modalities.loc["b", "alone"]
    assert "b: alone" in str(found)
    assert "cannot say that it matters" in str(found)


def test_synergy_needs_a_method_that_sees_it():
    data = make_gates("XOR", n_samples=300, noise=0.1, random_state=0).dataset
    settings = {"max_epochs": 8, "learning_rate": 0.02, "batch_size": 32}
    found = ip.advise(data, methods=["ensemble", "joint"], folds=3, settings=settings)
    assert (found.fusion, found.method) == ("yes", "joint")
    assert found.gain.low > 0.2
    assert found.measurement.distinguishable("synergy")
    assert re.search(r"only both together tell: \d\.\d+ \[0\.\d+, \d\.\d+\] \(p", str(found))
    # Linear models alone see nothing, and do not pretend to.
    blind = ip.advise(data, quick=True)
    assert blind.fusion != "yes"
    assert "not told from a constant answer" in str(blind)


def test_few_rows_cannot_say():
    assert ip.advise(made(n=40, redundancy=1.0, noise=2.0), quick=True).fusion == "cannot say"


def test_values_under_a_mask_change_nothing():
    data = made(n=120, unique_a=0.5, unique_b=0.5)
    here = np.arange(120) % 5 > 0
    found = []
    for fill in (np.nan, 1e9):
        b = data.modalities["b"].copy()
        b[~here] = fill
        given = ip.MultimodalDataset({"a": data.modalities["a"], "b": b}, data.target, present={"b": here})
        found.append(ip.advise(given, methods=["ensemble"], folds=2, settings={"max_epochs": 2}).to_dict())
    for each in found:
        for row in each["candidates"]:
            del row["seconds"]
    assert json.dumps(found[0]) == json.dumps(found[1])
    assert found[0]["worries"][0]["kind"] == "missing"


def subjects(n_subjects=30, n=20, seed=0):
    """Each subject has one class and a signature of its own; nothing tells the class of a new subject."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n_subjects), n)
    x = {name: rng.normal(size=(n_subjects, 16))[who] + 0.3 * rng.normal(size=(len(who), 16)) for name in "ab"}
    return x, who % 2, who


def test_subjects_leak_unless_they_are_declared():
    x, y, who = subjects()
    careless = ip.advise(x, y, quick=True)
    careful = ip.advise(ip.MultimodalDataset(x, y, groups=who), quick=True)
    assert careless.modalities["alone"].max() > 0.7 > 0.65 > careful.modalities["alone"].max()
    assert "undeclared groups" in kinds(careless)
    assert kinds(careful) == []
    assert careful.n_groups == 30


def test_rows_in_random_order_raise_no_alarm():
    assert kinds(ip.advise(made(unique_a=0.5, unique_b=0.5), quick=True)) == []


def test_the_answer_in_the_data_is_feared():
    data = made(redundancy=1.0, noise=3.0)
    leak = np.column_stack([data.modalities["b"], data.codes == 0, data.codes == 1, data.codes == 2])
    found = ip.advise(ip.MultimodalDataset({"a": data.modalities["a"], "b": leak}, data.target), quick=True)
    assert kinds(found) == ["leakage"]
    assert "b alone predicts held-out rows almost without error" in str(found)


def test_twins_are_feared():
    data = made(n=300, unique_a=0.5, unique_b=0.5)
    rows = np.r_[np.arange(300), np.arange(15)]
    found = ip.advise({name: x[rows] for name, x in data.modalities.items()}, data.target[rows], quick=True)
    assert "duplicates" in kinds(found)
    share = next(worry.evidence["share"] for worry in found.worries if worry.kind == "duplicates")
    assert share == pytest.approx(30 / 315)


def test_gaps_that_know_the_class_and_rare_classes_are_feared():
    data = made(n=300, unique_a=0.5, unique_b=0.5)
    y = np.where(np.arange(300) < 8, 0, 1 + data.codes % 2)
    here = (y != 2) | (np.arange(300) % 2 == 0)
    found = ip.advise(ip.MultimodalDataset(dict(data.modalities), y, present={"b": here}), quick=True)
    assert {"missing", "few samples", "imbalance"} <= set(kinds(found))
    missing = next(worry for worry in found.worries if worry.kind == "missing")
    assert "the class tells whether it is there" in missing.text
    assert missing.evidence["share"] == pytest.approx(1 - here.mean())


def test_few_pairs_are_bounded():
    data = make_gates("AND", n_samples=1500, random_state=0).dataset
    part = np.arange(1500) % 5
    masks = {"a": (part < 3), "b": (part >= 2)}
    given = ip.MultimodalDataset(dict(data.modalities), data.target, present=masks)
    found = ip.advise(given, methods=["ensemble"], folds=2, settings={"max_epochs": 1})
    assert found.bound is not None
    assert found.bound.synergy_interval[0] <= 0.5 <= found.bound.synergy_interval[1]
    assert "Without pairing labels" in str(found)


def test_numbers_are_advised_in_r2():
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(300, 3)), "b": rng.normal(size=(300, 3))}
    y = x["a"][:, 0] + x["b"][:, 0] + 0.1 * rng.normal(size=300)
    found = ip.advise(x, y, quick=True)
    assert (found.fusion, found.method, found.metric) == ("yes", "ridge", "r2")
    assert found.candidates["score"][0] > 0.98
    assert found.modalities["alone"].between(0.4, 0.6).all()


def test_large_data_are_sampled_by_whole_groups():
    x, y, who = subjects(40, 10)
    found = ip.advise(ip.MultimodalDataset(x, y, groups=who), quick=True, max_rows=105)
    assert (found.n_samples, found.n_groups) == (100, 10)
    assert "100 of 400 rows" in str(found)


def test_a_method_that_cannot_be_fitted_is_noted():
    rng = np.random.default_rng(0)
    found = ip.advise(
        {"a": rng.normal(size=(60, 2)), "b": rng.normal(size=(60, 2))}, rng.normal(size=60), methods=["qmf"]
    )
    assert any("qmf could not be fitted" in note for note in found.notes)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ({"a": np.zeros((40, 1)), "b": np.zeros((40, 1))}, None, {}, "needs a target"),
        ({"a": np.zeros((40, 1))}, np.arange(40) % 2, {}, "two modalities"),
        ({"a": np.zeros((9, 1)), "b": np.zeros((9, 1))}, np.arange(9) % 2, {}, "30 rows at least, found 9"),
        ({"a": np.zeros((40, 1)), "b": np.zeros((40, 1))}, np.zeros(40, int), {}, "two classes"),
        ({"a": np.zeros((40, 1)), "b": np.zeros((40, 1))}, np.arange(40) % 2, {"folds": 1}, "folds"),
        ({"a": np.zeros((40, 1)), "b": np.zeros((40, 1))}, np.arange(40) % 2, {"methods": ["x"]}, "unknown methods"),
    ],
)
def test_what_cannot_be_advised_on(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        ip.advise(x, y, **options)
