import pytest
import torch

from interplay import MultimodalClassifier, methods
from interplay.methods import Batch
from interplay.methods._base import cross_entropy


def test_names_come_from_all() -> None:
    assert {"dmil", "ensemble", "joint", "unimodal"} <= set(methods.names())
    assert "method" not in methods.names()


def test_unknown_method_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"unknown method 'jont'; choose one of .*joint"):
        methods.make("jont")


def test_unknown_parameter_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match="Joint has no parameter 'size'"):
        methods.Joint().set_params(size=3)


def test_parameters_are_reachable_through_the_estimator() -> None:
    model = MultimodalClassifier(methods.DMIL())
    model.set_params(method__width=8)
    assert model.get_params()["method__width"] == 8
    assert "width=8" in repr(model.method)


def test_too_few_modalities_name_the_alternative(data) -> None:
    with pytest.raises(ValueError, match=r"Ensemble needs at least 2 modalities, found 1: .*; use method='unimodal'"):
        MultimodalClassifier("ensemble").fit(data.select(["a"]))


def test_named_unimodal_must_exist(data) -> None:
    with pytest.raises(ValueError, match=r"no modality 'c'; the data have \['a', 'b'\]"):
        MultimodalClassifier(methods.Unimodal("c")).fit(data)


def test_batch_rows_and_chunks() -> None:
    batch = Batch({"a": torch.arange(5.0)[:, None]}, {"a": torch.ones(5, dtype=torch.bool)}, {}, torch.arange(5))
    assert [len(chunk) for chunk in batch.chunks(2)] == [2, 2, 1]
    picked = batch[torch.tensor([3, 1])]
    assert picked.modalities["a"].tolist() == [[3.0], [1.0]]
    assert picked.target is not None
    assert picked.target.tolist() == [3, 1]


def test_cross_entropy_over_a_mask_is_the_mean_over_its_rows() -> None:
    logits, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    where = torch.tensor([True, False, True, False, False, True])
    torch.testing.assert_close(
        cross_entropy(logits, target, where), torch.nn.functional.cross_entropy(logits[where], target[where])
    )
    assert cross_entropy(logits, target, torch.zeros(6, dtype=torch.bool)) == 0
