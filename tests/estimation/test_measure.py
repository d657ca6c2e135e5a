"""`measure`, end to end: gates, noise, masks, order, groups, bad input."""

import json

import numpy as np
import pytest

import interplay as ip
from interplay.data import MultimodalDataset
from interplay.data.datasets import make_gates
from interplay.information.decomposition import decompose

QUICK = {"n_bootstrap": 50, "n_permutations": 99, "sensitivity": False, "random_state": 0}


def gate(name, n_samples=2000, **more):
    return make_gates(name, n_samples=n_samples, random_state=1, **more).dataset


def noise(n=200, features=5, seed=0, **more):
    rng = np.random.default_rng(seed)
    arrays = {"a": rng.normal(size=(n, features)), "b": rng.normal(size=(n, features))}
    return MultimodalDataset(arrays, rng.integers(2, size=n), **more)


@pytest.mark.parametrize(
    ("name", "redundancy", "unique", "synergy"),
    [
        ("XOR", 0, (0, 0), 1),
        ("AND", 0.311, (0, 0), 0.5),
        ("OR", 0.311, (0, 0), 0.5),
        ("COPY", 0, (1, 1), 0),
        ("SUM", 0.5, (0, 0), 1),
        ("UNIQUE", 0, (1, 0), 0),
        ("REDUNDANT", 1, (0, 0), 0),
    ],
)
def test_gates(name, redundancy, unique, synergy):
    found = ip.measure(gate(name), **QUICK)
    assert found.synergy == pytest.approx(synergy, abs=0.03)
    assert found.redundancy == pytest.approx(redundancy, abs=0.03)
    assert list(found.unique.values()) == pytest.approx(unique, abs=0.03)
    assert found.distinguishable("synergy") == (synergy > 0)
    assert (found.p_value <= 0.01) == (synergy > 0)
    assert found.n_bins == {"a": 2, "b": 2}
    assert found.n_samples == 2000
    assert not found.warnings
    assert found.redundancy + sum(found.unique.values()) + found.synergy == pytest.approx(found.total)


def test_synergy_survives_an_embedding():
    found = ip.measure(gate("XOR", n_features=16, noise=0.3), n_bins=2, **QUICK)
    assert found.synergy == pytest.approx(1, abs=0.05)
    assert found.n_samples == 1600  # a fifth of the rows fits the partition
    assert found.n_bins == {"a": 2, "b": 2}


def test_the_correction_takes_no_synergy_away_that_is_there():
    """Fourteen cells a side: the pairwise model alone would leave 0.82 bits."""
    found = ip.measure(gate("XOR", 1000, n_features=64, noise=0.3), **QUICK)
    assert found.synergy == pytest.approx(1, abs=0.03)
    assert found.intervals["synergy"][0] <= 1 <= found.intervals["synergy"][1]


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_distinguishable_from_none(seed):
    found = ip.measure(noise(seed=seed), **QUICK)
    assert found.plugin["synergy"] > 0.08  # what the counts alone would claim
    assert found.intervals["synergy"][0] == 0
    lines = [line for line in str(found).splitlines() if line.startswith("  synergy")]
    assert len(lines) == 1
    assert "not distinguishable from none" in lines[0]


def test_p_values_on_independent_data_are_uniform():
    rng = np.random.default_rng(0)
    found = []
    for seed in range(40):
        a, b, y = rng.integers(3, size=(3, 120))
        few = {"n_bootstrap": 2, "n_permutations": 39, "random_state": seed}
        found.append(ip.measure({"a": a, "b": b}, y, **few).p_values)
    for part in ("redundancy", "unique:a", "synergy", "total"):
        values = np.array([each[part] for each in found])
        assert (values <= 0.1).sum() <= 11, part  # 4 expected; P(more than 11) < 0.001
        assert (values > 0.5).sum() >= 10, part


@pytest.mark.parametrize("correction", ["grassberger", "chao-shen", "miller-madow", "none"])
def test_other_corrections(correction):
    found = ip.measure(gate("AND"), correction=correction, **QUICK)
    assert found.synergy == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("redundancy", ["mmi", "ccs", "pm", "pointwise_min", "sx"])
def test_other_definitions(redundancy):
    found = ip.measure(gate("XOR"), redundancy=redundancy, **QUICK)
    exact = decompose(make_gates("XOR", random_state=0).joint, redundancy=redundancy)
    assert found.definition == redundancy
    # "pm" compares surprisals that tie in the gate: its error there falls like n^(-1/2) and is no bias to correct.
    tolerance = 0.08 if redundancy == "pm" else 0.03
    assert found.synergy == pytest.approx(exact.synergy, abs=tolerance)
    assert found.redundancy == pytest.approx(exact.redundancy, abs=tolerance)


