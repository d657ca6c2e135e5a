"""DMIL: decomposition-based multimodal interaction learning, in three stages, for two modalities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from interplay.methods._base import (
    REDUNDANCY,
    SYNERGY,
    Batch,
    Loss,
    Method,
    Output,
    Stage,
    all_present,
    any_present,
    cross_entropy,
    unique,
)
from interplay.nn import ByName, GaussianHead, bottleneck_decoder, sample_gaussian
from interplay.nn.losses import gaussian_kl

Posterior = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Weights:
    """Effective loss weights of one stage; pairs are (first modality, second modality)."""

    fused: float = 0.0
    heads: float = 0.0
    components: float = 0.0
    kl: tuple[float, float] = (0.0, 0.0)
    reconstruction: tuple[float, float] = (0.0, 0.0)
    consistency_kl: float = 0.0
    consistency_reconstruction: float = 0.0


# The released code, latest state, with all its factors multiplied out.
PUBLISHED = {
    "intra": Weights(heads=1.0, kl=(0.008, 0.04), reconstruction=(0.002, 0.01)),
    "consistency": Weights(fused=1.0, components=0.5, consistency_kl=0.02, consistency_reconstruction=0.005),
    "joint": Weights(
        fused=1.0,
        heads=0.5,
        components=0.8,
        kl=(0.02, 0.02),
        reconstruction=(0.003, 0.003),
        consistency_kl=0.008,
        consistency_reconstruction=0.001,
    ),
}
# Symmetric in the modalities, otherwise the same trade-offs.
CORRECTED = {**PUBLISHED, "intra": Weights(heads=1.0, kl=(0.008, 0.008), reconstruction=(0.01, 0.01))}


class DMIL(Method):
    r"""Split each modality into what predicts the target and the rest, then into shared, unique and synergistic parts.

    Intra-modality level: :math:`q(M^m \mid z_m)` carries the target, :math:`q(N^m \mid z_m)` the rest; both together
    reconstruct :math:`z_m`. Consistency level: :math:`q(R \mid M^1, M^2)` is what the modalities share, aligned with
    :math:`v(R \mid M^m)` from one modality alone; :math:`q(U^m \mid M^m)` is the rest. Synergy: a linear map of
    :math:`[N^1, N^2, N^1 N^2]`. A gate mixes the logits of the four parts,

    .. math:: \text{logits} = \sum_{c \in \{R, U^1, U^2, S\}} g_c\, \ell_c .

    Stages: ``intra`` trains the first level, ``consistency`` the rest on frozen first-level parts, ``joint`` all.

    Missing modalities: the redundancy is then read from the modality that is left, through :math:`v(R \mid M^m)`; the
    parts that need an absent modality get gate weight zero and the gate is renormalised; with nothing present, the
    class prior. Nothing in the published losses makes the parts carry what their names say: read gate weights as a
    description of the model, not of the data.

    Args:
        preset: ``"corrected"`` (normalised embeddings, bounded log-variances, detached reconstruction targets,
            nonlinear synergy, a usable learning rate in the third stage) or ``"published"`` (the released code: SGD at
            4e-3, 1e-3, 1e-5 with plateau rules; its audio-side weights go to the second modality).
        width: size of each latent block.

    Reference:
        Yang et al., Information-Theoretic Decomposition for Multimodal Interaction Learning, CVPR 2026.
    """

    max_modalities = 2

    def __init__(self, preset: str = "corrected", width: int = 32) -> None:
        super().__init__()
        self.preset = preset
        self.width = width

    def check(self, names: tuple[str, ...], task: str) -> None:
        """As the base, and the preset must exist."""
        super().check(names, task)
        if self.preset not in ("corrected", "published"):
            raise ValueError(f"DMIL: preset must be 'corrected' or 'published', found {self.preset!r}")

    @property
    def published(self) -> bool:
        """Whether the released code's choices are in force."""
        return self.preset == "published"

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create both levels, the synergy part, the heads and the gate."""
        e, names = self.width, list(widths)
        limit = None if self.published else 6.0
        self.parts = [REDUNDANCY, *(unique(name) for name in names), SYNERGY]

        def per_modality(make: Any) -> ByName:
            return ByName({name: make(name) for name in names})

        def embed(name: str) -> nn.Module:
            linear = nn.Linear(widths[name], e)
            return linear if self.published else nn.Sequential(linear, nn.LayerNorm(e))

        self.embed = per_modality(embed)
        self.relevant = per_modality(lambda _: GaussianHead(e, e, limit))
        self.irrelevant = per_modality(lambda _: GaussianHead(e, e, limit))
        self.decoder = per_modality(lambda _: bottleneck_decoder(2 * e, e))
        self.heads = per_modality(lambda _: nn.Linear(e, n_classes))
        self.shared = GaussianHead(2 * e, e, limit)
        self.shared_single = per_modality(lambda _: GaussianHead(e, e, limit))
        self.unique = per_modality(lambda _: GaussianHead(e, e, limit))
        self.consistency_decoder = per_modality(lambda _: bottleneck_decoder(2 * e, e))
        linear = nn.Linear(3 * e, e)
        self.fusion = linear if self.published else nn.Sequential(linear, nn.GELU(), nn.Linear(e, e))
        self.component_heads = ByName({part: nn.Linear(e, n_classes) for part in self.parts})
        self.gate = nn.Sequential(nn.Linear(4 * e, e), nn.ReLU(), nn.Linear(e, 4))

    def stages(self, max_epochs: int) -> list[Stage]:
        """Three stages; the published schedule is 10, 5 and 55 of 70 epochs."""
        intra, consistency = max(1, max_epochs // 7), max(1, max_epochs // 14)
        first_level = ("encoders", "embed", "relevant", "irrelevant", "decoder", "heads")
        if self.published:
            rest = max(1, max_epochs - intra - consistency)
            sgd: dict[str, Any] = {"optimizer": "sgd"}
            return [
                Stage("intra", intra, 4e-3, plateau=(0.2, 2), **sgd),
                Stage("consistency", consistency, 1e-3, first_level, plateau=(0.1, 1), **sgd),
                Stage("joint", rest, 1e-5, plateau=(0.1, 10), **sgd),
            ]
        intra, consistency = max(1, 2 * max_epochs // 7), max(1, max_epochs // 7)
        return [
            Stage("intra", intra),
            Stage("consistency", consistency, frozen=first_level),
            Stage("joint", max(1, max_epochs - intra - consistency)),
        ]

    def forward(self, batch: Batch) -> Output:
        """Gated logits in every stage but the first, where it is the mean of the modalities' own logits."""
        first, second = names = self.encoders.names
        present = {name: batch.present[name] for name in names}
        z = {name: self.embed[name](encoded) for name, encoded in self.encode(batch).items()}
        relevant = self._posteriors(self.relevant, z, present)
        irrelevant = self._posteriors(self.irrelevant, z, present)
        m, n = self._draw(relevant), self._draw(irrelevant)
        unimodal = {name: self.with_prior(self.heads[name](m[name]), present[name]) for name in names}

        means = {name: relevant[name][0] for name in names}
        shared = self.shared(torch.cat([means[first], means[second]], -1))
        single = {name: self.shared_single[name](means[name]) for name in names}
        alone = [present[a] & ~present[b] for a, b in (names, names[::-1])]
        shared = tuple(
            torch.where(alone[0][:, None], one, torch.where(alone[1][:, None], two, both))
            for one, two, both in zip(single[first], single[second], shared, strict=True)
        )
        own = self._posteriors(self.unique, means, present)
        r, u = self._draw({"": shared})[""], self._draw(own)
        # Only the second stage sees samples of N: there the encoders are frozen and noise is cheap augmentation.
        rest = n if self.stage_name == "consistency" else {name: irrelevant[name][0] for name in names}
        s = self.fusion(torch.cat([rest[first], rest[second], rest[first] * rest[second]], -1))
        latent = {REDUNDANCY: r, **{unique(name): u[name] for name in names}, SYNERGY: s}
        components = {part: head(latent[part]) for part, head in self.component_heads.items()}
        gate = self._gate(latent, batch)
        fused = torch.stack([gate[part][:, None] * components[part] for part in self.parts]).sum(0)
        if self.stage_name == "intra":
            weight = torch.stack(list(present.values())).float()[..., None]
            mean = (torch.stack(list(unimodal.values())) * weight).sum(0) / weight.sum(0).clamp(min=1)
            fused = mean
        latents = {
            "z": z, "m": m, "n": n, "r": r, "u": u, "means": means, "relevant": relevant, "irrelevant": irrelevant,
            "shared": shared, "single": single, "own": own,
        }  # fmt: skip
        return Output(self.with_prior(fused, any_present(batch)), unimodal, components, gate, latents)

    def _posteriors(
        self, heads: ByName, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor]
    ) -> dict[str, Posterior]:
        """Posterior by modality; the standard normal prior where the modality is absent."""
        return {name: tuple(t * present[name][:, None] for t in heads[name](x)) for name, x in inputs.items()}

    def _draw(self, posteriors: Mapping[str, Posterior]) -> dict[str, Tensor]:
        """Samples in training mode, means in evaluation mode."""
        return {name: sample_gaussian(p) if self.training else p[0] for name, p in posteriors.items()}

    def _gate(self, latent: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        names = self.encoders.names
        available = torch.stack([any_present(batch), *(batch.present[name] for name in names), all_present(batch)], -1)
        available = available | ~any_present(batch)[:, None]
        scores = self.gate(torch.cat([latent[part] for part in self.parts], -1))
        weights = scores.masked_fill(~available, -torch.inf).softmax(-1)
        return dict(zip(self.parts, weights.unbind(-1), strict=True))

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Weighted sum of cross-entropies, divergences and reconstructions; weights by stage."""
        w = (PUBLISHED if self.published else CORRECTED)[stage.name]
        parts: dict[str, Tensor] = {}
        total = output.logits.new_zeros(())
        for weight, found in (
            (w.fused, {"fused": cross_entropy(output.logits, batch.target)}),
            (w.heads, self._head_terms(output, batch)),
            (w.components, self._component_terms(output, batch)),
        ):
            if weight:
                parts |= found
                total = total + weight * torch.stack(list(found.values())).sum()
        for weight, name, value in self._bottleneck_terms(output, batch, w):
            parts[name] = value
            total = total + weight * value
        return Loss(total, parts)

    def _head_terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        return {
            f"head:{name}": cross_entropy(logits, batch.target, batch.present[name])
            for name, logits in output.unimodal.items()
        }

    def _component_terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        where = {
            REDUNDANCY: any_present(batch),
            SYNERGY: all_present(batch),
            **{unique(name): mask for name, mask in batch.present.items()},
        }
        return {part: cross_entropy(logits, batch.target, where[part]) for part, logits in output.components.items()}

    def _bottleneck_terms(self, output: Output, batch: Batch, w: Weights) -> list[tuple[float, str, Tensor]]:
        """Weight, name and value of each divergence and reconstruction of the stage."""
        h, whole, some = output.latents, all_present(batch), any_present(batch)
        terms: list[tuple[float, str, Tensor]] = []
        for i, name in enumerate(self.encoders.names):
            rows = batch.present[name]
            if w.kl[i]:
                kl = [_masked_kl(h[block][name], None, rows) for block in ("relevant", "irrelevant")]
                terms.append((w.kl[i], f"kl:{name}", kl[0] + kl[1]))
            if w.reconstruction[i]:
                decoded = self.decoder[name](torch.cat([h["m"][name], h["n"][name]], -1))
                terms.append((w.reconstruction[i], f"reconstruction:{name}", self._mse(decoded, h["z"][name], rows)))
            if w.consistency_kl:
                own = _masked_kl(h["own"][name], None, rows)
                alignment = _masked_kl(h["shared"], h["single"][name], whole)
                terms.append((w.consistency_kl, f"unique_kl:{name}", own))
                terms.append((w.consistency_kl, f"alignment:{name}", alignment))
            if w.consistency_reconstruction:
                decoded = self.consistency_decoder[name](torch.cat([h["r"], h["u"][name]], -1))
                error = self._mse(decoded, h["means"][name], rows)
                terms.append((w.consistency_reconstruction, f"consistency_reconstruction:{name}", error))
        if w.consistency_kl:
            terms.append((w.consistency_kl, "redundancy_kl", _masked_kl(h["shared"], None, some)))
        return terms

    def _mse(self, decoded: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        target = target if self.published else target.detach()
        return _masked_mean(mse_loss(decoded, target, reduction="none"), rows)


def _masked_mean(values: Tensor, rows: Tensor) -> Tensor:
    """Mean over dimensions and over the rows of a mask; 0 where no row is left."""
    return (values.mean(-1) * rows).sum() / rows.sum().clamp(min=1)


def _masked_kl(q: Posterior, p: Posterior | None, rows: Tensor) -> Tensor:
    return _masked_mean(gaussian_kl(q, p, reduction="none"), rows)
