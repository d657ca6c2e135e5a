"""One epoch of CyIN against the published form, in one process: three sequences, equal layer sizes.

The published form is written out below as the released code computes it: the bottleneck of a modality runs again for
every pair it takes part in, each ordered pair of modalities has its own attention, every translation its own loop.

    python benchmarks/cyin_throughput.py --rows 512 --rounds 3
"""

import argparse
import time
from collections.abc import Mapping
from itertools import permutations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from interplay import MultimodalDataset
from interplay.methods import Batch, CyIN, Loss, Method, Output, Stage
from interplay.nn import MaskedEncoder, Standardize, build_encoder
from interplay.training import to_batch


class PublishedTwin(CyIN):
    """The released code's forward pass and loss, slow and obvious, for complete rows; prediction is inherited."""

    def forward(self, batch: Batch) -> Output:
        if not self.training:
            return super().forward(batch)
        tokens = {m: self._tokens(m, batch) for m in self.encoders}
        own: dict[str, Tensor] = {}
        bottleneck = torch.zeros(())
        for source in tokens:
            for target in tokens:
                mean, log_variance = self.bottleneck[source](tokens[source])
                own[source] = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
                divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).mean()
                error = mse_loss(self.decoders[target](own[source]), self.token_targets(target, batch))
                bottleneck = bottleneck + divergence + self.form.beta * error
        pairs = {(s, t): self._translated(s, t, own[s]) for s, t in permutations(own, 2)}
        fed = dict(own)
        if self.stage_name == "translation":
            for target in own:
                sources = [s for s in own if s != target]
                candidates = [pairs[s, target] for s in sources]
                candidates += [torch.stack(candidates).sum(0), own[target]]
                fed[target] = candidates[int(torch.randint(len(candidates), ()))]
        logits = self.fusion(self.attention(fed))
        heads = {m: self.heads[m](x.mean(1)) for m, x in own.items()}
        return Output(logits, heads, latents={"own": own, "pairs": pairs, "bottleneck": bottleneck / len(own) ** 2})

    def _tokens(self, name: str, batch: Batch) -> Tensor:
        from interplay.nn.sequences import resample

        z, steps = self.encoders[name].tokens(batch.modalities[name], batch.present[name], batch.lengths.get(name))
        return resample(z, self.lengths[name], steps)

    def _translated(self, source: str, target: str, latent: Tensor) -> Tensor:
        one, two = sorted((self.encoders.names.index(source), self.encoders.names.index(target)))
        return self.translators.bodies[f"{one}-{two}"](latent)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        own, pairs, form = output.latents["own"], output.latents["pairs"], self.form
        total = self.target_loss(output.logits, batch.target)
        for logits in output.unimodal.values():
            total = total + self.target_loss(logits, batch.target)
        total = total + output.latents["bottleneck"] / form.beta
        if self.stage_name == "translation":
            terms = []
            for target in own:
                others = [s for s in own if s != target]
                back = [self._translated(s, target, pairs[target, s]) for s in others]
                for found in ([pairs[s, target] for s in others], back):
                    terms += [mse_loss(x, own[target]) for x in found]
                    terms.append(mse_loss(torch.stack(found).sum(0), own[target]))
            total = total + form.gamma * torch.stack(terms).sum() / len(own) ** 2
        return Loss(total)


def rows(n: int, length: int, features: int) -> Batch:
    """Three sequences that all carry one of four classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=n)
    x = {
        m: rng.normal(size=(n, length, features)) + np.eye(4, features)[y][:, None] for m in ("text", "audio", "video")
    }
    data = MultimodalDataset(x, y)
    return to_batch(data, data.codes)


def build(method: Method, batch: Batch, width: int) -> Method:
    """A built method with transformer encoders."""
    torch.manual_seed(0)
    encoders = {}
    for name, x in batch.modalities.items():
        shape = tuple(x.shape[1:])
        encoder = build_encoder("transformer", shape, width=width, dropout=0.0)
        encoders[name] = MaskedEncoder(Standardize.fit(x, batch.present[name]), encoder, name, shape)
    method.build(encoders, torch.full((4,), 0.25))
    method.begin_stage(method.stages(10)[-1])
    return method.train()


def epoch(method: Method, batch: Batch, size: int) -> None:
    """One epoch of AdamW."""
    optimizer = torch.optim.AdamW(method.parameters(), 1e-3)
    stage = method.stages(10)[-1]
    for part in batch.chunks(size):
        part = method.augment(part)
        loss = method.loss(method(part), part, stage)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=512)
    options.add_argument("--length", type=int, default=50)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--width", type=int, default=64)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    batch = rows(chosen.rows, chosen.length, 32)
    sizes: Mapping[str, int] = {"width": chosen.width, "hidden": chosen.width, "tokens": 50, "blocks": 2, "layers": 2}
    kinds = {
        "published, as released": PublishedTwin("published", **sizes),
        "published, encoded once": CyIN("published", **sizes),
        "ours": CyIN(**sizes),
    }
    built = {name: build(method, batch, chosen.width) for name, method in kinds.items()}
    seconds: dict[str, list[float]] = {name: [] for name in built}
    for _ in range(chosen.rounds):
        for name, method in built.items():
            started = time.process_time()
            epoch(method, batch, 64)
            seconds[name].append(time.process_time() - started)
    first = min(seconds["published, as released"])
    print(f"{chosen.rows} rows, 3 x {chosen.length} x 32, layer width {chosen.width}, best of {chosen.rounds}\n")
    print("| form | parameters | processor s an epoch | times faster |\n| --- | ---: | ---: | ---: |")
    for name, method in built.items():
        count = sum(p.numel() for p in method.parameters())
        print(f"| {name} | {count} | {min(seconds[name]):.2f} | {first / min(seconds[name]):.2f} |")


if __name__ == "__main__":
    main()
