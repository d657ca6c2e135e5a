"""What goes on inside DMIL while it trains."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interplay.methods._values import REDUNDANCY, Batch, Output
from interplay.nn import Posterior
from interplay.nn.losses import gaussian_kl

if TYPE_CHECKING:
    from interplay.methods.dmil import DMIL

# A unit whose mean hardly varies from sample to sample carries nothing (Burda et al., 2016).
ACTIVE = 0.01
# The gate learns the targets by cross-entropy, so its mean is about theirs; this far apart it has not learned them.
ALL, NOT_ALL = 0.98, 0.8


@torch.no_grad()
def diagnostics(method: "DMIL", output: Output, batch: Batch) -> dict[str, float]:
    """Numbers on a labelled batch in evaluation mode.

    Returns:
        ``kl:<block>`` (nats, summed over units), ``active:<block>`` (units), ``gate_entropy`` (bits),
        ``usage:<part>`` (mean gate weight), ``accuracy:<part>`` (regression: ``r2:<part>``), and
        ``dependence:<modality>`` of redundancy and unique part (linear kernel alignment in [0, 1]; 0 is uncorrelated).
    """
    assert batch.target is not None, "diagnostics need targets"
    found: dict[str, float] = {}
    for block, posterior in blocks(output.latents):
        found[f"active:{block}"] = float((posterior[0].var(0) > ACTIVE).sum())
        if posterior[1] is not None:
            divergence = gaussian_kl((posterior[0], posterior[1]), reduction="sum")
            found[f"kl:{block}"] = float(divergence)
    gate = torch.stack(list(output.gate.values()), -1)
    found["gate_entropy"] = float(torch.special.entr(gate).sum(-1).mean()) / math.log(2)
    for part, logits in output.components.items():
        found[f"usage:{part}"] = float(output.gate[part].mean())
        measure = "r2" if method.task == "regression" else "accuracy"
        found[f"{measure}:{part}"] = float(method.quality(logits, batch.target))
    if REDUNDANCY in method.parts:
        shared = output.latents["shared"][REDUNDANCY][0]
        for name, own in output.latents["own"].items():
            found[f"dependence:{name}"] = alignment(shared, own[0])
    return found


def blocks(latents: Mapping[str, object]) -> Iterator[tuple[str, Posterior]]:
    """Name and posterior of every latent block."""
    for symbol, key in (("M", "relevant"), ("N", "irrelevant"), ("U", "own")):
        for name, posterior in latents.get(key, {}).items():  # type: ignore[attr-defined]
            yield f"{symbol}:{name}", posterior
    for part, posterior in latents.get("shared", {}).items():  # type: ignore[attr-defined]
        yield part.replace(REDUNDANCY, "R"), posterior


def alignment(x: Tensor, y: Tensor) -> float:
    r"""Linear centred kernel alignment :math:`\|X^\top Y\|^2 / (\|X^\top X\| \|Y^\top Y\|)` of ``(n, d)`` tensors.

    >>> x = torch.tensor([[1.0], [2.0], [4.0]])
    >>> round(alignment(x, -3 * x), 6)
    1.0
    """
    x, y = x - x.mean(0), y - y.mean(0)
    scale = (x.T @ x).norm() * (y.T @ y).norm()
    return float((x.T @ y).square().sum() / scale.clamp_min(1e-12))


def collapsed(found: Mapping[str, float]) -> list[str]:
    """Blocks that carry nothing though something depends on them.

    Every ``M`` holds what its modality tells about the target. Synergy needs an ``N`` in two modalities. ``R`` and
    ``U`` may be empty with good reason: nothing shared, nothing unique.
    """
    units = {key.removeprefix("active:"): n for key, n in found.items() if key.startswith("active:")}
    rest = [block for block in units if block.startswith("N:")]
    dead = [block for block in rest if not units[block]]
    alone = len(rest) - len(dead) < 2
    return [block for block in units if block.startswith("M:") and not units[block]] + (dead if alone else [])


def takes_all(found: Mapping[str, float], told: Mapping[str, float]) -> str | None:
    """The part that gets all of the gate though composition targets show others, too; None where there is none.

    Data of one kind rightly have such a gate, so without targets (``told`` empty) nothing can be said.

    >>> takes_all({"usage:redundancy": 0.0, "usage:synergy": 1.0}, {"redundancy": 0.5, "synergy": 0.5})
    'synergy'
    >>> takes_all({"usage:redundancy": 0.0, "usage:synergy": 1.0}, {"redundancy": 0.02, "synergy": 0.98})
    """
    wrong = (part for part, share in told.items() if found[f"usage:{part}"] > ALL and share < NOT_ALL)
    return next(wrong, None)


def alarms(found: Mapping[str, float], told: Mapping[str, float]) -> Iterator[str]:
    """What went wrong, and what to change."""
    empty, part = collapsed(found), takes_all(found, told)
    if empty:
        yield (
            f"the latent blocks {', '.join(empty)} collapsed to their prior and carry nothing (M: what tells the "
            "target, N: what synergy is made of); lower bottleneck, or set variational=False"
        )
    if part is not None:
        yield (
            f"the gate gives {found[f'usage:{part}']:.0%} to {part}, of which the composition targets of the training "
            f"rows show {told[part]:.0%}; do not read its parts. Train longer (max_epochs, patience) or change "
            "learning_rate"
        )
