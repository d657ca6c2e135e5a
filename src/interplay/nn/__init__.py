"""Network parts that know no method. Imports nothing from the package."""

from interplay.nn import losses
from interplay.nn.encoders import ENCODERS, build_encoder, default_encoder
from interplay.nn.modules import (
    ByName,
    GaussianHead,
    MaskedEncoder,
    PointHead,
    Posterior,
    Standardize,
    bottleneck_decoder,
    consensus,
    sample_gaussian,
    valid_steps,
)

__all__ = [
    "ENCODERS",
    "ByName",
    "GaussianHead",
    "MaskedEncoder",
    "PointHead",
    "Posterior",
    "Standardize",
    "bottleneck_decoder",
    "build_encoder",
    "consensus",
    "default_encoder",
    "losses",
    "sample_gaussian",
    "valid_steps",
]
