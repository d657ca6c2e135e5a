"""Small labelled data that every method can be trained on."""

import numpy as np
import pytest

from interplay import MultimodalDataset


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
