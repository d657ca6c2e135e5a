"""The inference path as one graph: raw values and masks in, probabilities or numbers out.

What the door does before a network sees data (zeros under false masks and in padding, lengths of absent sequences) and
standardisation are inside, so that whoever runs the graph needs nothing of this library.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import interplay
from interplay.data.extras import require
from interplay.data.files import replacing
from interplay.estimators.pretrained import encode
from interplay.methods import Batch
from interplay.nn import ByName, valid_steps

if TYPE_CHECKING:
    from interplay.estimators._base import MultimodalEstimator

FORMAT_VERSION = 1
METADATA = "interplay"  # key in the ONNX file's metadata_props
_EXAMPLE_ROWS = 3  # not 0 or 1, which tracing would take for constants


class InferencePath(nn.Module):
    """A fitted model as a function of tensors, in the order of :attr:`input_names`."""

    def __init__(self, model: "MultimodalEstimator") -> None:
        super().__init__()
        self.method, self.answer, self.shapes = model.method_, model.answer, dict(model.shapes_)
        self.pretrained = ByName(model.pretrained_)
        # Steps count only where samples are sequences; two-dimensional images have one scale for all pixels.
        scales: dict[str, Any] = {name: part.scale for name, part in self.method.encoders.items()}
        self.sequences = [
            name
            for name, scale in scales.items()
            if len(self.shapes[name]) == 2 and scale.mean.ndim and name not in model.pretrained_
        ]
        self.sequences += [name for name, part in self.pretrained.items() if part.takes_lengths]

    @property
    def input_names(self) -> list[str]:
        """As in files: ``<modality>``, ``present.<modality>``, ``lengths.<modality>``."""
        return [*self.shapes, *(f"present.{n}" for n in self.shapes), *(f"lengths.{n}" for n in self.sequences)]

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the right kind."""
        n = _EXAMPLE_ROWS
        values = [torch.zeros(n, *shape) for shape in self.shapes.values()]
        masks = [torch.ones(n, dtype=torch.bool) for _ in self.shapes]
        return *values, *masks, *(torch.ones(n, dtype=torch.long) for _ in self.sequences)

    def forward(self, *tensors: Tensor) -> Tensor:
        """What the estimator answers for each row."""
        given = dict(zip(self.input_names, tensors, strict=True))
        modalities, present, lengths = {}, {}, {}
        for name, shape in self.shapes.items():
            x, here, steps = given[name], given[f"present.{name}"], given.get(f"lengths.{name}")
            if steps is not None:
                steps = torch.where(here, steps.clamp(0, shape[0]), 0)
                here, lengths[name] = here & (steps > 0), steps
            valid = valid_steps(x, here, steps)
            modalities[name] = torch.where(valid.reshape(*valid.shape, *[1] * (x.ndim - valid.ndim)), x, 0.0)
            present[name] = here
        for name, backbone in self.pretrained.items():
            features = encode(backbone, modalities[name], lengths.pop(name, None))
            modalities[name] = torch.where(present[name][:, None], features, 0.0)
        return self.answer(self.method(Batch(modalities, present, lengths)).logits)


def to_program(model: "MultimodalEstimator") -> torch.export.ExportedProgram:
    """Trace the inference path, for any number of rows; see :meth:`MultimodalEstimator.export_program`."""
    path = InferencePath(model).cpu().eval()
    example = path.example()
    rows = torch.export.Dim("rows", min=1)
    with torch.no_grad(), _quiet():
        try:
            return torch.export.export(path, example, dynamic_shapes={"tensors": tuple({0: rows} for _ in example)})
        except Exception as error:  # whatever a user's own encoder makes tracing complain of
            kinds = {name: type(part.encoder).__name__ for name, part in path.method.encoders.items()}
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(
                f"{type(path.method).__name__} with the encoders {kinds} cannot be exported: {reason}; encoders may "
                "not decide by values (if x.sum() > 0) nor take the number of rows for a constant (len(x))"
            ) from error


def to_onnx(model: "MultimodalEstimator", path: str | Path) -> None:
    """Write an ONNX file; see :meth:`MultimodalEstimator.export`."""
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise ValueError(f"export: expected a file name that ends in .onnx, found {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r}; make it first")
    for module in ("onnx", "onnxscript"):
        require(module, "export", "export to ONNX")
    program = to_program(model)
    inference = InferencePath(model)
    with _quiet():
        converted = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=inference.input_names,
            output_names=[model.answer.name],
        )
    assert converted is not None
    _keep_apart(converted.model)
    converted.model.metadata_props[METADATA] = json.dumps(_describe(model, inference))
    with replacing(path) as temporary:
        converted.save(temporary, external_data=False)


def _keep_apart(graph: Any) -> None:
    """Other names for inner values, and an output, that are called like an input: a modality may be called "view"."""
    from onnx_ir.passes.common import NameFixPass  # comes with onnxscript

    NameFixPass()(graph)


def _describe(model: "MultimodalEstimator", inference: InferencePath) -> Mapping[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "interplay_version": interplay.__version__,
        "estimator": type(model).__name__,
        "method": type(model.method_).__name__.lower(),
        "shapes": {name: list(shape) for name, shape in inference.shapes.items()},
        "sequences": inference.sequences,
        **model._target_config(),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's own use of a name it has retired, and its notes that torchvision is absent, tell a user nothing."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(LeafSpec|treespec).*", category=FutureWarning)
            yield
    finally:
        registration.setLevel(level)
