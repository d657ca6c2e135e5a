import numpy as np

from interplay import MultimodalClassifier, MultimodalDataset, methods


def noisy(data: MultimodalDataset) -> MultimodalDataset:
    """Modality ``a`` replaced by noise."""
    noise = np.random.default_rng(0).normal(size=data.modalities["a"].shape)
    return MultimodalDataset({"a": noise, "b": data.modalities["b"]}, data.target)


def test_chooses_the_informative_modality_by_validation(data) -> None:
    weak = noisy(data)
    model = MultimodalClassifier("unimodal", max_epochs=20, random_state=0).fit(weak)
    assert model.method_.order.tolist() == [1, 0]
    np.testing.assert_array_equal(model.predict_proba(weak), model.predict_proba(weak.without("a")))
    # Without its choice it falls back to what is left.
    assert not np.array_equal(model.predict_proba(weak.without("b"))[0], model.predict_proba(weak.without("b"))[1])


def test_named_modality_is_the_only_one_used(data) -> None:
    model = MultimodalClassifier(methods.Unimodal("b"), max_epochs=3, random_state=0).fit(data)
    np.testing.assert_array_equal(model.predict_proba(data), model.predict_proba(data.without("a")))
    nothing = model.predict_proba(data.without("b"))
    assert (nothing == nothing[0]).all()


def test_each_head_equals_training_alone(data) -> None:
    """The sum of separate losses must not let one modality touch the other: gradients are block-diagonal."""
    import torch

    from interplay.training import to_batch

    model = MultimodalClassifier("unimodal", max_epochs=1, random_state=0).fit(data).method_
    batch = to_batch(data, data.codes)
    stage = model.stages(1)[0]
    loss = model.loss(model(batch), batch, stage)
    gradient = torch.autograd.grad(loss.parts["head:a"], list(model.encoders["b"].parameters()), allow_unused=True)
    assert all(g is None or not g.any() for g in gradient)
