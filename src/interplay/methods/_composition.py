"""Which kind of interaction each training sample is: composition targets from cross-fitted classifiers."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interplay.methods._base import Batch, Fit, Loss, Method, Output, Stage, any_present
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
        """Sum of the losses of all predictors."""
        unimodal = super().loss(output, batch, stage)
        return Loss(unimodal.total + self.target_loss(output.logits, batch.target), unimodal.parts)

    def stages(self, max_epochs: int) -> list[Stage]:
        """One stage that ends soon: only the best epoch of each classifier counts."""
        return [Stage("fit", max_epochs, select="loss", patience=6)]

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Keep each predictor's answers of the epoch where its own validation loss is lowest."""
        outputs = [self(chunk) for chunk in validation.chunks(1024)]
        for name in (*self.encoders, ""):
            logits = torch.cat([output.unimodal[name] if name else output.logits for output in outputs])
            score = float(self.target_loss(logits, validation.target))
            if name not in self.best or score < self.best[name][0]:
                self.best[name] = score, logits

    def information(self, target: Tensor) -> Tensor:
        """Pointwise information ``(n, M + 1)`` in nats of the validation rows, all modalities together last."""
        answers = [self.best[name][1] for name in (*self.encoders, "")]
        if self.task == "regression":
            return torch.stack([gaussian_information(numbers[:, 0], target) for numbers in answers], -1)
        evidence = [logits.log_softmax(-1) - self.log_prior for logits in answers]
        return torch.stack([e.gather(1, target[:, None])[:, 0] for e in evidence], -1)


def gaussian_information(predicted: Tensor, target: Tensor) -> Tensor:
    r"""Pointwise information ``(n,)`` in nats of predictions of a number with mean 0 and variance 1.

    .. math:: \log \frac{N(y; \hat y, \sigma^2)}{N(y; 0, 1)}
              = \frac12 \Big( y^2 - \frac{(y - \hat y)^2}{\sigma^2} - \log \sigma^2 \Big)

    with :math:`\sigma^2` the mean squared error of these very predictions, which were not fitted to them.

    >>> y = torch.tensor([-1.0, 1.0])
    >>> gaussian_information(torch.zeros(2), y)  # the mean tells nothing
    tensor([0., 0.])
    >>> gaussian_information(torch.tensor([-0.5, 0.5]), y).round(decimals=3)  # half as far off: one bit, log 2
    tensor([0.6930, 0.6930])
    """
    error = (target - predicted).square()
    variance = error.mean().clamp(min=1e-4)
    return (target.square() - error / variance - variance.log()) / 2


def assign_folds(batch: Batch, n_folds: int) -> Tensor:
    """Fold of each row: whole groups where there are groups, otherwise classes are spread evenly."""
    assert batch.target is not None, "folds need targets"
    group = batch.extra.get("group")
    if group is not None and (n_groups := int(group.max()) + 1) >= n_folds:
        return (torch.randperm(n_groups) % n_folds).to(group.device)[group]
    shuffled = torch.randperm(len(batch)).to(batch.target.device)
    order = shuffled[batch.target[shuffled].argsort(stable=True)]
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(batch), device=order.device) % n_folds)


def cross_fitted_composition(method: Method, training: Batch, fit: Fit, n_folds: int) -> Tensor:
    """Composition ``(n, M + 2)`` of each training row, by classifiers that were not trained on it.

    Each fold is predicted by classifiers trained on the others; the fold chooses only the epoch. In-sample posteriors
    would call every memorised sample unique. They get copies of the encoders of ``method``, its prior and criterion.
    """
    assert training.target is not None, "composition needs targets"
    fold = assign_folds(training, n_folds)
    shares = method.log_prior.new_zeros(len(training), len(method.encoders.names) + 2)
    for k in range(n_folds):
        towers = PosteriorTowers()
        towers.criterion = method.criterion
        towers.build(dict(method.encoders.items()), method.prior)
        towers.to(method.log_prior.device)
        held_out = training[fold == k]
        assert held_out.target is not None
        fit(towers, training[fold != k], held_out)
        information = towers.information(held_out.target)
        shares[fold == k] = composition(information[:, :-1], information[:, -1])
    return shares
