import numpy as np

from interplay import MultimodalClassifier


def test_is_the_mean_of_the_modalities_probabilities(data) -> None:
    model = MultimodalClassifier("ensemble", max_epochs=3, random_state=0).fit(data)
    alone = [model.predict_proba(data.without(name)) for name in ("a", "b")]
    np.testing.assert_allclose(model.predict_proba(data), np.mean(alone, 0), atol=1e-6)
