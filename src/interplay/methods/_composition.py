"""Which kind of interaction each training sample is: composition targets from cross-fitted classifiers."""

import copy
from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from interplay.methods._base import Fit, Method, Stage
from interplay.methods._values import Batch, Loss, Output, any_present, of_pair
from interplay.methods.ensemble import UnimodalHeads
from interplay.nn import ByName


def composition(single: Tensor, together: Tensor, pairs: Tensor | None = None, split: str = "none") -> Tensor:
    r"""Split a sample's pointwise information into redundant, unique and synergistic shares.

    With :math:`i_{(1)} \ge i_{(2)} \ge \dots` the sorted pointwise informations of single modalities and :math:`i_J`
    that of all together,

    .. math:: r = [i_{(2)}]_+, \quad u_m = [i_m - r]_+, \quad s = \big[i_J - [i_{(1)}]_+\big]_+, \quad
              c = (r, u_1, \dots, u_M, s) / (r + \sum_m u_m + s + 10^{-3}).

    For two modalities :math:`r = [\min(i_1, i_2)]_+`. For more, ``r`` is what at least two modalities carry, and the
    parts sum to :math:`i_J` wherever that is the largest.

    Pairs can have parts of their own. Redundancy: the pair of the two best modalities gets
    :math:`[i_{(2)}]_+ - [i_{(3)}]_+`, and :math:`r = [i_{(3)}]_+` is what at least three carry. Synergy: with
    :math:`i_P` the largest pointwise information of a pair, that pair gets :math:`[i_P - [i_{(1)}]_+]_+`, and
    :math:`s = [i_J - [\max(i_{(1)}, i_P)]_+]_+` is what takes three. The parts sum to the same as before.

    Args:
        single: ``(n, M)`` nats, :math:`\log p(y \mid x_m) - \log p(y)` at the sample's own label.
        together: ``(n,)`` nats, the same for all modalities together.
        pairs: ``(n, M (M - 1) / 2)`` nats, the same for each pair in the order of ``itertools.combinations``; needed
            for synergy of pairs.
        split: which parts pairs have: ``"none"``, ``"redundancy"``, ``"synergy"`` or ``"both"``.

    Returns:
        Shares ``(n, parts)`` in [0, 1], in the order redundancy, that of pairs, unique parts, synergy of pairs,
        synergy; they sum to (almost) 1, or to 0 where nothing is informative.

    >>> one_bit = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    >>> composition(one_bit, torch.ones(3)).round(decimals=2)
    tensor([[1., 0., 0., 0.],
            [0., 1., 0., 0.],
            [0., 0., 0., 1.]])
    """
    ranked, order = single.clamp(min=0).sort(-1, descending=True)
    largest, shared = ranked[:, :1], ranked[:, 1:2]
    own = (single - shared).clamp(min=0)
    redundant, synergistic = [shared], []
    if split in ("redundancy", "both"):
        best = pair_numbers(single.shape[-1]).to(order.device)[order[:, 0], order[:, 1]]
        redundant = [ranked[:, 2:3], _at(best, shared - ranked[:, 2:3], single.shape[-1])]
    if split in ("synergy", "both"):
        assert pairs is not None, "synergy of pairs needs what pairs tell"
        told, best = pairs.clamp(min=0).max(-1)
        synergistic = [_at(best, (told[:, None] - largest).clamp(min=0), single.shape[-1])]
        largest = torch.maximum(largest, told[:, None])
    atoms = torch.cat([*redundant, own, *synergistic, (together[:, None] - largest).clamp(min=0)], -1)
    return atoms / (atoms.sum(-1, keepdim=True) + 1e-3)


def pair_numbers(n_modalities: int) -> Tensor:
    """``(M, M)``: position of each pair, in either order, among all pairs."""
    number = torch.zeros(n_modalities, n_modalities, dtype=torch.long)
    for k, (i, j) in enumerate(combinations(range(n_modalities), 2)):
        number[i, j] = number[j, i] = k
    return number


