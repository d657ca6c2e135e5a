"""CyIN: a cyclic informative latent space that answers with and without missing modalities."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from interplay.data.missing import Pattern, as_pattern
from interplay.methods import _cyin_loss
from interplay.methods._base import ANY_TASK, Batch, Loss, Method, Output, Stage, any_present
from interplay.methods._cyin_presets import PRESETS, Form
from interplay.nn import ByName, GaussianHead, PointHead, Posterior, sample_gaussian
from interplay.nn.fusion import ConcatHead
from interplay.nn.sequences import CrossModalAttention, PairwiseAttention, ResidualHead, resample
from interplay.nn.translators import DirectedTranslators, Gaussian, HubTranslator, SharedTranslators, Translator

TRANSLATORS = ("hub", "directed", "shared")


class CyIN(Method):
    tasks = ANY_TASK

    def __init__(
        self,
        preset: str = "mended",
        width: int = 32,
        hidden: int = 64,
        tokens: int = 32,
        blocks: int = 1,
        layers: int = 1,
        translator: str | None = None,
        beta: float | None = None,
        gamma: float | None = None,
        reconstruction: float | None = None,
        missing: float | Pattern | None = 0.5,
        without: str | None = None,
    ) -> None:
        super().__init__()
        self.preset = preset
        self.width = width
        self.hidden = hidden
        self.tokens = tokens
        self.blocks = blocks
        self.layers = layers
        self.translator = translator
        self.beta = beta
        self.gamma = gamma
        self.reconstruction = reconstruction
        self.missing = missing
        self.without = without

    def check(self, names: tuple[str, ...], task: str) -> None:
        super().check(names, task)

    @property
    def form(self) -> Form:
        """The preset with what the parameters change."""
        chosen = {
            name: getattr(self, name)
            for name in ("translator", "beta", "gamma", "reconstruction")
            if getattr(self, name) is not None
        }
        return replace(PRESETS[self.preset], **chosen).without(self.without)

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create bottlenecks, decoders, translators, fusion and label heads."""
        names, d, form = list(widths), self.width, self.form
        self.lengths = {
            name: self.tokens if getattr(part, "gives_tokens", False) else 1 for name, part in self.encoders.items()
        }
        self.features = {name: getattr(part, "n_features", None) for name, part in self.encoders.items()}
        self.bottleneck = ByName({name: self._bottleneck(w, form) for name, w in widths.items()})
        self.heads = ByName({name: nn.Sequential(nn.GELU(), nn.Linear(d, n_classes)) for name in names})
        self.decoders = ByName({name: self._decoder(self.features[name] or w, form) for name, w in widths.items()})
        self.translators = self._translator(names, form)
        self._build_fusion(names, n_classes, form)
        self.register_buffer("epoch", torch.zeros(()))

    def _bottleneck(self, width: int, form: Form) -> nn.Module:
        first = nn.GELU() if form.gaps else nn.Sequential(nn.Linear(width, self.hidden), nn.ReLU())
        inputs = width if form.gaps else self.hidden
        if not form.variational:
            return _Sequence(first, PointHead(inputs, self.width))
        head = GaussianHead(inputs, self.width, form.limit)
        with torch.no_grad():
            head.linear.bias[self.width :] += form.log_variance
        return _Sequence(first, head)

    def _decoder(self, n_features: int, form: Form) -> nn.Module:
        layers = [nn.Linear(self.width, self.hidden), nn.ReLU(), nn.Linear(self.hidden, n_features)]
        return nn.Sequential(*layers, nn.Sigmoid()) if form.sigmoid else nn.Sequential(*layers)

    def _translator(self, names: list[str], form: Form) -> Translator:
        kernel = 1 if max(self.lengths.values()) == 1 else 3
        if form.translator == "hub":
            return HubTranslator(names, self.width, self.hidden, _halves(self.hidden), self.blocks, kernel)
        kind = DirectedTranslators if form.translator == "directed" else SharedTranslators
        return kind(names, self.width, _halves(self.width), self.blocks, kernel)

    def _build_fusion(self, names: list[str], n_classes: int, form: Form) -> None:
        self.attention: nn.Module | None = None
        widths = [self.width] * len(names)
        if form.pairwise:
            self.attention = PairwiseAttention(names, self.width, self.hidden, self.layers, causal=form.causal)
            self.fusion: nn.Module = ResidualHead(self.attention.out_features, n_classes)
            return
        if max(self.lengths.values()) > 1:
            self.attention = CrossModalAttention(names, self.width, self.hidden, self.layers)
            widths = [self.hidden] * len(names)
        self.fusion = ConcatHead(widths, n_classes, self.hidden)

    def stages(self, max_epochs: int) -> list[Stage]:
        """One stage with a rising weight of translation, or two, the first without."""
        form = self.form
        first = max(1, round(form.warmup * max_epochs))
        self.ramp_epochs = first if form.ramp else 0
        if form.ramp or max_epochs == 1:
            return [Stage("translation", max_epochs, form.learning_rate)]
        return [
            Stage("bottleneck", first, form.learning_rate),
            Stage("translation", max_epochs - first, form.learning_rate),
        ]

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Count, for the ramp; a buffer, so that a resumed run goes on where it stood."""
        self.epoch += 1

    @property
    def translation_weight(self) -> Tensor | float:
        """The present weight of translation."""
        form = self.form
        if not form.translation or self.stage_name == "bottleneck":
            return 0.0
        return form.gamma * ((self.epoch + 1) / self.ramp_epochs).clamp(max=1) if self.ramp_epochs else form.gamma

    def augment(self, batch: Batch) -> Batch:
        """Attach which modalities a second view of each row keeps."""
        pattern = as_pattern(self.missing)
        if pattern is None or not self.form.gaps:
            return batch
        # One number from torch's stream, so that the pattern follows the seed of the run.
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        kept = pattern.draw({name: mask.cpu().numpy() for name, mask in batch.present.items()}, rng)
        device = self.log_prior.device
        return batch.attach(**{f"kept:{name}": torch.from_numpy(mask).to(device) for name, mask in kept.items()})

    def posteriors(self, batch: Batch) -> dict[str, Posterior]:
        """Mean and log-variance ``(B, L_m, width)`` by modality; rows without it hold what the training mean gives."""
        found = {}
        for name, encoder in self.encoders.items():
            z, steps = encoder.tokens(batch.modalities[name], batch.present[name], batch.lengths.get(name))
            found[name] = self.bottleneck[name](resample(z, self.lengths[name], steps))
        return found

    def token_targets(self, name: str, batch: Batch) -> Tensor:
        """What decoders aim at, ``(B, L_m, features)``: standardised features, of images the encoder's own output."""
        encoder, x, present = self.encoders[name], batch.modalities[name], batch.present[name]
        steps = batch.lengths.get(name)
        if self.features[name] is None:
            with torch.no_grad():
                x, steps = encoder.tokens(x, present, steps)
        else:
            x = encoder.standardized(x, present, steps)
            x = x[:, None] if x.ndim == 2 else x
        return resample(x, self.lengths[name], steps)

    def forward(self, batch: Batch) -> Output:
        """Fused logits of the rows as they are; in training also of a view with modalities hidden."""
        posteriors = self.posteriors(batch)
        own = {name: self._draw(q, self.training) for name, q in posteriors.items()}
        views = [batch.present]
        if self.training and f"kept:{next(iter(own))}" in batch.extra:
            views.append({name: batch.extra[f"kept:{name}"] for name in own})
        available = {name: torch.cat([view[name] for view in views]) for name in own}
        latents = {name: x.repeat(len(views), 1, 1) for name, x in own.items()}
        translated = self._translate(latents, available)
        completed = self._complete(latents, translated, available)
        if self.training and not self.form.gaps and self.stage_name == "translation":
            completed = _cyin_loss.mixed(self.translators, completed)
        unimodal = {name: self.heads[name](x.mean(1)) for name, x in own.items()}
        fused = self._fuse(completed)
        if self.form.additive and self.form.label:
            fused = fused + torch.stack(
                [x.repeat(len(views), 1) * available[n][:, None] for n, x in unimodal.items()]
            ).sum(0)
        whole, *hidden = (self.with_prior(x, any_present(batch)) for x in fused.chunk(len(views)))
        latents_out = {
            "own": own, "posteriors": posteriors, "translated": translated, "available": available, "hidden": hidden,
        }  # fmt: skip
        return Output(
            whole,
            {name: self.with_prior(x, batch.present[name]) for name, x in unimodal.items()},
            latents=latents_out,
        )

    def _draw(self, q: Posterior, noisy: bool = False) -> Tensor:
        return sample_gaussian(q) if noisy or self.sampling else q[0]

    def _translate(self, latents: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Gaussian] | None:
        """What the others say about each modality; None where nothing needs it."""
        wanted = self.training and self.form.gaps
        if wanted or not torch.stack(list(available.values())).all():
            return self.translators(latents, available)
        return None

    def _complete(
        self, latents: Mapping[str, Tensor], translated: Mapping[str, Gaussian] | None, available: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Own latents where the modality is available, translated ones elsewhere."""
        if translated is None:
            return dict(latents)
        if not self.form.translated:
            return {name: x * available[name][:, None, None] for name, x in latents.items()}
        return {
            name: torch.where(available[name][:, None, None], x, self._draw(translated[name]))
            for name, x in latents.items()
        }

    def _fuse(self, tokens: Mapping[str, Tensor]) -> Tensor:
        pooled = [x[:, 0] for x in tokens.values()] if self.attention is None else self.attention(tokens)
        return self.fusion(pooled)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Task, label, bottleneck and translation terms."""
        return _cyin_loss.total(self, output, batch)


class _Sequence(nn.Module):
    """A module before a head that returns a pair."""

    def __init__(self, first: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.first, self.head = first, head

    def forward(self, x: Tensor) -> Posterior:
        """Mean and log-variance."""
        return self.head(self.first(x))


def _halves(width: int) -> tuple[int, ...]:
    return tuple(max(4, width // k) for k in (2, 4, 8))
