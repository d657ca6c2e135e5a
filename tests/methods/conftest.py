"""Small labelled data that every method can be trained on."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from interplay import MultimodalDataset, methods
from interplay.methods import Batch
from interplay.nn import MaskedEncoder, Standardize, build_encoder
from interplay.training import to_batch


def blobs(n: int = 120, seed: int = 0, gaps: bool = False) -> MultimodalDataset:
    """Three classes, two vector modalities that both carry the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    centres = {"a": np.eye(3, 5) * 2, "b": np.eye(3, 4)[::-1] * 2}
    x = {name: centre[y] + rng.normal(size=(n, centre.shape[1])) for name, centre in centres.items()}
    present = {}
    if gaps:
        present = {"a": rng.random(n) > 0.2, "b": rng.random(n) > 0.2}
    return MultimodalDataset(x, np.array(["x", "y", "z"])[y], present=present)


@pytest.fixture(scope="session")
def data() -> MultimodalDataset:
    """Complete data."""
    return blobs()


@pytest.fixture(scope="session")
def gappy() -> MultimodalDataset:
    """Data with real gaps; some rows have nothing."""
    return blobs(seed=1, gaps=True)


def sums(n: int = 400, seed: int = 0, gaps: bool = False) -> MultimodalDataset:
    """A number that two modalities carry: what each shows on its own, and what both show."""
    rng = np.random.default_rng(seed)
    own, shared = rng.normal(size=(2, n)), rng.normal(size=n)
    x = {"a": np.stack([own[0], shared], 1), "b": np.stack([own[1], shared, rng.normal(size=n)], 1)}
    present = {name: rng.random(n) > 0.2 for name in x} if gaps else {}
    return MultimodalDataset(x, own[0] + 0.5 * own[1] + shared + 0.3 * rng.normal(size=n), present=present)


@pytest.fixture(scope="session")
def numbers() -> MultimodalDataset:
    """Complete data to regress on."""
    return sums()


@pytest.fixture(scope="session")
def gappy_numbers() -> MultimodalDataset:
    """The same with gaps; some rows have nothing."""
    return sums(n=120, seed=1, gaps=True)


@pytest.fixture
def build() -> Callable[..., tuple[methods.Method, Batch]]:
    """A built method in training mode and the whole data as one batch."""

    def make(method: methods.Method, data: MultimodalDataset) -> tuple[methods.Method, Batch]:
        torch.manual_seed(0)
        shapes = {name: x.shape[1:] for name, x in data.modalities.items()}
        method.build(
            {
                name: MaskedEncoder(
                    Standardize(torch.zeros(s), torch.ones(s)), build_encoder("mlp", s, width=8, dropout=0.0), name
                )
                for name, s in shapes.items()
            },
            torch.bincount(torch.from_numpy(data.codes)) / len(data),
        )
        method.begin_stage(method.stages(4)[0])
        return method.train(), to_batch(data, data.codes)

    return make


@pytest.fixture
def built() -> Callable[..., methods.DMIL]:
    """A built DMIL of two or three modalities and three classes."""

    def make(method: methods.DMIL, n_modalities: int = 2, n_classes: int = 3) -> methods.DMIL:
        torch.manual_seed(0)
        encoders = {
            name: MaskedEncoder(
                Standardize(torch.zeros(6), torch.ones(6)), build_encoder("mlp", (6,), width=16, dropout=0.0), name
            )
            for name in "abc"[:n_modalities]
        }
        method.check(tuple(encoders), "classification")
        method.build(encoders, torch.tensor([0.5, 0.3, 0.2])[:n_classes])
        return method

    return make


@pytest.fixture
def rows() -> Callable[..., Batch]:
    """Rows for it, all of whose modalities carry the class."""

    def make(n: int = 40, n_modalities: int = 2, gaps: bool = False, seed: int = 0) -> Batch:
        rng = np.random.default_rng(seed)
        y = rng.integers(3, size=n)
        x = {name: rng.normal(size=(n, 6)) + y[:, None] for name in "abc"[:n_modalities]}
        present = {name: rng.random(n) < 0.7 for name in x} if gaps else None
        return to_batch(MultimodalDataset(x, y, present=present), y.astype(np.int64))

    return make


@pytest.fixture
def with_composition() -> Callable[[Batch, int], Batch]:
    """Attaches random composition targets."""

    def attach(batch: Batch, n_parts: int) -> Batch:
        return batch.attach(composition=torch.rand(len(batch), n_parts, generator=torch.Generator().manual_seed(1)))

    return attach
