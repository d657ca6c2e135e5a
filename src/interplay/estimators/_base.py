"""What classifier and regressor share: everything but the target."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from interplay import methods
from interplay.data import MultimodalDataset, as_dataset
from interplay.data.missing import Pattern, as_pattern
from interplay.data.validation import Task
from interplay.estimators import export, persistence, pretrained
from interplay.estimators.answer import Answer
from interplay.estimators.encoders import EncoderChoice, Scale, Shape, build_encoders, encoder_choices
from interplay.estimators.explanation import Columns, explanation
from interplay.estimators.imputation import Imputation, imputation
from interplay.estimators.parameters import check_draws, check_parameters, chosen_device
from interplay.methods import LOSSES, Batch, Method, Output
from interplay.nn import Standardize, valid_steps
from interplay.nn.pretrained import ImageBackbone, TextBackbone
from interplay.training import (
    Gaps,
    History,
    Settings,
    evaluate,
    make_logger,
    rows_at_once,
    to_batch,
    train,
)

Data = MultimodalDataset | Mapping[str, Any]


class MultimodalEstimator(BaseEstimator, ABC):
    """Fit, predict, explain, save and load; a subclass says what the target is."""

    _task: ClassVar[Task]

    @abstractmethod
    def predict(self, X: Data) -> NDArray[Any]:
        """What each row is predicted to be ``(n,)``."""

    @abstractmethod
    def _labelled(self, dataset: MultimodalDataset) -> MultimodalDataset:
        """The data with a target of the right kind; complains of any other."""

    @abstractmethod
    def _learn_target(self, dataset: MultimodalDataset, training: MultimodalDataset) -> None:
        """Set what is known of the target: from all data given for training, or from the part that is trained on."""

    @abstractmethod
    def _encode_target(self, dataset: MultimodalDataset) -> NDArray[Any]:
        """Target ``(n,)`` as the method sees it."""

    @abstractmethod
    def _prior(self, target: Tensor) -> Tensor:
        """What the method answers where nothing is present; see :meth:`interplay.methods.Method.build`."""

    @abstractmethod
    def _columns(self, output: Output) -> Columns:
        """What an explanation says of these outputs in terms of the target."""

    @property
    @abstractmethod
    def answer(self) -> Answer:
        """From the logits of the method to what is predicted, as a module of an exported graph."""

    @abstractmethod
    def _target_config(self) -> dict[str, Any]:
        """What is known of the target, for JSON."""

    @abstractmethod
    def _restore_target(self, config: Mapping[str, Any]) -> None:
        """The opposite of :meth:`_target_config`."""

    def __init__(
        self,
        method: str | Method = "dmil",
        *,
        encoders: EncoderChoice | Mapping[str, EncoderChoice] | None = None,
        width: int = 64,
        dropout: float = 0.2,
        max_epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        patience: int = 15,
        validation_fraction: float = 0.15,
        loss: str | None = None,
        missing: float | Pattern | None = None,
        device: str = "auto",
        precision: str = "32-true",
        random_state: int | np.random.RandomState | None = None,
        progress: bool = False,
        checkpoints: str | None = None,
        logger: str | Logger | None = None,
    ) -> None:
        self.method = method
        self.encoders = encoders
        self.width = width
        self.dropout = dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.loss = loss
        self.missing = missing
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.progress = progress
        self.checkpoints = checkpoints
        self.logger = logger

    def fit(self, X: Data, y: Any = None, *, validation: Data | None = None) -> Self:
        """Train on a data set.

        Args:
            X: a :class:`~interplay.MultimodalDataset` or a mapping from modality to array.
            y: class labels or numbers; None takes the data set's own target.
            validation: a labelled data set that chooses epochs, instead of a share of ``X``.

        Raises:
            ValueError: for data or parameters that cannot be used; the message says what to change.
        """
        dataset = self._labelled(as_dataset(X, y))
        check_parameters(self.get_params(deep=False), self._task, self._criterion)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        training, held_out = self._validation_split(dataset, validation, seed)
        self._learn_target(dataset, training)
        self.modality_names_ = dataset.names
        self.shapes_ = {name: x.shape[1:] or (1,) for name, x in dataset.modalities.items()}
        self.n_features_in_ = int(sum(np.prod(shape) for shape in self.shapes_.values()))
        pattern = as_pattern(self.missing)
        gaps = None if pattern is None else Gaps(pattern, training)
        if gaps is not None:
            gaps.draw(0)  # complains of a pattern that does not fit the data
        device = chosen_device(self.device)
        # Own random streams: training neither reads nor moves the caller's torch state.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            batch = to_batch(training, self._encode_target(training))
            self.pretrained_ = self._fetch_pretrained(batch)
            batch = pretrained.featurise(batch, self.pretrained_, device)
            held = to_batch(held_out, self._encode_target(held_out))
            torch.manual_seed(seed)
            self.method_ = self._build(batch).to(device)
            self.history_: History = train(
                self.method_,
                batch.to(device),
                pretrained.featurise(held, self.pretrained_, device).to(device),
                self._settings(),
                seed,
                gaps,
            )
        return self

    @property
    def rows_at_once(self) -> int:
        """Rows that prediction computes together; cut at its multiples, the same rows give the same bits."""
        return rows_at_once(self.batch_size)

    def explain(self, X: Data, *, n_draws: int = 0, probabilities: bool = False) -> pd.DataFrame:
        r"""Say, for each row, what the prediction is made of.

        A contribution is the gate's weight times how far part ``c`` pushes towards the prediction. For a classifier
        that is the logit of the predicted class minus its mean over classes,
        :math:`g_c\,(\ell_{c,\hat y} - \tfrac1K \sum_k \ell_{c,k})`; for a regressor the predicted number minus the
        mean of the training target, :math:`g_c\,(f_c - \bar y)`, in the units of the target.

        Args:
            X: rows to explain.
            n_draws: how often to draw the latents from their posteriors (always the same draws), for the columns
                ``sd:probability``, in regression ``sd:prediction``, and ``sd:<part>``: standard deviations over the
                draws of the predicted class's probability or of the number, and of each contribution. They say how sure
                the model is of its latents, not of its weights; 0 for methods without posteriors.
            probabilities: a classifier's ``p:<class>`` for each class, after ``probability``.

        Returns:
            One row a sample, indexed by id: ``prediction``, a classifier's ``probability``; for methods with parts the
            contributions ``redundancy``, ``unique:<modality>``, ``synergy``, the weights ``gate:<part>``, and what each
            part alone would say, ``prediction:<part>``; for ``"cyin"`` ``imputed:<modality>``, how much of an
            absent modality the others settle, from 0 to 1 (NaN where it is there); ``missing``, the absent modalities
            joined by commas.

        Raises:
            ValueError: one draw, which has no spread, or fewer than none.
        """
        check_draws(n_draws, least=2)
        batch, dataset = self._batch(X)
        output = evaluate(self.method_, batch, self.batch_size)
        draws = [self._draw(batch, seed) for seed in range(n_draws)]
        columns = self._columns(output)
        return explanation(columns if probabilities else replace(columns, probabilities={}), output, dataset, draws)

    def impute(self, X: Data, *, n_draws: int = 32) -> Imputation:
        """Fill in absent modalities from those that are there, with the spread of each value.

        Args:
            X: rows with gaps; a modality may be absent in all of them.
            n_draws: draws of the latents behind the spread of the features; always the same draws. (``"knnimpute"``
                draws nothing.)

        Raises:
            ValueError: the method does not impute (``"cyin"`` and ``"knnimpute"`` do).
        """
        if n_draws < 2:
            raise ValueError(f"n_draws must be at least 2, found {n_draws}")
        batch, dataset = self._batch(X)
        if self.pretrained_:  # what is imputed are their features
            values = {name: x.cpu().numpy() for name, x in batch.modalities.items()}
            lengths = {name: steps for name, steps in dataset.lengths.items() if name not in self.pretrained_}
            dataset = MultimodalDataset(values, present=dataset.present, lengths=lengths, ids=dataset.ids)
        with self._stream(0):
            chunks = [self.method_.impute(chunk, n_draws) for chunk in batch.chunks(self.rows_at_once)]
        return imputation(chunks, dataset)

    def _predicted(self, X: Data, value: Callable[[Output], NDArray[Any]], n_draws: int) -> NDArray[Any]:
        """What ``value`` makes of the output, or its mean over draws of the latents."""
        check_draws(n_draws, least=1)
        batch, _ = self._batch(X)
        if not n_draws:
            return value(evaluate(self.method_, batch, self.batch_size))
        return np.mean([value(self._draw(batch, seed)) for seed in range(n_draws)], axis=0)

    def _draw(self, batch: Batch, seed: int) -> Output:
        self.method_.sampling = True
        try:
            with self._stream(seed):
                return evaluate(self.method_, batch, self.batch_size)
        finally:
            self.method_.sampling = False

    @contextmanager
    def _stream(self, seed: int) -> Iterator[None]:
        """A random stream of its own, which leaves the caller's as it was."""
        device = next(self.method_.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def save(self, folder: Any) -> None:
        """Write ``model.safetensors`` and ``config.json`` into a folder; an interrupted save keeps the old model."""
        check_is_fitted(self, "method_")
        persistence.save(self, folder)

    def export(self, path: Any) -> None:
        """Write the inference path as an ONNX file, to be run without this library.

        Inputs, for any number of rows: ``<modality>`` float32 ``(rows, ...)`` and ``present.<modality>`` bool
        ``(rows,)`` for each modality, ``lengths.<modality>`` int64 ``(rows,)`` for each sequence (its number of steps
        where none are padded). What stands under a false mask and in padding is arbitrary, as everywhere.
        Standardisation is inside. Output: a classifier's ``probabilities`` float32 ``(rows, K)``, a regressor's
        ``prediction`` float64 ``(rows,)`` (``probabilities_1`` where a modality has that name). The file's metadata
        hold classes, shapes and versions as JSON under ``interplay``.

        Raises:
            ImportError: the extra ``export`` (onnx, onnxscript) is not installed.
            ValueError: the path does not end in ``.onnx``, or an encoder of yours cannot be traced; the message says
                why.
        """
        check_is_fitted(self, "method_")
        export.to_onnx(self, path)

    def export_program(self) -> torch.export.ExportedProgram:
        """The same inference path by ``torch.export``, for torch's own tools; inputs and output as for :meth:`export`.

        Raises:
            ValueError: an encoder of yours cannot be traced.
        """
        check_is_fitted(self, "method_")
        return export.to_program(self)

    @classmethod
    def load(cls, folder: Any, *, encoders: Mapping[str, nn.Module] | None = None) -> Self:
        """Read a model that :meth:`save` wrote.

        Args:
            folder: the model's folder.
            encoders: the modules that were given to ``fit``, where they were not interplay's own.
        """
        return persistence.load(cls, folder, encoders)

    @property
    def _criterion(self) -> str:
        return LOSSES[self._task][0] if self.loss is None else self.loss

    def _settings(self) -> Settings:
        return Settings(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            precision=self.precision,
            progress=self.progress,
            checkpoints=self.checkpoints,
            logger=make_logger(self.logger, type(methods.make(self.method)).__name__.lower()),
        )

    def _validation_split(
        self, dataset: MultimodalDataset, validation: Data | None, seed: int
    ) -> tuple[MultimodalDataset, MultimodalDataset]:
        if validation is None:
            return dataset.split(self.validation_fraction, random_state=seed)
        held_out = as_dataset(validation)
        if held_out.target is None:
            raise ValueError("the validation data have no target; pass a MultimodalDataset with one")
        return dataset, held_out

    def _build(self, batch: Batch) -> Method:
        method = methods.make(self.method)
        method.check(self.modality_names_, self._task)

        def scale(name: str, choice: EncoderChoice, _: Shape) -> Standardize:
            x, present = batch.modalities[name], batch.present[name]
            return Standardize.fit(x, valid_steps(x, present, batch.lengths.get(name)), image=choice == "conv")

        assert batch.target is not None
        method.criterion = self._criterion
        method.build(self._build_encoders(scale), self._prior(batch.target))
        return method

    def _build_encoders(self, scale: Scale) -> dict[str, nn.Module]:
        chosen = encoder_choices(self.encoders, self.shapes_)
        return build_encoders(chosen, self.shapes_, self.pretrained_, scale, width=self.width, dropout=self.dropout)

    def _batch(self, X: Data) -> tuple[Batch, MultimodalDataset]:
        """The data as the fitted method takes them, on its device."""
        check_is_fitted(self, "method_")
        dataset = self._conform(X)
        device = next(self.method_.parameters()).device
        batch = to_batch(dataset, shapes=self.shapes_).to(device)
        return pretrained.featurise(batch, self.pretrained_, device), dataset

    def _fetch_pretrained(self, batch: Batch) -> dict[str, TextBackbone | ImageBackbone]:
        """The pretrained networks by modality."""
        chosen = encoder_choices(self.encoders, self.shapes_)
        sources = {name: pretrained.model_id(choice) for name, choice in chosen.items()}
        return {
            name: pretrained.fetch(name, source, batch.modalities[name])
            for name, source in sources.items()
            if source is not None
        }

    def _conform(self, X: Data) -> MultimodalDataset:
        """The data with the model's modalities in the model's order; shapes are checked where anything is present."""
        dataset = as_dataset(X, names=self.modality_names_)
        for name, shape in self.shapes_.items():
            found = dataset.modalities[name].shape[1:] or (1,)
            if found != shape and dataset.present[name].any():
                raise ValueError(
                    f"modality {name!r}: expected samples of shape {shape}, as in training, found {found}; "
                    "prepare the data as for training, or give None if the modality is absent"
                )
        return dataset
