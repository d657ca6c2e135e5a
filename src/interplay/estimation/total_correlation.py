"""Total correlation of modalities and target, estimated by critics on held-out rows."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from interplay.data import MultimodalDataset, as_dataset
from interplay.data.validation import problem
from interplay.estimation._correlation_critics import OBJECTIVES, Critic, Objective
from interplay.estimation._critics import standardiser, train
from interplay.estimation.discretise import rows_of
from interplay.estimation.posteriors import _folds
from interplay.nn.losses import tcmax_additive, tcmax_estimate

__all__ = ["TotalCorrelation", "estimate_total_correlation", "plugin_total_correlation"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
# Of a fold's training rows a quarter chooses the epoch, and a batch needs two rows.
_FEWEST_ROWS = 8


@dataclass(frozen=True)
class TotalCorrelation:
    """Held-out estimates in bits.

    Attributes:
        total: TC of all modalities and the target, by a critic of everything.
        additive: the same bound by a sum of one critic a modality: at best the sum of the modalities' own informations.
        information: I(y; all), from the cross-entropy of the same critic's softmax.
        unimodal: I(y; m) by modality, from the additive critic.
        ceiling: the most that ``total`` can be, ``(M - 1) log2 B + H(y)`` with B rows a held-out batch and H(y) by its
            frequencies (``log2 B`` for InfoNCE). Where combinations are drawn a value may pass it by the error of the
            draws.
        standard_error: of ``total``, over held-out batches.
        warnings: says so where ``total`` is above ``ceiling`` less half a bit.
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
        """Total correlation of the modalities alone, ``total - information``."""
        return self.total - self.information

    @property
    def given_target(self) -> float:
        """Total correlation of the modalities given the target, ``total`` less the sum of ``unimodal``."""
        return self.total - sum(self.unimodal.values())


