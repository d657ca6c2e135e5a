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


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="neighbours must be an integer >= 1, found 0"):
        MultimodalClassifier(KNNImpute(neighbours=0)).fit(rows(20, 0, 0.0))
