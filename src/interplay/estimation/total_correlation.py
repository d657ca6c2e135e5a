"""Total correlation of modalities and target, estimated by critics on held-out rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interplay.data import MultimodalDataset, as_dataset
from interplay.estimation._critics import network, standardiser, train
from interplay.estimation.discretise import rows_of
from interplay.estimation.posteriors import _folds
from interplay.nn.losses import tcmax, tcmax_additive, tcmax_estimate

__all__ = ["TotalCorrelation", "estimate_total_correlation", "plugin_total_correlation"]

Array = NDArray[np.float64]
HIDDEN = 64


@dataclass(frozen=True)
class TotalCorrelation:
    """Held-out estimates in bits.

    Attributes:
        total: TC of all modalities and the target, by a critic of everything.
        additive: the same bound by a sum of one critic a modality: at best the sum of the modalities' own informations.
        information: I(y; all), from the cross-entropy of the same critic's softmax.
        unimodal: I(y; m) by modality, from the additive critic.
        ceiling: the most that ``total`` can be, ``(M - 1) log2 B + H(y)`` with B rows a held-out batch.
        standard_error: of ``total``, over held-out batches.
        warnings: what the numbers cannot carry.
    """

    total: float
    additive: float
    information: float
    unimodal: dict[str, float]
    ceiling: float
    standard_error: float
    warnings: tuple[str, ...] = ()

    @property
    def between(self) -> float:
        """TC of the modalities alone: ``total - information``."""
        return self.total - self.information

    @property
    def given_target(self) -> float:
        """TC of the modalities given the target: ``total`` less the sum of ``unimodal``."""
        return self.total - sum(self.unimodal.values())


def estimate_total_correlation(
    X: MultimodalDataset,
    *,
    estimator: str = "tcne",
    n_splits: int = 4,
    epochs: int = 20,
    batch_size: int = 256,
    negatives: int = 16384,
    random_state: int = 0,
) -> TotalCorrelation:
    r"""Estimate :math:`TC(x_1; \dots; x_M; y)` by cross-fitted critics.

    .. math:: TC = \mathrm{KL}\Big(p(x_1, \dots, x_M, y) \,\Big\|\, p(y) \prod_m p(x_m)\Big)
              = I(y; x_1, \dots, x_M) + TC(x_1; \dots; x_M) = \sum_m I(y; x_m) + TC(x_1; \dots; x_M \mid y)

    Critics are trained on the other folds and evaluated on held-out batches only, all combinations of a batch if there
    are at most ``negatives``, else so many drawn. A held-out bound does not reward memorising; it falls below the
    truth where critics or rows do not suffice, and it cannot exceed the ceiling of the batch.

    Args:
        X: a classified data set; rows that lack a modality are left out.
        estimator: ``"tcne"`` (as TCMax: classes enter by their frequencies), ``"mine"`` (classes are one more shuffled
            sample) or ``"infonce"`` (each row against one shuffled row a column; ceiling :math:`\log_2 B`).
        n_splits: folds; whole groups stay together.
        epochs: passes over the training rows.
        batch_size: rows a batch, in training and evaluation.
        negatives: the most combinations of rows a batch evaluates.
        random_state: seed.

    Raises:
        ValueError: without classes, with fewer than two modalities, or for an unknown estimator.
    """
    dataset = as_dataset(X)
    if dataset.target is None or dataset.task != "classification" or len(dataset.names) < 2:
        raise ValueError("total correlation needs classes as target and at least two modalities")
    if estimator not in _OBJECTIVES:
        raise ValueError(f"estimator must be one of {', '.join(map(repr, _OBJECTIVES))}, found {estimator!r}")
    complete = np.stack(list(dataset.present.values())).all(0)
    dataset = dataset[complete]
    y = dataset.codes
    x = [rows_of(dataset, name) for name in dataset.names]
    groups = None if dataset.groups is None else np.unique(dataset.groups, return_inverse=True)[1].astype(np.int64)
    found = [
        _one_fold(x, y, rows, held_out, estimator, epochs, batch_size, negatives, random_state + fold)
        for fold, (rows, held_out) in enumerate(_folds(y, groups, n_splits, random_state))
    ]
    weights = np.concatenate([part[0] for part in found])
    values = np.concatenate([part[1] for part in found])
    mean = np.average(values, axis=0, weights=weights)
    error = float(np.sqrt(np.average((values[:, 0] - mean[0]) ** 2, weights=weights) / max(1, len(values) - 1)))
    ceiling = float(mean[-1])
    notes = []
    if mean[0] > ceiling - 0.5:
        notes.append(f"total lies near the ceiling of {ceiling:.2f} bits; take a larger batch_size")
    unimodal = dict(zip(dataset.names, mean[3:-1].tolist(), strict=True))
    return TotalCorrelation(float(mean[0]), float(mean[1]), float(mean[2]), unimodal, ceiling, error, tuple(notes))


def plugin_total_correlation(*codes: NDArray[np.int64]) -> float:
    """Total correlation in bits of columns of integer codes, by counting; biased upwards where cells are rare.

    >>> bit = np.array([0, 1, 0, 1])
    >>> plugin_total_correlation(bit, bit, bit)
    2.0
    """

    def bits(*columns: NDArray[np.int64]) -> float:
        counts = np.unique(np.stack(columns), axis=1, return_counts=True)[1]
        p = counts / counts.sum()
        return float(-(p * np.log2(p)).sum())

    return sum(bits(column) for column in codes) - bits(*codes)


class _Critic(nn.Module):
    """Additive logits and a correction that sees all modalities, each trained by its own bound."""

    def __init__(self, widths: list[int], n_classes: int) -> None:
        super().__init__()
        self.additive = nn.ModuleList([network(width, n_classes) for width in widths])
        self.maps = nn.ModuleList([network(width, HIDDEN) for width in widths])
        self.output = nn.Sequential(nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, n_classes))
        self.n_classes = n_classes

    def features(self, x: list[Tensor]) -> list[Tensor]:
        return [torch.cat([f(m), g(m)], -1) for f, g, m in zip(self.additive, self.maps, x, strict=True)]

    def forward(self, features: list[Tensor]) -> Tensor:
        summed = torch.stack(features).sum(0)
        return summed[:, : self.n_classes] + self.output(summed[:, self.n_classes :])


Objective = Callable[[_Critic, list[Tensor], Tensor, int], Tensor]


def _tcne(critic: _Critic, features: list[Tensor], y: Tensor, negatives: int) -> Tensor:
    """Bound in bits with the frequencies of the batch for the classes."""
    every = len(y) ** len(features) <= negatives
    loss = tcmax(critic, features, y, label_marginal="batch", negatives=None if every else negatives)
    return tcmax_estimate(loss, y, len(features))


def _mine(critic: _Critic, features: list[Tensor], y: Tensor, negatives: int) -> Tensor:
    """Donsker-Varadhan bound in bits with modalities and classes shuffled independently, no true rows among them."""
    own = critic(features).gather(1, y[:, None]).mean()
    index = torch.randint(len(y), (len(features) + 1, negatives))
    shuffled = critic([f[i] for f, i in zip(features, index, strict=False)]).gather(1, y[index[-1], None])
    return (own - shuffled.flatten().logsumexp(0) + math.log(negatives)) / math.log(2)


def _infonce(critic: _Critic, features: list[Tensor], y: Tensor, negatives: int) -> Tensor:
    """InfoNCE in bits: each row's own combination among B - 1 combinations shuffled column by column."""
    b = len(y)
    own = critic(features).gather(1, y[:, None])
    index = torch.randint(b, (len(features) + 1, b * (b - 1)))
    others = critic([f[i] for f, i in zip(features, index, strict=False)]).gather(1, y[index[-1], None])
    scores = torch.cat([own, others.reshape(b, b - 1)], 1)
    return (own.mean() - scores.logsumexp(1).mean() + math.log(b)) / math.log(2)


