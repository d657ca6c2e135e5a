"""What a prediction is made of, one row a sample."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.methods import Output


def explanation(
    output: Output, probabilities: NDArray[np.float64], classes: NDArray[Any], dataset: MultimodalDataset
) -> pd.DataFrame:
    """Table of :meth:`MultimodalClassifier.explain`."""
    best = probabilities.argmax(1)
    rows = np.arange(len(best))
    columns: dict[str, Any] = {"prediction": classes[best], "probability": probabilities[rows, best]}
    index = torch.from_numpy(best).to(output.logits.device)[:, None]
    for part, logits in output.components.items():
        pushed = logits.gather(1, index)[:, 0] - logits.mean(1)
        columns[part] = (output.gate[part] * pushed).double().cpu().numpy()
    for part, weight in output.gate.items():
        columns[f"gate:{part}"] = weight.double().cpu().numpy()
    for part, logits in output.components.items():
        columns[f"prediction:{part}"] = classes[logits.argmax(1).cpu().numpy()]
    absent = np.stack([~dataset.present[name] for name in dataset.names], 1)
    names = np.array(dataset.names)
    columns["missing"] = [", ".join(names[row]) for row in absent]
    return pd.DataFrame(columns, index=pd.Index(dataset.ids, name="id"))
