"""Critics of modalities and class, and the bounds of total correlation that they maximise; torch is loaded."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from interplay.estimation._critics import network
from interplay.nn.losses import tcmax, tcmax_additive, tcmax_estimate

__all__ = ["OBJECTIVES", "Critic", "Objective", "log_ratio"]

HIDDEN = 64


class Critic(nn.Module):
    """Additive logits, and a correction that sees all modalities; both start at zero, where every bound is zero."""

    scales: Tensor

    def __init__(self, widths: list[int], n_classes: int) -> None:
        super().__init__()
        self.additive = nn.ModuleList([network(width, n_classes) for width in widths])
        self.register_buffer("scales", torch.zeros(len(widths)))
        self.maps = nn.ModuleList([network(width, HIDDEN) for width in widths])
        self.output = nn.Sequential(nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, n_classes))
        for part in (*self.additive, self.output):
            nn.init.zeros_(part[-1].weight)
            nn.init.zeros_(part[-1].bias)
        self.n_classes = n_classes

    def features(self, x: list[Tensor]) -> list[Tensor]:
        found = []
        for f, g, scale, both in zip(self.additive, self.maps, self.scales, x, strict=True):
            m, known = both[:, : -self.n_classes], both[:, -self.n_classes :]
            found.append(torch.cat([f(m) + scale * known, g(m)], -1))
        return found

    def fit_scales(self, known: list[Tensor], y: Tensor) -> None:
        """Factors on the known logits that maximise their own additive bound (concave in the factors)."""
        scales = torch.ones(len(known), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([scales], max_iter=50, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = tcmax_additive([s * f for s, f in zip(scales, known, strict=True)], y, label_marginal="batch")
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        self.scales = scales.detach().float()

    def forward(self, features: list[Tensor]) -> Tensor:
        summed = torch.stack(features).sum(0)
        return summed[:, : self.n_classes] + self.correction(features)

    def correction(self, features: list[Tensor]) -> Tensor:
        return self.output(torch.stack(features).sum(0)[:, self.n_classes :])


Objective = Callable[[Critic, list[Tensor], Tensor, int], Tensor]


def _tcne(critic: Critic, features: list[Tensor], y: Tensor, negatives: int) -> Tensor:
    """Bound in bits with the frequencies of the batch for the classes."""
    if len(y) ** len(features) <= negatives:
        loss = tcmax(critic, features, y, label_marginal="batch")
    else:
        k = critic.n_classes
        additive = tcmax_additive([f[:, :k] for f in features], y, label_marginal="batch")
        own = critic.correction(features).gather(1, y[:, None]).mean()
        loss = additive - own + log_ratio(critic, features, y, negatives)
    return tcmax_estimate(loss, y, len(features))


def log_ratio(critic: Critic, features: list[Tensor], y: Tensor, n: int) -> Tensor:
    """Log of the partition function over that of the additive part alone, by draws from the additive part.

    The partition function over all combinations of an additive critic is exact, and combinations can be drawn from it:
    a class, then a row a modality. What is left to average is exp(correction). Uniform draws would miss the few
    combinations that carry the sum.
    """
    k = critic.n_classes
    with torch.no_grad():
        log_p = torch.stack([f[:, :k] for f in features])  # (M, B, K)
        frequency = (torch.bincount(y, minlength=k) / len(y)).log()
        classes = torch.multinomial((log_p.logsumexp(1).sum(0) + frequency).softmax(0), n, replacement=True)
        # One sorted array for all classes: class number plus cumulative probability of the rows in it.
        ends = log_p.double().softmax(1).cumsum(1).clamp(max=1).transpose(1, 2) + torch.arange(k)[:, None]  # (M, K, B)
        wanted = [classes + torch.rand(n, dtype=torch.float64) for _ in log_p]
        rows = [
            torch.searchsorted(e.flatten(), w, right=True).sub(classes * len(y)).clamp(0, len(y) - 1)
            for e, w in zip(ends, wanted, strict=True)
        ]
    drawn = critic.correction([f[i] for f, i in zip(features, rows, strict=True)])
    return drawn.gather(1, classes[:, None]).flatten().logsumexp(0) - math.log(n)


def _mine(critic: Critic, features: list[Tensor], y: Tensor, negatives: int) -> Tensor:
    """Donsker-Varadhan bound in bits, modalities and classes each drawn from the rows of the batch."""
    own = critic(features).gather(1, y[:, None]).mean()
    index = torch.randint(len(y), (len(features) + 1, negatives))
    shuffled = critic([f[i] for f, i in zip(features, index, strict=False)]).gather(1, y[index[-1], None])
    return (own - shuffled.flatten().logsumexp(0) + math.log(negatives)) / math.log(2)


def _infonce(critic: Critic, features: list[Tensor], y: Tensor, negatives: int) -> Tensor:
    """InfoNCE in bits: each row's own combination among B - 1 others, drawn column by column."""
    b = len(y)
    own = critic(features).gather(1, y[:, None])
    index = torch.randint(b, (len(features) + 1, b * (b - 1)))
    others = critic([f[i] for f, i in zip(features, index, strict=False)]).gather(1, y[index[-1], None])
    scores = torch.cat([own, others.reshape(b, b - 1)], 1)
    return (own.mean() - scores.logsumexp(1).mean() + math.log(b)) / math.log(2)


OBJECTIVES: dict[str, Objective] = {"tcne": _tcne, "mine": _mine, "infonce": _infonce}
