"""What CyIN's presets and ablations are made of."""

from dataclasses import dataclass, replace
from typing import Any

ABLATIONS = ("token", "label", "interaction", "translation", "space", "translated")


@dataclass(frozen=True)
class Form:
    """Where the presets differ; the defaults are ours.

    Attributes:
        translator: ``"hub"``, ``"directed"`` or ``"shared"`` (one network a pair for both directions, sources added).
        beta: 1 / beta is the weight of the divergence from the prior.
        gamma: weight of translation.
        reconstruction: weight of token-level reconstruction.
        warmup: share of the epochs until translation has its full weight.
        ramp: let the weight rise over these epochs; else a first stage has none.
        pairs: which source reconstructs which target: ``"cyclic"`` (each step itself and one other, drawn; the
            expectation is that of ``"paper"``), ``"paper"`` (all pairs, itself twice as much as another),
            ``"uniform"`` (all pairs alike).
        gaps: train on rows with modalities hidden by a pattern; else whole batches get translated latents at random.
        whole: share of the rows of a step that keep all they have.
        detached: translation is compared with means that get no gradient, by a Gaussian likelihood; else with the
            samples by squared error, whose gradient reaches the target's encoder.
        label_mean: average the modalities' label losses; else add them.
        label_divergence: count the divergence once more with the labels.
        additive: the modalities' own logits are part of the prediction.
        pairwise: fuse by attention of every ordered pair of modalities.
        causal: with a causal mask.
        sigmoid: decoders end in one.
        limit: bound of the log-variances.
        log_variance: where the log-variances start.
        token, label, interaction, translation, variational, translated: parts that ablations take away.
    """

    translator: str = "hub"
    beta: float = 32.0
    gamma: float = 0.5
    reconstruction: float = 0.1
    warmup: float = 0.1
    ramp: bool = True
    pairs: str = "cyclic"
    gaps: bool = True
    whole: float = 0.5
    detached: bool = True
    label_mean: bool = False
    label_divergence: bool = False
    additive: bool = True
    pairwise: bool = False
    causal: bool = False
    sigmoid: bool = False
    limit: float | None = 6.0
    log_variance: float = -4.0
    token: bool = True
    label: bool = True
    interaction: bool = True
    translation: bool = True
    variational: bool = True
    translated: bool = True

    def without(self, part: str | None) -> "Form":
        """The ablation that takes one part away; ``space`` is the whole bottleneck."""
        if part is None:
            return self
        if part == "space":
            return replace(self, variational=False, token=False, label=False)
        changes: dict[str, Any] = {part: False}
        return replace(self, **changes)


_PAPER = Form(
    translator="shared",
    beta=16.0,
    gamma=10.0,
    reconstruction=1.0,
    warmup=0.3,
    ramp=False,
    pairs="paper",
    gaps=False,
    detached=False,
    label_mean=True,
    label_divergence=True,
    additive=False,
    pairwise=True,
    log_variance=0.0,
)
PRESETS = {
    "mended": Form(),
    "paper": _PAPER,
    "published": replace(
        _PAPER, pairs="uniform", label_mean=False, label_divergence=False, causal=True, sigmoid=True, limit=None
    ),
}
