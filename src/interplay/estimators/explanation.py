"""What a prediction is made of, one row a sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from interplay.data import MultimodalDataset
from interplay.methods import Output


@dataclass(frozen=True)
class Columns:
    """How outputs read in terms of the target.

    Attributes:
        answer: the first columns of the table, what is predicted.
        uncertain: name and number ``(n,)`` of an output whose spread over draws says how sure the answer is.
        push: from the logits ``(n, K)`` of a part to how far they push towards the prediction ``(n,)``.
        say: from the logits of a part to what that part alone would predict ``(n,)``.
        probabilities: of a classifier, ``p:<class>`` for each class.
    """

    answer: Mapping[str, NDArray[Any]]
    uncertain: tuple[str, Callable[[Output], NDArray[np.float64]]]
    push: Callable[[Tensor], Tensor]
    say: Callable[[Tensor], NDArray[Any]]
    probabilities: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def contributions(output: Output, push: Callable[[Tensor], Tensor]) -> dict[str, NDArray[np.float64]]:
    """Gate weight times push, ``(n,)`` by part."""
    return {
        part: (output.gate[part] * push(logits)).double().cpu().numpy() for part, logits in output.components.items()
    }


def explanation(
    columns: Columns, output: Output, dataset: MultimodalDataset, draws: Sequence[Output] = ()
) -> pd.DataFrame:
    """Table of :meth:`MultimodalEstimator.explain`; ``draws`` are outputs with latents drawn from their posteriors."""
    table: dict[str, Any] = {**columns.answer, **columns.probabilities, **contributions(output, columns.push)}
    for part, weight in output.gate.items():
        table[f"gate:{part}"] = weight.double().cpu().numpy()
    for part, logits in output.components.items():
        table[f"prediction:{part}"] = columns.say(logits)
    if draws:
        name, value = columns.uncertain
        table[f"sd:{name}"] = np.std([value(draw) for draw in draws], axis=0)
        drawn = [contributions(draw, columns.push) for draw in draws]
        table |= {f"sd:{part}": np.std([draw[part] for draw in drawn], axis=0) for part in output.components}
    for name, settled in output.certainty.items():
        table[f"imputed:{name}"] = settled.double().cpu().numpy()
    absent = np.stack([~dataset.present[name] for name in dataset.names], 1)
    names = np.array(dataset.names)
    table["missing"] = [", ".join(names[row]) for row in absent]
    return pd.DataFrame(table, index=pd.Index(dataset.ids, name="id"))
