"""Any number of modalities, with gaps: every method with three, and the formulas that speak of the others."""

import itertools
import math

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.methods import AGM, OGM, OPM, Batch
from interplay.methods._fusion import mean_of_others, scores

NAMES = "abc"
SUBSETS = [present for size in range(4) for present in itertools.combinations(NAMES, size)]


def three(n: int, present: dict[str, np.ndarray]) -> MultimodalDataset:
    """Three modalities that all carry one of three classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n)
    x = {
        name: rng.normal(size=(n, width)) + 2 * np.eye(3, width)[y]
        for name, width in zip(NAMES, (4, 5, 3), strict=True)
    }
    return MultimodalDataset(x, y, present=present)


@pytest.fixture(scope="module")
def gappy() -> MultimodalDataset:
    """Every tenth row has nothing. Four rows have c, so at least three of the seven batches of an epoch do not."""
    rng = np.random.default_rng(1)
    present = {name: rng.random(60) < 0.7 for name in "ab"} | {"c": np.arange(60) < 4}
    return three(60, {name: there & (np.arange(60) % 10 != 9) for name, there in present.items()})


@pytest.mark.parametrize("method", methods.names())
def test_every_method_learns_from_three_modalities_with_gaps(method: str, gappy: MultimodalDataset) -> None:
    """Finite losses and weights, a distribution for every subset, the class prior where nothing is there."""
    model = MultimodalClassifier(method, max_epochs=2, batch_size=8, width=8, random_state=0).fit(gappy)
    assert model.history_.records
    assert all(np.isfinite(record["loss"]) for record in model.history_.records)
    assert all(torch.isfinite(p).all() for p in model.method_.parameters())
    prior = model.method_.log_prior.exp().double().numpy()
    np.testing.assert_allclose(prior, np.bincount(gappy.codes) / len(gappy), atol=0.03)
    for kept in SUBSETS:
        p = model.predict_proba(gappy.without(*set(NAMES) - set(kept)))
        assert p.shape == (60, 3)
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
        nothing = ~np.any([gappy.present[name] for name in kept], axis=0) if kept else np.ones(60, bool)
        np.testing.assert_allclose(p[nothing], np.tile(prior, (nothing.sum(), 1)), atol=1e-6)
        if kept == ("a", "b"):
            assert np.abs(p[~nothing] - prior).max() > 0.01


@pytest.mark.parametrize("method", ["ogm", "opm", "pmr", "qmf", "mla"])
def test_linear_fusion_is_of_the_modalities_that_are_there(method: str, build) -> None:
    """Row by row, from what each modality alone says where all are there: (weighted) sums over the present ones."""
    data = three(8 * len(SUBSETS), {})
    built, full = build(methods.make(method), data)
    built.eval()
    own = {name: f.detach() for name, f in built(full).unimodal.items()}
    kept = SUBSETS * 8
    masks = {name: torch.tensor([name in present for present in kept]) for name in NAMES}
    found = built(full.with_present(masks)).logits
    for i, present in enumerate(kept):
        f = [own[name][i] for name in present]
        if not f:
            expected = built.log_prior
        elif method == "qmf":
            expected = sum(one.exp().sum().log() / 10 * one for one in f)
        elif method == "mla":
            p = [one.softmax(0) for one in f]
            weights = [(one * one.log()).sum().exp() for one in p]
            expected = sum(weight * one for weight, one in zip(weights, f, strict=True)) / sum(weights)
        else:
            expected = sum(f)
        torch.testing.assert_close(found[i], expected, rtol=1e-4, atol=1e-6, msg=lambda m, p=present: f"{p}: {m}")


def test_mean_of_others_is_a_mean() -> None:
    torch.testing.assert_close(mean_of_others(torch.tensor([1.0, 2.0, 6.0])), torch.tensor([4.0, 3.5, 1.5]))
    torch.testing.assert_close(mean_of_others(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 1.0]))


def ahead(built: methods.Method, batch: Batch) -> list[float]:
    """Makes modality a's head read its embedding well; the ratio of each score to the mean of the two others."""
    with torch.no_grad():
        target = torch.nn.functional.one_hot(batch.target, 3).float()
        z = torch.nn.functional.gelu(built.encode(batch)["a"])
        built.heads["a"][1].weight.copy_(torch.linalg.lstsq(z, target).solution.T * 4)
    s = scores(built, built(batch), batch).tolist()
    ratios = [s[m] / ((s[m - 1] + s[m - 2]) / 2) for m in range(3)]
    assert ratios[0] > 1.2
    assert max(ratios[1:]) < 1
    return ratios


def factors(built: methods.Method, batch: Batch) -> list[float]:
    """By what a step multiplies the gradient of each encoder."""
    output, stage = built(batch), built.stages(1)[0]
    built.loss(output, batch, stage).total.backward()
    weights = [next(encoder.parameters()) for _, encoder in built.encoders.items()]
    before = [weight.grad.clone() for weight in weights]
    built.after_backward(output, batch, stage)
    for weight, one in zip(weights, before, strict=True):
        torch.testing.assert_close(weight.grad * one.norm(), one * weight.grad.norm())
    return [(weight.grad.norm() / one.norm()).item() for weight, one in zip(weights, before, strict=True)]


def test_ogm_slows_who_is_ahead_of_the_mean_of_the_others(build) -> None:
    built, batch = build(OGM(alpha=0.3, enhance=False), three(60, {}))
    ratio, *_ = ahead(built, batch)
    assert factors(built, batch) == pytest.approx([1 - math.tanh(0.3 * ratio), 1, 1], rel=1e-4)


def test_opm_drops_who_is_ahead_of_the_mean_of_the_others(build) -> None:
    built, batch = build(OPM(base=0.2, scale=0.7), three(60, {}))
    ratio, *_ = ahead(built, batch)
    built.loss(built(batch), batch, built.stages(1)[0])
    assert built.rates.tolist() == pytest.approx([0.2 * (1 + 0.7 * math.tanh(ratio)), 0, 0], rel=1e-4)


def test_agm_compares_each_with_the_mean_of_the_others(build) -> None:
    built, batch = build(AGM(alpha=0.5), three(60, {}))
    said = built.responses(built.encode(batch), batch)
    c = [torch.nn.functional.cross_entropy(said[name], batch.target).item() for name in NAMES]
    expected = [math.exp(0.5 * (1 - math.exp((c[m - 1] + c[m - 2]) / 2 - c[m]))) for m in range(3)]
    assert len({round(k, 3) for k in expected}) == 3
    assert factors(built, batch) == pytest.approx(expected, rel=1e-4)
