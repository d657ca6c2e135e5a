"""DMIL with modalities absent, hidden or dropped."""

from collections.abc import Callable

import numpy as np
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.methods import Batch
from interplay.methods.dmil import DMIL, hide_modalities
from interplay.nn import consensus

Built = Callable[..., DMIL]
Rows = Callable[..., Batch]


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
