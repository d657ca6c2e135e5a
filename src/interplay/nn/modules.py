"""Small parts shared by the methods."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

# Mean and log-variance of a diagonal Gaussian, each (B, d); a point has no log-variance.
Posterior = tuple[Tensor, Tensor | None]


class ByName(nn.Module):
    """Modules by modality name.

    ``nn.ModuleDict`` refuses names such as ``"rna.seq"`` or ``"keys"``; users may call a modality anything.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(modules)
        self.parts = nn.ModuleList(modules.values())

    def __getitem__(self, name: str) -> nn.Module:
        return self.parts[self.names.index(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def items(self) -> Iterator[tuple[str, nn.Module]]:
        """Pairs of name and module, in the given order."""
        return zip(self.names, self.parts, strict=True)


class Standardize(nn.Module):
    """Subtract the training mean and divide by the training standard deviation.

    Vectors ``(n, d)`` are scaled per feature, sequences ``(n, L, d)`` per feature over valid steps, images with one
    mean and one scale. A feature that never varies is only centred.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    @classmethod
    def fit(cls, x: Tensor, valid: Tensor, *, image: bool = False) -> "Standardize":
        """Estimate from the rows (and steps) of ``x`` where ``valid`` is true; ``valid`` is ``(n,)`` or ``(n, L)``."""
        values = x[valid].double()
        over = tuple(range(values.ndim)) if image else tuple(range(values.ndim - 1))
        if not len(values):
            width = () if image else x.shape[-1:]
            return cls(torch.zeros(width), torch.ones(width))
        mean = values.mean(over)
        scale = (values - mean).square().mean(over).sqrt()
        # Rounding leaves a constant feature with a tiny spread; dividing by it would blow up other values.
        flat = scale <= 1e-6 * (mean.abs() + 1e-12)
        return cls(mean.float(), torch.where(flat, 1.0, scale).float())

    def forward(self, x: Tensor) -> Tensor:
        """Standardise ``x``."""
        return (x - self.mean) / self.scale


def valid_steps(x: Tensor, present: Tensor, lengths: Tensor | None) -> Tensor:
    """Where ``x`` holds real values: bool ``(n,)``, or ``(n, L)`` for sequences with lengths."""
    if lengths is None:
        return present
    steps = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    return steps & present[:, None]


class MaskedEncoder(nn.Module):
    """Standardisation, then an encoder; both are one part, so a model carries its preprocessing.

    After standardisation zeros (the training mean) stand for absent rows and for padding. ``shape`` is that of a
    sample; parts that reconstruct features need it.
    """

    def __init__(self, scale: Standardize, encoder: nn.Module, name: str, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        width = getattr(encoder, "out_features", None)
        if not isinstance(width, int):
            raise ValueError(
                f"encoder of modality {name!r} needs an integer attribute out_features (its output width), "
                f"found {width!r} on {type(encoder).__name__}"
            )
        self.scale, self.encoder, self.out_features = scale, encoder, width
        self.takes_lengths = bool(getattr(encoder, "takes_lengths", False))
        self.gives_tokens = callable(getattr(encoder, "tokens", None))
        # Vectors and sequences are described by features; images, which have one scale for all, are not.
        described = shape is not None and len(shape) <= 2 and scale.mean.ndim == 1
        self.n_features = int(scale.mean.shape[0]) if described else None

    def forward(self, x: Tensor, present: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encode ``(B, ...)`` as ``(B, out_features)``; ``present`` is ``(B,)``, ``lengths`` ``(B,)`` or None."""
        x = self.standardized(x, present, lengths)
        return self.encoder(x, lengths) if self.takes_lengths else self.encoder(x)

    def tokens(self, x: Tensor, present: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode ``(B, ...)`` as tokens ``(B, T, out_features)``, of which the first ``(B,)`` are valid.

        An encoder that has no method ``tokens(x, lengths)`` gives one token.
        """
        if not self.gives_tokens:
            return self(x, present, lengths)[:, None], torch.ones_like(present, dtype=torch.long)
        return self.encoder.tokens(self.standardized(x, present, lengths), lengths)  # type: ignore[operator]

    def standardized(self, x: Tensor, present: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``x`` standardised, with zeros in absent rows and in padding."""
        valid = valid_steps(x, present, lengths)
        return self.scale(x) * valid.reshape(*valid.shape, *[1] * (x.ndim - valid.ndim))


class GaussianHead(nn.Module):
    """Linear map to the mean and log-variance of a diagonal Gaussian, log-variance clamped to ``[-limit, limit]``."""

    def __init__(self, in_features: int, out_features: int, limit: float | None = 6.0) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 2 * out_features)
        self.limit = limit

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, each ``(B, out_features)``."""
        mean, log_variance = self.linear(x).chunk(2, -1)
        if self.limit is not None:
            log_variance = log_variance.clamp(-self.limit, self.limit)
        return mean, log_variance


class PointHead(nn.Module):
    """Linear map to a point, in the place of :class:`GaussianHead`: the log-variance is None."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the point ``(B, out_features)``, and None."""
        return self.linear(x), None


def sample_gaussian(posterior: Posterior) -> Tensor:
    """One reparameterised draw from a diagonal Gaussian given as (mean, log-variance); a point stays itself."""
    mean, log_variance = posterior
    if log_variance is None:
        return mean
    return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)


def consensus(together: Posterior, single: Sequence[Posterior], present: Sequence[Tensor]) -> Posterior:
    r"""Posterior given all modalities where all are present, else the geometric mean of those given one that is.

    The normalised geometric mean of Gaussians has the mean of their precisions, and their precision-weighted mean
    (with one: that one). Rows with nothing present get the standard normal prior.

    Args:
        together: mean and log-variance ``(B, d)`` (None for points) given all.
        single: the same given each modality alone.
        present: bool ``(B,)`` for each modality.
    """
    there = torch.stack(list(present)).unsqueeze(-1)
    share = there / there.sum(0).clamp(min=1)
    whole, nothing = there.all(0), ~there.any(0)
    means = torch.stack([mean for mean, _ in single])
    if together[1] is None:
        return torch.where(whole, together[0], (share * means).sum(0)), None
    precisions = share * torch.stack([-v for _, v in single if v is not None]).exp()
    precision = precisions.sum(0) + nothing
    mean = (precisions * means).sum(0) / precision
    return torch.where(whole, together[0], mean), torch.where(whole, together[1], -precision.log())


def bottleneck_decoder(in_features: int, out_features: int) -> nn.Sequential:
    """Decoder with half of ``out_features`` as hidden width."""
    hidden = max(1, out_features // 2)
    return nn.Sequential(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features))
