"""Models on disk: ``model.safetensors`` and ``config.json``, nothing else, nothing unpickled.

The weights file carries the configuration in its header, too, and is the one that is read: one file can be replaced
atomically, two cannot. ``config.json`` is the same text for people and other tools.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

import interplay
from interplay import methods
from interplay.data.missing import Pattern, pattern_from
from interplay.estimators import pretrained
from interplay.estimators.encoders import EncoderChoice, Shape, encoder_choices
from interplay.methods import Method
from interplay.nn import Standardize
from interplay.training import History

if TYPE_CHECKING:
    from interplay.estimators._base import MultimodalEstimator

FORMAT_VERSION = 1
WEIGHTS, CONFIG = "model.safetensors", "config.json"
_ELSEWHERE = ("method", "encoders", "random_state", "logger")
_PRETRAINED = "pretrained"  # prefix of the weights of pretrained networks, with the number of the modality


def save(model: "MultimodalEstimator", folder: str | Path) -> None:
    """Write a fitted model into ``folder``, creating it; each file is replaced in one step."""
    folder = Path(folder)
    text = json.dumps(_config(model), indent=2)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.method_.state_dict().items()}
    for number, backbone in enumerate(model.pretrained_.values()):
        # Copies: networks may tie weights, and safetensors refuses tensors that share memory.
        state = {name: tensor.detach().cpu().clone() for name, tensor in backbone.state_dict().items()}
        tensors |= {f"{_PRETRAINED}.{number}.{name}": tensor.contiguous() for name, tensor in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS, lambda path: save_file(tensors, path, metadata={"config": text}))
    _replace(folder / CONFIG, lambda path: path.write_text(text + "\n", encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _config(model: "MultimodalEstimator") -> dict[str, Any]:
    params = model.get_params(deep=False)
    encoders: dict[str, dict[str, Any]] = {
        name: {"name": choice} if isinstance(choice, str) else {"module": type(choice).__qualname__}
        for name, choice in encoder_choices(model.encoders, model.shapes_).items()
    }
    for name, backbone in model.pretrained_.items():
        encoders[name]["pretrained"] = pretrained.describe(backbone)
    method = model.method_
    seed = params["random_state"]
    return {
        "format_version": FORMAT_VERSION,
        "interplay_version": interplay.__version__,
        "estimator": type(model).__name__,
        "method": {
            "name": type(method).__name__.lower(),
            "params": {key: _plain(value) for key, value in method.get_params().items()},
        },
        "encoders": encoders,
        "shapes": {name: list(shape) for name, shape in model.shapes_.items()},
        **model._target_config(),
        "params": {key: _plain(value) for key, value in params.items() if key not in _ELSEWHERE}
        | {"random_state": int(seed) if isinstance(seed, int | np.integer) else None},
        "history": {"records": model.history_.records, "best_epochs": model.history_.best_epochs},
    }


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, Pattern) else value


def _unplain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: pattern_from(value) if isinstance(value, Mapping) else value for key, value in params.items()}


def load(
    cls: "type[MultimodalEstimator]", folder: str | Path, modules: Mapping[str, nn.Module] | None
) -> "MultimodalEstimator":
    """Rebuild a model from the folder that :func:`save` wrote; the base class takes either estimator.

    Raises:
        FileNotFoundError: if there is no model in the folder.
        ValueError: if the file is damaged, of a newer format or of the other estimator, or needs encoders that were
            not given.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(
            f"no model in {str(folder)!r}: expected the file {WEIGHTS}, as model.save(folder) writes"
        )
    try:
        with safe_open(path, framework="pt") as archive:
            config = json.loads(archive.metadata()["config"])
            state = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not a model that interplay saved ({error}); save it again") from None
    if config["format_version"] > FORMAT_VERSION:
        raise ValueError(
            f"{str(path)!r} has format {config['format_version']}, this version reads up to {FORMAT_VERSION}; "
            f"install interplay {config['interplay_version']} or newer"
        )
    kinds = {kind.__name__: kind for kind in (cls, *cls.__subclasses__())}
    if config["estimator"] not in kinds:
        raise ValueError(f"{str(path)!r} holds a {config['estimator']}; use ip.{config['estimator']}.load")
    return _rebuild(kinds[config["estimator"]], config, state, dict(modules or {}))


def _rebuild(
    cls: "type[MultimodalEstimator]",
    config: Mapping[str, Any],
    state: dict[str, torch.Tensor],
    modules: Mapping[str, nn.Module],
) -> "MultimodalEstimator":
    choices = {name: modules.get(name, choice.get("name")) for name, choice in config["encoders"].items()}
    lacking = [name for name, choice in choices.items() if choice is None]
    if lacking:
        kinds = {name: config["encoders"][name]["module"] for name in lacking}
        raise ValueError(
            f"the model was trained with its user's own encoders, {kinds}; give them: load(folder, encoders={{...}})"
        )
    method = methods.make(config["method"]["name"], **_unplain(config["method"]["params"]))
    model = cls(method, **_unplain(config["params"]))
    model.encoders = choices
    model.shapes_ = {name: tuple(shape) for name, shape in config["shapes"].items()}
    model.modality_names_ = tuple(model.shapes_)
    model.n_features_in_ = int(sum(np.prod(shape) for shape in model.shapes_.values()))
    model._restore_target(config)
    model.history_ = History(**config["history"])
    model.pretrained_ = _rebuild_pretrained(config, state)
    model.method_ = _rebuild_method(model, state)
    return model


def _rebuild_pretrained(config: Mapping[str, Any], state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Pretrained networks by modality; their weights leave ``state``."""
    found: dict[str, Any] = {}
    for name, choice in config["encoders"].items():
        if _PRETRAINED not in choice:
            continue
        prefix = f"{_PRETRAINED}.{len(found)}."
        with torch.random.fork_rng(devices=[]):  # weights of chance, replaced at once
            found[name] = pretrained.rebuild(choice[_PRETRAINED])
        own = [key for key in state if key.startswith(prefix)]
        found[name].load_state_dict({key.removeprefix(prefix): state.pop(key) for key in own})
        found[name].eval()
    return found


def _rebuild_method(model: "MultimodalEstimator", state: dict[str, torch.Tensor]) -> Method:
    method = methods.make(model.method)

    def scale(_: str, choice: EncoderChoice, shape: Shape) -> Standardize:
        """A placeholder of the right size; the stored state fills it."""
        size = () if choice == "conv" else shape[-1:]
        return Standardize(torch.zeros(size), torch.ones(size))

    # The stored state holds the prior.
    method.criterion = model._criterion
    method.build(model._build_encoders(scale), torch.ones(len(state["log_prior"])))
    method.load_state_dict(state)
    return method.eval()
