"""Neighbours against scikit-learn's imputer, and that rows never see themselves."""

import numpy as np
import pytest
import torch
from sklearn.impute import KNNImputer

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.data.missing import Independent, Subset
from interplay.methods import KNNImpute
from interplay.nn import MaskedEncoder, Standardize, build_encoder
from interplay.training import to_batch


def rows(n: int, seed: int, p: float) -> MultimodalDataset:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    x = {name: common + rng.normal(size=(n, d)) for name, d in (("a", 3), ("b", 2), ("c", 4))}
    return MultimodalDataset(x, rng.integers(2, size=n)).with_missing(Independent(p), random_state=seed)


def built(data: MultimodalDataset, **params: object) -> KNNImpute:
    method = KNNImpute(**params)
    training = to_batch(data, data.codes)
    encoders = {}
    for name, x in training.modalities.items():
        scale = Standardize.fit(x, training.present[name])
        encoders[name] = MaskedEncoder(scale, build_encoder("mlp", x.shape[1:], width=4), name)
    method.build(encoders, torch.tensor([0.5, 0.5]))
    method.prepare(training, None)
    return method.eval()


def concatenated(method: KNNImpute, data: MultimodalDataset) -> np.ndarray:
    """Standardised features side by side, NaN where absent."""
    batch = to_batch(data)
    parts = []
    for name, encoder in method.encoders.items():
        x = encoder.scale(batch.modalities[name]).numpy().astype(np.float64)
        x[~data.present[name]] = np.nan
        parts.append(x)
    return np.concatenate(parts, 1)


@pytest.mark.parametrize("k", [1, 4])
def test_equals_scikit_learns_imputer(k: int) -> None:
    training, test = rows(80, 0, 0.3), rows(40, 1, 0.4)
    method = built(training, neighbours=k)
    imputer = KNNImputer(n_neighbors=k).fit(concatenated(method, training))
    expected = imputer.transform(concatenated(method, test))
    completed = method.complete(to_batch(test))
    start = 0
    some = np.stack(list(test.present.values())).any(0)
    for name, encoder in method.encoders.items():
        x = encoder.scale(completed.modalities[name]).numpy()
        width = x.shape[1]
        np.testing.assert_allclose(x[some], expected[some, start : start + width], atol=1e-4)
        assert completed.present[name][torch.from_numpy(some)].all()
        assert not completed.present[name][torch.from_numpy(~some)].any()
        start += width
    assert not some.all()


def test_training_rows_are_never_their_own_neighbours() -> None:
    data = rows(60, 0, 0.0)
    method = built(data, neighbours=1)
    batch = to_batch(data)
    hidden = batch.with_present({**batch.present, "a": torch.zeros(60, dtype=torch.bool)})
    as_test = method.complete(hidden).modalities["a"]
    torch.testing.assert_close(as_test, batch.modalities["a"], atol=1e-5, rtol=0)  # finds itself
    in_training = method.complete(hidden.attach(row=torch.arange(60))).modalities["a"]
    assert (in_training != as_test).any(1).all()
    others = to_batch(data[1:])
    alone = built(data[1:], neighbours=1)
    for name in others.modalities:  # the same scales, so that only the missing row differs
        alone.encoders[name].scale.load_state_dict(method.encoders[name].scale.state_dict())
    alone.prepare(others, None)
    torch.testing.assert_close(alone.complete(hidden[:1]).modalities["a"], in_training[:1])


def test_present_values_stay_and_nothing_shared_stays_absent() -> None:
    data = rows(40, 0, 0.0)
    only_a = data.with_missing(Subset(("a",)))
    method = built(only_a)
    batch = to_batch(data.with_missing(Subset(("b",))))
    completed = method.complete(batch)
    assert torch.equal(completed.modalities["b"], batch.modalities["b"])
    assert not completed.present["c"].any()  # no donor has it
    assert not completed.present["a"].any()  # donors have it, but share nothing with these rows


def test_sequences_are_averaged_with_their_lengths() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = {"s": rng.normal(size=(60, 6, 2)) + y[:, None, None], "v": 5.0 * y[:, None] + rng.normal(size=(60, 1))}
    data = MultimodalDataset(x, y, lengths={"s": np.where(y == 1, 6, 2)})
    model = MultimodalClassifier("knnimpute", max_epochs=8, random_state=0).fit(data)
    batch = to_batch(data.without("s"))
    completed = model.method_.complete(batch)
    assert completed.lengths["s"].tolist() == np.where(y == 1, 6, 2).tolist()
    assert model.score(data.without("s")) > 0.9


def test_saved_model_keeps_its_donors_and_works_at_another_size(tmp_path) -> None:
    data = rows(70, 0, 0.3)
    model = MultimodalClassifier("knnimpute", max_epochs=2, random_state=0).fit(data)
    model.save(tmp_path / "m")
    again = MultimodalClassifier.load(tmp_path / "m")
    kept = again.method_.donors["a"]
    torch.testing.assert_close(kept.values, model.method_.donors["a"].values)
    assert len(kept.rows) == len(model.method_.donors["a"].rows) > 40
    np.testing.assert_array_equal(again.predict_proba(data), model.predict_proba(data))


