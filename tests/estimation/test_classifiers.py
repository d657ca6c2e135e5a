"""Cross-fitted classifiers: held out, calibrated, split sample by sample."""

import numpy as np
import pytest

import interplay as ip
from interplay.data import MultimodalDataset
from interplay.data.datasets import make_gates, make_interactions
from interplay.estimation.classifiers import by_batches, by_cells, standard_error
from interplay.estimation.posteriors import Posteriors, _calibrate, _folds, _log_prior, _sharpen, cross_fit

QUICK = {"estimator": "classifiers", "n_repeats": 1, "n_bootstrap": 20, "n_permutations": 39, "random_state": 0}


def gate_posteriors(gate, n=4000):
    """The exact posteriors of a gate of two bits, and its rows."""
    made = make_gates(gate, n_samples=n, random_state=0)
    p = made.joint
    tables = (p.sum(1), p.sum(0), p)
    a, b = (made.dataset.modalities[name].reshape(-1).astype(int) for name in ("a", "b"))
    with np.errstate(divide="ignore", invalid="ignore"):  # outcomes that do not occur
        logs = [np.log(t / t.sum(-1, keepdims=True)) for t in tables]
        prior = np.log(np.broadcast_to(p.sum((0, 1)), (n, p.shape[2])))
    return Posteriors(logs[0][a], logs[1][b], logs[2][a, b], prior), made.dataset.codes


@pytest.mark.parametrize("gate", ["XOR", "AND", "COPY", "UNIQUE", "REDUNDANT"])
@pytest.mark.parametrize("redundancy", ["broja", "pointwise_min", "mmi"])
def test_exact_posteriors_give_the_decomposition_of_the_gate(gate, redundancy, settings):
    found, y = gate_posteriors(gate)
    parts = by_cells(found, y, settings(redundancy=redundancy), 0).parts(y)
    exact = ip.decompose(make_gates(gate, random_state=0).joint, redundancy=redundancy)
    expected = [exact.redundancy, *exact.unique, exact.synergy, exact.total]
    np.testing.assert_allclose(parts.mean(axis=1), expected, atol=0.03)
    np.testing.assert_allclose(parts[:4].sum(axis=0), parts[4], atol=1e-9)


@pytest.mark.parametrize("gate", ["XOR", "AND", "COPY", "UNIQUE", "REDUNDANT", "SUM"])
def test_exact_posteriors_give_the_decomposition_of_the_gate_in_batches(gate, settings):
    found, y = gate_posteriors(gate)
    split = by_batches(found, y, settings(), 0)
    exact = ip.decompose(make_gates(gate, random_state=0).joint)
    expected = [exact.redundancy, *exact.unique, exact.synergy, exact.total]
    np.testing.assert_allclose(split.parts(y).mean(axis=1), expected, atol=0.04)
    assert split.gap < 0.01


def test_sharpening_goes_from_the_prior_to_the_classifier_and_mends_overconfidence():
    rng = np.random.default_rng(0)
    prior = np.log([0.3, 0.7])
    true = np.log(rng.dirichlet([1, 1], size=4000))
    y = (rng.random(4000) < np.exp(true[:, 1])).astype(int)
    np.testing.assert_allclose(_sharpen(true, prior, 0.0), np.tile(prior, (4000, 1)))
    np.testing.assert_allclose(_sharpen(true, prior, 1.0), true, atol=1e-12)
    beta, loss = _calibrate(_sharpen(true, prior, 3.0), prior, y)  # three times too sure
    assert beta == pytest.approx(1 / 3, abs=0.03)
    assert loss < 0.55
    assert _calibrate(np.log(rng.dirichlet([1, 1], size=4000)), _log_prior(y, 2), y)[0] < 0.1  # unrelated


def test_folds_respect_groups_and_rare_classes():
    y = np.array([0] * 30 + [1] * 30)
    groups = np.repeat(np.arange(12), 5)
    for train, test in _folds(y, groups, 5, 0):
        assert not set(groups[train]) & set(groups[test])
    rare = np.array([0] * 40 + [1] * 2)
    assert sorted(np.concatenate([test for _, test in _folds(rare, None, 5, 0)])) == list(range(42))


def test_rows_are_predicted_by_models_that_never_saw_them():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(150, 60)), rng.normal(size=(150, 60)))
    y = rng.integers(2, size=150)
    found = cross_fit(x, y, None, n_splits=5, seed=0)
    # In-sample, 60 features of 150 rows would separate the labels: nearly one bit.
    assert found.information(y).mean(axis=1).max() < 0.02
    for log in (found.first, found.second, found.both):
        np.testing.assert_allclose(np.exp(log).sum(axis=1), 1, atol=1e-6)


def test_one_group_cannot_be_cross_fitted():
    with pytest.raises(ValueError, match="groups: expected at least 2, found 1"):
        _folds(np.repeat([0, 1], 30), np.zeros(60, int), 5, 0)


