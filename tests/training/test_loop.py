import copy
import math

import numpy as np
import pytest
import torch

from interplay import MultimodalDataset, methods
from interplay.methods import Batch, Loss, Output, Stage
from interplay.nn import MaskedEncoder, Standardize, build_encoder
from interplay.training import Settings, to_batch, train


def batch(n: int = 96, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = {"a": rng.normal(size=(n, 3)) + y[:, None], "b": rng.normal(size=(n, 2))}
    return to_batch(MultimodalDataset(x, y), y.astype(np.int64))


def built(method: methods.Method) -> methods.Method:
    torch.manual_seed(0)
    method.build(
        {
            name: MaskedEncoder(Standardize(torch.zeros(d), torch.ones(d)), build_encoder("mlp", (d,), width=8), name)
            for name, d in (("a", 3), ("b", 2))
        },
        torch.tensor([0.5, 0.5]),
    )
    return method


def test_equals_a_plain_loop() -> None:
    """Same batches, same optimiser, same clipping: the same weights as ten lines of PyTorch."""
    settings = Settings(max_epochs=3, batch_size=20, patience=99)
    data, held_out = batch(), batch(seed=1)
    trained = built(methods.Joint())
    torch.manual_seed(1)
    history = train(trained, data, held_out, settings, seed=5)

    plain = built(methods.Joint())
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(plain.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    generator = torch.Generator().manual_seed(5)
    best, states = (math.inf, math.inf), plain.state_dict()
    for _ in range(3):
        plain.train()
        for rows in torch.randperm(len(data), generator=generator).split(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(plain(data[rows]).logits, data[rows].target).backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), settings.gradient_clip)
            optimizer.step()
        plain.eval()
        with torch.no_grad():
            logits = plain(held_out).logits
        accuracy = float((logits.argmax(-1) == held_out.target).float().mean())
        score = (-accuracy, float(torch.nn.functional.cross_entropy(logits, held_out.target)))
        if score < best:
            best, states = score, copy.deepcopy(plain.state_dict())
    assert history.records[history.best_epochs["fit"]]["validation_loss"] == pytest.approx(best[1], rel=1e-5)
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(value, states[name], rtol=1e-4, atol=1e-6)


def test_best_epoch_is_kept_and_patience_ends_training() -> None:
    # One batch of 8 rows memorised at a high rate: validation loss soon grows.
    data, held_out = batch(8), batch(200, seed=1)

    class ByLoss(methods.Joint):
        def stages(self, max_epochs: int) -> list[Stage]:
            return [Stage("fit", max_epochs, select="loss")]

    method = built(ByLoss())
    history = train(method, data, held_out, Settings(max_epochs=200, patience=5, learning_rate=0.05), seed=0)
    losses = [record["validation_loss"] for record in history.records]
    best = int(np.argmin(losses))
    assert history.best_epochs == {"fit": best}
    assert len(losses) == best + 6
    with torch.no_grad():
        kept = torch.nn.functional.cross_entropy(method(held_out).logits, held_out.target)
    assert float(kept) == pytest.approx(losses[best], rel=1e-5)


class TwoStages(methods.Joint):
    """The first stage freezes the head."""

    def stages(self, max_epochs: int) -> list[Stage]:
        return [Stage("one", max_epochs, frozen=("head",)), Stage("two", max_epochs, learning_rate=1e-4)]


def test_frozen_parts_do_not_move_and_thaw_afterwards() -> None:
    class OnlyFirst(TwoStages):
        def stages(self, max_epochs: int) -> list[Stage]:
            return super().stages(max_epochs)[:1]

    method = built(OnlyFirst())
    before = copy.deepcopy(method.state_dict())
    train(method, batch(), batch(seed=1), Settings(max_epochs=2), seed=0)
    after = method.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith("head"))
    assert any(not torch.equal(after[name], before[name]) for name in after if name.startswith("encoders"))
    assert all(p.requires_grad for p in method.parameters())


def test_every_stage_leaves_records() -> None:
    history = train(built(TwoStages()), batch(), batch(seed=1), Settings(max_epochs=2, log_parts=True), seed=0)
    assert [(r["stage"], r["epoch"]) for r in history.records] == [("one", 0), ("one", 1), ("two", 0), ("two", 1)]
    assert all(r["fused"] == pytest.approx(r["loss"]) for r in history.records)


def test_hook_sees_gradients_before_the_step() -> None:
    class Stopped(methods.Joint):
        """Removes every gradient: nothing may move (AdamW's decay is off)."""

        def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
            assert all(p.grad is not None for p in self.parameters())
            for p in self.parameters():
                p.grad = None

    method = built(Stopped())
    before = copy.deepcopy(method.state_dict())
    train(method, batch(), batch(seed=1), Settings(max_epochs=2), seed=0)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_divergence_is_an_error_that_names_the_remedy() -> None:
    class Broken(methods.Joint):
        def forward(self, batch: Batch) -> Output:
            return Output(super().forward(batch).logits * float("nan"))

        def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
            return Loss(output.logits.sum())

    with pytest.raises(RuntimeError, match="never reached a finite validation loss; lower learning_rate"):
        train(built(Broken()), batch(), batch(seed=1), Settings(max_epochs=1), seed=0)


def test_a_loss_that_is_lost_midway_keeps_the_best_epoch_and_says_so() -> None:
    class Breaks(methods.Joint):
        def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
            self.calls = getattr(self, "calls", 0) + 1
            return Loss(super().loss(output, batch, stage).total * (float("nan") if self.calls > 4 else 1))

    method = built(Breaks())
    with pytest.warns(UserWarning, match=r"not finite from epoch 1 on; the weights of epoch 0 are used. Lower"):
        train(method, batch(), batch(seed=1), Settings(max_epochs=4, batch_size=32), seed=0)
    assert all(value.isfinite().all() for value in method.state_dict().values())


def test_nothing_is_printed_and_no_file_is_written(tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    train(built(methods.Joint()), batch(), batch(seed=1), Settings(max_epochs=1), seed=0)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert list(tmp_path.iterdir()) == []


def test_progress_goes_to_standard_error(capfd) -> None:
    train(built(methods.Joint()), batch(), batch(seed=1), Settings(max_epochs=1, progress=True), seed=0)
    captured = capfd.readouterr()
    assert captured.out == ""


def test_what_a_user_froze_is_frozen_after_a_stage_that_freezes_more() -> None:
    class Two(methods.Joint):
        def stages(self, max_epochs: int) -> list[Stage]:
            return [Stage("first", 1, frozen=("encoders",)), Stage("second", 2)]

    method = built(Two())
    own = next(method.encoders["a"].parameters())
    own.requires_grad_(False)
    before = own.clone()
    train(method, batch(), batch(seed=1), Settings(max_epochs=2, batch_size=20), seed=0)
    assert torch.equal(own, before)
    assert not own.requires_grad
