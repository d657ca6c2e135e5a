"""The one training loop: stages, early stopping and best-epoch selection on PyTorch Lightning."""

import copy
import logging
import math
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import Tensor

from interplay.methods import Batch, Method, Output, Stage
from interplay.training.batches import Batches, Gaps
from interplay.training.checkpoints import EachEpoch, Folder, SafetensorsIO, random_state, restore_random_state
from interplay.training.loggers import log_record
from interplay.training.progress import QUALITIES, StageProgress

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Settings:
    """How to train; the same for every method.

    Attributes:
        max_epochs: the most epochs of a stage; ``Method.stages`` says how several stages share them.
        batch_size: rows a step.
        learning_rate: of stages that name none.
        weight_decay: of AdamW.
        patience: epochs without improvement on the validation part before a stage ends.
        gradient_clip: largest gradient norm.
        device: a torch device, or "auto" for the first accelerator, else the CPU.
        precision: one of PRECISIONS, as Lightning names them; validation and predictions are always in 32 bits.
        log_parts: keep every named part of the loss, not only the totals, in the history (costs a copy a step).
        progress: show a bar on standard error.
        checkpoints: folder for a checkpoint after every epoch; a run that finds its own there goes on exactly where
            that one stood. None keeps none.
        logger: gets every epoch's record with all parts of the loss; a logger of Lightning, or None.
    """

    max_epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 15
    gradient_clip: float = 1.0
    device: str = "auto"
    precision: str = "32-true"
    log_parts: bool = False
    progress: bool = False
    checkpoints: str | None = None
    logger: Logger | None = None

    @property
    def keeps_parts(self) -> bool:
        """Whether the parts of the loss are in the records."""
        return self.log_parts or self.logger is not None


@dataclass
class History:
    """One record an epoch: stage, epoch, training loss, validation loss and accuracy (or R2), named parts if asked."""

    records: list[dict[str, Any]] = field(default_factory=list)
    best_epochs: dict[str, int] = field(default_factory=dict)