_OBJECTIVES: dict[str, Objective] = {"tcne": _tcne, "mine": _mine, "infonce": _infonce}


def _one_fold(
    x: list[Array],
    y: NDArray[np.int64],
    rows: NDArray[np.int64],
    held_out: NDArray[np.int64],
    estimator: str,
    epochs: int,
    batch_size: int,
    negatives: int,
    seed: int,
) -> tuple[Array, Array]:
    """Sizes of held-out batches, and for each: total, additive, I(y; all), I(y; m)..., ceiling; bits."""  # fmt: skip
    scales = [standardiser(m[rows]) for m in x]
    objective = _OBJECTIVES[estimator]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = _Critic([m.shape[1] for m in x], int(y.max()) + 1)
        k = critic.n_classes
        inputs, target = [s(m[rows]) for s, m in zip(scales, x, strict=True)], torch.from_numpy(y[rows])

        def loss(batch: Tensor, _: float) -> Tensor:
            features = critic.features([m[batch] for m in inputs])
            additive = tcmax_additive([f[:, :k] for f in features], target[batch], label_marginal="batch")
            rest = [torch.cat([f[:, :k].detach(), f[:, k:]], -1) for f in features]
            return additive - math.log(2) * objective(critic, rest, target[batch], negatives // 4)

        train(list(critic.parameters()), len(rows), loss, epochs=epochs, batch_size=batch_size, seed=seed)
        critic.eval()
        order = np.random.default_rng(seed).permutation(held_out)
        parts = [part for part in np.array_split(order, max(1, round(len(order) / batch_size))) if len(part) > 1]
        log_prior = torch.bincount(target, minlength=k).clamp(min=1).div(len(target)).log()
        with torch.no_grad():
            values = [
                _held_out(critic, [s(m[part]) for s, m in zip(scales, x, strict=True)], torch.from_numpy(y[part]),
                          log_prior, objective, negatives, estimator)
                for part in parts
            ]  # fmt: skip
    return np.array([len(part) for part in parts], dtype=np.float64), np.array(values)


def _held_out(
    critic: _Critic,
    x: list[Tensor],
    y: Tensor,
    log_prior: Tensor,
    objective: Objective,
    negatives: int,
    estimator: str,
) -> list[float]:
    features = critic.features(x)
    k, m = critic.n_classes, len(x)
    additive = [f[:, :k] for f in features]
    bound = tcmax_estimate(tcmax_additive(additive, y, label_marginal="batch"), y, m)
    means = torch.stack([f.logsumexp(0) - math.log(len(y)) for f in additive])

    def information(logits: Tensor) -> Tensor:
        log_p = (logits + log_prior).log_softmax(-1)
        return (log_p - log_prior).gather(1, y[:, None]).mean() / math.log(2)

    own = [information(f + means.sum(0) - means[i]) for i, f in enumerate(additive)]
    p = torch.bincount(y).double() / len(y)
    h = float(-torch.xlogy(p, p).sum()) / math.log(2)
    ceiling = math.log2(len(y)) if estimator == "infonce" else (m - 1) * math.log2(len(y)) + h
    total = objective(critic, features, y, negatives)
    return [float(v) for v in (total, bound, information(critic(features)), *own)] + [ceiling]
