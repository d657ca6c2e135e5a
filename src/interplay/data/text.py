"""Text as a modality: tokens, padded, with lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.data.extras import require


def tokenize(
    texts: Sequence[str | None], tokenizer: Any, *, max_length: int = 128
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn texts into a sequence modality of token numbers, for an encoder ``"hf:..."`` of the same model.

    Args:
        texts: ``n`` texts; None where there is none, which gives length 0: the modality is absent.
        tokenizer: a Hugging Face model id or folder (with or without ``hf:``), or a tokenizer of ``transformers``.
        max_length: steps of each sequence; longer texts are cut, shorter ones padded, so that all data of a model fit.

    Returns:
        Tokens ``(n, max_length, 1)`` and lengths ``(n,)``, for
        ``MultimodalDataset({"text": tokens}, lengths={"text": lengths})``.

    Raises:
        ImportError: the extra ``hf`` is not installed.
        ValueError: something is not a string or None.
    """
    if isinstance(tokenizer, str):
        transformers = require("transformers", "hf", "tokenize")
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer.removeprefix("hf:"), trust_remote_code=False)
    tokens = np.zeros((len(texts), max_length, 1), np.int64)
    lengths = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        if text is not None and not isinstance(text, str):
            raise ValueError(f"texts: expected strings, None where there is none, found {text!r} in row {row}")
    rows = [row for row, text in enumerate(texts) if text is not None]
    if rows:
        found = tokenizer([texts[row] for row in rows], truncation=True, max_length=max_length)["input_ids"]
        for row, numbers in zip(rows, found, strict=True):
            lengths[row] = len(numbers)
            tokens[row, : len(numbers), 0] = numbers
    return tokens, lengths
