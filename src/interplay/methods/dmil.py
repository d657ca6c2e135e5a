"""DMIL: decomposition-based multimodal interaction learning, in three stages."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from interplay.methods import _dmil_diagnostics, _dmil_loss
from interplay.methods._base import ANY_TASK, Fit, Method, SearchSpace, Stage
from interplay.methods._composition import cross_fitted_composition
from interplay.methods._dmil_parts import PAIRS, Shared, Synergy, available, decoders, hide_modalities, parts_of
from interplay.methods._dmil_weights import PRESETS, weights
from interplay.methods._limits import COUNT, FRACTION, NONNEGATIVE, Limits, Range
from interplay.methods._values import Batch, Loss, Output, any_present, unique
from interplay.nn import ByName, GaussianHead, PointHead, Posterior, bottleneck_decoder, sample_gaussian

LEVELS = ("both", "intra", "consistency")
FIRST_LEVEL = ("encoders", "embed", "relevant", "irrelevant", "decoder", "heads")
SILENCE = 0.05


class DMIL(Method):
    r"""Split each modality into what predicts the target and the rest, then into shared, unique and synergistic parts.

    Intra-modality level: :math:`q(M^m \mid z_m)` carries the target, :math:`q(N^m \mid z_m)` the rest; both together
    reconstruct :math:`z_m`. Consistency level: :math:`q(R \mid M^1, \dots)` is what the modalities share, aligned with
    :math:`v(R \mid M^m)` from one modality alone; :math:`q(U^m \mid M^m)` is the rest. Both are linear, so ``R`` and
    ``U`` are additive in the modalities; only synergy, a perceptron on :math:`[N^1, \dots, \prod_m N^m]`, is not. A
    gate mixes the logits of the parts,

    .. math:: \text{logits} = \sum_{c \in \{R, U^1, \dots, S\}} g_c\, \ell_c .

    Stages: ``intra`` trains the first level and predicts by the modalities' own heads, the mean of their logits
    (supervised: synergy, too, and predicts by their product times what synergy adds); ``consistency`` trains the rest
    on frozen first-level parts, ``joint`` all. The best epoch of each goes by the validation accuracy of what it says.

    Nothing in the published losses makes the parts carry what their names say. The preset ``"supervised"`` does: it
    reads from cross-fitted classifiers which interaction each training sample is
    (:func:`~interplay.methods._composition.composition`, shares :math:`c`), teaches the gate that composition, trains
    synergy where samples are synergistic and keeps it at the class prior elsewhere:

    .. math:: L = \mathrm{CE}(\text{logits}) + \sum_m \mathrm{CE}(\ell_{M^m}) + \sum_{c \ne S} \mathrm{CE}(\ell_c)
              + \Big\langle \frac{c_S}{\bar c_S}\, \mathrm{CE}(\ell_S)
              + \frac{1 - c_S}{1 - \bar c_S}\, D(p(y) \| p_S) \Big\rangle
              + \frac1M \sum_m \mathrm{CE}(\ell_{R \mid M^m})
              - \Big\langle \sum_k c_k \log g_k \Big\rangle + \text{bottlenecks,}

    :math:`\ell_{R \mid M^m}` being what the head of ``R`` says of :math:`v(R \mid M^m)`. The page has the bottlenecks,
    their weights and which term acts in which stage.

    Regression: for :math:`\mathrm{CE}` its loss, without the term :math:`D`, which would pull numbers to the mean.
    Compositions are read from Gaussians around cross-fitted predictions, with the mean squared error of the fold as
    their variance. As in other decompositions of Gaussians (Barrett 2015), part of a sum of independent causes is
    synergy.

    Missing modalities: the posterior of an absent modality is its prior; redundancy is then read from the modalities
    that are left, through :math:`v(R \mid M^m)`; parts that need an absent modality (synergy: two present ones) get
    gate weight zero and the gate is renormalised; with nothing present, the class prior.

    Args:
        preset: ``"supervised"``; ``"corrected"`` (the published losses with normalised embeddings, bounded
            log-variances, detached reconstruction targets, nonlinear synergy, a usable learning rate in the third
            stage); ``"published"`` (the released code: SGD at 4e-3, 1e-3, 1e-5 with plateau rules; its audio-side
            weights go to every modality but the first; set ``max_epochs=70, patience=70, batch_size=64`` for its
            schedule); ``"paper"`` (the paper's L1, L2, L3).
        width: size of each latent block.
        levels: ``"both"``; ``"intra"`` (ablation ID, the paper's variant for three modalities: unique parts and
            synergy only); ``"consistency"`` (ablation CD: no split into M and N).
        variational: False for points instead of distributions (ablation FC).
        pairs: three and more modalities: also a ``"redundancy"`` part, a ``"synergy"`` part, or ``"both"``, for each
            pair, named ``redundancy:a+b`` and ``synergy:a+b``. ``redundancy`` is then what at least three modalities
            carry, ``synergy`` what takes three. The published presets have no pairs.
        stage_epochs: the most epochs of each of the three stages; None gives ``max_epochs`` to the first and the last,
            a third of it to the second (published: divides it 10 : 5 : 55). A stage ends earlier when the estimator's
            ``patience`` is spent.
        modality_dropout: chance that a training step hides a modality of a row; one always stays.
        n_folds: folds of the classifiers behind the composition targets.
        bottleneck: factor on all variational, alignment and reconstruction weights; 0 with ``variational=False``
            leaves a gated mixture, in the preset ``"supervised"`` with the terms that composition targets supervise.
        alpha, beta, gamma: the paper's weights of alignment, L1 and L2 (preset ``"paper"``; its values are unknown).

    Reference:
        Yang et al., Information-Theoretic Decomposition for Multimodal Interaction Learning, CVPR 2026.
    """

    tasks = ANY_TASK

    limits: ClassVar[Limits] = {
        "preset": PRESETS, "width": COUNT, "levels": LEVELS, "variational": (True, False), "pairs": PAIRS,
        "modality_dropout": FRACTION, "n_folds": Range(2, whole=True), "bottleneck": NONNEGATIVE,
        "alpha": NONNEGATIVE, "beta": NONNEGATIVE, "gamma": NONNEGATIVE,
    }  # fmt: skip
    search_space: ClassVar[SearchSpace] = {"bottleneck": (0.03, 3.0, "log")}

    def __init__(
        self,
        preset: str = "supervised",
        width: int = 32,
        levels: str = "both",
        variational: bool = True,
        pairs: str = "none",
        stage_epochs: tuple[int, int, int] | None = None,
        modality_dropout: float = 0.0,
        n_folds: int = 4,
        bottleneck: float = 1.0,
        alpha: float = 1.0,
        beta: float = 0.5,
        gamma: float = 0.8,
    ) -> None:
        super().__init__()
        self.preset = preset
        self.width = width
        self.levels = levels
        self.variational = variational
        self.pairs = pairs
        self.stage_epochs = stage_epochs
        self.modality_dropout = modality_dropout
        self.n_folds = n_folds
        self.bottleneck = bottleneck
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma

    def check(self, names: tuple[str, ...], task: str) -> None:
        """As the base, and the parameters must make sense."""
        super().check(names, task)
        lengths = self.stage_epochs
        three = isinstance(lengths, Sequence) and len(lengths) == 3
        if lengths is not None and not (three and all(n in COUNT for n in lengths)):
            raise ValueError(f"DMIL: stage_epochs must be three integers >= 1, found {lengths!r}")
        if self.pairs != "none" and len(names) < 3:
            raise ValueError(f"DMIL: pairs={self.pairs!r} needs three modalities, found {list(names)}; use 'none'")
        if self.pairs in ("redundancy", "both") and self.levels == "intra":
            raise ValueError(f"DMIL: levels='intra' has no redundancy; with it use pairs='synergy', not {self.pairs!r}")

    @property
    def published(self) -> bool:
        """Whether the released code's network and schedule are in force."""
        return self.preset == "published"

    @property
    def supervised(self) -> bool:
        """Whether composition targets supervise gate and synergy."""
        return self.preset == "supervised"

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create both levels, the synergy part, the heads and the gate."""
        e, names = self.width, list(widths)
        limit = None if self.published else 6.0

        def per_modality(make: Any) -> ByName:
            return ByName({name: make(name) for name in names})

        def posterior(inputs: int) -> nn.Module:
            return GaussianHead(inputs, e, limit) if self.variational else PointHead(inputs, e)

        def embed(name: str) -> nn.Module:
            linear = nn.Linear(widths[name], e)
            return linear if self.published else nn.Sequential(linear, nn.LayerNorm(e))

        self.embed = per_modality(embed)
        self.heads = per_modality(lambda _: nn.Linear(e, n_classes))
        if self.levels != "consistency":
            self.relevant = per_modality(lambda _: posterior(e))
            self.irrelevant = per_modality(lambda _: posterior(e))
            self.decoder = per_modality(lambda _: bottleneck_decoder(2 * e, e))
        self.structure = parts_of(names, self.levels, self.pairs)
        self.parts = [part.name for part in self.structure]
        self.synergies = [part.name for part in self.structure if part.kind == "synergy"]
        self.synergy_shares = dict.fromkeys(self.synergies, 0.5)
        self.rates: dict[str, float] = {}
        self.told: dict[str, float] = {}
        if self.levels != "intra":
            shared = [part for part in self.structure if part.kind == "redundancy"]
            kind: Any = GaussianHead if self.variational else PointHead
            options = {"limit": limit} if self.variational else {}
            self.shared = ByName({part.name: Shared(part, e, kind, **options) for part in shared})
            self.unique = per_modality(lambda _: posterior(e))
            self.consistency_decoder = decoders(self.structure, names, e)
        hidden = None if self.published else 8 * e
        fused = [part for part in self.structure if part.kind == "synergy"]
        self.fusion = ByName({part.name: Synergy(part, e, hidden) for part in fused})
        self.component_heads = ByName({part: nn.Linear(e, n_classes) for part in self.parts})
        inputs = 2 * len(names) if self.supervised else len(self.parts)
        self.gate = nn.Sequential(nn.Linear(inputs * e, e), nn.ReLU(), nn.Linear(e, len(self.parts)))

    def stages(self, max_epochs: int) -> list[Stage]:
        """Three stages, the second with a frozen first level."""
        lengths = self.stage_epochs or (max_epochs, max(1, max_epochs // 3), max_epochs)
        if self.published and not self.stage_epochs:
            first, second = (max(1, max_epochs * share // 70) for share in (10, 5))
            lengths = (first, second, max(1, max_epochs - first - second))
        names = ("intra", "consistency", "joint")
        frozen = [(), tuple(name for name in FIRST_LEVEL if hasattr(self, name)), ()]
        if not self.published:
            return [Stage(*each[:2], frozen=each[2]) for each in zip(names, lengths, frozen, strict=True)]
        rates, plateaus = (4e-3, 1e-3, 1e-5), ((0.2, 2), (0.1, 1), (0.1, 10))
        return [
            Stage(*each[:4], optimizer="sgd", plateau=each[4])
            for each in zip(names, lengths, rates, frozen, plateaus, strict=True)
        ]

    def prepare(self, training: Batch, fit: Fit) -> Batch:
        """Attach the composition of each training row, and note how often each modality and part is there."""
        self.expect(training)
        if not self.supervised:
            return training
        shares = training.extra.get("composition")
        if shares is None:
            shares = cross_fitted_composition(self, training, fit, self.n_folds, self.pairs)
        # Of the whole training part, so that a batch's loss is the mean over its rows however it is split.
        means = shares[:, -len(self.synergies) :].mean(0).clamp(0.05, 0.95)
        self.synergy_shares = dict(zip(self.synergies, means.tolist(), strict=True))
        training = training.attach(composition=shares)
        told = _dmil_loss.gate_targets(self, training).mean(0)
        self.told = dict(zip(self.parts, (told / told.sum().clamp_min(1e-12)).tolist(), strict=True))
        return training

    def expect(self, rows: Batch) -> None:
        """Note how often each modality and part is there in training, modality dropout included."""
        seen = Batch({}, {name: mask.cpu() for name, mask in rows.present.items()})
        if self.modality_dropout:
            # A stream of its own, so that a resumed run finds the same rates.
            seen = hide_modalities(seen, self.modality_dropout, torch.Generator().manual_seed(0))
        there = _dmil_loss.masks(self.structure, seen).items()
        self.rates = {name: max(float(mask.float().mean()), 1 / len(rows)) for name, mask in there}

    def augment(self, batch: Batch) -> Batch:
        """Hide modalities at random."""
        return hide_modalities(batch, self.modality_dropout) if self.modality_dropout else batch

    def forward(self, batch: Batch) -> Output:
        """Gated logits in every stage but the first, which has no gate yet."""
        latents = self._intra(batch)
        if self.levels != "intra":
            latents |= self._consistency(latents, batch)
        unimodal = {name: self.with_prior(self.heads[name](m), batch.present[name]) for name, m in latents["m"].items()}
        components = self._components(latents)
        if self.supervised and self.task == "classification" and not self.training:
            components |= {part: self._silence(components[part]) for part in self.synergies}
        gate = self._gate(latents, batch)
        if self.stage_name == "intra":
            fused = self._first_logits(unimodal, components, batch)
        else:
            # Supervised: each part learns its own task, the gate learns to mix.
            stop = self.supervised
            weighted = [gate[c][:, None] * (x.detach() if stop else x) for c, x in components.items()]
            fused = torch.stack(weighted).sum(0)
        return Output(self.with_prior(fused, any_present(batch)), unimodal, components, gate, latents=latents)

    def _intra(self, batch: Batch) -> dict[str, Any]:
        z = {name: self.embed[name](encoded) for name, encoded in self.encode(batch).items()}
        if self.levels == "consistency":
            own = {name: x * batch.present[name][:, None] for name, x in z.items()}
            return {"z": z, "m": own, "n": own, "means": own, "rest": own}
        relevant = self._posteriors(self.relevant, z, batch)
        irrelevant = self._posteriors(self.irrelevant, z, batch)
        m, n = self._draw(relevant), self._draw(irrelevant)
        means = {name: posterior[0] for name, posterior in relevant.items()}
        # Only the second stage sees samples of N: there the encoders are frozen and noise is cheap augmentation.
        rest = (
            n if self.stage_name == "consistency" or self.sampling else {name: q[0] for name, q in irrelevant.items()}
        )
        return {
            "z": z, "m": m, "n": n, "means": means, "rest": rest, "relevant": relevant, "irrelevant": irrelevant,
        }  # fmt: skip

    def _consistency(self, latents: Mapping[str, Any], batch: Batch) -> dict[str, Any]:
        means = latents["means"]
        shared, single = {}, {}
        for part, network in self.shared.items():
            shared[part], single[part] = network(means, batch)
        own = self._posteriors(self.unique, means, batch)
        return {"single": single, "shared": shared, "own": own, "r": self._draw(shared), "u": self._draw(own)}

    def _components(self, latents: Mapping[str, Any]) -> dict[str, Tensor]:
        own = latents["u"] if "u" in latents else latents["m"]
        latent = {
            **latents.get("r", {}),
            **{unique(name): u for name, u in own.items()},
            **{part: network(latents["rest"]) for part, network in self.fusion.items()},
        }
        latents["parts"] = latent  # type: ignore[index]
        return {part: self.component_heads[part](latent[part]) for part in self.parts}

    def _first_logits(self, unimodal: Mapping[str, Tensor], components: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """First stage: the mean of the modalities' logits; supervised, their product times what synergy adds.

        Regression: the mean of their numbers, supervised plus those of synergy.
        """
        present = torch.stack([batch.present[name] for name in unimodal]).float()[..., None]
        mean = (torch.stack(list(unimodal.values())) * present).sum(0) / present.sum(0).clamp(min=1)
        if not self.supervised:
            return mean
        of_numbers = self.task == "regression"
        added = torch.stack([logits.log_softmax(-1) - self.log_prior for logits in unimodal.values()]) * present
        fused = mean if of_numbers else self.log_prior + added.sum(0)
        there = self.available(batch)[:, -len(self.synergies) :].unbind(-1)
        for part, rows in zip(self.synergies, there, strict=True):
            surplus = components[part] if of_numbers else components[part].log_softmax(-1) - self.log_prior
            fused = fused + surplus * rows[:, None]
        return fused

    def _silence(self, synergy: Tensor) -> Tensor:
        """Exactly the class prior where synergy says almost nothing: a divergence below 5 % of the class entropy.

        Blindness is learned only up to traces, and the arg-max of a trace is a confident-looking answer.
        """
        log_p, prior = synergy.log_softmax(-1), self.log_prior
        said = (log_p.exp() * (log_p - prior)).sum(-1, keepdim=True)
        return torch.where(said > SILENCE * -(prior.exp() * prior).sum(), synergy, prior)

    def _posteriors(self, heads: ByName, inputs: Mapping[str, Tensor], batch: Batch) -> dict[str, Posterior]:
        """Posterior by modality; the standard normal prior where the modality is absent."""

        def mask(t: Tensor | None, name: str) -> Tensor | None:
            return None if t is None else t * batch.present[name][:, None]

        return {name: tuple(mask(t, name) for t in heads[name](x)) for name, x in inputs.items()}  # type: ignore[misc]

    def _draw(self, posteriors: Mapping[str, Posterior]) -> dict[str, Tensor]:
        return {name: self.sample(p) for name, p in posteriors.items()}

    def sample(self, posterior: Posterior) -> Tensor:
        """A draw in training mode and where asked for, the mean in evaluation mode."""
        return sample_gaussian(posterior) if self.training or self.sampling else posterior[0]

    def _gate(self, latents: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
        available = self.available(batch) | ~any_present(batch)[:, None]
        if self.supervised:
            inputs = [*latents["means"].values(), *latents["rest"].values()]
        else:
            inputs = [latents["parts"][part] for part in self.parts]
        scores = self.gate(torch.cat(inputs, -1))
        weights = scores.masked_fill(~available, -torch.inf).softmax(-1)
        return dict(zip(self.parts, weights.unbind(-1), strict=True))

    def available(self, batch: Batch) -> Tensor:
        """Bool ``(B, parts)``: redundancy needs one of its modalities, unique parts their own, synergy two or three."""
        return available(self.structure, batch)

    def diagnostics(self, validation: Batch) -> dict[str, float]:
        """Divergences and active units by block, gate entropy and usage, accuracy by part, dependence of R and U."""
        some = validation[: min(len(validation), 1024)]
        with torch.no_grad():
            return _dmil_diagnostics.diagnostics(self, self(some), some)

    def after_fit(self, output: Output, batch: Batch) -> None:
        """Warn where a block that others depend on is empty, and where one part wrongly takes all of the gate."""
        for message in _dmil_diagnostics.alarms(self.diagnostics(batch), self.told):
            warnings.warn(f"DMIL: {message}", stacklevel=2)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Weighted sum of prediction losses, divergences and reconstructions; weights by stage."""
        w = weights(self.preset, stage.name, self.alpha, self.beta, self.gamma, self.bottleneck)
        return _dmil_loss.total(self, output, batch, w)
