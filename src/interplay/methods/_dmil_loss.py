"""The loss terms of DMIL as functions of its output."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from interplay.methods._base import REDUNDANCY, SYNERGY, Batch, Loss, Output, cross_entropy
from interplay.methods._dmil_parts import members_present
from interplay.methods._dmil_weights import Weights
from interplay.nn import Posterior
from interplay.nn.losses import gaussian_kl

if TYPE_CHECKING:
    from interplay.methods.dmil import DMIL

Term = tuple[float, str, Tensor]


def total(method: "DMIL", output: Output, batch: Batch, w: Weights) -> Loss:
    """Sum of all terms whose weight is not zero."""
    terms = [*_classification(method, output, batch, w)]
    if method.supervised:
        terms += _supervision(method, output, batch, w)
    if method.levels != "consistency":
        terms += _intra_level(method, output, batch, w)
    if method.levels != "intra":
        terms += _consistency_level(method, output, batch, w)
    used = [term for term in terms if term[0]]
    return Loss(
        torch.stack([weight * value for weight, _, value in used]).sum(), {name: value for _, name, value in used}
    )


def _classification(method: "DMIL", output: Output, batch: Batch, w: Weights) -> Iterator[Term]:
    yield w.fused, "fused", cross_entropy(output.logits, batch.target)
    for name, logits in output.unimodal.items():
        yield w.heads, f"head:{name}", cross_entropy(logits, batch.target, batch.present[name])
    available = dict(zip(method.parts, method.available(batch).unbind(-1), strict=True))
    for part, logits in output.components.items():
        if not (method.supervised and part in method.synergies):
            yield w.components, part, cross_entropy(logits, batch.target, available[part])


def _supervision(method: "DMIL", output: Output, batch: Batch, w: Weights) -> Iterator[Term]:
    """Gate towards the sample's composition; synergy towards the class where it is synergistic, else to the prior."""
    available = method.available(batch)
    shares = batch.extra["composition"]
    if len(method.parts) < shares.shape[-1]:  # no redundancy part: what is shared, each modality shows alone
        n = len(batch.present)
        own = shares[:, 1 : n + 1] + shares[:, :1] / n
        shares = torch.cat([own, shares[:, n + 1 :]], -1)
    shares = shares * available
    log_gate = torch.stack(list(output.gate.values()), -1).clamp_min(1e-8).log()
    yield w.gate, "gate", -(shares * log_gate).sum(-1).mean()
    prior = method.log_prior
    assert batch.target is not None
    for part in method.synergies:
        at = method.parts.index(part)
        rows, share, mean = available[:, at], shares[:, at], method.synergy_shares[part]
        log_p = output.components[part].log_softmax(-1)
        right = -log_p.gather(1, batch.target[:, None])[:, 0]
        blind = (prior.exp() * (prior - log_p)).sum(-1)
        yield w.synergy, part, _mean_over(rows, share / mean * right)
        yield w.synergy, f"blindness{part.removeprefix(SYNERGY)}", _mean_over(rows, (1 - share) / (1 - mean) * blind)


def _intra_level(method: "DMIL", output: Output, batch: Batch, w: Weights) -> Iterator[Term]:
    h = output.latents
    for i, name in enumerate(method.encoders):
        rows, pair = batch.present[name], min(i, 1)
        if w.kl[pair] and method.variational:
            divergence = _kl(h["relevant"][name], None, rows) + _kl(h["irrelevant"][name], None, rows)
            yield w.kl[pair], f"kl:{name}", divergence
        if w.reconstruction[pair]:
            decoded = method.decoder[name](torch.cat([h["m"][name], h["n"][name]], -1))
            yield w.reconstruction[pair], f"reconstruction:{name}", _mse(method, decoded, h["z"][name], rows)


def _consistency_level(method: "DMIL", output: Output, batch: Batch, w: Weights) -> Iterator[Term]:
    h = output.latents
    whole = {part.name: members_present([part], batch)[:, 0] == len(part.members) for part in method.structure}
    for name in method.encoders:
        rows = batch.present[name]
        shared = [part for part, single in h["single"].items() if name in single]
        if w.consistency_kl and method.variational:
            yield w.consistency_kl, f"unique_kl:{name}", _kl(h["own"][name], None, rows)
        for part in shared if w.alignment else ():
            term = f"alignment{part.removeprefix(REDUNDANCY)}:{name}"
            yield w.alignment, term, _alignment(h["shared"][part], h["single"][part][name], whole[part])
        if w.consistency_reconstruction:
            decoded = method.consistency_decoder[name](
                torch.cat([*(h["r"][part] for part in shared), h["u"][name]], -1)
            )
            error = _mse(method, decoded, h["means"][name], rows)
            yield w.consistency_reconstruction, f"consistency_reconstruction:{name}", error
    if w.consistency_kl and method.variational:
        for part, rows in zip(method.parts, method.available(batch).unbind(-1), strict=True):
            if part in h["shared"]:
                yield w.consistency_kl, f"{part}_kl", _kl(h["shared"][part], None, rows)


def _mean_over(rows: Tensor, values: Tensor) -> Tensor:
    """Mean over the rows of a mask; 0 where no row is left."""
    return (values * rows).sum() / rows.sum().clamp(min=1)


def _kl(q: Posterior, p: Posterior | None, rows: Tensor) -> Tensor:
    return _mean_over(rows, gaussian_kl(q, p, reduction="none").mean(-1))  # type: ignore[arg-type]


def _alignment(q: Posterior, p: Posterior, rows: Tensor) -> Tensor:
    """Divergence, or half the squared distance of points."""
    if q[1] is None:
        return _mean_over(rows, (q[0] - p[0]).square().mean(-1) / 2)
    return _kl(q, p, rows)


def _mse(method: "DMIL", decoded: Tensor, target: Tensor, rows: Tensor) -> Tensor:
    # The released code lets the encoder lower this by shrinking its own output.
    target = target if method.published else target.detach()
    return _mean_over(rows, mse_loss(decoded, target, reduction="none").mean(-1))
