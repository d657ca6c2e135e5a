"""Which type is each sample? Per-sample estimators on data of visible types, against LSMI as published.

    python benchmarks/measure_samples.py [--samples 500 2000 10000] [--features 16 64] [--classes 2 4]

Routing: balanced accuracy of the largest part (r, u1, u2, s) against the true type, on held-out rows (cross-fitted;
LSMI: a fifth held out). The twin of LSMI keeps its published choices: uniform prior, 30 epochs without early stopping
or calibration, KNIFE densities whose gradients are never reset, one shift of the means.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from interplay.data.datasets import make_interactions
from interplay.estimation.classifiers import by_cells
from interplay.estimation.pooling import pool
from interplay.estimation.posteriors import cross_fit
from interplay.estimation.settings import Settings
from interplay.information import pointwise_composition

KINDS = np.array(["redundancy", "unique:a", "unique:b", "synergy"])


class Knife(nn.Module):
    """Mixture of five Gaussians with full precision factors, as published."""

    def __init__(self, d, modes=5):
        super().__init__()
        self.mean, self.scale = nn.Parameter(torch.randn(modes, d)), nn.Parameter(torch.randn(modes, d))
        self.lower, self.logit = nn.Parameter(torch.randn(modes, d, d)), nn.Parameter(torch.ones(modes))

    def forward(self, x):
        """Surprisal ``(n,)`` in nats."""
        d = x.shape[1]
        scale = self.scale.tanh().exp()
        shifted = scale * (x[:, None] - self.mean)
        y = shifted + torch.einsum("kij,nkj->nki", torch.tril(self.lower, -1), shifted)
        log = self.logit.log_softmax(0) - 0.5 * (y**2).sum(-1) + torch.log(scale + 1e-8).sum(-1)
        return 0.5 * d * np.log(2 * np.pi) - torch.logsumexp(log, 1)


def mlp(d, k):
    return nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, k))


def train(parameters, loss, n, rng, drop, reset):
    optimiser = torch.optim.Adam(parameters, lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, drop, 0.1)
    for _ in range(30):
        for rows in np.array_split(rng.permutation(n), max(1, n // 32)):
            if reset:
                optimiser.zero_grad()
            loss(rows).backward()
            optimiser.step()
        schedule.step()


def lsmi(made, seed):
    """Parts (4, n) of held-out rows, in nats, and these rows."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x1, x2 = (torch.as_tensor(made.dataset.modalities[name]) for name in "ab")
    y = torch.as_tensor(made.dataset.codes)
    inputs, k, n = (x1, x2, torch.cat([x1, x2], 1)), int(y.max()) + 1, len(y)
    order = rng.permutation(n)
    fit, held = order[n // 5 :], order[: n // 5]
    nets = [mlp(x.shape[1], k) for x in inputs]

    def cross_entropy(rows):
        at = fit[rows]
        return sum(nn.functional.cross_entropy(net(x[at]), y[at]) for net, x in zip(nets, inputs, strict=True))

    train([p for net in nets for p in net.parameters()], cross_entropy, len(fit), rng, 15, True)
    densities = [Knife(x.shape[1]) for x in (x1, x2)]
    for density, x in zip(densities, (x1, x2), strict=True):
        train(density.parameters(), lambda rows, d=density, x=x: d(x[fit[rows]]).mean(), len(fit), rng, 20, False)
    with torch.no_grad():
        pick = y[held][:, None]
        i1, i2, i12 = (
            (np.log(k) + torch.log(net(x[held]).softmax(1)).gather(1, pick)[:, 0]).numpy()
            for net, x in zip(nets, inputs, strict=True)
        )
        h1, h2 = (density(x[held]).numpy() for density, x in zip(densities, (x1, x2), strict=True))
    r = np.minimum(h1, h2) - np.minimum(h1 - i1, h2 - i2)
    parts = np.stack([r, i1 - r, i2 - r, i12 - i1 - i2 + r])
    low = parts.mean(axis=1)
    shift = -min(low[0], low[3]) if min(low[0], low[3]) < 0 else min(low[1], low[2], 0)
    return parts + np.array([1, -1, -1, 1])[:, None] * shift, held


def routing(parts, kinds):
    return balanced_accuracy_score(kinds, KINDS[np.argmax(parts, axis=0)])


def calibration_error(log, y):
    """Expected calibration error of the joint classifier, 10 bins of confidence."""
    p = np.exp(log)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.minimum((confidence * 10).astype(int), 9)
    return sum(
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=(500, 2000, 10_000))
    parser.add_argument("--features", type=int, nargs="+", default=(16, 64))
    parser.add_argument("--classes", type=int, nargs="+", default=(2, 4))
    parser.add_argument("--ours", action="store_true", help="leave LSMI out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("routing (balanced accuracy), mean parts in bits; truth: a quarter of log2 K each")
    for n in options.samples:
        for d in options.features:
            for k in options.classes:
                made = make_interactions(n_samples=n, n_features=d, n_classes=k, noise=0.3, random_state=0)
                y = made.dataset.codes
                kinds = np.asarray(made.kind)
                start = time.process_time()
                x = tuple(made.dataset.modalities[name].astype(float) for name in "ab")
                found = pool(cross_fit(x, y, None, n_splits=5, seed=0), y, None, n_splits=5, seed=0)
                spent = time.process_time() - start
                error = calibration_error(found.both, y)
                print(f"n={n} d={d} K={k}: cross-fitting {spent:.0f} s, calibration error {error:.3f}", flush=True)
                i1, i2, i12 = found.information(y)
                composed = pointwise_composition(np.stack([i1, i2]), i12)
                composition = np.stack([composed.redundancy, *composed.unique, composed.synergy])
                print(
                    f"   composition    routing {routing(composition, kinds):.3f} means {composition.mean(1).round(3)}"
                )
                for definition in ("pointwise_min", "broja", "mmi"):
                    settings = Settings(definition, "auto", None, "maxent", 20, 9, 0.9, 5, 1, False, None, 0)
                    parts = by_cells(found, y, settings, 0).parts(y)[:4]
                    print(
                        f"   {definition:<14} routing {routing(parts, kinds):.3f} means {parts.mean(1).round(3)}",
                        flush=True,
                    )
                if options.ours:
                    continue
                start = time.process_time()
                parts, held = lsmi(made, 0)
                means = (parts.mean(axis=1) / np.log(2)).round(3)
                print(
                    f"   LSMI           routing {routing(parts, kinds[held]):.3f} means {means} "
                    f"({time.process_time() - start:.0f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