def _at(column: Tensor, values: Tensor, n_modalities: int) -> Tensor:
    """``(n, pairs)``: the values ``(n, 1)``, each in its column, zero elsewhere."""
    empty = values.new_zeros(values.shape[0], n_modalities * (n_modalities - 1) // 2)
    return empty.scatter(1, column[:, None], values)


class PosteriorTowers(UnimodalHeads):
    """A classifier a modality and one on all, with nothing shared; each remembers its best validation posteriors.

    With ``pairs`` also one for each pair of modalities, on the encoders of the one on all.
    """

    def __init__(self, pairs: bool = False) -> None:
        super().__init__()
        self.pairs = pairs

    def build(self, encoders: Mapping[str, nn.Module], prior: Tensor) -> None:
        """As the base; the joint classifier gets encoders of its own."""
        super().build(copy.deepcopy(dict(encoders)), prior)
        self.joint_encoders = ByName(copy.deepcopy(dict(encoders)))
        self.joint = classifier(sum(self.widths.values()), len(prior))
        self.couples = list(combinations(self.widths, 2)) if self.pairs else []
        self.of_pairs = nn.ModuleList(classifier(self.widths[a] + self.widths[b], len(prior)) for a, b in self.couples)
        self.best: dict[int, tuple[float, Tensor]] = {}

    def forward(self, batch: Batch) -> Output:
        """Logits of all modalities together, and of each."""
        own = {
            name: encoder(batch.modalities[name], batch.present[name], batch.lengths.get(name))
            for name, encoder in self.joint_encoders.items()
        }
        joint = self.with_prior(self.joint(torch.cat(list(own.values()), -1)), any_present(batch))
        two = {
            of_pair("pair", (a, b)): self.with_prior(
                head(torch.cat([own[a], own[b]], -1)), batch.present[a] | batch.present[b]
            )
            for head, (a, b) in zip(self.of_pairs, self.couples, strict=True)
        }
        return Output(joint, self.unimodal_logits(batch), two)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Sum of the losses of all predictors."""
        unimodal = super().loss(output, batch, stage)
        several = [self.target_loss(logits, batch.target) for logits in (*output.components.values(), output.logits)]
        return Loss(torch.stack([unimodal.total, *several]).sum(), unimodal.parts)

    def stages(self, max_epochs: int) -> list[Stage]:
        """One stage; only the best epoch of each classifier counts.

        Patient: synergy is often found only after the loss has risen for some epochs.
        """
        return [Stage("fit", max_epochs, select="loss", patience=15)]

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Keep each predictor's answers of the epoch where its own validation loss is lowest."""
        outputs = [self(chunk) for chunk in validation.chunks(1024)]
        for number, parts in enumerate(zip(*map(every_logits, outputs), strict=True)):
            logits = torch.cat(parts)
            score = float(self.target_loss(logits, validation.target))
            if number not in self.best or score < self.best[number][0]:
                self.best[number] = score, logits

    def information(self, target: Tensor) -> Tensor:
        """Pointwise information in nats of the validation rows: a column a modality, a pair, and all together last."""
        answers = [self.best[number][1] for number in sorted(self.best)]
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


def classifier(width: int, n_classes: int) -> nn.Module:
    """Perceptron on embeddings, wide enough for any mix of kinds."""
    hidden = max(256, n_classes)
    return nn.Sequential(nn.GELU(), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, n_classes))


def every_logits(output: Output) -> list[Tensor]:
    """Logits of the classifiers of single modalities, of pairs, and of all together."""
    return [*output.unimodal.values(), *output.components.values(), output.logits]


def assign_folds(batch: Batch, n_folds: int) -> Tensor:
    """Fold of each row: whole groups where there are groups, otherwise classes are spread evenly."""
    assert batch.target is not None, "folds need targets"
    group = batch.extra.get("group")
    if group is not None and (n_groups := int(group.max()) + 1) >= n_folds:
        return (torch.randperm(n_groups) % n_folds).to(group.device)[group]
    shuffled = torch.randperm(len(batch)).to(batch.target.device)
    order = shuffled[batch.target[shuffled].argsort(stable=True)]
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(batch), device=order.device) % n_folds)


def cross_fitted_composition(method: Method, training: Batch, fit: Fit, n_folds: int, split: str = "none") -> Tensor:
    """Composition ``(n, parts)`` of each training row, by classifiers that were not trained on it.

    Each fold is predicted by classifiers trained on the others; the fold chooses only the epoch. In-sample posteriors
    would call every memorised sample unique. They get copies of the encoders of ``method``, its prior and criterion.
    ``split`` as in :func:`composition`.
    """
    assert training.target is not None, "composition needs targets"
    fold = assign_folds(training, n_folds)
    pairs, m = split in ("synergy", "both"), len(method.encoders.names)
    found: list[tuple[Tensor, Tensor]] = []
    for k in range(n_folds):
        towers = PosteriorTowers(pairs)
        towers.criterion = method.criterion
        towers.build(dict(method.encoders.items()), method.prior)
        towers.to(method.log_prior.device)
        held_out = training[fold == k]
        assert held_out.target is not None
        fit(towers, training[fold != k], held_out)
        told = towers.information(held_out.target)
        found.append((fold == k, composition(told[:, :m], told[:, -1], told[:, m:-1] if pairs else None, split)))
    shares = found[0][1].new_zeros(len(training), found[0][1].shape[-1])
    for rows, part in found:
        shares[rows] = part
    return shares
