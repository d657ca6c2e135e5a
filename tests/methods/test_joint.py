import numpy as np

from interplay import MultimodalClassifier, MultimodalDataset, methods


def test_learns_xor_that_no_modality_shows_alone() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 600))
    data = MultimodalDataset({"a": a[:, None] + 0.1 * rng.normal(size=(600, 1)), "b": b[:, None] * 1.0}, a ^ b)
    train, test = data.split(random_state=0)
    model = MultimodalClassifier("joint", max_epochs=40, random_state=0).fit(train)
    assert model.score(test) > 0.97
    linear = MultimodalClassifier(methods.Joint(hidden=0), max_epochs=40, random_state=0).fit(train)
    assert linear.score(test) < 0.8  # a sum of one function a modality is at best right on three of four cells


def test_absent_modality_counts_as_its_training_mean(data) -> None:
    model = MultimodalClassifier("joint", max_epochs=3, random_state=0).fit(data)
    mean = model.method_.encoders["a"].scale.mean.double().numpy()
    filled = MultimodalDataset({"a": np.tile(mean, (len(data), 1)), "b": data.modalities["b"]})
    np.testing.assert_allclose(
        model.predict_proba(data.without("a")), model.predict_proba(filled), rtol=1e-4, atol=1e-6
    )
