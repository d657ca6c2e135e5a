"""Encoders by Hugging Face model id: frozen networks at the door, whose features the method learns from.

The network turns a modality's raw tokens or pixels into one vector, once for all epochs; to the method the modality is
that vector, standardised and encoded as any other. A saved model holds the network's weights and configuration, so that
loading needs neither the network nor the hub.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from interplay.data.extras import require
from interplay.methods import Batch
from interplay.nn.pretrained import ImageBackbone, TextBackbone

PREFIX = "hf:"
ALIASES = {"resnet18": "hf:microsoft/resnet-18"}
_ROWS = 64  # in one forward pass of a network that may be large


def model_id(choice: Any) -> str | None:
    """Model id or folder of an encoder choice ``"hf:..."``; None for any other choice.

    >>> model_id("hf:org/name"), model_id("resnet18"), model_id("mlp")
    ('org/name', 'microsoft/resnet-18', None)
    """
    if not isinstance(choice, str):
        return None
    name = ALIASES.get(choice, choice)
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def fetch(modality: str, name: str, values: Tensor) -> TextBackbone | ImageBackbone:
    """Load a network from the hub's cache, the hub or a folder: safetensors only, no code of others.

    Args:
        modality: what errors name.
        name: model id or folder.
        values: the modality's training values ``(n, ...)``, which say whether pixels go to 1 or to 255.

    Raises:
        ImportError: the extra ``hf`` is not installed.
        ValueError: there is no such model, or it takes neither tokens nor pixels of this shape.
    """
    transformers = require("transformers", "hf", f"encoder '{PREFIX}{name}'")
    safe = {"trust_remote_code": False}
    with _quiet(transformers):
        try:
            config = transformers.AutoConfig.from_pretrained(name, **safe)
            network = transformers.AutoModel.from_pretrained(name, use_safetensors=True, **safe).float()
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"modality {modality!r}: no Hugging Face model {name!r} could be loaded ({reason}); give an id such as "
                "'hf:distilbert-base-uncased' or a folder that holds config.json and model.safetensors"
            ) from None
    kind = network.main_input_name
    width = int(getattr(config, "hidden_size", None) or config.hidden_sizes[-1])
    if kind == "input_ids" and values.shape[2:] == (1,):
        _check_tokens(modality, name, values, config.vocab_size)
        return TextBackbone(network, width)
    if kind == "pixel_values" and values.ndim in (3, 4) and values.shape[-1] > 1:
        return _image_backbone(transformers, name, network, width, values)
    raise ValueError(
        f"modality {modality!r}: the Hugging Face model {name!r} takes {kind}, found samples of shape "
        f"{tuple(values.shape[1:])}; give input_ids as tokens (n, length, 1) by interplay.data.tokenize, pixel_values "
        "as images (n, channels, height, width)"
    )


def _check_tokens(modality: str, name: str, values: Tensor, size: int) -> None:
    if values.min() < 0 or values.max() >= size:
        raise ValueError(
            f"modality {modality!r}: expected token numbers from 0 to {size - 1} for {name!r}, found "
            f"{int(values.min())} to {int(values.max())}; use the tokenizer of the same model"
        )


def _image_backbone(transformers: Any, name: str, network: nn.Module, width: int, values: Tensor) -> ImageBackbone:
    config: Any = network.config
    channels = getattr(config, "num_channels", 3)
    try:
        processing, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:  # the folder has none
        processing = {}
    side = getattr(config, "image_size", None)
    size = None if side is None else [side, side] if isinstance(side, int) else list(side)
    return ImageBackbone(
        network,
        width,
        factor=1 / 255 if values.max() > 1 else 1.0,
        mean=processing.get("image_mean") or [0.5] * channels,
        std=processing.get("image_std") or [0.5] * channels,
        size=size,
    )


def describe(backbone: TextBackbone | ImageBackbone) -> dict[str, Any]:
    """What :func:`rebuild` needs besides the weights, for JSON."""
    config: Any = backbone.network.config
    found: dict[str, Any] = {
        "config": json.loads(config.to_json_string(use_diff=False)),
        "width": backbone.out_features,
    }
    if isinstance(backbone, ImageBackbone):
        mean, std = (x.flatten().tolist() for x in (backbone.mean, backbone.std))
        found["pixels"] = {"factor": backbone.factor, "mean": mean, "std": std, "size": backbone.size}
    return found


def rebuild(description: Mapping[str, Any]) -> TextBackbone | ImageBackbone:
    """The network that :func:`describe` described, with weights of chance; nothing is loaded."""
    transformers = require("transformers", "hf", "a model with a Hugging Face encoder")
    settings = dict(description["config"])
    config = transformers.AutoConfig.for_model(settings.pop("model_type"), **settings)
    with _quiet(transformers):
        network = transformers.AutoModel.from_config(config, trust_remote_code=False).float()
    pixels = description.get("pixels")
    if pixels is None:
        return TextBackbone(network, description["width"])
    return ImageBackbone(network, description["width"], **pixels)


@torch.no_grad()
def featurise(batch: Batch, backbones: Mapping[str, nn.Module], device: torch.device) -> Batch:
    """The batch with the features ``(B, d)`` of pretrained networks in the place of their modalities; absent: 0.

    Networks run on ``device``; the batch stays where it is.
    """
    modalities, lengths = dict(batch.modalities), dict(batch.lengths)
    for name, backbone in backbones.items():
        x, here, steps = modalities[name], batch.present[name], lengths.pop(name, None)
        backbone = backbone.to(device).eval()
        features = x.new_zeros(len(x), backbone.out_features)  # type: ignore[call-overload]
        # By position, then by presence: the same rows go together however a file is cut.
        for start in range(0, len(x), _ROWS):
            rows = start + here[start : start + _ROWS].nonzero()[:, 0]
            if len(rows):
                length = None if steps is None else steps[rows].to(device)
                features[rows] = encode(backbone, x[rows].to(device), length).to(features)
        modalities[name] = features
    return replace(batch, modalities=modalities, lengths=lengths)


def encode(backbone: nn.Module, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Features ``(B, d)`` of raw values."""
    found: Tensor = backbone(x, lengths) if backbone.takes_lengths else backbone(x)
    return found


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No bars, and no notes on heads that are not used."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
