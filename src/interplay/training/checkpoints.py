"""Checkpoints without pickle: the tensors of a nested state in safetensors, everything else as its JSON header."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def write_state(state: Any, path: str | Path) -> None:
    """Write nested dicts, lists and tuples of tensors and plain values, in one step."""
    tensors: dict[str, Tensor] = {}
    header = {"state": json.dumps(_pack(state, tensors))}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        save_file(tensors, name, metadata=header)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_state(path: str | Path) -> Any:
    """Read what :func:`write_state` wrote.

    Raises:
        ValueError: if the file is damaged or is something else.
    """
    try:
        with safe_open(str(path), framework="pt") as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 - not a mapping
            return _unpack(json.loads(archive.metadata()["state"]), tensors)
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not a checkpoint of interplay ({error}); delete it to start anew") from None


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_pack(v, tensors) for v in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot store a {type(value).__name__} in a checkpoint")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
    items = [_unpack(v, tensors) for v in content]
    return tuple(items) if kind == "tuple" else items


class SafetensorsIO(CheckpointIO):
    """Lightning's checkpoints, written and read by the functions above."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        write_state(checkpoint, path)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint onto the CPU."""
        return read_state(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


class EachEpoch(pl.callbacks.Checkpoint):
    """Write one file after every epoch, over the last one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Called after the module has scored the epoch."""
        trainer.save_checkpoint(self.path)


def random_state() -> dict[str, Any]:
    """State of torch's random generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def restore_random_state(state: dict[str, Any]) -> None:
    """Put the generators back."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


class Folder:
    """Where a run keeps its checkpoints: what was prepared, each finished stage, and the stage under way.

    Args:
        path: the folder; created with the first file.
        run: a text that says which run this is; another run's checkpoints are refused.
    """

    def __init__(self, path: str | Path, run: str) -> None:
        self.path, self.run = Path(path), run

    def read(self, name: str) -> Any:
        """The state kept under ``name``, or None.

        Raises:
            ValueError: if it is of another run, or damaged.
        """
        file = self.path / f"{name}.safetensors"
        if not file.exists():
            return None
        run, state = read_state(file)
        if run != self.run:
            raise ValueError(
                f"{str(self.path)!r} holds checkpoints of another run (other data, parameters or seed); "
                "choose another folder, or delete it to start anew"
            )
        return state

    def write(self, name: str, state: Any) -> None:
        """Keep a state under ``name``."""
        write_state((self.run, state), self.path / f"{name}.safetensors")

    def under_way(self, name: str) -> Path:
        """File of a stage that is not finished."""
        return self.path / f"{name}.ckpt"
