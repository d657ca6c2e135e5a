"""Encoders of a model: what is chosen for each modality, and the modules that come of it."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from interplay.nn import MaskedEncoder, Standardize, build_encoder, default_encoder

EncoderChoice = str | nn.Module
Shape = tuple[int, ...]
# From a modality, what encodes it and the shape of a sample to its standardisation.
Scale = Callable[[str, EncoderChoice, Shape], Standardize]


def encoder_choices(
    given: EncoderChoice | Mapping[str, EncoderChoice] | None, shapes: Mapping[str, Shape]
) -> dict[str, EncoderChoice]:
    """A choice for every modality, the default of its shape where none was made.

    Raises:
        ValueError: one module for all, or a modality that the data do not have.
    """
    if given is None or isinstance(given, str):
        return {name: given or default_encoder(shape) for name, shape in shapes.items()}
    if isinstance(given, nn.Module):
        raise ValueError("encoders: give a mapping from modality to module; one module cannot serve all")
    unknown = sorted(set(given) - set(shapes))
    if unknown:
        raise ValueError(f"encoders name unknown modalities {unknown}; the data have {list(shapes)}")
    return {name: given.get(name, default_encoder(shape)) for name, shape in shapes.items()}


def build_encoders(
    chosen: Mapping[str, EncoderChoice],
    shapes: Mapping[str, Shape],
    pretrained: Mapping[str, Any],
    scale: Scale,
    *,
    width: int,
    dropout: float,
) -> dict[str, nn.Module]:
    """One masked encoder a modality; a perceptron over the features of those that a pretrained network reads.

    Args:
        chosen: what `encoder_choices` gave.
        shapes: of a sample of each modality in the data.
        pretrained: the pretrained networks by modality, each with ``out_features``.
        scale: gives the standardisation of each.
        width: of the encoders that interplay builds.
        dropout: likewise.

    Raises:
        ValueError: an encoder does not fit its modality's shape.
    """
    found: dict[str, nn.Module] = {}
    for name, choice in chosen.items():
        shape = shapes[name]
        if name in pretrained:
            shape, choice = (pretrained[name].out_features,), "mlp"
        if isinstance(choice, nn.Module):
            module = copy.deepcopy(choice)  # fitting twice starts twice from the user's module
        else:
            try:
                module = build_encoder(choice, shape, width=width, dropout=dropout)
            except ValueError as error:
                raise ValueError(f"modality {name!r}: {error}") from None
        found[name] = MaskedEncoder(scale(name, choice, shape), module, name, shape)
    return found
