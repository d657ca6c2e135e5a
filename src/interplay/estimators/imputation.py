"""Absent modalities filled in, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from interplay.data import MultimodalDataset
from interplay.methods import Imputed

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Imputation:
    """What :meth:`MultimodalEstimator.impute` gives; every mapping is by modality, every array has one row a sample.

    Attributes:
        ids: of the samples ``(n,)``.
        imputed: where the modality was absent ``(n,)``.
        certainty: share of the latents' variance that the present modalities settle ``(n,)``: near 0, the filled-in
            values are hardly better than the mean of the training data; near 1, they are as good as observed. NaN
            where the modality was there.
        features: values in the units of the data, ``(n, features)``; of sequences ``(n, steps, features)``, by
            ``"cyin"`` each sample's duration divided into as many equal stretches. As observed where present.
            Modalities that are not decoded (images) are left out.
        sd: standard deviation of each of these values as the model sees it; 0 where observed.
        latents: ``(n, width)``, of sequences ``(n, steps, width)``; of ``"knnimpute"`` the encodings, one step.
        latents_sd: their standard deviation.
    """

    ids: NDArray[Any]
    imputed: Arrays
    certainty: Arrays
    features: Arrays
    sd: Arrays
    latents: Arrays
    latents_sd: Arrays

    def table(self) -> pd.DataFrame:
        """One row for each absent modality of each sample: ``id``, ``modality``, ``certainty``."""
        parts = [
            pd.DataFrame({"id": self.ids[rows], "modality": name, "certainty": self.certainty[name][rows]})
            for name, rows in self.imputed.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def __str__(self) -> str:
        lines = []
        for name, rows in self.imputed.items():
            sure = f", mean certainty {np.nanmean(self.certainty[name][rows]):.2f}" if rows.any() else ""
            lines.append(f"{name}: {rows.sum()} of {len(rows)} samples imputed{sure}")
        return "\n".join(lines)


def imputation(chunks: Sequence[Mapping[str, Imputed]], dataset: MultimodalDataset) -> Imputation:
    """Join what a method said of consecutive chunks of a data set."""
    names = list(chunks[0])

    def join(field: str, name: str) -> NDArray[Any]:
        parts: list[Tensor] = [getattr(chunk[name], field) for chunk in chunks]
        array = np.concatenate([part.double().cpu().numpy() for part in parts])
        return array[:, 0] if array.ndim == 3 and array.shape[1] == 1 and dataset.modalities[name].ndim != 3 else array

    imputed = {name: ~dataset.present[name] for name in names}
    decoded = [name for name in names if chunks[0][name].features is not None]
    features = {name: join("features", name) for name in decoded}
    for name, values in features.items():
        if values.ndim == 2:
            # Exactly as given, not standardised and back.
            here = dataset.present[name]
            values[here] = dataset.modalities[name].reshape(len(dataset), -1)[here]
    return Imputation(
        ids=np.asarray(dataset.ids),
        imputed=imputed,
        certainty={name: np.where(imputed[name], join("certainty", name), np.nan) for name in names},
        features=features,
        sd={name: join("features_sd", name) for name in decoded},
        latents={name: join("latent", name) for name in names},
        latents_sd={name: join("latent_sd", name) for name in names},
    )