def estimate_total_correlation(
    X: MultimodalDataset,
    *,
    start: Mapping[str, ArrayLike] | None = None,
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

    Critics are trained on the other folds (the epoch is chosen on a quarter of those) and evaluated on held-out
    batches only. A held-out bound does not reward memorising; it falls below the truth where critics, rows or batches
    (``ceiling``) do not suffice. It can be slightly negative: an empty bound, read it as 0.

    Args:
        X: a classified data set; rows that lack a modality are left out.
        start: for each modality what a classifier says already, ``(n, K)`` log-probabilities less the log-prior,
            columns in the order of ``X.classes``: critics start from it, each times a factor fitted first. For many
            classes and few rows, which critics from scratch cannot learn from.
        estimator: ``"tcne"`` (as TCMax: every combination of the modalities' rows, classes by their frequencies),
            ``"mine"`` (combinations drawn, classes are one more column) or ``"infonce"`` (each row against B - 1 drawn
            combinations).
        n_splits: folds; whole groups stay together.
        epochs: passes over the training rows.
        batch_size: rows a batch in training; held-out rows are cut into equal batches of about so many.
        negatives: ``"tcne"`` evaluates all combinations of a batch if there are at most so many, else draws so many;
            ``"mine"`` always draws so many; a quarter of them while training.
        random_state: seed.

    Raises:
        ValueError: without classes, with fewer than two modalities, for an unknown estimator, an option out of range,
            or too few rows that have all modalities.
    """
    dataset = as_dataset(X)
    if dataset.target is None or dataset.task != "classification" or len(dataset.names) < 2:
        raise ValueError("total correlation needs classes as target and at least two modalities")
    if estimator not in OBJECTIVES:
        raise ValueError(f"estimator must be one of {', '.join(map(repr, OBJECTIVES))}, found {estimator!r}")
    for option, value, least in (("n_splits", n_splits, 2), ("epochs", epochs, 1), ("batch_size", batch_size, 2)):
        if value < least:
            raise problem(option, f"at least {least}", f"{value}", "leave it out for the default")
    if negatives < 4:
        raise problem("negatives", "at least 4, of which training draws a quarter", f"{negatives}", "take thousands")
    complete = _complete_rows(dataset, n_splits)
    y, k = dataset.codes[complete], len(dataset.classes)
    dataset = dataset[complete]
    x = [rows_of(dataset, name) for name in dataset.names]
    known = [np.zeros((len(y), k)) if start is None else _known(start, name, complete, k) for name in dataset.names]
    groups = None if dataset.groups is None else _codes(dataset.groups)
    folds = _folds(y, groups, n_splits, random_state)
    _check_folds(folds, groups)
    found = [
        _one_fold(x, known, y, k, groups, rows, held_out, estimator, epochs, batch_size, negatives, random_state + fold)
        for fold, (rows, held_out) in enumerate(folds)
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


def _complete_rows(dataset: MultimodalDataset, n_splits: int) -> NDArray[np.bool_]:
    """Which rows have all modalities; an error if they are too few for the folds."""
    complete = np.logical_and.reduce(list(dataset.present.values()))
    if complete.sum() < _FEWEST_ROWS * n_splits:
        having = ", ".join(f"{int(has.sum())} have {name!r}" for name, has in dataset.present.items())
        raise problem(
            "rows with all modalities",
            f"at least {_FEWEST_ROWS * n_splits} for {n_splits} folds",
            f"{int(complete.sum())} of {len(dataset)} ({having})",
            "select modalities that occur together, fill the gaps first, or give more rows",
        )
    return complete


def _check_folds(folds: list[tuple[Codes, Codes]], groups: Codes | None) -> None:
    """Groups of very different sizes can leave a fold with next to nothing."""
    if groups is not None and (min(len(h) for _, h in folds) < 2 or min(len(r) for r, _ in folds) < _FEWEST_ROWS):
        sizes = np.sort(np.bincount(groups))
        raise problem(
            "groups",
            f"at least 2 held-out rows and {_FEWEST_ROWS} others in each fold of whole groups",
            f"{len(sizes)} groups of {sizes[0]} to {sizes[-1]} rows",
            "merge small groups, give more, or take fewer n_splits",
        )


def _known(start: Mapping[str, ArrayLike], name: str, complete: NDArray[np.bool_], n_classes: int) -> Array:
    """What is known of one modality, for the complete rows."""
    if name not in start:
        raise ValueError(f"start: modality {name!r} is missing; give (n, K) logits for each modality")
    logits = np.asarray(start[name], dtype=np.float64)
    if logits.shape != (len(complete), n_classes) or not np.isfinite(logits[complete]).all():
        raise ValueError(
            f"start[{name!r}]: expected finite numbers of shape {(len(complete), n_classes)}, found {logits.shape}"
        )
    return logits[complete]


def plugin_total_correlation(*codes: NDArray[np.int64]) -> float:
    """Total correlation in bits of columns of integer codes, by counting; biased upwards where cells are rare.

    Raises:
        ValueError: without columns, or if their lengths differ.

    >>> bit = np.array([0, 1, 0, 1])
    >>> plugin_total_correlation(bit, bit, bit)
    2.0
    """
    if len({np.shape(column) for column in codes}) != 1 or np.ndim(codes[0]) != 1 or len(codes[0]) == 0:
        found = f"shapes {[np.shape(column) for column in codes]}"
        raise problem(
            "codes", "columns (n,) of one length, each an argument", found, "give one code a row and variable"
        )

    def bits(*columns: NDArray[np.int64]) -> float:
        counts = np.unique(np.stack(columns), axis=1, return_counts=True)[1]
        p = counts / counts.sum()
        return float(-(p * np.log2(p)).sum())

    return sum(bits(column) for column in codes) - bits(*codes)


def _one_fold(
    x: list[Array],
    known: list[Array],
    y: Codes,
    k: int,
    groups: Codes | None,
    rows: Codes,
    held_out: Codes,
    estimator: str,
    epochs: int,
    batch_size: int,
    negatives: int,
    seed: int,
) -> tuple[Array, Array]:
    """Sizes of held-out batches, and for each: total, additive, I(y; all), I(y; m)..., ceiling; bits."""  # fmt: skip
    scales = [standardiser(m[rows]) for m in x]
    objective = OBJECTIVES[estimator]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = Critic([m.shape[1] for m in x], k)
        inputs = [torch.cat([s(m), torch.from_numpy(f).float()], 1) for s, m, f in zip(scales, x, known, strict=True)]
        target = torch.from_numpy(y)

        def bound(batch: Tensor, additive: bool, n: int = negatives) -> Tensor:
            features = critic.features([m[batch] for m in inputs])
            if additive:
                loss = tcmax_additive([f[:, :k] for f in features], target[batch], label_marginal="batch")
                return tcmax_estimate(loss, target[batch], len(features))
            return objective(critic, features, target[batch], n)

        # One group cannot be split; its rows then choose the epoch for each other.
        inside = None if groups is None or len(np.unique(groups[rows])) == 1 else _codes(groups[rows])
        inner = _folds(y[rows], inside, 4, seed)[0]
        training, validation = (torch.from_numpy(rows[part]) for part in inner)
        parts = _batches(validation, batch_size, seed)
        if any(f.any() for f in known):
            critic.fit_scales([torch.from_numpy(f[rows]) for f in known], target[rows])

        def fit(additive: bool, part: nn.Module) -> None:
            def score() -> float:
                return sum(len(p) * float(bound(p, additive)) for p in parts) / len(validation)

            def goal(batch: Tensor) -> Tensor:
                return bound(training[batch], additive, negatives // 4)

            _fit(critic, list(part.parameters()), goal, score, len(training), epochs, batch_size, seed)

        fit(True, critic.additive)
        fit(False, nn.ModuleList([critic.maps, critic.output]))
        log_prior = torch.bincount(target[rows], minlength=k).clamp(min=1).div(len(rows)).log()
        unseen = _batches(torch.from_numpy(held_out), batch_size, seed)
        with torch.no_grad():
            values = [
                _held_out(critic, [m[p] for m in inputs], target[p], log_prior, objective, negatives, estimator)
                for p in unseen
            ]
    return np.array([len(part) for part in unseen], dtype=np.float64), np.array(values)


def _codes(labels: NDArray[Any]) -> Codes:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _batches(rows: Tensor, size: int, seed: int) -> list[Tensor]:
    """Random batches of equal size, as near to ``size`` as the rows allow."""
    order = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    return [part for part in order.tensor_split(max(1, round(len(rows) / size))) if len(part) > 1]


def _fit(
    critic: Critic,
    weights: list[nn.Parameter],
    bound: Callable[[Tensor], Tensor],
    score: Callable[[], float],
    n: int,
    epochs: int,
    batch_size: int,
    seed: int,
) -> None:
    """Maximise a bound in ``weights`` only, and keep the epoch with the best score, the untrained one included."""
    best = -math.inf
    state: dict[str, Tensor] = {}

    @torch.no_grad()
    def look() -> None:
        nonlocal best, state
        critic.eval()
        if (value := score()) > best:
            best, state = value, copy.deepcopy(critic.state_dict())
        critic.train()

    look()
    train(weights, n, lambda batch, _: -math.log(2) * bound(batch), epochs=epochs, batch_size=batch_size, seed=seed,
          after_epoch=look)  # fmt: skip
    critic.load_state_dict(state)
    critic.eval()


def _held_out(
    critic: Critic,
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
