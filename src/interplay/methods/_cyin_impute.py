"""What CyIN says of modalities that are absent: latents and features, with their spread."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from interplay.methods._values import Batch, Imputed
from interplay.nn import Posterior
from interplay.nn.translators import Gaussian

if TYPE_CHECKING:
    from interplay.methods.cyin import CyIN


PRIOR_ROWS = 10


class Moments(nn.Module):
    """What the validation part says of one modality, kept with the model.

    Attributes:
        variance: of the latents over samples, ``(width,)``.
        noise: of the features around what the decoder gives from their own latents, ``(n_features,)``.
        calibration: mean squared error of imputing each feature over its predicted variance, ``(n_features,)``; the
            modality's mean counts as much as ten rows, since few rows say little of a single feature.
    """

    variance: Tensor
    noise: Tensor
    calibration: Tensor

    def __init__(self, width: int, n_features: int) -> None:
        super().__init__()
        self.register_buffer("variance", torch.ones(width))
        self.register_buffer("noise", torch.ones(n_features))
        self.register_buffer("calibration", torch.ones(n_features))


def certainty(method: "CyIN", name: str, translated: Gaussian) -> Tensor:
    r"""Share of the latents' variance that the other modalities settle, :math:`1 - \bar\sigma^2 / \bar v`, ``(B,)``."""
    variance = method.moments_of(name).variance.mean()
    return (1 - translated[1].exp().mean((1, 2)) / variance.clamp_min(1e-6)).clamp(0, 1)


def decoded(method: "CyIN", name: str, q: Posterior, n_draws: int) -> tuple[Tensor, Tensor]:
    """Mean and variance ``(B, L_m, features)`` of the standardised features over draws of the latents, plus noise."""
    mean, log_variance = q
    if log_variance is None:
        features = method.decoders[name](mean)
        return features, torch.zeros_like(features) + method.moments_of(name).noise
    sd = torch.exp(log_variance / 2)
    total = squares = torch.zeros(())
    for _ in range(n_draws):
        # The spread is between samples, not between the tokens of one: one draw for all tokens of a row.
        features = method.decoders[name](mean + sd * torch.randn_like(mean[:, :1]))
        total, squares = total + features, squares + features.square()
    average = total / n_draws
    spread = (squares / n_draws - average.square()).clamp_min(0) * n_draws / max(1, n_draws - 1)
    return average, spread + method.moments_of(name).noise


@torch.no_grad()
def measure(method: "CyIN", batch: Batch, n_draws: int) -> None:
    """Fill the moments from the rows of a batch, none of which was trained on."""
    posteriors = method.posteriors(batch)
    translated = method.translators({name: q[0] for name, q in posteriors.items()}, batch.present)
    for name, (mean, _) in posteriors.items():
        here, store = batch.present[name], method.moments_of(name)
        others = torch.stack([mask for other, mask in batch.present.items() if other != name]).any(0)
        if here.sum() < 2:
            continue
        target = method.token_targets(name, batch)
        store.variance.copy_(mean[here].flatten(0, 1).var(0))
        store.noise.copy_((method.decoders[name](mean) - target)[here].square().mean((0, 1)))
        both = here & others
        if both.any():
            guess, variance = decoded(method, name, _rows(translated[name], both), n_draws)
            ratio = (guess - target[both]).square().mean((0, 1)) / variance.mean((0, 1)).clamp_min(1e-12)
            rows = both.sum()
            store.calibration.copy_((rows * ratio + PRIOR_ROWS * ratio.mean()) / (rows + PRIOR_ROWS))


def _rows(q: Gaussian, rows: Tensor) -> Gaussian:
    return q[0][rows], q[1][rows]


@torch.no_grad()
def impute(method: "CyIN", batch: Batch, n_draws: int) -> dict[str, Imputed]:
    """Latents and features of every modality; see :class:`interplay.methods.Imputed`."""
    posteriors = method.posteriors(batch)
    translated = method.translators({name: q[0] for name, q in posteriors.items()}, batch.present)
    return {name: _one(method, name, batch, posteriors, translated, n_draws) for name in posteriors}


def _one(
    method: "CyIN",
    name: str,
    batch: Batch,
    posteriors: Mapping[str, Posterior],
    translated: Mapping[str, Gaussian],
    n_draws: int,
) -> Imputed:
    here = batch.present[name][:, None, None]
    mean, log_variance = posteriors[name]
    own_sd = torch.zeros_like(mean) if log_variance is None else torch.exp(log_variance / 2)
    guess, guess_log_variance = translated[name]
    latent = torch.where(here, mean, guess)
    latent_sd = torch.where(here, own_sd, torch.exp(guess_log_variance / 2))
    features = spread = None
    if method.features[name] is not None:
        features, variance = decoded(method, name, translated[name], n_draws)
        scale = method.encoder_of(name).scale
        variance = variance * method.moments_of(name).calibration
        observed = method.token_targets(name, batch)
        features = torch.where(here, observed, features) * scale.scale + scale.mean
        spread = torch.where(here, 0.0, variance.sqrt() * scale.scale)
    return Imputed(latent, latent_sd, features, spread, certainty(method, name, translated[name]))
