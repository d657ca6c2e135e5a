"""Self-supervised pre-training of two encoders on unlabelled pairs: agreement only, or allowing disagreement."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interplay.data import MultimodalDataset, as_dataset
from interplay.nn import MaskedEncoder, Standardize, build_encoder, default_encoder, valid_steps
from interplay.nn.contrastive import cross_correlation, info_nce
from interplay.training.tensors import to_batch

__all__ = ["Pretrained", "pretrain"]

OBJECTIVES = ("agreement", "disagreement")


@dataclass(frozen=True)
class Pretrained:
    """Encoders by modality name, for ``MultimodalClassifier(encoders=...)``, and the mean loss of every epoch.

    n_shared: how many of each encoder's outputs were trained to agree; the rest is private.
    """

    encoders: dict[str, nn.Module]
    history: list[dict[str, float]]
    n_shared: int
    _scaled: dict[str, MaskedEncoder]

    def encode(self, X: MultimodalDataset | Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Outputs ``(n, width)`` by modality name; where a modality is absent, those of an average sample."""
        batch = to_batch(as_dataset(X).select(tuple(self._scaled)))
        found = {}
        with torch.no_grad():
            for name, encoder in self._scaled.items():
                encoder.eval()
                out = encoder(batch.modalities[name], batch.present[name], batch.lengths.get(name))
                found[name] = out.numpy()
        return found


def pretrain(
    pairs: MultimodalDataset | Mapping[str, Any],
    *,
    objective: str = "disagreement",
    encoders: Mapping[str, str | nn.Module] | None = None,
    width: int = 64,
    drop: float = 0.3,
    temperature: float = 0.1,
    private_weight: float = 1.0,
    independence: float = 1.0,
    max_epochs: int = 50,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    random_state: int | None = None,
    progress: bool = False,
) -> Pretrained:
    r"""Train an encoder for each of two modalities on pairs without labels.

    "agreement" minimises InfoNCE between the whole outputs of paired samples: what the modalities share stays, what
    only one has (and any synergy, which is in neither alone) has no reason to. "disagreement" splits each output in
    halves, shared :math:`s` and private :math:`p`, and minimises

    .. math:: \mathrm{NCE}(s_1, s_2) + \lambda \sum_m \mathrm{NCE}(p_m, p_m') + \mu \sum_m \mathrm{corr}^2(s_m, p_m)

    with :math:`p_m, p_m'` from two copies of the sample with different features dropped, so the private half keeps
    whatever tells samples apart within its modality, as far as the shared half does not have it. A workable form of the
    idea of relaxed agreement (and of FactorCL's factorised contrast); the original objective could not be recovered.

    Args:
        pairs: two modalities, rows present in both are used; a target is never looked at.
        objective: "agreement" or "disagreement".
        encoders: by modality, a name of ``interplay.nn.ENCODERS`` or a module with ``out_features``; None: by shape.
        width: outputs of each encoder that is built here.
        drop: share of features zeroed in the copies.
        temperature: of InfoNCE.
        private_weight: lambda.
        independence: mu.
        max_epochs: passes over the pairs.
        batch_size: pairs a step; also the number of candidates of InfoNCE.
        learning_rate: of AdamW.
        random_state: seed.
        progress: show a bar.

    Raises:
        ValueError: not two modalities, fewer than 4 complete pairs, unknown objective, odd or unequal widths.
    """
    dataset = as_dataset(pairs)
    _check(dataset, objective)
    both = np.logical_and.reduce([dataset.present[name] for name in dataset.names])
    if both.sum() < 4:
        raise ValueError(f"{int(both.sum())} rows have both modalities, expected at least 4 pairs")
    batch = to_batch(dataset[np.flatnonzero(both)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(np.random.SeedSequence(random_state).generate_state(1)[0].item())
        parts, scaled = {}, {}
        for name in dataset.names:
            x = batch.modalities[name]
            choice = (encoders or {}).get(name) or default_encoder(x.shape[1:])
            module = build_encoder(choice, x.shape[1:], width=width) if isinstance(choice, str) else choice
            scale = Standardize.fit(x, valid_steps(x, batch.present[name], batch.lengths.get(name)))
            parts[name], scaled[name] = module, MaskedEncoder(scale, module, name)
        n_shared = _shared_width(scaled, objective)
        parameters = [p for encoder in scaled.values() for p in encoder.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
        history = []
        with _bar(progress, max_epochs) as epochs:
            for _ in epochs:
                losses = _epoch(
                    scaled,
                    batch,
                    optimizer,
                    batch_size,
                    n_shared,
                    (objective, drop, temperature),
                    private_weight,
                    independence,
                )
                history.append(losses)
    for encoder in scaled.values():
        encoder.eval()
    return Pretrained(parts, history, n_shared, scaled)


def _check(dataset: MultimodalDataset, objective: str) -> None:
    if len(dataset.names) != 2:
        raise ValueError(f"pairs have the modalities {list(dataset.names)}, expected exactly two: select them")
    if objective not in OBJECTIVES:
        raise ValueError(f"objective {objective!r} is unknown; there are {', '.join(OBJECTIVES)}")


def _shared_width(encoders: Mapping[str, MaskedEncoder], objective: str) -> int:
    widths = {name: encoder.out_features for name, encoder in encoders.items()}
    first, second = widths.values()
    if first != second or (objective == "disagreement" and first % 2):
        raise ValueError(f"encoders have the widths {widths}, expected equal and even ones")
    return first // 2 if objective == "disagreement" else first


def _epoch(
    encoders: Mapping[str, MaskedEncoder],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    n_shared: int,
    settings: tuple[str, float, float],
    private_weight: float,
    independence: float,
) -> dict[str, float]:
    objective, drop, temperature = settings
    order: Any = torch.randperm(len(batch))
    chunks = [rows for rows in order.split(batch_size) if len(rows) > 1]
    sums: dict[str, float] = {}
    for encoder in encoders.values():
        encoder.train()
    for rows in chunks:
        part = batch[rows]
        views = {name: [_encode(encoder, part, name, drop) for _ in range(2)] for name, encoder in encoders.items()}
        one, two = views.values()
        losses = {"shared": info_nce(one[0][:, :n_shared], two[0][:, :n_shared], temperature)}
        if objective == "disagreement":
            private = [info_nce(v[0][:, n_shared:], v[1][:, n_shared:], temperature) for v in (one, two)]
            apart = [cross_correlation(v[0][:, :n_shared], v[0][:, n_shared:]) for v in (one, two)]
            losses["private"] = private_weight * (private[0] + private[1])
            losses["dependence"] = independence * (apart[0] + apart[1])
        total: Any = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach()) / len(chunks)
    return sums


def _encode(encoder: MaskedEncoder, part: Any, name: str, drop: float) -> Tensor:
    """Outputs for a copy of the rows with random features put to their mean."""
    x = part.modalities[name]
    gone = torch.rand_like(x) < drop
    mean = encoder.scale.mean.expand(x.shape) if x.ndim > 1 else x
    return encoder(torch.where(gone, mean, x), part.present[name], part.lengths.get(name))


def _bar(progress: bool, epochs: int) -> Any:
    if not progress:
        return nullcontext(range(epochs))
    from rich.progress import track

    return nullcontext(track(range(epochs), description="pre-training"))
