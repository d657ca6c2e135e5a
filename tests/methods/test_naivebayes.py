import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset, MultimodalRegressor, methods
from interplay.methods import NaiveBayes


def test_multiplies_posteriors_over_the_prior(build, data) -> None:
    method, batch = build(NaiveBayes(), data)
    output = method(batch)
    p = [output.unimodal[m].softmax(-1) for m in "ab"]
    product = p[0] * p[1] / method.log_prior.exp()
    torch.testing.assert_close(output.logits.softmax(-1), product / product.sum(-1, keepdim=True))
    some = method(build(NaiveBayes(), data.without("a"))[1])
    torch.testing.assert_close(some.logits.softmax(-1), some.unimodal["b"].softmax(-1))


def test_is_right_where_modalities_are_independent_given_the_class() -> None:
    """Gaussians with a common variance, classes 4 : 1: the exact posterior is known; averaging is too timid."""
    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.2).astype(int)
    x = {name: rng.normal(size=(4000, 1)) + 1.5 * y[:, None] for name in "ab"}
    data = MultimodalDataset(x, y)
    log_odds = np.log(0.25) + sum(1.5 * v[:, 0] - 1.125 for v in x.values())
    truth = 1 / (1 + np.exp(-log_odds))
    error = {}
    for method in ("naivebayes", "ensemble"):
        assert method in methods.names()
        model = MultimodalClassifier(method, max_epochs=12, learning_rate=3e-3, width=16, random_state=0).fit(
            data[:3000]
        )
        error[method] = np.abs(model.predict_proba(data[3000:])[:, 1] - truth[3000:]).mean()
    assert error["naivebayes"] < 0.03
    assert error["ensemble"] > 2 * error["naivebayes"]


@pytest.mark.parametrize("rows", [0, 2])
def test_a_modality_that_validation_hardly_shows_is_not_trusted(rows: int) -> None:
    """Regression: without rows to judge by, a modality counts as knowing nothing; with few, as knowing little."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(400, 1))
    y = a[:, 0] + 0.3 * rng.normal(size=400)
    there = np.arange(400) < 200
    there[300 : 300 + rows] = True
    data = MultimodalDataset({"a": a, "b": rng.normal(size=(400, 1))}, y, present={"b": there})
    model = MultimodalRegressor("naivebayes", max_epochs=20, learning_rate=5e-3, random_state=0)
    model.fit(data[:200], validation=data[300:])
    exact, noise = model.method_.variances.tolist()
    assert exact < 0.2
    assert noise == 1 if rows == 0 else noise > 0.3
    assert model.score(data[:200]) > 0.8
