"""The loss terms of DMIL as functions of its output."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from interplay.methods._dmil_parts import Part, members_present
from interplay.methods._dmil_weights import Weights
from interplay.methods._values import REDUNDANCY, SYNERGY, Batch, Loss, Output
from interplay.nn import Posterior
from interplay.nn.losses import gaussian_kl

if TYPE_CHECKING:
    from interplay.methods.dmil import DMIL

Term = tuple[float, str, Tensor]
Mean = Callable[[str, Tensor], Tensor]


def total(method: "DMIL", output: Output, batch: Batch, w: Weights) -> Loss:
    """Sum of all terms whose weight is not zero."""
    mean = means(method, batch)
    terms = [*_classification(method, output, batch, mean, w)]
    if method.supervised:
        terms += _supervision(method, output, batch, mean, w)
    if method.levels != "consistency":
        terms += _intra_level(method, output, mean, w)
    if method.levels != "intra":
        terms += _consistency_level(method, output, batch, mean, w)
    used = [term for term in terms if term[0]]
    return Loss(
        torch.stack([weight * value for weight, _, value in used]).sum(), {name: value for _, name, value in used}
    )


def _classification(method: "DMIL", output: Output, batch: Batch, mean: Mean, w: Weights) -> Iterator[Term]:
    yield w.fused, "fused", method.target_loss(output.logits, batch.target)
    for name, logits in output.unimodal.items():
        losses = method.target_losses(logits, batch.target)
        yield w.heads, f"head:{name}", mean(f"present:{name}", losses)
    for part, logits in output.components.items():
        if not (method.supervised and part in method.synergies):
            losses = method.target_losses(logits, batch.target)
            yield w.components, part, mean(f"available:{part}", losses)


def _supervision(method: "DMIL", output: Output, batch: Batch, mean: Mean, w: Weights) -> Iterator[Term]:
    """Gate towards the sample's composition; synergy towards the target where it is synergistic, else to the prior."""
    shares = gate_targets(method, batch)
    log_gate = torch.stack(list(output.gate.values()), -1).clamp_min(1e-8).log()
    yield w.gate, "gate", -(shares * log_gate).sum(-1).mean()
    for part in method.synergies:
        at = method.parts.index(part)
        share, average, rows = shares[:, at], method.synergy_shares[part], f"available:{part}"
        said = output.components[part]
        right = method.target_losses(said, batch.target)
        yield w.synergy, part, mean(rows, share / average * right)
        if method.task == "classification":
            # Numbers are left out: a prediction pulled to the mean is a worse one, while an arg-max does not mind.
            blind = (method.prior * (method.log_prior - said.log_softmax(-1))).sum(-1)
            term = f"blindness{part.removeprefix(SYNERGY)}"
            yield w.synergy, term, mean(rows, (1 - share) / (1 - average) * blind)


def gate_targets(method: "DMIL", batch: Batch) -> Tensor:
    """``(B, parts)``: composition of each row, nothing for parts that lack a modality there."""
    shares = batch.extra["composition"]
    if len(method.parts) < shares.shape[-1]:  # no redundancy part: what is shared, each modality shows alone
        n = len(batch.present)
        own = shares[:, 1 : n + 1] + shares[:, :1] / n
        shares = torch.cat([own, shares[:, n + 1 :]], -1)
    return shares * method.available(batch)


def _intra_level(method: "DMIL", output: Output, mean: Mean, w: Weights) -> Iterator[Term]:
    h = output.latents
    for i, name in enumerate(method.encoders):
        pair, rows = min(i, 1), f"present:{name}"
        if w.kl[pair] and method.variational:
            yield w.kl[pair], f"kl:{name}", mean(rows, _kl(h["relevant"][name]) + _kl(h["irrelevant"][name]))
        if w.reconstruction[pair]:
            decoded = method.decoder[name](torch.cat([h["m"][name], h["n"][name]], -1))
            yield w.reconstruction[pair], f"reconstruction:{name}", mean(rows, _mse(method, decoded, h["z"][name]))


def _consistency_level(method: "DMIL", output: Output, batch: Batch, mean: Mean, w: Weights) -> Iterator[Term]:
    h = output.latents
    for name in method.encoders:
        rows = f"present:{name}"
        shared = [part for part, single in h["single"].items() if name in single]
        if w.consistency_kl and method.variational:
            yield w.consistency_kl, f"unique_kl:{name}", mean(rows, _kl(h["own"][name]))
        for part in shared if w.alignment else ():
            term = f"alignment{part.removeprefix(REDUNDANCY)}:{name}"
            distance = _alignment(h["shared"][part], h["single"][part][name])
            yield w.alignment, term, mean(f"complete:{part}", distance)
        for part in shared if w.single else ():
            said = method.component_heads[part](method.sample(h["single"][part][name]))
            share, term = w.single / len(h["single"][part]), f"single{part.removeprefix(REDUNDANCY)}:{name}"
            yield share, term, mean(rows, method.target_losses(said, batch.target))
        if w.consistency_reconstruction:
            decoded = method.consistency_decoder[name](
                torch.cat([*(h["r"][part] for part in shared), h["u"][name]], -1)
            )
            error = mean(rows, _mse(method, decoded, h["means"][name]))
            yield w.consistency_reconstruction, f"consistency_reconstruction:{name}", error
    if w.consistency_kl and method.variational:
        for part, posterior in h["shared"].items():
            yield w.consistency_kl, f"{part}_kl", mean(f"available:{part}", _kl(posterior))


def masks(parts: Sequence[Part], batch: Batch) -> dict[str, Tensor]:
    """Bool ``(B,)`` by name: the rows that have a modality, enough of a part's modalities, or all of them."""
    counts = dict(zip((part.name for part in parts), members_present(parts, batch).unbind(-1), strict=True))
    return {
        **{f"present:{name}": rows for name, rows in batch.present.items()},
        **{f"available:{part.name}": counts[part.name] >= part.needed for part in parts},
        **{f"complete:{part.name}": counts[part.name] == len(part.members) for part in parts},
    }


def means(method: "DMIL", batch: Batch) -> Mean:
    """Function of a mask's name and values ``(B,)``: their mean over these rows.

    The sum over the rows of the batch is divided by how many there are to expect, from the whole training part.
    Counting those of the batch would make its loss something else than the mean of the losses of its parts.
    """
    rows = masks(method.structure, batch)

    def mean(name: str, values: Tensor) -> Tensor:
        return (values * rows[name]).sum() / (len(batch) * method.rates.get(name, 1.0))

    return mean


def _kl(q: Posterior, p: Posterior | None = None) -> Tensor:
    return gaussian_kl(q, p, reduction="none").mean(-1)  # type: ignore[arg-type]


def _alignment(q: Posterior, p: Posterior) -> Tensor:
    """Divergence, or half the squared distance of points."""
    return (q[0] - p[0]).square().mean(-1) / 2 if q[1] is None else _kl(q, p)


def _mse(method: "DMIL", decoded: Tensor, target: Tensor) -> Tensor:
    # The released code lets the encoder lower this by shrinking its own output.
    target = target if method.published else target.detach()
    return mse_loss(decoded, target, reduction="none").mean(-1)
