import numpy as np
import torch

from interplay import MultimodalDataset
from interplay.training import to_batch


def test_masked_rows_and_padding_become_zero_and_the_users_arrays_stay() -> None:
    x = np.full((3, 4, 2), np.nan)
    x[0] = 1
    x[1, :2] = 2
    data = MultimodalDataset({"s": x}, present={"s": [True, True, False]}, lengths={"s": [4, 2, 1]})
    batch = to_batch(data)
    assert batch.modalities["s"].isfinite().all()
    assert batch.modalities["s"].sum(dim=(1, 2)).tolist() == [8, 8, 0]
    assert batch.lengths["s"].tolist() == [4, 2, 0]
    assert batch.modalities["s"].dtype == torch.float32
    assert np.isnan(x[2]).all()


def test_plain_columns_become_one_feature() -> None:
    assert to_batch(MultimodalDataset({"age": np.arange(4)})).modalities["age"].shape == (4, 1)


def test_wholly_absent_modality_takes_the_models_shape() -> None:
    data = MultimodalDataset({"a": np.ones((2, 3)), "b": None})
    assert to_batch(data, shapes={"a": (3,), "b": (5, 2)}).modalities["b"].shape == (2, 5, 2)