# --- impute


def correlated(n: int, seed: int, noise: float = 0.3) -> MultimodalDataset:
    """Two modalities of a common plane, in units far from standard, and one of noise."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 2))
    x = {name: 50 + 7 * (common + noise * rng.normal(size=(n, 2))) for name in "ab"}
    return MultimodalDataset({**x, "c": rng.normal(size=(n, 2))}, (common[:, 0] > 0).astype(int))


@pytest.fixture(scope="module")
def imputer() -> MultimodalClassifier:
    model = MultimodalClassifier(KNNImpute(neighbours=20), width=8, max_epochs=2, random_state=0)
    return model.fit(correlated(1500, 0).select(["a", "b"]))


def test_imputed_values_and_spread_are_those_of_the_neighbours(imputer: MultimodalClassifier) -> None:
    test = correlated(30, 1).select(["a", "b"]).without("a")
    found = imputer.impute(test)
    method = imputer.method_
    donors, scale = method.donors, method.encoders["a"].scale
    x = method.encoders["b"].scale(to_batch(test).modalities["b"])
    for row in range(30):
        nearest = (x[row] - donors["b"].values).square().sum(1).argsort()[:20]
        values = (donors["a"].values[nearest] * scale.scale + scale.mean).double().numpy()
        np.testing.assert_allclose(found.features["a"][row], values.mean(0), rtol=1e-5)
        # Of a value beyond the mean of 20 draws like it.
        np.testing.assert_allclose(found.sd["a"][row], values.std(0, ddof=1) * np.sqrt(1 + 1 / 20), rtol=1e-3)


def test_imputed_spread_covers_the_errors(imputer: MultimodalClassifier) -> None:
    test = correlated(1000, 2).select(["a", "b"])
    found = imputer.impute(test.without("a"))
    error = np.abs(found.features["a"] - test.modalities["a"])
    assert np.mean(error < 1.96 * found.sd["a"]) == pytest.approx(0.94, abs=0.03)
    assert np.sqrt((error**2).mean()) < 0.6 * test.modalities["a"].std()


def test_imputation_keeps_what_is_there_and_says_what_it_does_not_know(imputer: MultimodalClassifier) -> None:
    test = correlated(40, 3).select(["a", "b"])
    here = np.arange(40) % 2 == 0
    gappy = MultimodalDataset(test.modalities, present={"a": here, "b": np.arange(40) < 38})
    found = imputer.impute(gappy)
    np.testing.assert_array_equal(found.features["a"][here], test.modalities["a"][here])
    assert (found.sd["a"][here] == 0).all()
    assert (found.latents_sd["a"][here] == 0).all()
    assert np.isnan(found.certainty["a"][here]).all()
    assert (found.certainty["a"][1:38:2] > 0.3).mean() > 0.9
    # Nothing present: mean and spread of the training rows.
    scale = imputer.method_.encoders["a"].scale
    np.testing.assert_allclose(found.features["a"][39], scale.mean, rtol=1e-5)
    np.testing.assert_allclose(found.sd["a"][39], scale.scale, rtol=1e-3)
    assert found.certainty["a"][39] == 0
    assert found.latents["a"].shape == found.latents_sd["a"].shape == (40, 8)
    assert "a: 20 of 40 samples imputed" in str(found)


def test_certainty_tells_what_is_shared_from_noise() -> None:
    noise = MultimodalClassifier(KNNImpute(neighbours=20), width=8, max_epochs=1, random_state=0)
    noise.fit(correlated(600, 0).select(["b", "c"]))
    test = correlated(100, 1).select(["b", "c"])
    assert noise.impute(test.without("c")).certainty["c"].mean() < 0.2
    alone = MultimodalClassifier(KNNImpute(neighbours=1), width=8, max_epochs=1, random_state=0)
    found = alone.fit(correlated(100, 0)).impute(correlated(9, 1).without("a"))
    assert (found.certainty["a"] == 0).all()  # one neighbour has no spread: that of the training rows stands in


def test_imputed_sequences_keep_their_steps_and_images_have_no_features() -> None:
    rng = np.random.default_rng(0)
    x = {"s": rng.normal(size=(60, 6, 2)), "v": rng.normal(size=(60, 3)), "i": rng.normal(size=(60, 1, 6, 6))}
    lengths = {"s": rng.integers(1, 7, 60)}
    data = MultimodalDataset(x, np.arange(60) % 2, lengths=lengths)
    model = MultimodalClassifier("knnimpute", width=8, max_epochs=1, random_state=0).fit(data)
    found = model.impute(data.without("s", "i"))
    assert found.features["s"].shape == found.sd["s"].shape == (60, 6, 2)
    assert set(found.features) == {"s", "v"}
    assert found.latents["i"].shape == (60, 8)
    assert found.latents["s"].shape == (60, 1, 8)
    batch = to_batch(data.without("s", "i"))
    np.testing.assert_allclose(found.features["s"], model.method_.complete(batch).modalities["s"], rtol=1e-5)


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="neighbours must be an integer >= 1, found 0"):
        MultimodalClassifier(KNNImpute(neighbours=0)).fit(rows(20, 0, 0.0))
