"""What a method is: the contract between a learning method, the training loop and the estimators."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from interplay.methods._criteria import LOSSES, mean_loss, row_losses
from interplay.methods._limits import Limits, check_limits
from interplay.methods._values import Batch, Imputed, Loss, Output
from interplay.nn import ByName

ANY_TASK = tuple(LOSSES)
# Parameter -> (low, high, "log" or "linear"), or a list of choices.
SearchSpace = Mapping[str, tuple[float, float, str] | list[Any]]


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own optimiser.

    Attributes:
        name: shown in the progress bar and in ``history_``.
        epochs: the most epochs it may take; early stopping may end it sooner.
        learning_rate: its own rate; None takes the estimator's.
        frozen: attribute names of the sub-modules that get no gradient and stay in evaluation mode.
        optimizer: ``"adamw"`` or ``"sgd"`` (momentum 0.9, weight decay 1e-4).
        plateau: (factor, patience) of a learning-rate reduction when the validation loss stalls, or None.
        select: what chooses the best epoch on the validation part: ``"accuracy"`` (ties: the lower cross-entropy) or
            ``"loss"`` (cross-entropy, which stops networks on small data many epochs before their accuracy peaks).
            Regression always goes by its loss.
        patience: epochs without improvement before the stage ends; None takes the estimator's.
    """

    name: str
    epochs: int
    learning_rate: float | None = None
    frozen: tuple[str, ...] = ()
    optimizer: str = "adamw"
    plateau: tuple[float, int] | None = None
    select: str = "accuracy"
    patience: int | None = None


Fit = Callable[["Method", Batch, Batch], None]


