"""Joint learning on features completed from nearest neighbours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from interplay.methods._base import Fit
from interplay.methods._limits import COUNT, Limits
from interplay.methods._values import Batch, Output, all_present, any_present
from interplay.methods.joint import Joint
from interplay.nn import ByName, valid_steps

MOST_DONORS = 20_000


class KNNImpute(Joint):
    r"""Fill an absent modality with the mean over the nearest training rows that have it, then learn jointly.

    The distance of two rows is the mean squared difference of their standardised features over the modalities that both
    have (for vectors this is scikit-learn's ``KNNImputer`` on the concatenated features, which the tests compare with):

    .. math:: d^2(x, x') = \frac{\sum_{k \in A \cap A'} \|x_k - x'_k\|^2}{\sum_{k \in A \cap A'} \dim_k}, \qquad
              \hat x_m = \frac1K \sum_{i \in N_K(x)} x_{i,m} .

    A training row is never its own neighbour. With no neighbour that shares a modality, the training mean stands in;
    with nothing present, the class prior. Of sequences with lengths, values are averaged step by step, and the lengths.

    The model keeps the training rows (at most 20000, evenly spread), in memory and **in the saved file**.

    Args:
        neighbours: :math:`K`.
        hidden: width of the joint head's hidden layer.
        dropout: dropout inside the head.

    Reference:
        Troyanskaya et al., Missing value estimation methods for DNA microarrays, Bioinformatics 2001.
    """

    limits: ClassVar[Limits] = {**Joint.limits, "neighbours": COUNT}

    def __init__(self, neighbours: int = 5, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__(hidden=hidden, dropout=dropout)
        self.neighbours = neighbours

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the head and room for the donors."""
        super().build_parts(widths, n_classes)
        self.donors = ByName({name: Donors() for name in widths})

    def prepare(self, training: Batch, fit: Fit) -> Batch:
        """Keep the training rows."""
        n = len(training)
        rows = torch.arange(n) if n <= MOST_DONORS else torch.linspace(0, n - 1, MOST_DONORS).long()
        kept = training[rows.to(self.log_prior.device)]
        for name, donors in self.donors.items():
            donors.keep(self._standardized(name, kept), kept.present[name], kept.lengths.get(name), rows)  # type: ignore[operator]
        return training

    def forward(self, batch: Batch) -> Output:
        """Fused logits of the completed rows."""
        return self.fuse(self.encode(self.complete(batch)), batch)

    @torch.no_grad()
    def complete(self, batch: Batch) -> Batch:
        """The batch with absent modalities filled from donors; what could not be filled stays absent."""
        if torch.compiler.is_compiling():  # a traced graph cannot pick rows by value
            return self._complete_all(batch)
        rows = torch.nonzero(any_present(batch) & ~all_present(batch))[:, 0]
        modalities, present, lengths = dict(batch.modalities), dict(batch.present), dict(batch.lengths)
        if not len(rows):
            return batch
        distances = self._distances(batch[rows])
        for name in self.donors:
            lacks = ~batch.present[name][rows]
            where = rows[lacks]
            values, found, steps = self._impute(name, distances[lacks])
            modalities[name] = modalities[name].index_put((where,), values)
            present[name] = present[name].index_put((where,), found)
            if name in lengths:
                lengths[name] = lengths[name].index_put((where,), steps.to(lengths[name].dtype))
        return replace(batch, modalities=modalities, present=present, lengths=lengths)

    def _complete_all(self, batch: Batch) -> Batch:
        """The same with an imputation for every row, used where it is needed."""
        modalities, present, lengths = dict(batch.modalities), dict(batch.present), dict(batch.lengths)
        distances = self._distances(batch)
        for name, here in batch.present.items():
            values, found, steps = self._impute(name, distances)
            x = modalities[name]
            modalities[name] = torch.where(here.reshape(-1, *[1] * (x.ndim - 1)), x, values)
            present[name] = here | found
            if name in lengths:
                lengths[name] = torch.where(here, lengths[name], steps.to(lengths[name].dtype))
        return replace(batch, modalities=modalities, present=present, lengths=lengths)

    def _impute(self, name: str, distances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean of the nearest donors, whether there is any, and their mean length, for rows of ``distances``."""
        donors: Any = self.donors[name]
        possible = distances.masked_fill(~donors.present, torch.inf)
        distance, nearest = possible.topk(min(self.neighbours, possible.shape[1]), largest=False)
        use = distance.isfinite().float()
        use = use / use.sum(1, keepdim=True).clamp(min=1)
        scale: Any = self.encoders[name].scale
        mean = torch.einsum("rk,rk...->r...", use, donors.values[nearest])
        steps = (use * donors.lengths[nearest]).sum(1).round()
        return mean * scale.scale + scale.mean, use.any(1), steps

    def _distances(self, batch: Batch) -> Tensor:
        """Mean squared differences ``(B, n)`` to the training rows; infinite where nothing is shared."""
        any_donors: Any = next(part for _, part in self.donors.items())
        rows = next(iter(batch.present.values())).shape[0]
        total = torch.zeros(rows, len(any_donors.rows), device=any_donors.rows.device)
        dims = torch.zeros_like(total)
        for name, found in self.donors.items():
            donors: Any = found
            x, y = self._standardized(name, batch).flatten(1), donors.values.flatten(1)
            shared = (batch.present[name][:, None] & donors.present).float()
            squared = torch.addmm(y.square().sum(1).expand_as(total), x, y.T, alpha=-2) + x.square().sum(1)[:, None]
            total += shared * squared.clamp_(min=0)
            dims += shared * x.shape[1]
        possible = dims > 0
        if "row" in batch.extra:
            possible &= batch.extra["row"][:, None] != any_donors.rows
        return torch.where(possible, total / dims.clamp(min=1), torch.inf)

    def _standardized(self, name: str, batch: Batch) -> Tensor:
        """Standardised values, zero where absent and in padding."""
        x: Tensor = batch.modalities[name]
        valid = valid_steps(x, batch.present[name], batch.lengths.get(name))
        scaled: Tensor = self.encoders[name].scale(x)  # type: ignore[operator]
        return scaled * valid.reshape(*valid.shape, *[1] * (x.ndim - valid.ndim))


class Donors(nn.Module):
    """One modality of the training rows; its size comes from the data, or from a saved model."""

    values: Tensor
    present: Tensor
    lengths: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(0))
        self.register_buffer("present", torch.zeros(0, dtype=torch.bool))
        self.register_buffer("lengths", torch.zeros(0, dtype=torch.long))
        self.register_buffer("rows", torch.zeros(0, dtype=torch.long))

    def keep(self, values: Tensor, present: Tensor, lengths: Tensor | None, rows: Tensor) -> None:
        """Take standardised values ``(n, ...)``, masks, lengths and positions in the training part."""
        self.values, self.present = values, present
        self.lengths = torch.zeros_like(present, dtype=torch.long) if lengths is None else lengths
        self.rows = rows.to(present.device)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in dict(self.named_buffers()):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name], device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