def test_standard_errors_of_rows_and_of_groups():
    values = np.random.default_rng(0).normal(size=(5, 400))
    np.testing.assert_allclose(standard_error(values, None), values.std(axis=1, ddof=1) / 20)
    repeated = np.repeat(values, 3, axis=1)
    np.testing.assert_allclose(
        standard_error(repeated, np.repeat(np.arange(400), 3)), standard_error(values, None), rtol=1e-9
    )


def test_many_classes_are_no_synergy(settings):
    """Both modalities know the class well; 2 cells a modality, all that counted labels could carry, would lose it."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(40), 10)
    logs = []
    for _ in range(2):
        scores = rng.normal(size=(400, 40)) + 5 * np.eye(40)[y]
        logs.append(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
    both = logs[0] + logs[1] + np.log(40)
    both -= np.log(np.exp(both).sum(axis=1, keepdims=True))
    found = Posteriors(*logs, both, np.full((400, 40), -np.log(40)))
    split = by_cells(found, y, settings(), 0)
    redundancy, first, second, synergy, total = split.parts(y).mean(axis=1)
    assert total > 4.5
    assert synergy < 0.6  # it was above 3 with 2 cells, as counting labels would allow
    assert split.gap < 0.2
    assert redundancy > 2
    assert min(first, second) > 0


def test_a_modality_that_cannot_tell_some_classes_apart_makes_no_synergy():
    data = make_gates("COPY", n_samples=1000, n_features=32, noise=0.3, random_state=0).dataset
    for estimator, error in (("classifiers", 0.02), ("batch", 0.06)):
        found = ip.measure(data, **{**QUICK, "estimator": estimator})
        assert found.synergy < error, estimator
        assert found.redundancy < error
        assert min(found.unique.values()) > 0.94


def test_classifiers_that_still_learn_say_so():
    hard = make_gates("XOR", n_samples=400, n_features=32, noise=0.5, random_state=0).dataset
    assert any("still improves with more rows" in text for text in ip.measure(hard, **QUICK).warnings)
    easy = make_gates("AND", n_samples=400, n_features=4, noise=0.1, random_state=0).dataset
    assert not ip.measure(easy, **QUICK).warnings


def test_embedded_gates():
    found = ip.measure(make_gates("XOR", n_samples=1500, n_features=16, noise=0.3, random_state=0).dataset, **QUICK)
    assert found.synergy == pytest.approx(1, abs=0.1)
    assert found.redundancy < 0.05
    assert found.distinguishable("synergy")
    assert found.samples["synergy"].mean() > 0.8


def test_noise_is_not_distinguishable_from_none():
    rng = np.random.default_rng(1)
    x = {"a": rng.normal(size=(200, 16)), "b": rng.normal(size=(200, 16))}
    found = ip.measure(x, rng.integers(2, size=200), **QUICK)
    assert not any(found.distinguishable(part) for part in found.intervals)


def test_samples_tell_the_visible_types():
    made = make_interactions(n_samples=1200, n_classes=2, random_state=0)
    found = ip.measure(made.dataset, redundancy="pointwise_min", **{**QUICK, "n_repeats": 2})
    parts = ["redundancy", "unique:a", "unique:b", "synergy"]
    guess = found.samples[parts].idxmax(axis=1).to_numpy()
    assert np.mean(guess == made.kind) > 0.8
    assert (found.samples[[f"{part}:sd" for part in parts]] >= 0).all(axis=None)


def test_masks_order_and_seed():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 4)), rng.integers(2, size=120)
    seen = rng.random(120) < 0.9
    data = [
        MultimodalDataset({"a": np.where(seen[:, None], x, value), "b": x[:, ::-1]}, y, present={"a": seen})
        for value in (0.0, np.nan)
    ]
    first = ip.measure(data[0], **QUICK)
    assert ip.measure(data[1], **QUICK).to_dict() == first.to_dict()
    order = rng.permutation(120)
    assert ip.measure(data[0][order], **QUICK).to_dict() == first.to_dict()
    assert first.samples["synergy"].isna().sum() == (~seen).sum()


def test_definitions_that_need_densities_are_refused():
    with pytest.raises(ValueError, match="choose 'broja', 'mmi' or 'pointwise_min'"):
        ip.measure(make_gates("XOR", n_samples=100, random_state=0).dataset, redundancy="sx", **QUICK)


def test_controls_pass_on_a_good_case_and_fail_where_synergy_cannot_be_seen():
    data = make_gates("AND", n_samples=400, n_features=3, noise=0.1, random_state=0).dataset
    few = {"n_bootstrap": 30, "n_permutations": 39, "random_state": 0, "sensitivity": False}
    good = ip.measure(data, controls=True, **few)
    assert good.controls["control"].tolist() == ["duplicate", "XOR", "shuffled"]
    assert good.controls["passed"].all()
    rng = np.random.default_rng(0)
    wide = {"a": rng.normal(size=(60, 300)), "b": rng.normal(size=(60, 300))}
    bad = ip.measure(wide, rng.integers(8, size=60), controls=True, **few)
    assert "Controls of known synergy" in str(bad)
    for row, text in zip(bad.controls.to_dict("records"), ("duplicate", "XOR", "shuffled"), strict=True):
        assert row["passed"] == (not any(f"control '{text}' failed" in warning for warning in bad.warnings))
