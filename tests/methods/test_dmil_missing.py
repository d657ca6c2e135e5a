"""DMIL with modalities absent, hidden or dropped."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.data.missing import Independent
from interplay.methods import Batch, Stage
from interplay.methods.dmil import DMIL, hide_modalities
from interplay.nn import consensus
from interplay.training import Gaps, to_batch

Built = Callable[..., DMIL]
Rows = Callable[..., Batch]


def blobs(n: int) -> MultimodalDataset:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n)
    return MultimodalDataset({name: rng.normal(size=(n, 6)) + y[:, None] for name in "ab"}, y)


def test_posterior_of_an_absent_modality_is_its_prior(built: Built, rows: Rows) -> None:
    method = built(DMIL()).eval()
    batch = rows()
    without = batch.with_present({"a": torch.zeros(40, dtype=torch.bool), "b": batch.present["b"]})
    output = method(without)
    for block in ("relevant", "irrelevant", "own"):
        mean, log_variance = output.latents[block]["a"]
        assert not mean.any()
        assert not log_variance.any()
    assert not output.gate["unique:a"].any()
    assert not output.gate["synergy"].any()
    torch.testing.assert_close(output.gate["redundancy"] + output.gate["unique:b"], torch.ones(40))
    latents = output.latents
    # Redundancy is read from what is left, through the posterior given that modality alone.
    for found, expected in zip(latents["shared"]["redundancy"], latents["single"]["redundancy"]["b"], strict=True):
        torch.testing.assert_close(found, expected)


def test_three_modalities_keep_synergy_while_two_are_there(built: Built, rows: Rows) -> None:
    method = built(DMIL(), 3).eval()
    batch = rows(n_modalities=3)
    gone = torch.zeros(40, dtype=torch.bool)
    two = method(batch.with_present({**batch.present, "c": gone}))
    assert two.gate["synergy"].min() > 0
    assert not two.gate["unique:c"].any()
    one = method(batch.with_present({**batch.present, "c": gone, "a": gone}))
    assert not one.gate["synergy"].any()
    assert set(one.gate) == {"redundancy", "unique:a", "unique:b", "unique:c", "synergy"}


def test_consensus_is_the_geometric_mean_of_what_is_there() -> None:
    def posterior() -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(4, 2), torch.randn(4, 2)

    together, single = posterior(), [posterior() for _ in range(3)]
    present = [torch.tensor(mask) for mask in ([True, True, True, False], [True, False, True, False])]
    present.append(torch.tensor([True, False, False, False]))
    mean, log_variance = consensus(together, single, present)
    torch.testing.assert_close((mean[0], log_variance[0]), (together[0][0], together[1][0]))
    torch.testing.assert_close((mean[1], log_variance[1]), (single[0][0][1], single[0][1][1]))
    torch.testing.assert_close((mean[3], log_variance[3]), (torch.zeros(2), torch.zeros(2)))
    # Log densities average, up to a constant in x.
    x = torch.linspace(-2, 2, 9)[:, None]
    density = sum(torch.distributions.Normal(m[2], (v[2] / 2).exp()).log_prob(x) for m, v in single[:2]) / 2
    found = torch.distributions.Normal(mean[2], (log_variance[2] / 2).exp()).log_prob(x)
    difference = found - density
    torch.testing.assert_close(difference, difference[:1].expand_as(difference))


def test_hiding_keeps_one_modality_and_never_invents_one(rows: Rows) -> None:
    batch = rows(400, n_modalities=3, gaps=True)
    before = torch.stack(list(batch.present.values()))
    hidden = hide_modalities(batch, 0.6)
    after = torch.stack(list(hidden.present.values()))
    assert not (after & ~before).any()
    assert (after.any(0) == before.any(0)).all()
    assert after.sum() < 0.7 * before.sum()
    for name, x in hidden.modalities.items():
        assert not x[~hidden.present[name]].any()


def test_modality_dropout_and_real_gaps_train(gappy: MultimodalDataset) -> None:
    params = {"max_epochs": 10, "batch_size": 32, "width": 16, "random_state": 0}
    plain = MultimodalClassifier(DMIL(), **params).fit(gappy)
    dropped = MultimodalClassifier(DMIL(modality_dropout=0.5), **params).fit(gappy)
    for model in (plain, dropped):
        assert model.score(gappy) > 0.6
    assert not np.array_equal(plain.predict_proba(gappy), dropped.predict_proba(gappy))


# --- gaps that the loop draws


def test_terms_are_means_over_the_rows_that_missing_leaves(built: Built) -> None:
    """Over many epochs a term of a gappy modality is the mean over all rows, as it is without gaps."""
    method, data = built(DMIL("corrected")).eval(), blobs(60)
    batch, gaps = to_batch(data, data.codes), Gaps(Independent({"a": 0.6}), data)
    batch = method.prepare(batch, lambda *_: None)
    stage = Stage("joint", 1)
    method.begin_stage(stage)
    complete = method.loss(method(batch), batch, stage).parts
    method.expect(gaps.sample())
    epochs = [batch.with_present(gaps.draw(seed)) for seed in range(1000, 1200)]
    for term in ("head:a", "head:b", "unique:a", "kl:a", "alignment:a"):
        mean = torch.stack([method.loss(method(epoch), epoch, stage).parts[term] for epoch in epochs]).mean()
        assert mean.item() == pytest.approx(complete[term].item(), rel=0.05), term


def test_training_tells_what_missing_leaves() -> None:
    params = {"max_epochs": 1, "batch_size": 32, "width": 8, "random_state": 0}
    data = blobs(60)
    plain = MultimodalClassifier(DMIL("corrected"), **params).fit(data)
    assert set(plain.method_.rates.values()) == {1.0}
    dropped = MultimodalClassifier(DMIL("corrected"), missing=Independent({"a": 0.6}), **params).fit(data)
    found = dropped.method_.rates
    assert found["present:b"] == found["available:redundancy"] == 1
    for name in ("present:a", "available:unique:a", "available:synergy", "complete:redundancy"):
        assert found[name] == pytest.approx(0.4, abs=0.02), name
    # The method's own dropout comes on top: hidden with 1/2 each, one spared where both would go.
    twice = MultimodalClassifier(DMIL("corrected", modality_dropout=0.5), missing=Independent({"a": 0.6}), **params)
    found = twice.fit(data).method_.rates
    assert found["present:a"] == pytest.approx(0.4 * 0.625, abs=0.02)
