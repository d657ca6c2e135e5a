"""Progress of a stage on standard error."""

from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interplay.methods import Stage

# Key in an epoch's record, by task.
QUALITIES = {"classification": "validation_accuracy", "regression": "validation_r2"}


class StageProgress(pl.Callback):
    """One bar a stage, one step an epoch, with the validation accuracy (or R2) beside it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[quality]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Show the bar."""
        title = f"{type(pl_module.method).__name__.lower()}: {self.stage.name}"
        self.bar.start()
        self.task = self.bar.add_task(title, total=self.stage.epochs, quality="")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """One epoch further."""
        record = pl_module.records[-1] if pl_module.records else {}
        known = [f"{name.replace('_', ' ')} {record[name]:.3f}" for name in QUALITIES.values() if name in record]
        self.bar.update(self.task, advance=1, quality="".join(known))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Take the bar away when training breaks, too."""
        self.bar.stop()
