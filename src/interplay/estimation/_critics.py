"""Neural critics for bounds of information; torch is loaded with this module."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]
Critics = Callable[[tuple[Array, ...]], tuple[Array, ...]]


def network(width: int, out: int, hidden: int = 64) -> nn.Sequential:
    """Perceptron of one hidden layer."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, out))


def standardiser(x: Array) -> Callable[[Array], Tensor]:
    """Map to standardised float tensors, fitted on ``x``."""
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return lambda rows: torch.from_numpy(((rows - mean) / scale).astype(np.float32))


def train(
    parameters: list[nn.Parameter],
    n: int,
    loss: Callable[[Tensor, float], Tensor],
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    after_epoch: Callable[[], None] = lambda: None,
) -> None:
    """Adam with a cosine schedule; ``loss`` takes rows and the share of training that is done."""  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(parameters, 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        for rows in torch.split(torch.randperm(n, generator=generator), batch_size):
            if len(rows) < 2:
                continue
            optimizer.zero_grad()
            value = loss(rows, epoch / max(1, epochs - 1))
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        schedule.step()
        after_epoch()


def fit_critics(
    x: tuple[Array, Array], y: NDArray[np.int64], n_classes: int, *, epochs: int, batch_size: int, tau: float, seed: int
) -> Critics:
    """Two critics that maximise J_tau with tau rising from 1; see :func:`interplay.estimation.dual_information`."""
    scales = [standardiser(m) for m in x]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nets = nn.ModuleList([network(m.shape[1], n_classes) for m in x])
        inputs, target = [scale(m) for scale, m in zip(scales, x, strict=True)], torch.from_numpy(y)

        def loss(rows: Tensor, done: float) -> Tensor:
            a, b = (net(m[rows]) for net, m in zip(nets, inputs, strict=True))
            power = tau**done
            inner = (a[:, None] + b).logsumexp(-1)
            log_mean = (power * inner).flatten().logsumexp(0) - 2 * math.log(len(rows))
            own = (a + b).gather(1, target[rows, None]).mean()
            return log_mean / power - own

        train(list(nets.parameters()), len(y), loss, epochs=epochs, batch_size=batch_size, seed=seed)
    nets.eval()

    @torch.no_grad()
    def apply(rows: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(net(s(m)).double().numpy() for net, s, m in zip(nets, scales, rows, strict=True))

    return apply
