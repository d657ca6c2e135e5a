"""The loss terms of CyIN as functions of its output."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interplay.methods._values import Batch, Loss, Output
from interplay.nn import Posterior
from interplay.nn.losses import gaussian_kl
from interplay.nn.sequences import resample
from interplay.nn.translators import Translator

if TYPE_CHECKING:
    from interplay.methods.cyin import CyIN


def total(method: "CyIN", output: Output, batch: Batch) -> Loss:
    """Weighted sum of all terms that the form has."""
    form = method.form
    terms: dict[str, tuple[Tensor | float, Tensor]] = {"fused": (1.0, method.target_loss(output.logits, batch.target))}
    if form.label:
        losses = [method.target_loss(logits, batch.target, batch.present[n]) for n, logits in output.unimodal.items()]
        terms["label"] = (1.0, torch.stack(losses).mean() if form.label_mean else torch.stack(losses).sum())
    if form.token:
        divergence = (1 + form.label_divergence) / form.beta
        if form.variational:
            terms["divergence"] = (divergence, _divergence(output.latents["posteriors"], batch.present))
        if form.reconstruction:
            terms["reconstruction"] = (form.reconstruction, reconstruction(method, output, batch))
    weight = method.translation_weight
    if isinstance(weight, Tensor) or weight > 0:
        forward, reverse = (
            gaussian_translation(method, output, batch)
            if form.detached
            else squared_translation(method.translators, output.latents["own"], batch.present)
        )
        terms |= {"forward": (weight, forward), "reverse": (weight, reverse)}
    return Loss(torch.stack([w * x for w, x in terms.values()]).sum(), {name: x for name, (_, x) in terms.items()})


def _divergence(posteriors: Mapping[str, Posterior], present: Mapping[str, Tensor]) -> Tensor:
    """Mean divergence from the standard normal over modalities, rows that have them, tokens and units."""
    each = [rows_mean(gaussian_kl(q, reduction="none"), present[name]) for name, q in posteriors.items()]  # type: ignore[arg-type]
    return torch.stack(each).mean()


def reconstruction(method: "CyIN", output: Output, batch: Batch) -> Tensor:
    """Mean squared error of reconstructing modality ``t`` from the latents of ``s``, over the form's pairs."""
    form, own = method.form, output.latents["own"]
    targets = {name: method.token_targets(name, batch) for name in own}
    losses, weights = [], []
    for source, target, weight in _pairs(list(own), form.pairs, form.interaction):
        decoded = method.decoders[target](resample(own[source], method.lengths[target]))
        both = batch.present[source] & batch.present[target]
        losses.append(rows_mean((decoded - targets[target]).square(), both))
        weights.append(weight)
    scale = torch.tensor(weights, device=losses[0].device)
    return (torch.stack(losses) * scale).sum() / scale.sum()


def _pairs(names: list[str], kind: str, interaction: bool) -> list[tuple[str, str, float]]:
    """Source, target and weight."""
    selves = [(name, name, 1.0) for name in names]
    if not interaction:
        return selves
    m = len(names)
    if kind == "cyclic":
        step = shift(m)
        return selves + [(name, names[(i + step) % m], 1.0) for i, name in enumerate(names)]
    # Ordered pairs: the paper's mean over pairs has as much of "itself" as of "another".
    others = 1.0 if kind == "uniform" else 1.0 / max(1, m - 1)
    return selves + [(s, t, others) for s in names for t in names if s != t]


def shift(m: int) -> int:
    """How far the cycle over modalities turns: drawn from 1 ... m - 1."""
    return 1 if m == 2 else int(torch.randint(1, m, ()))


def gaussian_translation(method: "CyIN", output: Output, batch: Batch) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of the means given the others, and squared error of there and back."""
    posteriors, available = output.latents["posteriors"], output.latents["available"]
    means = {name: q[0].detach() for name, q in posteriors.items()}
    names = list(means)
    forward = []
    for name, (mean, log_variance) in output.latents["translated"].items():
        known = torch.stack([mask for other, mask in available.items() if other != name]).any(0)
        error = (log_variance + (mean - means[name]).square() * torch.exp(-log_variance)) / 2
        forward.append(rows_mean(error, known & batch.present[name]))
    step = shift(len(names))
    there = {name: names[(i + step) % len(names)] for i, name in enumerate(names)}
    out = method.translators.singly(means, {s: (t, method.lengths[t]) for s, t in there.items()})
    back = method.translators.singly(
        {there[s]: mean for s, (mean, _) in out.items()}, {t: (s, method.lengths[s]) for s, t in there.items()}
    )
    reverse = [rows_mean((back[t][0] - means[s]).square(), batch.present[s]) for s, t in there.items()]
    return torch.stack(forward).mean(), torch.stack(reverse).mean()


def squared_translation(
    translators: Translator, own: Mapping[str, Tensor], present: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The published terms: each translation and the sum of all against the sample, forward and after a round trip."""
    names, m = list(own), len(own)
    length = {name: x.shape[1] for name, x in own.items()}
    ways = [{s: names[(i + k) % m] for i, s in enumerate(names)} for k in range(1, m)]
    out = [translators.singly(own, {s: (t, length[t]) for s, t in way.items()}) for way in ways]
    back = [
        translators.singly({way[s]: x for s, (x, _) in found.items()}, {t: (s, length[s]) for s, t in way.items()})
        for way, found in zip(ways, out, strict=True)
    ]
    forward: list[Tensor] = []
    reverse: list[Tensor] = []
    for name, x in own.items():
        there = [
            (found[s][0], present[s]) for way, found in zip(ways, out, strict=True) for s, t in way.items() if t == name
        ]
        again = [(found[way[name]][0], present[name]) for way, found in zip(ways, back, strict=True)]
        for terms, where in ((forward, there), (reverse, again)):
            rows = torch.stack([mask for _, mask in where]).all(0) & present[name]
            terms += [rows_mean((y - x).square(), mask & present[name]) for y, mask in where]
            terms.append(rows_mean((sum(y for y, _ in where) - x).square(), rows))
    return torch.stack(forward).mean(), torch.stack(reverse).mean()


def mixed(translators: Translator, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each modality's latents of a whole batch replaced, as likely, by one translation, their sum, or nothing."""
    names, m = list(own), len(own)
    result = {}
    for target, x in own.items():
        choice = int(torch.randint(m + 1, ()))
        others = [name for name in names if name != target]
        if choice == m:
            result[target] = x
            continue
        chosen = others if choice == m - 1 else [others[choice]]
        translated = [translators.singly(own, {s: (target, x.shape[1])})[s][0] for s in chosen]
        result[target] = torch.stack(translated).sum(0)
    return result


def rows_mean(values: Tensor, rows: Tensor) -> Tensor:
    """Mean over all but the first dimension, then over the rows of a mask; 0 where no row is left."""
    return (values.flatten(1).mean(1) * rows).sum() / rows.sum().clamp(min=1)
