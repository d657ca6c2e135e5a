"""The TCMax loss for heads that are a sum of one function a modality: exact, in O(M B K) time and memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.distributed as dist
from torch import Tensor

from interplay.nn._tcmax_input import (
    LabelMarginal,
    check_some_mass,
    check_some_rows,
    check_target,
    log_label_marginal,
    masks_and_mass,
    stack_logits,
)


@dataclass(frozen=True)
class AdditiveStatistics:
    """All that the additive loss needs of a set of rows; statistics of disjoint sets add up with ``+``.

    Attributes:
        log_sums: ``(M, K)``, log of the weighted sum of exp(logits) over the rows that have the modality.
        class_mass: ``(K,)``, total weight of the rows by class.
        absent_mass: ``(M, K)``, total weight by class of the rows that lack the modality.
        positives: scalar, weighted sum of the present modalities' logits at each row's own class.
        mass_log_mass: scalar, sum of weight * log(weight).
    """

    log_sums: Tensor
    class_mass: Tensor
    absent_mass: Tensor
    positives: Tensor
    mass_log_mass: Tensor

    @classmethod
    def of(
        cls,
        logits: Sequence[Tensor],
        target: Tensor,
        *,
        present: Sequence[Tensor] | None = None,
        weight: Tensor | None = None,
    ) -> "AdditiveStatistics":
        """Statistics of the rows of one batch, or of a part, which may be empty or without weight.

        Arguments as in :func:`tcmax_additive`.
        """
        stacked = stack_logits(logits)
        target = check_target(target, stacked.shape[1], stacked.shape[2])
        masks, mass = masks_and_mass(len(stacked), target, present, weight)
        by_class = torch.nn.functional.one_hot(target, stacked.shape[2]).to(mass.dtype) * mass[:, None]
        some = masks.any(1)
        # Without any row, a finite filling keeps the gradient finite; the value is set afterwards.
        filling = torch.where(some, -torch.inf, 0.0)[:, None, None].to(stacked.dtype)
        safe = torch.where(masks[..., None], stacked, filling)
        log_mass = mass.log().to(stacked.dtype).nan_to_num(neginf=-1e30)
        log_sums = torch.where(some[:, None], (safe + log_mass[:, None]).logsumexp(1), -torch.inf)
        own = stacked.gather(2, target.expand(len(stacked), -1)[..., None])[..., 0]
        positives = (torch.where(masks, own, 0.0) * mass).sum()
        absent = (~masks).to(mass.dtype) @ by_class
        return cls(log_sums, by_class.sum(0), absent, positives, torch.xlogy(mass, mass).sum())

    def __add__(self, other: "AdditiveStatistics") -> "AdditiveStatistics":
        rest = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)[1:]}
        return AdditiveStatistics(torch.logaddexp(self.log_sums, other.log_sums), **rest)

    def detach(self) -> "AdditiveStatistics":
        """The same values without gradient."""
        return AdditiveStatistics(*(getattr(self, f.name).detach() for f in fields(self)))

    def all_reduce(self, group: "dist.ProcessGroup | None" = None) -> "AdditiveStatistics":
        """Values over all processes of a group, without gradient; two reductions of O(M K) numbers."""
        peak = self.log_sums.detach().clone()
        dist.all_reduce(peak, dist.ReduceOp.MAX, group)
        peak = peak.nan_to_num(neginf=0.0)
        parts = [(self.log_sums.detach() - peak).exp()] + [getattr(self, f.name).detach() for f in fields(self)[1:]]
        flat = torch.cat([part.reshape(-1) for part in parts])
        dist.all_reduce(flat, dist.ReduceOp.SUM, group)
        pieces = torch.split(flat, [part.numel() for part in parts])
        sums, *rest = [piece.reshape(part.shape) for piece, part in zip(pieces, parts, strict=True)]
        return AdditiveStatistics((sums.log() + peak).to(peak.dtype), *rest)

    def as_part_of(self, total: "AdditiveStatistics") -> "AdditiveStatistics":
        """The values of ``total`` with the gradient that these rows contribute to them."""
        base = total.log_sums.detach().nan_to_num(neginf=0.0)
        share = (self.log_sums - base).exp()
        positives = total.positives.detach() + self.positives - self.positives.detach()
        log_sums = total.log_sums.detach() + share - share.detach()
        return AdditiveStatistics(log_sums, total.class_mass, total.absent_mass, positives, total.mass_log_mass)

    def marginals(self) -> Tensor:
        """``(M, K)``: log of the mean of exp(logits) over the rows that have the modality; 0 where none has it."""
        mass = self.class_mass.sum() - self.absent_mass.sum(1)
        # By the sums themselves: a difference of two masses need not be exactly 0 where no row has the modality.
        some = ~self.log_sums.isneginf().all(1)
        log_mass = torch.where(some, mass, 1.0).log().to(self.log_sums.dtype)
        return torch.where(some[:, None], self.log_sums - log_mass[:, None], 0.0)

    def loss(self, label_marginal: LabelMarginal = "uniform") -> Tensor:
        """The loss in nats; ValueError if no row has weight."""
        check_some_mass(self.class_mass)
        log_r = log_label_marginal(label_marginal, self.class_mass)
        mass = self.class_mass.sum()
        marginals = self.marginals()
        positives = (self.positives + (self.absent_mass * marginals).sum()) / mass
        spread = (len(marginals) - 1) * (mass.log() - self.mass_log_mass / mass)
        surprise = -torch.where(self.class_mass > 0, self.class_mass * log_r, 0.0).sum() / mass
        loss = spread + surprise + (marginals.sum(0) + log_r).logsumexp(0) - positives
        return loss.to(marginals.dtype)


def tcmax_additive(
    logits: Sequence[Tensor],
    target: Tensor,
    *,
    present: Sequence[Tensor] | None = None,
    weight: Tensor | None = None,
    label_marginal: LabelMarginal = "uniform",
    total: AdditiveStatistics | None = None,
    group: "dist.ProcessGroup | None" = None,
) -> Tensor:
    r"""TCMax loss of the head :math:`f(x_1, \dots, x_M)_c = \sum_m f_m(x_m)_c`, exact over all pairs of the batch.

    .. math:: L = C - \sum_i w_i \sum_m f_m(i)_{y_i} + \log \sum_c r_c \prod_m \sum_j w_j e^{f_m(j)_c},
              \qquad C = -(M - 1) \sum_i w_i \log w_i - \sum_i w_i \log r_{y_i}

    the negative Donsker-Varadhan bound of the total correlation :math:`TC(x_1; \dots; x_M; y)` plus the most that
    bound can be on this batch, :math:`C` (:math:`\log B^{M-1} K` without weights, uniform :math:`r`). So
    :math:`L \ge 0`, in nats. The sum over :math:`B^M K` combinations factorises: O(M B K) time and memory. The loss
    sees the pairing only through the labels: it cannot learn synergy, :func:`tcmax` can.

    The softmax of the summed logits is the posterior for ``label_marginal="uniform"``; for other :math:`r` it is the
    softmax of logits plus :math:`\log r`. Logits of one modality alone are no posterior: see
    :func:`tcmax_posterior`.

    Args:
        logits: for each modality ``(B, K)``; half precision is computed in float32.
        target: class codes ``(B,)``, any integer dtype.
        present: for each modality bool ``(B,)``, or None for all. An absent modality contributes its marginal
            :math:`\log E_j e^{f_m(j)}` (0 if no row has it); values of absent rows are never looked at.
        weight: non-negative ``(B,)``, any scale, or None for all alike; rows of weight 0 are never looked at.
        label_marginal: :math:`r`: ``"uniform"``, ``"batch"`` (the batch's class frequencies) or ``(K,)`` probabilities.
        total: statistics of a larger batch that holds these rows, ``AdditiveStatistics.of(...)`` of its parts, added:
            the value is then the larger batch's, and gradients of the parts add up to its gradient exactly
            (gradient accumulation in two passes). Parts may be empty or without weight, the sum of all may not.
        group: a process group: rows of all its processes form the batch. The gradient is scaled by the number of
            processes, because distributed data parallel averages it.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: for shapes, targets, weights or marginals that do not fit, or if no row of positive weight has
            anything. Ranges of targets are looked at on the CPU only: elsewhere it would make every step wait.

    Reference:
        Yu et al., Multimodal Classification via Total Correlation Maximization, ICLR 2026.

    >>> y = torch.arange(48) % 6
    >>> perfect = 50.0 * torch.nn.functional.one_hot(y, 6)
    >>> round(float(tcmax_additive([perfect, perfect], y).exp()), 3)  # log(B / K) on a perfect balanced classifier
    8.0
    """
    plain = all(option is None for option in (present, weight, total, group))
    if plain and isinstance(label_marginal, str) and label_marginal == "uniform":
        return _plain(stack_logits(logits), target)
    local = AdditiveStatistics.of(logits, target, present=present, weight=weight)
    if total is not None:
        return local.as_part_of(total).loss(label_marginal)
    if group is None:
        return local.loss(label_marginal)
    loss = local.as_part_of(local.all_reduce(group)).loss(label_marginal)
    return loss.detach() + dist.get_world_size(group) * (loss - loss.detach())


def _plain(stacked: Tensor, target: Tensor) -> Tensor:
    """The loss of complete rows without weights: the same value with fewer steps, which count in small batches."""
    check_some_rows(stacked.shape[1])
    target = check_target(target, stacked.shape[1], stacked.shape[2])
    surprise = torch.nn.functional.nll_loss(stacked.sum(0), target)
    return stacked.logsumexp(1).sum(0).logsumexp(0) + surprise - math.log(len(target))


def tcmax_posterior(
    logits: Sequence[Tensor],
    marginals: Tensor,
    *,
    present: Sequence[Tensor] | None = None,
    label_marginal: Tensor | None = None,
) -> Tensor:
    r"""Logits of the posterior given whichever modalities a row has, for a head trained with :func:`tcmax_additive`.

    .. math:: \log p(y \mid x_S) = \sum_{m \in S} f_m(x_m)_y + \sum_{m \notin S} \mu_{m,y} + \log r_y + \text{const}

    with :math:`\mu_m = \log E\, e^{f_m}` over the training rows.

    Args:
        logits: for each modality ``(B, K)``.
        marginals: ``(M, K)``, ``AdditiveStatistics.of(...).marginals()`` of the training rows.
        present: for each modality bool ``(B,)``, or None for all.
        label_marginal: probabilities ``(K,)`` the loss used, None for uniform.

    Returns:
        ``(B, K)`` logits; their softmax is the posterior.

    >>> y = torch.tensor([0, 0, 0, 1])
    >>> f = torch.tensor([[2.0, 0.0]]).repeat(4, 1)  # says nothing: moved from the other modality
    >>> marginals = AdditiveStatistics.of([f, -f], y).marginals()
    >>> tcmax_posterior([f, -f], marginals, present=[torch.ones(4).bool(), torch.zeros(4).bool()])[0].softmax(0)
    tensor([0.5000, 0.5000])
    """
    stacked = stack_logits(logits)
    if present is not None:
        stacked = torch.where(torch.stack(list(present))[..., None], stacked, marginals[:, None])
    summed = stacked.sum(0)
    return summed if label_marginal is None else summed + label_marginal.log()


def tcmax_estimate(
    loss: Tensor,
    target: Tensor,
    n_modalities: int,
    *,
    present: Sequence[Tensor] | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    r"""Total correlation in bits that a value of :func:`tcmax_additive` or :func:`tcmax` stands for.

    .. math:: \widehat{TC} = (M - 1)\, H(w) + H(y) - L

    with :math:`H(w)` the entropy of the weights, :math:`\log B` without. The same for every ``label_marginal``: what a
    uniform one adds to the bound, :math:`\log K - H(y)`, is taken off. The estimate never exceeds
    :math:`(M - 1) \log B + H(y)`: a batch that is small for the total correlation saturates.

    ``present`` and ``weight`` must be those of the loss: rows with nothing present weigh nothing in either.

    >>> y = torch.arange(48) % 6
    >>> perfect = 50.0 * torch.nn.functional.one_hot(y, 6)
    >>> round(float(tcmax_estimate(tcmax_additive([perfect, perfect], y), y, 2)), 3)  # 2 log2 6
    5.17
    """
    target = check_target(target, len(target), None)
    _, mass = masks_and_mass(n_modalities, target, present, weight)
    check_some_mass(mass)
    p = mass / mass.sum()
    p_y = p.new_zeros(int(target.max()) + 1).index_add(0, target, p)
    entropies = -(n_modalities - 1) * torch.xlogy(p, p).sum() - torch.xlogy(p_y, p_y).sum()
    return ((entropies - loss) / math.log(2)).to(loss.dtype)
