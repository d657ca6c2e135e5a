import numpy as np
import torch

from interplay import MultimodalClassifier, MultimodalDataset, methods
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
