"""Modality dropout: what training rows lose, when, and that nothing else does."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.data.missing import Dependent, Independent, Rate, Subset
from interplay.methods import Batch, Joint
from interplay.training import Gaps, to_batch
from interplay.training.batches import Batches


def blobs(n: int = 120, **given: object) -> MultimodalDataset:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=n)
    x = {"a": rng.normal(size=(n, 3)) + 2 * y[:, None], "b": rng.normal(size=(n, 2)) + 2 * y[:, None]}
    return MultimodalDataset(x, np.array(["no", "yes"])[y], **given)


def fit(data: MultimodalDataset, method: object = "joint", **params: object) -> MultimodalClassifier:
    return MultimodalClassifier(method, **{"max_epochs": 3, "width": 8, "random_state": 0, **params}).fit(data)


def epoch(batches: Batches) -> dict[str, torch.Tensor]:
    """Masks of one epoch in the order of the rows, checked against the values."""
    left = {name: torch.zeros(len(batches.data), dtype=torch.bool) for name in batches.data.present}
    for batch in batches:
        for name, mask in batch.present.items():
            left[name][batch.extra["row"]] = mask
            assert (batch.modalities[name][~mask] == 0).all()
            torch.testing.assert_close(
                batch.modalities[name][mask], batches.data.modalities[name][batch.extra["row"]][mask]
            )
    return left


def batches(data: MultimodalDataset, pattern: object, size: int, seed: int = 0) -> Batches:
    return Batches(to_batch(data), size, torch.Generator().manual_seed(seed), gaps=Gaps(pattern, data))


def test_gaps_are_new_in_each_epoch_and_the_same_for_every_batch_size() -> None:
    data = blobs(present={"a": np.arange(120) % 5 > 0})
    small, large = batches(data, Rate(0.4), 7), batches(data, Rate(0.4), 120)
    seen = []
    for _ in range(3):
        one, two = epoch(small), epoch(large)
        for name in one:
            torch.testing.assert_close(one[name], two[name])
            assert not (one[name] & ~torch.from_numpy(data.present[name])).any()
        seen.append(torch.stack(list(one.values())))
    assert (seen[0] != seen[1]).any()
    assert (seen[1] != seen[2]).any()
    assert not torch.equal(seen[0], torch.stack(list(epoch(batches(data, Rate(0.4), 7, seed=1)).values())))


def test_repeated_steps_of_a_batch_see_the_same_gaps() -> None:
    data = blobs()
    twice = Batches(to_batch(data), 30, torch.Generator().manual_seed(0), repeat=2, gaps=Gaps(Rate(0.3), data))
    found = list(twice)
    assert len(found) == 8
    for one, two in zip(found[::2], found[1::2], strict=True):
        torch.testing.assert_close(one.present, two.present)


class Watcher(Joint):
    """Writes down what it sees in training and in evaluation."""

    seen: list = []  # noqa: RUF012 - shared by all copies on purpose

    def forward(self, batch: Batch):
        type(self).seen.append((self.training, batch))
        return super().forward(batch)


def test_patterns_see_labels_as_they_were_given_and_validation_keeps_everything() -> None:
    Watcher.seen = []
    fit(blobs(), Watcher(), missing=Dependent("a", {"yes": 1.0}))
    training = [batch for mode, batch in Watcher.seen if mode]
    held_out = [batch for mode, batch in Watcher.seen if not mode]
    assert len(training) == 6  # 102 rows in batches of 64, 3 epochs
    for batch in training:
        torch.testing.assert_close(batch.present["a"], batch.target == 0)
        assert batch.present["b"].all()
    assert all(batch.present["a"].all() for batch in held_out)


@pytest.mark.parametrize("method", ["joint", "ensemble"])
def test_a_modality_always_dropped_is_one_that_was_never_there(method: str) -> None:
    """In one epoch; later ones draw other orders, as gaps take a number from the same stream."""
    data = blobs()
    dropped = fit(data, method, missing=Subset(("a",)), max_epochs=1)
    never = fit(data.without("b"), method, max_epochs=1)
    expected = never.method_.state_dict()
    different = {name for name, value in dropped.method_.state_dict().items() if not torch.equal(value, expected[name])}
    # b's scale is read off values that training then never sees.
    assert different == {"encoders.parts.1.scale.mean", "encoders.parts.1.scale.scale"}


@pytest.mark.parametrize("method", ["joint", "dmil", "mla", "gblending"])
def test_same_seed_same_model_and_the_gaps_matter(method: str) -> None:
    data = blobs()
    one, two, none = (fit(data, method, missing=rate).predict_proba(data) for rate in (0.4, 0.4, None))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, none)


def test_dropout_makes_joint_lose_less_and_rate_zero_is_none() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=600)
    x = {"a": rng.normal(size=(600, 4)) + 1.5 * y[:, None], "b": rng.normal(size=(600, 4)) + 0.7 * y[:, None]}
    train, test = (
        MultimodalDataset({k: v[:300] for k, v in x.items()}, y[:300]),
        MultimodalDataset({k: v[300:] for k, v in x.items()}, y[300:]),
    )
    plain, zero, robust = (fit(train, max_epochs=25, missing=m) for m in (None, 0.0, 0.5))
    np.testing.assert_array_equal(plain.predict_proba(test), zero.predict_proba(test))
    alone = test.without("a")
    assert robust.score(alone) > plain.score(alone) + 0.05
    assert robust.score(test) > plain.score(test) - 0.03


def test_frozen_encoders_do_not_keep_encodings_of_what_is_hidden() -> None:
    """A stage that caches encodings would hand on those of the values under the new false masks."""
    kept = []

    class Probe(methods.DMIL):
        def encode(self, batch):
            z = super().encode(batch)
            if self.training and self.stage_name == "consistency":
                with torch.no_grad():
                    empty = self.encoders["b"](batch.modalities["b"] * 0, batch.present["b"] & False)
                hidden = ~batch.present["b"]
                kept.append(hidden.sum())
                torch.testing.assert_close(z["b"][hidden], empty[hidden])
            return z

    fit(blobs(), Probe(width=4, n_folds=2), missing=0.5, max_epochs=7)
    assert kept
    assert sum(kept) > 0


def test_hidden_sequences_have_no_length() -> None:
    x = {"a": np.ones((4, 5, 2)), "b": np.ones((4, 1))}
    batch = to_batch(MultimodalDataset(x, lengths={"a": np.array([5, 3, 2, 1])}))
    hidden = batch.with_present({"a": torch.tensor([True, False, True, False]), "b": batch.present["b"]})
    assert hidden.lengths["a"].tolist() == [5, 0, 2, 0]
    assert batch.lengths["a"].tolist() == [5, 3, 2, 1]


@pytest.mark.parametrize("missing", [0.3, Independent({"a": 0.5}, keep_one=True), Dependent("a", {"yes": 0.5})])
def test_pattern_is_a_parameter_that_survives_clone_and_save(missing: object, tmp_path) -> None:
    model = fit(blobs(), missing=missing)
    assert clone(model).missing == missing
    model.save(tmp_path / "m")
    again = MultimodalClassifier.load(tmp_path / "m")
    assert again.missing == missing
    np.testing.assert_array_equal(again.predict_proba(blobs()), model.predict_proba(blobs()))


@pytest.mark.parametrize(
    ("missing", "match"),
    [
        (0.6, "at most 0.5 with 2 modalities, found 0.6"),
        ("0.3", "missing: expected None, a missing rate or a pattern"),
        (Independent({"z": 0.1}), "Independent: expected names among"),
        (-0.1, "a number from 0 to 1"),
    ],
)
def test_mistakes_are_named_before_training(missing: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        fit(blobs(), missing=missing)
