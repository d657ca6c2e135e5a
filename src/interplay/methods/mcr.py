"""MCR: multimodal competition regulariser."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from interplay.methods._base import SearchSpace, Stage
from interplay.methods._fusion import MultiHead, unimodal_losses
from interplay.methods._limits import COUNT, NONNEGATIVE, POSITIVE, Limits
from interplay.methods._values import Batch, Loss, Output
from interplay.nn import ByName


class MCR(MultiHead):
    r"""Reward each encoder for how much the prediction changes when its modality is exchanged between samples.

    So none is ignored; a contrastive loss aligns the modalities of the same class.

    .. math:: L = \mathrm{CE}(f) + a \sum_m \mathrm{CE}(f_m) - \ell \sum_m J_m + c\, L_\text{contrast}, \qquad
              J_m = \mathrm{JS}\big(p(f) \,\|\, p(f \text{ with } z_m \text{ permuted})\big)

    plus :math:`b \sum_m \tfrac12 \langle \lVert z_m - \mu_{m,y} \rVert^2 \rangle`, the conditional entropy
    bottleneck: with :math:`N(z_m, I)` for the embedding and learned :math:`N(\mu_{m,y}, I)` for what the class leaves
    open, a bound of :math:`I(x_m; z_m + \varepsilon \mid y)` with noise :math:`\varepsilon \sim N(0, I)`, the
    information that does not serve the target. (The heads read :math:`z_m` without the noise.)

    The game: ``"greedy"``, each encoder raises its own :math:`J_m` and lowers the others'; ``"independent"``, only the
    former; ``"collaborative"``, all encoders raise all :math:`J_m`. The contrast is InfoNCE between projected
    embeddings of two modalities with the samples of the same class as positives.

    Args:
        strategy: the game.
        regularisation: :math:`\ell`.
        unimodal: :math:`a`.
        contrast: :math:`c`.
        temperature: of the contrast.
        permutations: permutations of a modality a step (published: up to 32).
        bottleneck: :math:`b`; 0 as in the public code (the paper has the term, its weight is not known to us).

    Reference:
        Kontras et al., Balancing Multimodal Training Through Game-Theoretic Regularization, NeurIPS 2025.
    """

    tasks = ("classification",)

    limits: ClassVar[Limits] = {
        **dict.fromkeys(("regularisation", "unimodal", "contrast", "bottleneck"), NONNEGATIVE),
        **dict.fromkeys(("permutations", "hidden"), COUNT),
        "strategy": ("greedy", "independent", "collaborative"),
        "temperature": POSITIVE,
    }
    search_space: ClassVar[SearchSpace] = {
        "regularisation": (1e-3, 0.1, "log"),
        "unimodal": (1e-3, 0.1, "log"),
        "contrast": (0.1, 3.0, "log"),
    }

    def __init__(
        self,
        strategy: str = "greedy",
        regularisation: float = 0.01,
        unimodal: float = 0.01,
        contrast: float = 1.0,
        temperature: float = 0.5,
        permutations: int = 4,
        bottleneck: float = 0.0,
        hidden: int = 64,
    ) -> None:
        super().__init__(hidden=hidden)
        self.strategy = strategy
        self.regularisation = regularisation
        self.unimodal = unimodal
        self.contrast = contrast
        self.temperature = temperature
        self.permutations = permutations
        self.bottleneck = bottleneck

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the heads and the projections of the contrast."""
        super().build_parts(widths, n_classes)
        self.projections = ByName({m: nn.Sequential(nn.GELU(), nn.Linear(w, self.hidden)) for m, w in widths.items()})
        if self.bottleneck:
            self.class_means = ByName({m: nn.Embedding(n_classes, w) for m, w in widths.items()})

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropies, the game and the contrast."""
        fused, own = self.target_loss(output.logits, batch.target), unimodal_losses(self, output, batch)
        z = output.latents["z"]
        game = torch.stack([self.gain(z, name, batch.present[name]) for name in z]).sum()
        contrast = self._contrast(z, batch)
        total = fused + self.unimodal * sum(own.values()) - self.regularisation * game + self.contrast * contrast
        parts = {"fused": fused, **own, "game": game, "contrast": contrast}
        if self.bottleneck:
            parts["bottleneck"] = self._excess(z, batch)
            total = total + self.bottleneck * parts["bottleneck"]
        return Loss(total, parts)

    def _excess(self, z: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Bound of the sum of I(x_m; z_m | y) in nats, over the rows that have the modality."""
        values = []
        for name, x in z.items():
            each = (x - self.class_means[name](batch.target)).square().sum(-1) / 2
            present = batch.present[name]
            values.append((each * present).sum() / present.sum().clamp(min=1))
        return torch.stack(values).sum()

    def gain(self, z: Mapping[str, Tensor], name: str, present: Tensor) -> Tensor:
        """Jensen-Shannon divergence (nats) by permuting ``name``, with the gradients that the game gives.

        Embeddings are exchanged among the rows that have the modality ``(B,)``, and the mean is over them: else a
        modality would be paid for being there.

        Its value is the divergence under every strategy: what others lower adds a gradient only.
        """
        if self.strategy == "collaborative":
            return self._divergence(z, name, present)
        raised = self._divergence({m: x if m == name else x.detach() for m, x in z.items()}, name, present)
        if self.strategy == "independent":
            return raised
        lowered = self._divergence({m: x.detach() if m == name else x for m, x in z.items()}, name, present)
        return raised - (lowered - lowered.detach())

    def _divergence(self, z: Mapping[str, Tensor], name: str, present: Tensor) -> Tensor:
        rows = present.nonzero()[:, 0]
        if not len(rows):
            return next(iter(z.values())).new_zeros(())
        z = {m: x[rows] for m, x in z.items()}
        log_p = self.head(list(z.values())).log_softmax(-1)
        values = []
        for _ in range(self.permutations):
            order = torch.randperm(len(log_p), device=log_p.device)
            log_q = self.head([x[order] if m == name else x for m, x in z.items()]).log_softmax(-1)
            middle = torch.logaddexp(log_p, log_q) - torch.log(log_p.new_tensor(2.0))
            terms = log_p.exp() * (log_p - middle) + log_q.exp() * (log_q - middle)
            values.append(terms.sum(-1).mean() / 2)
        return torch.stack(values).mean()

    def _contrast(self, z: Mapping[str, Tensor], batch: Batch) -> Tensor:
        assert batch.target is not None
        unit = {name: nn.functional.normalize(self.projections[name](x), dim=-1) for name, x in z.items()}
        same = batch.target[:, None] == batch.target
        values = []
        for a in unit:
            for b in unit:
                if a == b:
                    continue
                rows, columns = batch.present[a], batch.present[b]
                positive = same & rows[:, None] & columns
                similarity = (unit[a] @ unit[b].T / self.temperature).masked_fill(~columns, -1e9)
                log_p = similarity.log_softmax(-1)
                each = -(log_p * positive).sum(-1) / positive.sum(-1).clamp(min=1)
                has = positive.any(-1)
                values.append((each * has).sum() / has.sum().clamp(min=1))
        return torch.stack(values).mean()
