"""Which kind of interaction each training sample is: composition targets from cross-fitted classifiers."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interplay.methods._base import Batch, Fit, Loss, Output, Stage, any_present, cross_entropy
from interplay.methods.ensemble import UnimodalHeads
from interplay.nn import ByName


def composition(single: Tensor, together: Tensor) -> Tensor:
    r"""Split a sample's pointwise information into redundant, unique and synergistic shares.

    With :math:`i_{(1)} \ge i_{(2)} \ge \dots` the sorted pointwise informations of single modalities and :math:`i_J`
    that of all together,

    .. math:: r = [i_{(2)}]_+, \quad u_m = [i_m - r]_+, \quad s = \big[i_J - [i_{(1)}]_+\big]_+, \quad
              c = (r, u_1, \dots, u_M, s) / (r + \sum_m u_m + s + 10^{-3}).

    For two modalities :math:`r = [\min(i_1, i_2)]_+`. For more, ``r`` is what at least two modalities carry, and the
    parts sum to :math:`i_J` wherever that is the largest.

    Args:
        single: ``(n, M)`` nats, :math:`\log p(y \mid x_m) - \log p(y)` at the sample's own label.
        together: ``(n,)`` nats, the same for all modalities together.

    Returns:
        Shares ``(n, M + 2)`` in [0, 1], in the order redundancy, unique parts, synergy; they sum to (almost) 1, or
        to 0 where nothing is informative.

    >>> one_bit = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    >>> composition(one_bit, torch.ones(3)).round(decimals=2)
    tensor([[1., 0., 0., 0.],
            [0., 1., 0., 0.],
            [0., 0., 0., 1.]])
    """
    ranked = single.sort(-1, descending=True).values
    largest, shared = ranked[:, :1].clamp(min=0), ranked[:, 1:2].clamp(min=0)
    atoms = torch.cat([shared, (single - shared).clamp(min=0), (together[:, None] - largest).clamp(min=0)], -1)
    return atoms / (atoms.sum(-1, keepdim=True) + 1e-3)


class PosteriorTowers(UnimodalHeads):
    """A classifier a modality and one on all, with nothing shared; each remembers its best validation posteriors."""

    def build(self, encoders: Mapping[str, nn.Module], prior: Tensor) -> None:
        """As the base; the joint classifier gets encoders of its own."""
        super().build(copy.deepcopy(dict(encoders)), prior)
        self.joint_encoders = ByName(copy.deepcopy(dict(encoders)))
        width = sum(self.widths.values())
        hidden = max(256, len(prior))
        self.joint = nn.Sequential(nn.GELU(), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, len(prior)))
        self.best: dict[str, tuple[float, Tensor]] = {}

    def forward(self, batch: Batch) -> Output:
        """Logits of all modalities together, and of each."""
        own = [
            encoder(batch.modalities[name], batch.present[name], batch.lengths.get(name))
            for name, encoder in self.joint_encoders.items()
        ]
        joint = self.with_prior(self.joint(torch.cat(own, -1)), any_present(batch))
        return Output(joint, self.unimodal_logits(batch))

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Sum of the cross-entropies of all classifiers."""
        unimodal = super().loss(output, batch, stage)
        return Loss(unimodal.total + cross_entropy(output.logits, batch.target), unimodal.parts)

    def stages(self, max_epochs: int) -> list[Stage]:
        """One stage that ends soon: only the best epoch of each classifier counts."""
        return [Stage("fit", max_epochs, select="loss", patience=6)]

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Keep each classifier's posteriors of the epoch where its own validation loss is lowest."""
        outputs = [self(chunk) for chunk in validation.chunks(1024)]
        for name in (*self.encoders, ""):
            logits = torch.cat([output.unimodal[name] if name else output.logits for output in outputs])
            score = float(cross_entropy(logits, validation.target))
            if name not in self.best or score < self.best[name][0]:
                self.best[name] = score, logits.log_softmax(-1)

    def information(self, target: Tensor) -> Tensor:
        """Pointwise information ``(n, M + 1)`` in nats of the validation rows, all modalities together last."""
        posteriors = [self.best[name][1] for name in (*self.encoders, "")]
        return torch.stack([(p - self.log_prior).gather(1, target[:, None])[:, 0] for p in posteriors], -1)


def assign_folds(batch: Batch, n_folds: int) -> Tensor:
    """Fold of each row: whole groups where there are groups, otherwise classes are spread evenly."""
    assert batch.target is not None, "folds need targets"
    group = batch.extra.get("group")
    if group is not None and (n_groups := int(group.max()) + 1) >= n_folds:
        return (torch.randperm(n_groups) % n_folds).to(group.device)[group]
    shuffled = torch.randperm(len(batch)).to(batch.target.device)
    order = shuffled[batch.target[shuffled].argsort(stable=True)]
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(batch), device=order.device) % n_folds)


def cross_fitted_composition(encoders: ByName, prior: Tensor, training: Batch, fit: Fit, n_folds: int) -> Tensor:
    """Composition ``(n, M + 2)`` of each training row, by classifiers that were not trained on it.

    Each fold is predicted by classifiers trained on the others; the fold chooses only the epoch. In-sample posteriors
    would call every memorised sample unique.
    """
    assert training.target is not None, "composition needs targets"
    fold = assign_folds(training, n_folds)
    shares = prior.new_zeros(len(training), len(encoders.names) + 2)
    for k in range(n_folds):
        towers = PosteriorTowers()
        towers.build(dict(encoders.items()), prior)
        towers.to(prior.device)
        held_out = training[fold == k]
        assert held_out.target is not None
        fit(towers, training[fold != k], held_out)
        information = towers.information(held_out.target)
        shares[fold == k] = composition(information[:, :-1], information[:, -1])
    return shares
