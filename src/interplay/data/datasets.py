"""Data sets to try things on: real pictures cut in two, and generated data of known interactions."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np

from interplay.data.dataset import MultimodalDataset
from interplay.data.synthetic import Interactions, make_gates, make_interactions

__all__ = ["Interactions", "load_digit_halves", "make_gates", "make_interactions"]


@overload
def load_digit_halves(*, split: Literal[False] = False) -> MultimodalDataset: ...
@overload
def load_digit_halves(*, split: Literal[True]) -> tuple[MultimodalDataset, MultimodalDataset]: ...
def load_digit_halves(*, split: bool = False) -> MultimodalDataset | tuple[MultimodalDataset, MultimodalDataset]:
    """Load 1797 handwritten digits, their left and right halves as two modalities.

    Args:
        split: return a fixed stratified ``(train, test)`` with a quarter for testing instead of all samples.

    Returns:
        Modalities ``left`` and ``right``: float32 ``(n, 32)`` in [0, 1], each a picture half of 8 rows and 4
        columns (``x.reshape(-1, 8, 4)``); target the digit; ids the row in scikit-learn's data set.

    Note:
        The data come with scikit-learn (`sklearn.datasets.load_digits`); nothing is downloaded.

    Example:
        >>> load_digit_halves()
        MultimodalDataset(1797 samples, classification with 10 classes, left (32,), right (32,))
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    halves = {"left": images[:, :, :4], "right": images[:, :, 4:]}
    dataset = MultimodalDataset(
        {name: half.reshape(len(images), -1) for name, half in halves.items()},
        digits.target,
        class_names=[str(digit) for digit in range(10)],
    )
    return dataset.split(random_state=0) if split else dataset
