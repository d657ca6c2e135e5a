"""Real data sets go through the door, into files and back; their folder is named by INTERPLAY_DATA."""

import numpy as np
import pytest

from interplay.data import MultimodalDataset, load, save


def dataset_of(sample) -> MultimodalDataset:
    return MultimodalDataset(
        sample.modalities,
        sample.target,
        present=sample.present,
        class_names=sample.class_names,
        groups=sample.groups,
    )


@pytest.mark.parametrize("name", ["crema_d_votes", "ravdess", "shoulder_watch", "breast_tcga", "100leaves", "3sources"])
def test_real_data_are_taken_split_and_filed(real_data, tmp_path, name):
    dataset = dataset_of(real_data(name))
    train, test = dataset.split(random_state=0)
    assert set(train.target) == set(test.target) == set(dataset.target)
    assert len(test) / len(dataset) == pytest.approx(0.25, abs=0.1)
    if dataset.groups is not None:
        assert not set(train.groups) & set(test.groups)
    for suffix in (".npz", ".parquet"):
        save(test, tmp_path / f"test{suffix}")
        loaded = load(tmp_path / f"test{suffix}")
        np.testing.assert_array_equal(loaded.target, test.target)
        assert loaded.class_names == test.class_names
        for modality, x in test.modalities.items():
            np.testing.assert_array_equal(loaded.modalities[modality], x)
            np.testing.assert_array_equal(loaded.present[modality], test.present[modality])


def test_a_modality_that_really_is_missing_must_be_declared(real_data):
    sample = real_data("breast_tcga")
    with pytest.raises(ValueError, match=r"modality 'protein'.*70 rows with NaN"):
        MultimodalDataset(sample.modalities, sample.target)


def test_text_is_refused_with_the_way_out(real_data):
    sample = real_data("twitter_sarcasm")
    with pytest.raises(ValueError, match=r"modality 'text'.*encode text first"):
        MultimodalDataset(sample.modalities, sample.target)
