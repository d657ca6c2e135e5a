"""What a prediction is made of, one row a sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.methods import Output


def contributions(output: Output, best: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Gate weight times centred logit of the class ``best``, ``(n,)`` by part."""
    index = torch.from_numpy(best).to(output.logits.device)[:, None]
    return {
        part: (output.gate[part] * (logits.gather(1, index)[:, 0] - logits.mean(1))).double().cpu().numpy()
        for part, logits in output.components.items()
    }


def explanation(
    output: Output,
    probabilities: NDArray[np.float64],
    classes: NDArray[Any],
    dataset: MultimodalDataset,
    draws: Sequence[Output] = (),
) -> pd.DataFrame:
    """Table of :meth:`MultimodalClassifier.explain`; ``draws`` are outputs with latents drawn from their posteriors."""
    best = probabilities.argmax(1)
    rows = np.arange(len(best))
    columns: dict[str, Any] = {"prediction": classes[best], "probability": probabilities[rows, best]}
    columns |= contributions(output, best)
    for part, weight in output.gate.items():
        columns[f"gate:{part}"] = weight.double().cpu().numpy()
    for part, logits in output.components.items():
        columns[f"prediction:{part}"] = classes[logits.argmax(1).cpu().numpy()]
    if draws:
        drawn = [contributions(draw, best) for draw in draws]
        columns |= {f"sd:{part}": np.std([draw[part] for draw in drawn], axis=0) for part in output.components}
    absent = np.stack([~dataset.present[name] for name in dataset.names], 1)
    names = np.array(dataset.names)
    columns["missing"] = [", ".join(names[row]) for row in absent]
    return pd.DataFrame(columns, index=pd.Index(dataset.ids, name="id"))
