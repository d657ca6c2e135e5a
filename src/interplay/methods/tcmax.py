"""TCMax: learn by maximising the total correlation of all modalities and the target."""

import copy
from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from interplay.methods._base import Method, SearchSpace, Stage, cross_entropy
from interplay.methods._limits import COUNT, Limits
from interplay.methods._values import Batch, Loss, Output, all_present, any_present
from interplay.nn import ByName
from interplay.nn.losses import AdditiveStatistics, tcmax, tcmax_posterior

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
      fixed; there is no weight between them. :math:`g` starts at zero. Of three and more modalities, each row counts
      once for all that it has and once for two or more of them, drawn anew each step.
    - ``"joint"``: a perceptron of one hidden layer on all embeddings; learns everything, including which samples
      belong together beyond the target.
    - ``"interaction"``: the additive critic under its own exact loss, plus :math:`g` under the loss of
      :math:`\mathrm{stop}(F) + g` over pairs; unlike ``"conditional"`` it is also paid for telling samples of one class
      apart.

    Any subset of modalities is answered by marginalising the critic over the training rows, not by cutting the head:
    by one vector a modality for additive parts, by a bank of embeddings for ``"joint"`` and ``"interaction"``. The
    critic of ``"conditional"`` does not know which rows of two modalities belong together: for parts of two and more of
    three and more modalities it has a second correction, which has learned to answer, with a learned vector in place of
    each absent modality. With nothing present, the class prior answers.

    Args:
        head: ``"conditional"``, ``"additive"``, ``"interaction"`` or ``"joint"``.
        hidden: width of the correction's or the joint head's hidden layer.
        label_marginal: :math:`r`, ``"uniform"`` or ``"prior"`` (class frequencies of the training part); the rule of
            prediction follows, so both give the posterior.
        negatives: the most combinations of rows a step evaluates for ``"interaction"`` and ``"joint"``: all
            :math:`B^M` if there are no more, else so many drawn besides the true ones.
        bank_size: number of training rows kept for the marginalisation of ``"interaction"`` and ``"joint"``.

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
            if self.head != "conditional":
                size = self.hidden + (0 if self.head == "joint" else n_classes)
                self.register_buffer("bank", torch.zeros(len(widths), self.bank_size, size))
        if self.head in ("conditional", "interaction"):
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)
        if self.head == "conditional" and len(widths) > 2:
            self.partial_maps, self.partial_output = copy.deepcopy((self.hidden_maps, self.output))
            self.absent = nn.Parameter(torch.zeros(len(widths), self.hidden))

    def features(self, batch: Batch) -> list[Tensor]:
        """What the critic sees of each modality: its additive logits, if any, then its share of the hidden layer.

        Of three and more modalities the default head has another share, for parts of a row.
        """
        kinds = [getattr(self, kind) for kind in ("heads", "hidden_maps") if hasattr(self, kind)]
        z = self.encode(batch)
        found = {name: [kind[name](x) for kind in kinds] for name, x in z.items()}
        if hasattr(self, "partial_maps"):
            # Parts of complete rows teach the encoders nothing that the whole rows do not, but noise.
            whole = all_present(batch)[:, None]
            for name, x in z.items():
                found[name].append(self.partial_maps[name](torch.where(whole, x.detach(), x)))
        return [torch.cat(parts, -1) for parts in found.values()]

    def critic(self, features: list[Tensor]) -> Tensor:
        """Logits ``(N, K)`` from one tensor ``(N, ...)`` a modality."""
        return self._of_sum(torch.stack(features).sum(0))

    def _of_sum(self, summed: Tensor) -> Tensor:
        if self.head == "additive":
            return summed
        if self.head == "joint":
            return self.output(gelu(summed))
        additive = summed[:, : self.n_classes]
        corrected = additive + self.output(gelu(summed[:, self.n_classes : self.n_classes + self.hidden]))
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
            additive = tcmax_posterior(parts, self.marginals, present=list(masks))
            if self.head == "conditional":
                return self._of_subset(additive, features, masks)
            result = torch.where(masks.all(0)[:, None], logits, additive)
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

    def _of_subset(self, additive: Tensor, features: list[Tensor], masks: Tensor) -> Tensor:
        """Additive logits given the modalities of ``masks`` ``(M, B)``, corrected where there are two and more.

        Whole rows by the critic, parts of three and more modalities by the second correction.
        """
        whole = self._of_sum(torch.stack(features).sum(0))
        if len(masks) > 2:
            shares = zip(features, masks, self.absent, strict=True)
            hidden = torch.stack([torch.where(m[:, None], f[:, -self.hidden :], a) for f, m, a in shares]).sum(0)
            some = (masks.sum(0) > 1)[:, None]
            additive = torch.where(some, additive + self.partial_output(gelu(hidden)), additive)
        return torch.where(masks.all(0)[:, None], whole, additive)

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
        if not bool(any_present(batch).any()):
            nothing = 0.0 * torch.cat(features, -1).sum()
            return Loss(nothing, {self.head: nothing})
        r = "uniform" if self.label_marginal == "uniform" else self.log_prior.exp()
        parts: dict[str, Tensor] = {}
        if self.head != "joint":
            statistics = self._statistics(batch, features)
            parts["additive"] = statistics.loss(r)
        if self.head in ("conditional", "interaction"):
            features = [torch.cat([f[:, : self.n_classes].detach(), f[:, self.n_classes :]], -1) for f in features]
        if self.head == "conditional":
            marginals = statistics.marginals().detach()
            parts[self.head] = self._gain(features, marginals, torch.stack(masks), batch.target)
        elif self.head != "additive":
            every = len(batch) ** len(masks) <= self.negatives
            parts[self.head] = tcmax(
                self.critic, features, batch.target, present=masks, label_marginal=r,
                negatives=None if every else self.negatives, chunk_size=CELLS,
            )  # fmt: skip
        return Loss(torch.stack(list(parts.values())).sum(), parts)

    def _gain(self, features: list[Tensor], marginals: Tensor, masks: Tensor, target: Tensor) -> Tensor:
        """What the correction adds to the additive loss: the partition function stays the additive one.

        Given all that each row has and, of three and more modalities, given a part of it.
        """
        gain = torch.zeros_like(marginals[0, 0])
        for kept in (masks, some_of(masks)) if len(masks) > 2 else (masks,):
            before = tcmax_posterior([f[:, : self.n_classes] for f in features], marginals, present=list(kept))
            after = self._of_subset(before, features, kept)
            rows = kept.sum(0) > 1  # one modality alone is answered by the additive part
            gain = gain + cross_entropy(self._calibrated(after), target, rows)
            gain = gain - cross_entropy(self._calibrated(before), target, rows)
        return gain

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
        if self.head in ("interaction", "joint"):
            generator = torch.Generator().manual_seed(0)
            for m, name in enumerate(self.encoders):
                rows = torch.cat([features[m][chunk.present[name]] for chunk, features in chunks])
                if len(rows):
                    order = torch.randperm(len(rows), generator=generator).repeat(-(-self.bank_size // len(rows)))
                    self.bank[m] = rows[order[: self.bank_size].to(rows.device)]


def some_of(masks: Tensor) -> Tensor:
    """Of the modalities that each row has ``(M, B)``, two or more but not all, at random; none where it has two."""
    there = masks.sum(0)
    size = 2 + (torch.rand(masks.shape[1], device=masks.device) * (there - 2)).long()
    rank = torch.rand(masks.shape, device=masks.device).masked_fill(~masks, 2.0).argsort(0).argsort(0)
    return (rank < size) & masks & (there > 2)
