"""Progress of a stage on standard error."""

from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interplay.methods import Stage


class StageProgress(pl.Callback):
    """One bar a stage, one step an epoch, with the validation accuracy beside it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[accuracy]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Show the bar."""
        title = f"{type(pl_module.method).__name__.lower()}: {self.stage.name}"
        self.bar.start()
        self.task = self.bar.add_task(title, total=self.stage.epochs, accuracy="")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """One epoch further."""
        accuracy = pl_module.records[-1]["validation_accuracy"] if pl_module.records else float("nan")
        self.bar.update(self.task, advance=1, accuracy=f"validation accuracy {accuracy:.3f}")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Take the bar away when training breaks, too."""
        self.bar.stop()
