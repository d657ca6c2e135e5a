"""CyIN: a cyclic informative latent space that answers with and without missing modalities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from interplay.data.missing import Pattern, as_pattern
from interplay.methods import _cyin_impute, _cyin_loss
from interplay.methods._base import ANY_TASK, Method, Stage
from interplay.methods._cyin_presets import ABLATIONS, PRESETS, Form
from interplay.methods._limits import COUNT, NONNEGATIVE, POSITIVE, Limits
from interplay.methods._values import Batch, Imputed, Loss, Output, any_present
from interplay.nn import ByName, GaussianHead, MaskedEncoder, PointHead, Posterior, sample_gaussian
from interplay.nn.fusion import ConcatHead
from interplay.nn.sequences import CrossModalAttention, PairwiseAttention, ResidualHead, resample
from interplay.nn.translators import DirectedTranslators, Gaussian, HubTranslator, SharedTranslators, Translator

TRANSLATORS = ("hub", "directed", "shared")
HEADS = 4


class CyIN(Method):
    r"""Squeeze every modality into informative latents from which the others can be told, and fuse those.

    Each modality's tokens (a vector is one token) pass a Gaussian bottleneck :math:`q(b_m \mid x_m)`. Token level: a
    decoder :math:`D_t` reconstructs modality :math:`t` from the latents of itself and of another, so that latents hold
    what is there and what is shared. Label level: a linear head predicts the target from each :math:`b_m`. Translators
    :math:`\Gamma` say what the available modalities :math:`A` know about another,
    :math:`p(b_t \mid b_A) = \mathcal N(\mu_t, \sigma_t^2)`, forward and round trip. With :math:`\hat b_m = b_m` where
    present, else :math:`\mu_m`,

    .. math:: \text{logits} = f(\hat b_1, \dots, \hat b_M) + \sum_{m \in A} h_m(b_m)

    .. math:: L = \mathrm{CE}(\text{logits}_A) + \sum_m \mathrm{CE}(h_m) + \rho \langle \| D_t(b_s) - x_t \|^2 \rangle
              + \tfrac1\beta \langle D(q(b_m) \| \mathcal N(0, I)) \rangle
              + \gamma \big( - \langle \log p(\bar b_t \mid b_A) \rangle
              + \langle \| \bar b_s - \Gamma_{t \to s}(\Gamma_{s \to t}(\bar b_s)) \|^2 \rangle \big)

    with :math:`\bar b` the posterior means, without gradient, and in each step other :math:`A`: half of the rows keep
    all they have, the others what ``pattern`` leaves. :math:`f` is a perceptron for vectors, cross-modal attention for
    sequences, which are pooled over time to ``tokens`` stretches. Regression takes the mean of the :math:`h_m`.

    Missing modalities: latents come from the translators, at training as at prediction; training rows with real gaps
    take part wherever they have what a term needs. With nothing present, the class prior. ``explain`` says how sure
    each imputed modality is, ``impute`` fills in latents and features.

    Args:
        preset: ``"mended"``; ``"published"`` (the released code) or ``"paper"`` (the paper's weights), for comparison.
        width: size of the latents.
        hidden: width of decoders, hub, attention and fusion.
        tokens: tokens a sequence is pooled to.
        blocks: autoencoders of a translator's cascade.
        layers: attention layers, for sequences.
        translator: ``"hub"`` (:math:`2 M` maps and one network), ``"directed"`` (one for each ordered pair, combined by
            precision) or ``"shared"`` (one for each pair and both directions, added up); None takes the preset's.
        beta: 1 / beta is the weight of the divergence from the prior; None takes the preset's, here and below.
        gamma: weight of translation.
        reconstruction: weight of the token-level reconstruction, :math:`\rho`.
        pattern: which modalities half of the rows of a training step do without: a missing rate, a pattern of
            :mod:`interplay.data.missing`, or None for none. What is hidden remains a target of translation. The same
            pattern, drawn once, takes part in choosing the epoch. The published presets mix translations in instead.
        without: an ablation: ``"token"`` or ``"label"`` (no bottleneck loss on that level), ``"interaction"`` (no
            reconstruction across modalities), ``"translation"`` (no translation losses), ``"space"`` (no bottleneck at
            all) or ``"translated"`` (zeros stand for absent modalities).

    Reference:
        Lin et al., CyIN: Cyclic Informative Latent Space for Bridging Complete and Incomplete Multimodal Learning,
        NeurIPS 2025.
    """

    tasks = ANY_TASK
    limits: ClassVar[Limits] = {
        "preset": tuple(PRESETS),
        "translator": (*TRANSLATORS, None),
        "without": (*ABLATIONS, None),
        **dict.fromkeys(("width", "hidden", "tokens", "blocks", "layers"), COUNT),
        "beta": replace(POSITIVE, optional=True),
        **dict.fromkeys(("gamma", "reconstruction"), replace(NONNEGATIVE, optional=True)),
    }
    epoch: Tensor

    def __init__(
        self,
        preset: str = "mended",
        width: int = 64,
        hidden: int = 64,
        tokens: int = 32,
        blocks: int = 1,
        layers: int = 1,
        translator: str | None = None,
        beta: float | None = None,
        gamma: float | None = None,
        reconstruction: float | None = None,
        pattern: float | Pattern | None = 0.5,
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
        self.pattern = pattern
        self.without = without

    def check(self, names: tuple[str, ...], task: str) -> None:
        """As the base, attention heads must share the hidden width, and the pattern must be one."""
        super().check(names, task)
        if self.hidden % HEADS:
            raise ValueError(f"CyIN: hidden must be a multiple of {HEADS} (attention heads), found {self.hidden}")
        as_pattern(self.pattern)

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
        self.moments = ByName({name: _cyin_impute.Moments(d, self.features[name] or w) for name, w in widths.items()})
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
            self.attention = PairwiseAttention(names, self.width, self.hidden, self.layers, HEADS, causal=form.causal)
            self.fusion: nn.Module = ResidualHead(self.attention.out_features, n_classes)
            return
        if max(self.lengths.values()) > 1:
            self.attention = CrossModalAttention(names, self.width, self.hidden, self.layers, HEADS)
            widths = [self.hidden] * len(names)
        self.fusion = ConcatHead(widths, n_classes, self.hidden)

    def stages(self, max_epochs: int) -> list[Stage]:
        """One stage with a rising weight of translation, or two, the first without."""
        form = self.form
        first = max(1, round(form.warmup * max_epochs))
        self.ramp_epochs = first if form.ramp else 0
        if form.ramp or max_epochs == 1:
            return [Stage("translation", max_epochs)]
        return [Stage("bottleneck", first), Stage("translation", max_epochs - first)]

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
        """Attach which modalities each row may use for its prediction: all it has, or what a pattern leaves."""
        # One number from torch's stream, so that the pattern follows the seed of the run.
        kept = self._draw_pattern(batch, int(torch.randint(2**62, ())), self.form.whole)
        return batch if kept is None else batch.attach(**{f"kept:{name}": mask for name, mask in kept.items()})

    def _draw_pattern(self, batch: Batch, seed: int, whole: float) -> dict[str, Tensor] | None:
        """What the pattern leaves, by modality; a share of the rows keeps all. None without a pattern."""
        pattern = as_pattern(self.pattern)
        if pattern is None or not self.form.gaps:
            return None
        rng = np.random.default_rng(seed)
        present = {name: mask.cpu().numpy() for name, mask in batch.present.items()}
        spared = rng.random(len(batch)) < whole
        kept = {name: mask | (spared & present[name]) for name, mask in pattern.draw(present, rng).items()}
        return {name: torch.from_numpy(mask).to(self.log_prior.device) for name, mask in kept.items()}

    def scored(self, validation: Batch) -> Batch:
        """The validation part as it is, and once more with modalities hidden by the pattern."""
        kept = self._draw_pattern(validation, 0, 0.0)
        return validation if kept is None else validation.followed_by(validation.with_present(kept))

    def encoder_of(self, name: str) -> MaskedEncoder:
        """Encoder of a modality."""
        return cast(MaskedEncoder, self.encoders[name])

    def moments_of(self, name: str) -> _cyin_impute.Moments:
        """What the validation part said of a modality."""
        return cast(_cyin_impute.Moments, self.moments[name])

    def posteriors(self, batch: Batch) -> dict[str, Posterior]:
        """Mean and log-variance ``(B, L_m, width)`` by modality; rows without it hold what the training mean gives."""
        found = {}
        for name in self.encoders:
            z, steps = self.encoder_of(name).tokens(
                batch.modalities[name], batch.present[name], batch.lengths.get(name)
            )
            found[name] = self.bottleneck[name](resample(z, self.lengths[name], steps))
        return found

    def token_targets(self, name: str, batch: Batch) -> Tensor:
        """What decoders aim at, ``(B, L_m, features)``: standardised features, of images the encoder's own output."""
        encoder, x, present = self.encoder_of(name), batch.modalities[name], batch.present[name]
        steps = batch.lengths.get(name)
        if self.features[name] is None:
            with torch.no_grad():
                x, steps = encoder.tokens(x, present, steps)
        else:
            x = encoder.standardized(x, present, steps)
            x = x[:, None] if x.ndim == 2 else x
        return resample(x, self.lengths[name], steps)

    def forward(self, batch: Batch) -> Output:
        """Fused logits; in training with the modalities hidden that :meth:`augment` chose."""
        posteriors = self.posteriors(batch)
        own = {name: self._draw(q, self.training) for name, q in posteriors.items()}
        available = {name: batch.extra.get(f"kept:{name}", batch.present[name]) for name in own}
        translated = self._translate(own, available)
        completed = self._complete(own, translated, available)
        if self.training and not self.form.gaps and self.stage_name == "translation":
            completed = _cyin_loss.mixed(self.translators, completed)
        unimodal = {name: self.heads[name](x.mean(1)) for name, x in own.items()}
        fused = self._fuse(completed)
        if self.form.additive and self.form.label:
            fused = fused + self._alone(unimodal, available)
        return Output(
            self.with_prior(fused, any_present(batch)),
            {name: self.with_prior(x, batch.present[name]) for name, x in unimodal.items()},
            certainty={} if self.training else self._certainty(translated, available),
            latents={"own": own, "posteriors": posteriors, "translated": translated, "available": available},
        )

    def _alone(self, unimodal: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> Tensor:
        """What the available modalities say one by one: the sum of their evidence, or the mean of their numbers."""
        total = torch.stack([x * available[name][:, None] for name, x in unimodal.items()]).sum(0)
        if self.task == "classification":
            return total
        return total / torch.stack(list(available.values())).sum(0).clamp(min=1)[:, None]

    def _draw(self, q: Posterior, noisy: bool = False) -> Tensor:
        return sample_gaussian(q) if noisy or self.sampling else q[0]

    def _translate(self, latents: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Gaussian] | None:
        """What the others say about each modality; None where nothing needs it."""
        # A traced graph cannot decide by values; where nothing is absent the translations are computed and not used.
        wanted = (self.training and self.form.gaps) or torch.compiler.is_compiling()
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

    def _certainty(
        self, translated: Mapping[str, Gaussian] | None, available: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """How much of each absent modality the others settle; NaN where it is there."""
        nothing = {name: torch.full_like(mask, torch.nan, dtype=torch.float) for name, mask in available.items()}
        if translated is None:
            return nothing
        found = {name: _cyin_impute.certainty(self, name, q) for name, q in translated.items()}
        return {name: torch.where(available[name], x, found[name]) for name, x in nothing.items()}

    def after_fit(self, output: Output, batch: Batch) -> None:
        """Measure on the validation part what the spread of imputed values needs."""
        _cyin_impute.measure(self, batch, n_draws=16)

    def impute(self, batch: Batch, n_draws: int = 32) -> dict[str, Imputed]:
        """Every modality as it is, or as the others suggest it."""
        return _cyin_impute.impute(self, batch, n_draws)

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
