"""Product of experts: one shared latent, whose posterior is the product of what each present modality says."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from interplay.methods._base import ANY_TASK, Method, SearchSpace, Stage
from interplay.methods._limits import COUNT, NONNEGATIVE, Limits
from interplay.methods._values import Batch, Loss, Output, any_present
from interplay.nn import ByName, GaussianHead, Posterior, bottleneck_decoder, sample_gaussian
from interplay.nn.losses import gaussian_kl


class PoE(Method):
    r"""Infer one Gaussian latent from whatever is present and predict from it.

    Each modality gives a Gaussian expert :math:`q_m(z) = N(\mu_m, \sigma_m^2)`; with the prior :math:`N(0, I)` and the
    set :math:`A` of those present, their product is Gaussian again:

    .. math:: q(z \mid x_A) \propto N(z; 0, I) \prod_{m \in A} q_m(z), \qquad
              \sigma^{-2} = 1 + \sum_{m \in A} \sigma_m^{-2}, \quad \mu = \sigma^2 \sum_{m \in A} \sigma_m^{-2} \mu_m .

    So an absent modality is left out without a trace, and an unsure one counts little. The loss is a sum over subsets:
    all that is present, each modality alone, and one random subset a row, each with

    .. math:: L_A = \mathrm{CE}(h(z), y) + \lambda \Big( \sum_{m \in A} \tfrac1d \| D_m(z) - \bar e_m \|^2
              + \beta\, \tfrac1d D_{KL}(q(z \mid x_A) \| N(0, I)) \Big), \qquad z \sim q(z \mid x_A),

    where :math:`\bar e_m` is the normalised embedding of modality :math:`m`, held fixed. Predictions use the mean of
    the latent; with nothing present, the class prior.

    Args:
        latent: dimensions of the shared latent.
        hidden: width of the head's hidden layer.
        generative: :math:`\lambda`, weight of reconstruction and divergence; 0 leaves a discriminative model.
        beta: weight of the divergence against the reconstruction.

    Reference:
        Wu and Goodman, Multimodal Generative Models for Scalable Weakly-Supervised Learning, NeurIPS 2018.
    """

    tasks = ANY_TASK

    limits: ClassVar[Limits] = {"latent": COUNT, "hidden": COUNT, "generative": NONNEGATIVE, "beta": NONNEGATIVE}
    search_space: ClassVar[SearchSpace] = {"generative": (0.01, 1.0, "log"), "beta": (0.01, 1.0, "log")}

    def __init__(self, latent: int = 64, hidden: int = 64, generative: float = 0.1, beta: float = 0.1) -> None:
        super().__init__()
        self.latent = latent
        self.hidden = hidden
        self.generative = generative
        self.beta = beta

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create experts, head and decoders."""
        self.experts = ByName({name: GaussianHead(width, self.latent) for name, width in widths.items()})
        self.head = nn.Sequential(nn.Linear(self.latent, self.hidden), nn.GELU(), nn.Linear(self.hidden, n_classes))
        if self.generative:
            self.decoders = ByName({name: bottleneck_decoder(self.latent, width) for name, width in widths.items()})

    def forward(self, batch: Batch) -> Output:
        """Logits from all that is present, and by modality from it alone."""
        z = self.encode(batch)
        experts = [self.experts[name](x) for name, x in z.items()]
        subsets = self._subsets(torch.stack(list(batch.present.values())))
        posterior = product(experts, subsets)
        draw = self.training or self.sampling
        latent = sample_gaussian(posterior) if draw else posterior[0]
        logits = torch.where(subsets.any(1)[..., None], self.head(latent), self.log_prior)
        alone = dict(zip(z, logits[1:], strict=False))
        return Output(
            logits[0],
            alone,
            latents={"z": z, "subsets": subsets, "posterior": posterior, "latent": latent, "logits": logits},
        )

    def _subsets(self, present: Tensor) -> Tensor:
        """Bool ``(T, M, B)``: all present, each alone, and in training one random subset a row."""
        single = torch.eye(len(present), dtype=torch.bool, device=present.device)[..., None] & present
        found = [present[None], single]
        if self.training:
            found.append((torch.rand(present.shape, device=present.device) < 0.5)[None] & present)
        return torch.cat(found)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Loss with all that is present, plus the mean over the smaller subsets, plus the generative terms."""
        subsets, logits = output.latents["subsets"], output.latents["logits"]
        costs = torch.stack([self.target_loss(f, batch.target, s.any(0)) for f, s in zip(logits, subsets, strict=True)])
        parts = {"fused": self.target_loss(output.logits, batch.target), "subsets": costs[1:].mean()}
        if self.generative:
            parts |= self._generative(output.latents, any_present(batch))
        return Loss(torch.stack(list(parts.values())).sum(), parts)

    def _generative(self, latents: Mapping[str, Tensor], some: Tensor) -> dict[str, Tensor]:
        """Reconstruction and divergence, mean over subsets and rows."""
        rows = (latents["subsets"].any(1) & some).float()
        divergence = gaussian_kl(latents["posterior"], reduction="none").mean(-1)  # type: ignore[arg-type]
        errors = torch.zeros_like(divergence)
        for i, (name, z) in enumerate(latents["z"].items()):  # type: ignore[attr-defined]
            target = nn.functional.layer_norm(z.detach(), z.shape[-1:])
            error = (self.decoders[name](latents["latent"]) - target).square().mean(-1)
            errors = errors + error * latents["subsets"][:, i]
        n = rows.sum().clamp(min=1)
        return {
            "reconstruction": self.generative * (errors * rows).sum() / n,
            "divergence": self.generative * self.beta * (divergence * rows).sum() / n,
        }


def product(experts: list[Posterior], subsets: Tensor) -> tuple[Tensor, Tensor]:
    r"""Mean and log-variance ``(T, B, d)`` of the product of Gaussian experts and :math:`N(0, I)`.

    Args:
        experts: mean and log-variance ``(B, d)`` of each of M experts.
        subsets: bool ``(T, M, B)``, which experts count.
    """
    means = torch.stack([mean for mean, _ in experts])
    precisions = torch.stack([-v for _, v in experts if v is not None]).exp()
    shares = subsets.to(means.dtype)
    precision = 1 + torch.einsum("tmb,mbd->tbd", shares, precisions)
    mean = torch.einsum("tmb,mbd->tbd", shares, precisions * means) / precision
    return mean, -precision.log()