class Method(nn.Module, ABC):
    """Base of all methods: parameters at construction, network parts in :meth:`build`.

    A subclass sets the class attributes, takes its parameters as keyword arguments and stores each under its own name
    (scikit-learn's convention, so ``clone`` and ``set_params`` work), and implements :meth:`build_parts`,
    :meth:`forward` and :meth:`loss`.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    min_modalities: ClassVar[int] = 2
    max_modalities: ClassVar[int | None] = None
    learns_from_gaps: ClassVar[bool] = True
    # Which values the parameters may have; check refuses others.
    limits: ClassVar[Limits] = {}
    # Where good values of the parameters may lie, for those who search them; {} has nothing to search.
    search_space: ClassVar[SearchSpace] = {}
    # Attributes beside weights and buffers that a stage carries from step to step; checkpoints keep them.
    keeps: ClassVar[tuple[str, ...]] = ()

    # What a prediction costs, one of LOSSES; set before build where it is not this.
    criterion: str = "cross_entropy"
    log_prior: Tensor
    encoders: ByName
    widths: dict[str, int]
    stage_name: str | None = None
    # Draw latents from their posteriors in evaluation mode, too; methods without posteriors ignore it.
    sampling: bool = False

    @property
    def steps_per_batch(self) -> int:
        """How many optimiser steps each batch gets; methods that alternate between modalities take several."""
        return 1

    @classmethod
    def _parameter_names(cls) -> list[str]:
        # A method without parameters of its own inherits the constructor of nn.Module, (*args, **kwargs).
        named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = inspect.signature(cls.__init__).parameters.values()
        return [p.name for p in parameters if p.kind in named and p.name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, as scikit-learn expects."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises:
            ValueError: for a name that is not a parameter.
        """
        for name, value in params.items():
            if name not in self._parameter_names():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {self._parameter_names()}")
            setattr(self, name, value)
        return self

    def extra_repr(self) -> str:
        """Parameters that differ from their defaults, as scikit-learn shows them."""
        defaults = inspect.signature(type(self).__init__).parameters
        return ", ".join(f"{k}={v!r}" for k, v in self.get_params().items() if v != defaults[k].default)

    def check(self, names: tuple[str, ...], task: str) -> None:
        """Refuse parameters outside their limits, tasks and numbers of modalities that the method does not support.

        Raises:
            ValueError: naming what was expected, found, and an alternative.
        """
        title = type(self).__name__
        check_limits(title, self.get_params(), self.limits)
        if task not in self.tasks:
            raise ValueError(
                f"{title} supports {' and '.join(self.tasks)}, not {task}; "
                "use method='joint', 'ensemble' or 'dmil', which do both"
            )
        if len(names) < self.min_modalities:
            raise ValueError(
                f"{title} needs at least {self.min_modalities} modalities, found {len(names)}: {list(names)}; "
                "use method='unimodal' for one"
            )
        if self.max_modalities is not None and len(names) > self.max_modalities:
            raise ValueError(
                f"{title} takes at most {self.max_modalities} modalities, found {len(names)}: {list(names)}; "
                "use method='joint' or 'ensemble', or choose modalities with dataset.select([...])"
            )

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``, whichever the criterion belongs to."""
        return next(task for task, losses in LOSSES.items() if self.criterion in losses)

    def build(self, encoders: Mapping[str, nn.Module], prior: Tensor) -> None:
        """Create the network.

        Args:
            encoders: one :class:`~interplay.nn.MaskedEncoder` a modality, ``(B, ...) -> (B, out_features)``.
            prior: class probabilities ``(K,)`` of the training part; in regression its mean ``(1,)``, which is 0 in
                standardised units.
        """
        self.encoders = ByName(encoders)
        answer = prior if self.task == "regression" else prior.clamp_min(1e-12).log()
        self.register_buffer("log_prior", answer.float())
        self.widths = {name: int(encoder.out_features) for name, encoder in encoders.items()}  # type: ignore[arg-type]
        self.build_parts(self.widths, len(prior))

    @property
    def prior(self) -> Tensor:
        """What :meth:`build` was given."""
        return self.log_prior if self.task == "regression" else self.log_prior.exp()

    @abstractmethod
    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create everything behind the encoders.

        Args:
            widths: their output width by modality.
            n_classes: width of the logits; 1 in regression.
        """

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Map a batch to its output."""

    @abstractmethod
    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """What the stage minimises on a batch with targets."""

    def stages(self, max_epochs: int) -> list[Stage]:
        """The stages of training; most methods have one."""
        return [Stage("fit", max_epochs)]

    def prepare(self, training: Batch, fit: "Fit") -> Batch:
        """Hook before the first stage: may attach tensors to the training rows.

        Args:
            training: all training rows.
            fit: ``fit(method, training, validation)`` trains another, built method with the same settings.
        """
        return training

    def expect(self, rows: Batch) -> None:
        """Hook after :meth:`prepare` where training takes modalities away (``missing=``): which it leaves.

        Args:
            rows: masks only, of all training rows in several draws; for what is counted over the training part.
        """

    def augment(self, batch: Batch) -> Batch:
        """Hook before each training step: may change the batch, for instance hide modalities."""
        return batch

    def begin_stage(self, stage: Stage) -> None:
        """Hook before a stage's first epoch; remembers its name for methods whose forward pass differs by stage."""
        self.stage_name = stage.name

    def after_backward(self, output: Output, batch: Batch, stage: Stage) -> None:
        """Hook for gradient modulation, between the backward pass and the optimiser's step."""

    def after_epoch(self, training: Batch, validation: Batch, stage: Stage) -> None:
        """Hook after an epoch's steps and before it is scored, in evaluation mode and without gradients.

        For what is read off the training or the validation part as a whole, such as class means of embeddings.
        """

    def scored(self, validation: Batch) -> Batch:
        """Hook: the rows that epochs are compared on, made from the validation part; the same in every epoch.

        A method that is to answer with gaps may add rows with modalities hidden.
        """
        return validation

    def diagnostics(self, validation: Batch) -> dict[str, float]:
        """Hook after an epoch, in evaluation mode and without gradients: numbers for the epoch's record."""
        return {}

    def after_fit(self, output: Output, batch: Batch) -> None:
        """Hook called once, with the best weights, on the whole validation part in evaluation mode."""

    def impute(self, batch: Batch, n_draws: int = 32) -> dict[str, Imputed]:
        """Fill absent modalities; methods that can do so replace this.

        Raises:
            ValueError: the method does not impute.
        """
        raise ValueError(f"{type(self).__name__} does not impute; use method='cyin' or 'knnimpute'")

    def encode(self, batch: Batch, encoders: ByName | None = None) -> dict[str, Tensor]:
        """Embeddings ``(B, width)`` by modality; rows of an absent modality hold the encoding of the training mean.

        Encodings that :meth:`cache_encodings` attached are used as they are.

        Args:
            batch: the rows.
            encoders: others than the method's own, for methods with several a modality.
        """
        cached = batch.extra if encoders is None else {}
        return {
            name: cached[key]
            if (key := f"encoding:{name}") in cached
            else encoder(batch.modalities[name], batch.present[name], batch.lengths.get(name))
            for name, encoder in (self.encoders if encoders is None else encoders).items()
        }

    @torch.no_grad()
    def cache_encodings(self, batch: Batch, size: int = 1024) -> Batch:
        """The batch with its encodings attached, for stages that keep the encoders frozen."""
        self.encoders.eval()
        chunks = [self.encode(chunk) for chunk in batch.chunks(size)]
        return batch.attach(**{f"encoding:{name}": torch.cat([c[name] for c in chunks]) for name in self.encoders})

    def with_prior(self, logits: Tensor, available: Tensor) -> Tensor:
        """Logits where ``available`` ``(B,)`` is true, the log class prior (regression: the mean) elsewhere."""
        return torch.where(available[:, None], logits, self.log_prior)

    def target_loss(self, logits: Tensor, target: Tensor | None, where: Tensor | None = None) -> Tensor:
        """What predictions cost: cross-entropy in nats, or the loss of the regression.

        Args:
            logits: ``(B, K)``, in regression ``(B, 1)``.
            target: class codes or standardised numbers ``(B,)``.
            where: bool ``(B,)``, the rows to take the mean over (all if None); 0 where no row is left.
        """
        return mean_loss(self.criterion, logits, target, where)

    def target_losses(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """The same ``(B,)`` for each row."""
        return row_losses(self.criterion, logits, target)

    def quality(self, logits: Tensor, target: Tensor) -> Tensor:
        """Share of right predictions; in regression the share of the target's variance that is explained, R2."""
        if self.task == "classification":
            return (logits.argmax(-1) == target).float().mean()
        residual, spread = (target - logits[:, 0]).square().sum(), (target - target.mean()).square().sum()
        return 1 - residual / spread.clamp_min(1e-12)


def cross_entropy(logits: Tensor, target: Tensor | None, where: Tensor | None = None) -> Tensor:
    """Mean cross-entropy in nats over the rows of a boolean mask (all rows if None); 0 where no row is left.

    For what is about classes in any task; methods score their predictions by :meth:`Method.target_loss`.
    """
    return mean_loss("cross_entropy", logits, target, where)
