"""Network parts that know no method. Imports nothing from the package."""

from interplay.nn import losses
from interplay.nn.encoders import ENCODERS, build_encoder, default_encoder
from interplay.nn.modules import ByName, GaussianHead, Standardize, bottleneck_decoder, sample_gaussian

__all__ = [
    "ENCODERS",
    "ByName",
    "GaussianHead",
    "Standardize",
    "bottleneck_decoder",
    "build_encoder",
    "default_encoder",
    "losses",
    "sample_gaussian",
]