def test_same_seed_same_result_and_workers_do_not_matter():
    data = gate("AND", 300, n_features=4, noise=0.5)
    first = ip.measure(data, **QUICK)
    assert str(ip.measure(data, **QUICK)) == str(first)
    assert ip.measure(data, n_jobs=2, **QUICK).to_dict() == first.to_dict()
    assert ip.measure(data, **{**QUICK, "random_state": 7}).intervals != first.intervals


def test_order_of_rows_does_not_matter_when_ids_travel():
    data = gate("AND", 400, n_features=4, noise=0.5)
    order = np.random.default_rng(0).permutation(400)
    first, again = ip.measure(data, **QUICK), ip.measure(data[order], **QUICK)
    assert again.to_dict() == first.to_dict()
    assert again.samples.loc[first.samples.index].equals(first.samples)
    assert again.samples.index.tolist() == data.ids[order].tolist()


def test_renaming_changes_nothing_and_swapping_swaps():
    data = gate("UNIQUE", 600)
    x = data.modalities
    first = ip.measure(data, **QUICK)
    renamed = ip.measure({"left": x["a"], "right": x["b"]}, data.target, **QUICK)
    assert list(renamed.unique.values()) == list(first.unique.values())
    swapped = ip.measure(data.select(["b", "a"]), **QUICK)
    assert swapped.unique["a"] == pytest.approx(first.unique["a"], abs=0.01)
    assert swapped.synergy == pytest.approx(first.synergy, abs=0.01)


@pytest.mark.parametrize("rubbish", [np.nan, 1e9])
def test_values_under_a_false_mask_change_nothing(rubbish):
    rng = np.random.default_rng(0)
    a, b, y = rng.normal(size=(300, 3)), rng.normal(size=(300, 3)), rng.integers(2, size=300)
    seen = rng.random(300) < 0.8
    found = [
        ip.measure(MultimodalDataset({"a": np.where(seen[:, None], a, value), "b": b}, y, present={"a": seen}), **QUICK)
        for value in (0.0, rubbish)
    ]
    assert found[0].to_dict() == found[1].to_dict()
    assert f"{300 - seen.sum()} of 300 rows lack 'a' or 'b' and are left out." in found[0].warnings


@pytest.mark.parametrize(("size", "warned"), [(400, True), (60, True), (20, False)])
def test_few_groups_are_said(size, warned):
    data = gate("XOR", 400)
    data = MultimodalDataset(data.modalities, data.target, groups=np.arange(400) // size)
    found = ip.measure(data, n_bootstrap=10, n_permutations=10, random_state=0)
    assert any("of so few the intervals say little" in text for text in found.warnings) == warned


def test_groups_widen_intervals():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 15)
    y, a = rng.integers(2, size=40)[groups], rng.integers(2, size=40)[groups]
    x = {"a": np.where(rng.random(600) < 0.8, a ^ y, a), "b": a}
    alone = ip.measure(MultimodalDataset(x, y), **QUICK)
    grouped = ip.measure(MultimodalDataset(x, y, groups=groups), **QUICK)
    width = [np.diff(found.intervals["synergy"])[0] for found in (alone, grouped)]
    assert width[1] > 1.5 * width[0]


def test_too_few_samples_withhold_the_estimate_but_not_the_test():
    rng = np.random.default_rng(0)
    x = {"a": rng.integers(12, size=150), "b": rng.integers(12, size=150)}
    found = ip.measure(MultimodalDataset(x, rng.integers(2, size=150)), **QUICK)
    assert np.isnan(found.synergy)
    assert np.isnan(found.total)
    assert np.isfinite(found.redundancy)  # its tables have 24 cells
    assert 0 < found.p_value <= 1
    assert any("withheld: 150 samples for 288 cells" in text for text in found.warnings)
    assert "withheld" in str(found)
    assert found.to_dict()["synergy"] is None
    less = ip.measure(MultimodalDataset({k: v[:12] for k, v in x.items()}, [0, 1] * 6), **QUICK)
    assert np.isnan(less.redundancy)


def test_a_constant_modality_tells_nothing():
    y = np.arange(400) % 2
    found = ip.measure({"a": y, "b": np.ones((400, 3))}, y, **QUICK)
    assert found.unique["a"] == pytest.approx(1, abs=0.01)
    assert found.synergy == pytest.approx(0, abs=1e-6)
    assert any("'b' is constant" in text for text in found.warnings)


def test_a_numeric_target_is_cut_with_a_warning():
    x = np.random.default_rng(0).normal(size=(2000, 1))
    found = ip.measure({"a": x, "b": -x}, x[:, 0], **QUICK)
    assert any("cut into 4 classes" in text for text in found.warnings)
    assert found.redundancy > 1.5