class StageModule(pl.LightningModule):
    """Adapter between a method's stage and Lightning; selection by a deep copy of the best state."""

    def __init__(self, method: Method, stage: Stage, batches: Batches, validation: Batch, settings: Settings) -> None:
        super().__init__()
        self.method, self.stage, self.settings = method, stage, settings
        self.training_rows, self.validation, self.generator = batches.data, validation, batches.generator
        self.scored = method.scored(validation)
        self.best_score, self.best_epoch = (float("inf"), float("inf")), -1
        self.best_state: dict[str, Tensor] = {}
        self.records: list[dict[str, Any]] = []
        self._output: tuple[Output, Batch] | None = None
        self._losses: list[Tensor] = []
        self._parts: dict[str, list[Tensor]] = {}
        self._resumed: dict[str, Any] | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW or SGD on what is not frozen."""
        weights = [p for p in self.method.parameters() if p.requires_grad]
        rate = self.stage.learning_rate or self.settings.learning_rate
        if self.stage.optimizer == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(weights, rate, momentum=0.9, weight_decay=1e-4)
        else:
            # Fused steps unscale gradients by themselves, which Lightning refuses to clip.
            fused = self.settings.precision == "32-true"
            optimizer = torch.optim.AdamW(weights, rate, weight_decay=self.settings.weight_decay, fused=fused)
        if self.stage.plateau is not None:
            factor, patience = self.stage.plateau
            self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience)
            if self._resumed is not None:
                self._plateau.load_state_dict(self._resumed["plateau"])
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of: the best epoch so far, the records, the random streams."""
        checkpoint["interplay"] = {
            "best": (self.best_score, self.best_epoch, self.best_state),
            "records": self.records,
            "plateau": self._plateau.state_dict() if self.stage.plateau is not None else None,
            "random": random_state(),
            "order": self.generator.get_state(),
            "kept": {name: getattr(self.method, name) for name in self.method.keeps},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back; torch's streams only when the next epoch starts."""
        self._resumed = checkpoint["interplay"]
        assert self._resumed is not None
        self.best_score, self.best_epoch, self.best_state = self._resumed["best"]
        self.records = self._resumed["records"]
        self.generator.set_state(self._resumed["order"])
        for name, value in self._resumed["kept"].items():
            setattr(self.method, name, self.transfer_batch_to_device(value, self.method.log_prior.device, 0))

    def on_train_start(self) -> None:
        """A stage whose patience was spent when it was interrupted takes no further epoch."""
        if self._resumed is not None:
            self.trainer.should_stop = self._patience_spent(self.records[-1]["epoch"])

    def _patience_spent(self, epoch: int) -> bool:
        return epoch - self.best_epoch >= (self.stage.patience or self.settings.patience)

    def on_train_epoch_start(self) -> None:
        """Training mode for all but the frozen parts."""
        if self._resumed is not None:
            restore_random_state(self._resumed["random"])
            self._resumed = None
        self.method.train()
        for name in self.stage.frozen:
            self.method.get_submodule(name).eval()
        self._losses, self._parts = [], {}

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Loss of one batch."""
        batch = self.method.augment(batch)
        output = self.method(batch)
        loss = self.method.loss(output, batch, self.stage)
        self._output = (output, batch)
        self._losses.append(loss.total.detach())
        if self.settings.keeps_parts:
            for name, value in loss.parts.items():
                self._parts.setdefault(name, []).append(value.detach())
        return loss.total

    def on_after_backward(self) -> None:
        """Let the method see its gradients before the step."""
        assert self._output is not None
        self.method.after_backward(*self._output, self.stage)

    def on_train_epoch_end(self) -> None:
        """Score the validation part, keep the best weights, stop when patience is spent."""
        self.method.eval()
        with torch.no_grad():
            self.method.after_epoch(self.training_rows, self.validation, self.stage)
            diagnostics = self.method.diagnostics(self.validation)
        output = evaluate(self.method, self.scored, self.settings.batch_size)
        target = self.scored.target
        assert target is not None
        loss = float(self.method.target_loss(output.logits, target))
        quality = float(self.method.quality(output.logits, target))
        by_loss = self.stage.select == "loss" or self.method.task == "regression"
        record = {
            "stage": self.stage.name,
            "epoch": self.current_epoch,
            "loss": float(torch.stack(self._losses).mean()),
            "validation_loss": loss,
            QUALITIES[self.method.task]: quality,
        }
        record |= {name: float(torch.stack(values).mean()) for name, values in self._parts.items()}
        record |= diagnostics
        self.records.append(record)
        if self.settings.logger is not None:
            log_record(self.settings.logger, record)
        if self.stage.plateau is not None:
            self._plateau.step(loss)
        score = (loss, -quality) if by_loss else (-quality, loss)
        if math.isfinite(loss) and score < self.best_score:
            self.best_score, self.best_epoch = score, self.current_epoch
            self.best_state = copy.deepcopy(self.method.state_dict())
        elif self._patience_spent(self.current_epoch):
            self.trainer.should_stop = True


def rows_at_once(batch_size: int) -> int:
    """Rows of one forward pass where nothing is learnt; a multiple of 64, in which pretrained networks take them."""
    return -(-max(batch_size, 1024) // 64) * 64


@torch.no_grad()
def evaluate(method: Method, data: Batch, batch_size: int) -> Output:
    """Outputs for all rows, in evaluation mode, computed in chunks; latents are dropped."""
    method.eval()
    outputs = [method(chunk) for chunk in data.chunks(rows_at_once(batch_size))]

    def join(field_name: str) -> dict[str, Tensor]:
        parts = [getattr(output, field_name) for output in outputs]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    logits = torch.cat([output.logits for output in outputs])
    return Output(logits, join("unimodal"), join("components"), join("gate"), join("certainty"))


def train(
    method: Method, training: Batch, validation: Batch, settings: Settings, seed: int, gaps: Gaps | None = None
) -> History:
    """Run all stages of a built method and leave it with the best weights, in evaluation mode.

    The best epoch of each stage (by ``stage.select`` on the validation part) is handed to the next one.

    Args:
        method: a built method, changed in place.
        training: rows to learn from.
        validation: rows that choose epochs; never trained on.
        settings: see :class:`Settings`.
        seed: of the batch order and the gaps; dropout and sampling follow torch's global state.
        gaps: what the training rows lose in each epoch; None for nothing. Models that a method trains to prepare
            itself see the rows as they are.
    """
    history = History()
    generator = torch.Generator().manual_seed(seed)
    folder = None
    if settings.checkpoints is not None:
        folder = Folder(settings.checkpoints, _describe(method, training, validation, settings, seed, gaps))
    training = _prepared(method, training, settings, seed, folder)
    if gaps is not None:
        method.expect(gaps.sample())
    for number, stage in enumerate(method.stages(settings.max_epochs)):
        name = f"{number}-{stage.name}"
        done = folder.read(name) if folder else None
        if done is None:
            path = folder.under_way(name) if folder else None
            module = _run_stage(method, stage, training, validation, settings, generator, path, gaps)
            if not module.best_state:
                raise RuntimeError(
                    f"stage {stage.name!r} never reached a finite validation loss; lower learning_rate "
                    f"(now {stage.learning_rate or settings.learning_rate}) or check the data"
                )
            _warn_of_divergence(module, settings)
            done = {"state": module.best_state, "records": module.records, "best_epoch": module.best_epoch}
            if folder:
                folder.write(name, done | {"random": random_state(), "order": generator.get_state()})
                folder.under_way(name).unlink(missing_ok=True)
        else:
            restore_random_state(done["random"])
            generator.set_state(done["order"])
        method.load_state_dict(done["state"])
        history.records += done["records"]
        history.best_epochs[stage.name] = done["best_epoch"]
    output = evaluate(method, validation, settings.batch_size)
    method.after_fit(output, validation)
    if settings.logger is not None:
        settings.logger.finalize("success")
    return history


def _warn_of_divergence(module: StageModule, settings: Settings) -> None:
    """The best epoch survives a loss that turns to NaN, but whoever trains should know."""
    lost = [r for r in module.records if not (math.isfinite(r["loss"]) and math.isfinite(r["validation_loss"]))]
    if lost:
        warnings.warn(
            f"stage {module.stage.name!r}: the loss was not finite from epoch {lost[0]['epoch']} on; the weights of "
            f"epoch {module.best_epoch} are used. Lower learning_rate (now "
            f"{module.stage.learning_rate or settings.learning_rate}), or check the data for extreme values",
            stacklevel=2,
        )


def _describe(
    method: Method, training: Batch, validation: Batch, settings: Settings, seed: int, gaps: Gaps | None
) -> str:
    """Text that differs between runs that must not continue each other."""
    plain = replace(settings, progress=False, checkpoints=None, logger=None)
    sums = [float(x.double().sum()) for batch in (training, validation) for x in _tensors(batch)]
    rows = f"{len(training)},{len(validation)}"
    lost = None if gaps is None else gaps.pattern
    return f"{method!r} {method.criterion} {plain} seed={seed} missing={lost} rows={rows} sums={sums}"


def _tensors(batch: Batch) -> list[Tensor]:
    return [*batch.modalities.values(), *([] if batch.target is None else [batch.target])]


def _prepared(method: Method, training: Batch, settings: Settings, seed: int, folder: Folder | None) -> Batch:
    """As :func:`prepare`, kept in the folder: preparing may take as long as training."""
    kept = folder.read("prepared") if folder else None
    if kept is not None:
        device = method.log_prior.device
        ready = method.prepare(training.attach(**{k: v.to(device) for k, v in kept["extra"].items()}), _never)
        restore_random_state(kept["random"])
        return ready
    ready = prepare(method, training, settings, seed)
    if folder:
        folder.write("prepared", {"extra": dict(ready.extra), "random": random_state()})
    return ready


def _never(method: Method, training: Batch, validation: Batch) -> None:
    raise RuntimeError(f"{type(method).__name__} would be trained again though its results are kept")


def prepare(method: Method, training: Batch, settings: Settings, seed: int) -> Batch:
    """Training rows with what the method attaches to them before its first stage."""
    quiet = replace(settings, progress=False, checkpoints=None, logger=None)

    def fit(other: Method, rows: Batch, held_out: Batch) -> None:
        train(other, rows, held_out, quiet, seed)

    return method.prepare(training, fit)


def _run_stage(
    method: Method,
    stage: Stage,
    training: Batch,
    validation: Batch,
    settings: Settings,
    generator: torch.Generator,
    checkpoint: Path | None,
    gaps: Gaps | None,
) -> StageModule:
    method.begin_stage(stage)
    if "encoders" in stage.frozen:
        validation = method.cache_encodings(validation)
        if gaps is None:  # else the encodings change with the gaps
            training = method.cache_encodings(training)
    batches = Batches(training, settings.batch_size, generator, method.steps_per_batch, gaps)
    method.train()
    # What a user froze stays frozen after the stage, too.
    frozen = [p for name in stage.frozen for p in method.get_submodule(name).parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    module = StageModule(method, stage, batches, validation, settings)
    device = batches.data.present[next(iter(batches.data.present))].device
    callbacks: list[pl.Callback] = [StageProgress(stage)] if settings.progress else []
    if checkpoint is not None:
        callbacks.append(EachEpoch(checkpoint))
    with warnings.catch_warnings():
        # Advice on loader workers does not apply: batches are slices of tensors in memory. The other is
        # Lightning's own use of an old torch name.
        warnings.filterwarnings("ignore", message=".*(does not have many workers|LeafSpec|treespec).*")
        trainer = pl.Trainer(
            max_epochs=stage.epochs,
            accelerator="cpu" if device.type == "cpu" else device.type,
            devices=1,
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.gradient_clip,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=checkpoint is not None,
            plugins=[SafetensorsIO()],
            enable_model_summary=False,
            enable_progress_bar=False,
            inference_mode=False,
        )
        trainer.fit(module, batches, ckpt_path=checkpoint if checkpoint is not None and checkpoint.exists() else None)
    for parameter in frozen:
        parameter.requires_grad_(True)
    return module


def quiet_lightning() -> None:
    """Lightning announces devices and advice at INFO level; a library stays silent."""
    for name in (
        "pytorch_lightning",
        "pytorch_lightning.utilities.rank_zero",
        "pytorch_lightning.accelerators.cuda",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)


quiet_lightning()
