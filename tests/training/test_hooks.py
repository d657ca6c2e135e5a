"""What the loop tells a method: which rows a batch has, several steps a batch, the end of an epoch."""

import numpy as np
import torch

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.methods import Batch, Loss, Output, Stage


class Watched(methods.Joint):
    @property
    def steps_per_batch(self) -> int:
        return 2

    def begin_stage(self, stage: Stage) -> None:
        super().begin_stage(stage)
        self.log: list[torch.Tensor | str] = []

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        assert "row" in batch.extra
        self.log.append(batch.extra["row"])
        self.seen = (batch.extra["row"], batch.modalities["a"])
        return super().loss(output, batch, stage)

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        assert not self.training
        assert not torch.is_grad_enabled()
        rows, x = self.seen
        torch.testing.assert_close(training.modalities["a"][rows], x)
        self.log.append(f"{stage.name} {len(training)} {len(validation)}")


def test_rows_repeated_steps_and_end_of_epoch() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    data = MultimodalDataset({"a": rng.normal(size=(40, 3)), "b": rng.normal(size=(40, 2))}, y)
    model = MultimodalClassifier(Watched(), max_epochs=2, batch_size=8, random_state=0).fit(data, validation=data[:10])
    log = model.method_.log
    epoch = log[:11]
    assert len(log) == 22
    assert epoch[10] == "fit 40 10"
    for first, second in zip(epoch[:10:2], epoch[1:10:2], strict=True):
        torch.testing.assert_close(first, second)
    assert torch.cat(epoch[:10:2]).sort()[0].tolist() == list(range(40))