def test_samples_average_to_the_plug_in_parts():
    data = gate("AND", 500)
    found = ip.measure(data, **QUICK)
    assert list(found.samples.columns) == [*found.plugin, *(f"{part}:sd" for part in found.plugin)]
    assert found.samples.index.tolist() == data.ids.tolist()
    for part, value in found.plugin.items():
        assert found.samples[part].mean() == pytest.approx(value, abs=1e-6)
    spread = found.samples["total:sd"]
    assert 0.01 < spread.max() < 0.3
    more = ip.measure(gate("AND", 8000), **QUICK).samples["total:sd"]
    assert more.max() == pytest.approx(spread.max() / 4, rel=0.5)


def test_sensitivity_and_serialisation():
    found = ip.measure(noise(), **{**QUICK, "sensitivity": True})
    assert set(found.sensitivity["n_bins"]) == {3, 6, 9}
    assert len(found.sensitivity) == 9
    again = json.loads(json.dumps(found.to_dict()))
    assert again["intervals"]["synergy"] == list(found.intervals["synergy"])
    assert len(again["sensitivity"]) == 9


def test_three_modalities_are_pairs_rest_and_multivariate_measures():
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(2, size=(3, 1500))
    data = MultimodalDataset({"a": a, "b": b, "c": c}, a ^ b ^ c)
    found = ip.measure(data, **QUICK)
    assert np.isnan(found.synergy)
    assert len(found.pairs) == 3
    assert found.pairs["synergy"].max() < 0.01
    assert found.rest["synergy"].min() > 0.97
    assert found.total_correlation == pytest.approx(0, abs=0.01)
    assert found.o_information == pytest.approx(-2, abs=0.02)  # four bits bound by one parity
    assert "one against the rest" in str(found)
    json.dumps(found.to_dict())
    pair = ip.measure(data, modalities=["a", "c"], **QUICK)
    assert pair.names == ("a", "c")
    assert pair.synergy < 0.01


def test_bad_input_says_what_to_do():
    data = gate("XOR", 100)
    for change, match in (
        ({"estimator": "oracle"}, "unknown estimator 'oracle'"),
        ({"correction": "magic"}, "unknown correction 'magic'"),
        ({"redundancy": "magic"}, "magic"),
        ({"confidence": 95}, "confidence must be between 0 and 1"),
        ({"n_bootstrap": 0}, "n_bootstrap must be an integer of at least 2"),
        ({"n_bins": 1}, "n_bins must be from 2"),
        ({"modalities": ["a", "z"]}, "'z'|z"),
        ({"modalities": ["a"]}, "two modalities at least"),
    ):
        with pytest.raises(ValueError, match=match):
            ip.measure(data, **{**QUICK, **change})
    with pytest.raises(ValueError, match="needs a target"):
        ip.measure({"a": [0, 1] * 10, "b": [1, 0] * 10})
    with pytest.raises(ValueError, match="one class"):
        ip.measure({"a": [0, 1] * 10, "b": [1, 0] * 10}, np.ones(20, dtype=int))
    with pytest.raises(ValueError, match="needs 10 rows with all of a, b present, found 4"):
        ip.measure(data[:4])
    with pytest.raises(ValueError, match="needs 10 rows with all of a, b present, found 0"):
        ip.measure(data.without("b"))


def test_progress_is_off_by_default_and_on_stderr(capsys):
    ip.measure(gate("XOR", 100), **QUICK)
    assert capsys.readouterr() == ("", "")
    ip.measure(gate("XOR", 100), progress=True, **QUICK)
    assert capsys.readouterr().out == ""


def crema(real_data):
    sample = real_data("crema_d_votes")
    return MultimodalDataset({name: x.argmax(1) for name, x in sample.modalities.items()}, sample.target), sample.groups


def test_crema_d_majority_votes(real_data):
    data, _ = crema(real_data)
    found = ip.measure(data, correction="none", **QUICK)
    assert found.redundancy + found.unique["voice"] == pytest.approx(0.599, abs=0.0006)
    assert found.redundancy + found.unique["face"] == pytest.approx(1.291, abs=0.0006)
    assert found.total == pytest.approx(1.470, abs=0.0006)
    assert found.synergy - found.redundancy == pytest.approx(-0.42, abs=0.0006)
    assert found.distinguishable("synergy")


def test_cmu_mosi_synergy_is_not_distinguishable_from_none(real_data):
    sample = real_data("cmu_mosi")
    data = MultimodalDataset(sample.modalities, sample.target, groups=sample.groups)[sample.is_test]
    found = ip.measure(data, modalities=["text", "audio"], **QUICK)
    assert found.distinguishable("unique:text")
    assert not found.distinguishable("synergy")


def test_dask_workers_change_nothing():
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    from joblib import parallel_config

    data = make_gates("AND", n_samples=200, random_state=0).dataset
    alone = ip.measure(data, **QUICK).to_dict()
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        assert ip.measure(data, n_jobs=2, **QUICK).to_dict() == alone
