"""TCMax: learn by maximising the total correlation of all modalities and the target."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from interplay.methods._base import Method, SearchSpace, Stage, cross_entropy
from interplay.methods._limits import COUNT, Limits
from interplay.methods._values import Batch, Loss, Output, any_present
from interplay.nn import ByName
from interplay.nn.losses import AdditiveStatistics, tcmax, tcmax_additive, tcmax_posterior

CELLS = 65536


class TCMax(Method):
    r"""Train the logits as the critic of a bound on :math:`TC(x_1; \dots; x_M; y)`.

    .. math:: TC \ge E_{p(x_1, \dots, x_M, y)}[f_y] - \log E_{p(x_1) \cdots p(x_M) r(y)}[e^{f_y}]

    ``head`` chooses the critic :math:`f`:

    - ``"additive"``: :math:`\sum_m f_m(x_m)`. Exact and fast; each modality learns as if alone, so none is starved. Its
      optimum is the naive Bayes combination: synergy cannot be learned.
    - ``"conditional"`` (default): with :math:`F = \sum_m f_m` and a correction :math:`g` of all embeddings, the critic
      :math:`F + g - \log \sum_c r_c e^{F_c + g_c} + \log \sum_c r_c e^{F_c}`. It answers with the softmax of
      :math:`F + g`, so it can form synergy, yet its sum over all combinations is that of :math:`F`: exact at the cost
      of the additive head. :math:`F` is trained by its own loss only, :math:`g` by the whole one with :math:`F`
      fixed; there is no weight between them. :math:`g` starts at zero.
    - ``"joint"``: a perceptron of one hidden layer on all embeddings; learns everything, including which samples
      belong together beyond the target.
    - ``"interaction"``: the additive critic under its own exact loss, plus :math:`g` under the loss of
      :math:`\mathrm{stop}(F) + g` over pairs; unlike ``"conditional"`` it is also paid for telling samples of one class
      apart.

    Any subset of modalities is answered by marginalising the critic over the training rows, not by cutting the head:
    by one vector a modality for additive parts, by a bank of embeddings otherwise. With nothing present, the class
    prior answers.

    Args:
        head: ``"conditional"``, ``"additive"``, ``"interaction"`` or ``"joint"``.
        hidden: width of the correction's or the joint head's hidden layer.
        label_marginal: :math:`r`, ``"uniform"`` or ``"prior"`` (class frequencies of the training part); the rule of
            prediction follows, so both give the posterior.
        negatives: the most combinations of rows a step evaluates for ``"interaction"`` and ``"joint"``: all
            :math:`B^M` if there are no more, else so many drawn besides the true ones.
        bank_size: number of training rows kept for marginalisation.

    Reference:
        Yu et al., Multimodal Classification via Total Correlation Maximization, ICLR 2026.
    """

    marginals: Tensor
    bank: Tensor

    limits: ClassVar[Limits] = {
        "head": ("conditional", "additive", "interaction", "joint"),
        "label_marginal": ("uniform", "prior"),
        **dict.fromkeys(("hidden", "negatives", "bank_size"), COUNT),
    }
    search_space: ClassVar[SearchSpace] = {"label_marginal": ["uniform", "prior"]}

    def __init__(
        self,
        head: str = "conditional",
        hidden: int = 64,
        label_marginal: str = "uniform",
        negatives: int = 1024,
        bank_size: int = 256,
    ) -> None:
        super().__init__()
        self.head = head
        self.hidden = hidden
        self.label_marginal = label_marginal
        self.negatives = negatives
        self.bank_size = bank_size

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the additive heads, the correction or joint head, and the stores for marginalisation."""
        self.n_classes = n_classes
        self.register_buffer("marginals", torch.zeros(len(widths), n_classes))
        if self.head != "joint":
            self.heads = ByName({m: nn.Sequential(nn.GELU(), nn.Linear(w, n_classes)) for m, w in widths.items()})
        if self.head != "additive":
            self.hidden_maps = ByName(
                {m: nn.Sequential(nn.GELU(), nn.Linear(w, self.hidden)) for m, w in widths.items()}
            )
            self.output = nn.Linear(self.hidden, n_classes)
            size = self.hidden + (0 if self.head == "joint" else n_classes)
            self.register_buffer("bank", torch.zeros(len(widths), self.bank_size, size))
        if self.head in ("conditional", "interaction"):
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def features(self, batch: Batch) -> list[Tensor]:
        """What the critic sees of each modality: its additive logits, if any, then its share of the hidden layer."""
        kinds = [getattr(self, kind) for kind in ("heads", "hidden_maps") if hasattr(self, kind)]
        return [torch.cat([kind[name](z) for kind in kinds], -1) for name, z in self.encode(batch).items()]

    def critic(self, features: list[Tensor]) -> Tensor:
        """Logits ``(N, K)`` from one tensor ``(N, ...)`` a modality."""
        return self._of_sum(torch.stack(features).sum(0))

    def _of_sum(self, summed: Tensor) -> Tensor:
        if self.head == "additive":
            return summed
        if self.head == "joint":
            return self.output(gelu(summed))
        additive = summed[:, : self.n_classes]
        corrected = additive + self.output(gelu(summed[:, self.n_classes :]))
        if self.head == "interaction":
            return corrected
        before, after = (self._calibrated(f).logsumexp(-1, keepdim=True) for f in (additive, corrected))
        return corrected - after + before

    def forward(self, batch: Batch) -> Output:
        """Posterior logits given what each row has, and given each modality alone."""
        features = self.features(batch)
        masks = torch.stack([batch.present[name] for name in self.encoders])
        latents = {"features": features}
        logits = self.critic(features)
        if self.training:
            # Only the loss is wanted: rows with gaps are treated there.
            return Output(self._posterior(logits, batch), latents=latents)
        logits = self._given(features, logits, masks)
        unimodal = {}
        for m, name in enumerate(self.encoders):
            only = torch.zeros_like(masks)
            only[m] = masks[m]
            unimodal[name] = self.with_prior(self._calibrated(self._given(features, logits, only)), masks[m])
        return Output(self._posterior(logits, batch), unimodal, latents=latents)

    def _posterior(self, logits: Tensor, batch: Batch) -> Tensor:
        return self.with_prior(self._calibrated(logits), any_present(batch))

    def _calibrated(self, logits: Tensor) -> Tensor:
        return logits if self.label_marginal == "uniform" else logits + self.log_prior

    def _given(self, features: list[Tensor], logits: Tensor, masks: Tensor) -> Tensor:
        """Critic given the modalities of ``masks`` ``(M, B)``: ``logits`` where all are there, else marginalised."""
        result = logits
        enough = 1
        if self.head != "joint":
            parts = [f[:, : self.n_classes] for f in features]
            result = torch.where(
                masks.all(0)[:, None], logits, tcmax_posterior(parts, self.marginals, present=list(masks))
            )
            # One modality alone: the additive part's own loss makes its marginal exact.
            enough = len(masks) if self.head == "additive" else 2
        if torch.compiler.is_compiling():  # a traced graph cannot look which patterns there are
            for kept in product((False, True), repeat=len(features)):
                if max(1, enough) <= sum(kept) < len(kept):
                    here = torch.stack([m if there else ~m for m, there in zip(masks, kept, strict=True)]).all(0)
                    result = torch.where(here[:, None], self._over_bank(features, kept), result)
            return result
        partial = ~masks.all(0) & (masks.sum(0) >= max(1, enough))
        for pattern in torch.unique(masks[:, partial], dim=1).T:
            rows = ((masks == pattern[:, None]).all(0)).nonzero()[:, 0]
            for some in torch.split(rows, max(1, CELLS // self.bank_size)):
                result = result.index_put((some,), self._over_bank([f[some] for f in features], pattern.tolist()))
        return result

    def _over_bank(self, features: list[Tensor], kept: Sequence[bool]) -> Tensor:
        """Log of the mean over the bank of exp(critic), modalities that are not kept taken from the bank."""
        # The critic sees the sum of all modalities only, so one sum for each side serves all pairs.
        own = torch.stack([f for f, there in zip(features, kept, strict=True) if there]).sum(0)
        cells = own[:, None] + self.bank[[m for m, there in enumerate(kept) if not there]].sum(0)
        return self._of_sum(cells.flatten(0, 1)).reshape(own.shape[0], self.bank_size, -1).logsumexp(1)

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Negative bound of the total correlation plus its ceiling; one term a critic."""
        assert batch.target is not None
        features, masks = output.latents["features"], [batch.present[name] for name in self.encoders]
        r = "uniform" if self.label_marginal == "uniform" else self.log_prior.exp()
        parts: dict[str, Tensor] = {}
        if self.head != "joint":
            additive = [f[:, : self.n_classes] for f in features]
            parts["additive"] = tcmax_additive(additive, batch.target, present=masks, label_marginal=r)
        if self.head in ("conditional", "interaction"):
            features = [torch.cat([f[:, : self.n_classes].detach(), f[:, self.n_classes :]], -1) for f in features]
        if self.head == "conditional":
            parts[self.head] = self._gain(features, torch.stack(masks), batch.target)
        elif self.head != "additive":
            every = len(batch) ** len(masks) <= self.negatives
            parts[self.head] = tcmax(
                self.critic, features, batch.target, present=masks, label_marginal=r,
                negatives=None if every else self.negatives, chunk_size=CELLS,
            )  # fmt: skip
        return Loss(torch.stack(list(parts.values())).sum(), parts)

    def _gain(self, features: list[Tensor], masks: Tensor, target: Tensor) -> Tensor:
        """What the correction adds to the additive loss: the partition function stays the additive one."""
        # One modality alone is answered by the additive part; one that no row has cannot be filled.
        rows = (masks.sum(0) >= 2) & masks.any(1).all()
        if not bool(rows.any()):
            return features[0].new_zeros(())
        filled = features if bool(masks.all()) else self._filled(features, masks)
        additive = torch.stack(filled)[..., : self.n_classes].sum(0)
        before, after = (self._calibrated(f) for f in (additive, self.critic(filled)))
        return cross_entropy(after, target, rows) - cross_entropy(before, target, rows)

    def _filled(self, features: list[Tensor], masks: Tensor) -> list[Tensor]:
        """Features with absent modalities drawn from the additive model given those present: a class, then rows.

        The loss of such a draw is at least that of the row's exact marginal (Jensen), so the bound stays a bound.
        """
        own = (
            torch.stack([f[:, : self.n_classes] for f in features]).detach().masked_fill(~masks[..., None], -torch.inf)
        )
        marginals = own.logsumexp(1) - masks.sum(1, keepdim=True).log()
        given = torch.where(masks[..., None], own, marginals[:, None]).sum(0)
        classes = torch.multinomial(self._calibrated(given).softmax(-1), 1)[:, 0]
        rows = [torch.multinomial(f.softmax(0).T[classes], 1)[:, 0] for f in own]
        return [torch.where(m[:, None], f, f[i]) for f, m, i in zip(features, masks, rows, strict=True)]

    def _statistics(self, batch: Batch, features: list[Tensor]) -> AdditiveStatistics:
        assert batch.target is not None
        masks = [batch.present[name] for name in self.encoders]
        return AdditiveStatistics.of([f[:, : self.n_classes] for f in features], batch.target, present=masks)

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Store what marginalisation needs: additive log-means over all training rows, and a bank of rows."""
        chunks = [(chunk, self.features(chunk)) for chunk in training.chunks(1024)]
        if self.head != "joint":
            first, *others = [self._statistics(chunk, features) for chunk, features in chunks]
            self.marginals = sum(others, start=first).marginals()
        if self.head != "additive":
            generator = torch.Generator().manual_seed(0)
            for m, name in enumerate(self.encoders):
                rows = torch.cat([features[m][chunk.present[name]] for chunk, features in chunks])
                if len(rows):
                    order = torch.randperm(len(rows), generator=generator).repeat(-(-self.bank_size // len(rows)))
                    self.bank[m] = rows[order[: self.bank_size].to(rows.device)]
