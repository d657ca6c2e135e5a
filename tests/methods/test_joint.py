import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.methods import Joint


def test_learns_xor_that_no_modality_shows_alone() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 600))
    data = MultimodalDataset({"a": a[:, None] + 0.1 * rng.normal(size=(600, 1)), "b": b[:, None] * 1.0}, a ^ b)
    train, test = data.split(random_state=0)
    model = MultimodalClassifier("joint", max_epochs=40, random_state=0).fit(train)
    assert model.score(test) > 0.97
    linear = MultimodalClassifier(methods.Joint(hidden=0), max_epochs=40, random_state=0).fit(train)
    # At best three of four cells are right: f(0) + g(0) and f(1) + g(1) would have to be negative and f(0) + g(1) and
    # f(1) + g(0) positive, but both pairs have the same sum.
    assert linear.score(test) < 0.8


def test_absent_modality_counts_as_its_training_mean(data) -> None:
    model = MultimodalClassifier("joint", max_epochs=3, random_state=0).fit(data)
    mean = model.method_.encoders["a"].scale.mean.double().numpy()
    filled = MultimodalDataset({"a": np.tile(mean, (len(data), 1)), "b": data.modalities["b"]})
    np.testing.assert_allclose(
        model.predict_proba(data.without("a")), model.predict_proba(filled), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("fusion", ["sum", "gated", "film", "lowrank"])
def test_fusion_heads_form_synergy_except_the_sum(fusion: str) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(2, 400))
    x = {name: (2.0 * b - 1)[:, None] + 0.1 * rng.normal(size=(400, 2)) for name, b in zip("ab", bits, strict=True)}
    data = MultimodalDataset(x, bits[0] ^ bits[1])
    settings = {"max_epochs": 25, "learning_rate": 5e-3, "dropout": 0.0, "width": 16, "random_state": 0}
    score = MultimodalClassifier(Joint(fusion), **settings).fit(data[:300]).score(data[300:])
    # A sum of functions can get three of the four cases right, not more.
    assert score < 0.85 if fusion == "sum" else score > 0.98


def test_unknown_fusion_is_refused(data: MultimodalDataset) -> None:
    with pytest.raises(ValueError, match=r"Joint: fusion must be one of 'concat', .*, found 'attention'"):
        MultimodalClassifier(Joint("attention")).fit(data)
    with pytest.raises(ValueError, match="Joint: hidden must be an integer >= 1 with fusion='gated', found 0"):
        MultimodalClassifier(Joint("gated", hidden=0)).fit(data)


def test_zero_filling_makes_absent_embeddings_zero_and_mean_filling_the_training_mean(build, gappy) -> None:
    for fill in ("mean", "zero"):
        method, batch = build(Joint(fill=fill), gappy)
        z = method.eval()(batch).latents["z"]
        for name, encoder in method.encoders.items():
            absent = ~batch.present[name]
            mean = encoder(torch.zeros_like(batch.modalities[name]), absent & False)[absent]
            torch.testing.assert_close(z[name][absent], mean if fill == "mean" else torch.zeros_like(mean))
            assert (z[name][~absent] != 0).any(1).all()
    with pytest.raises(ValueError, match="Joint: fill must be one of 'mean', 'zero', found 'median'"):
        MultimodalClassifier(Joint(fill="median")).fit(gappy)
