"""The scikit-learn face: ``MultimodalClassifier``."""

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from interplay import methods
from interplay.data import MultimodalDataset, as_dataset, check_target
from interplay.estimators import persistence
from interplay.estimators.explanation import explanation
from interplay.methods import Batch, Method, Output
from interplay.nn import MaskedEncoder, Standardize, build_encoder, default_encoder, valid_steps
from interplay.training import History, Settings, evaluate, to_batch, train

EncoderChoice = str | nn.Module
Data = MultimodalDataset | Mapping[str, Any]


class MultimodalClassifier(ClassifierMixin, BaseEstimator):
    """Classify samples that have several modalities, with any method of :mod:`interplay.methods`.

    Features are standardised with the training part; a share of the training part (whole groups, where the data have
    groups) chooses the epoch and is never trained on. Modalities may be missing, at training and at prediction;
    the page of each method says what it does then.

    Args:
        method: a name (see ``ip.methods.names()``) or a configured method such as ``ip.methods.DMIL(width=64)``, whose
            parameters are also reachable as ``method__...``.
        encoders: what maps a modality to a vector: None (chosen from the shape: vectors ``"mlp"``, sequences
            ``"transformer"``, images ``"conv"``), one name for all, or a mapping from modality to a name or to a
            ``torch.nn.Module`` with an integer attribute ``out_features``.
        width: output width of the encoders that are chosen or named.
        dropout: dropout inside those encoders.
        max_epochs: the most epochs, over all stages of the method.
        batch_size: rows a step.
        learning_rate: learning rate of AdamW, for stages that name none of their own.
        weight_decay: weight decay of AdamW.
        patience: epochs without improvement on the validation part before a stage ends.
        validation_fraction: share of the training part that chooses epochs.
        device: ``"auto"`` (the first accelerator, else the CPU) or any torch device.
        random_state: seed; the same seed on the same machine gives the same result.
        progress: show a bar a stage on standard error.
        checkpoints: folder for a checkpoint after every epoch, or None. Fitting again with the same data, parameters
            and seed goes on exactly where an interrupted fit stood, at any epoch of any stage.

    Attributes:
        classes_: class labels as they were given, sorted.
        modality_names_: names of the modalities, in the order of training.
        n_features_in_: number of values a sample has, over all modalities.
        method_: the trained method, a ``torch.nn.Module``.
        history_: one record an epoch, and the best epoch of each stage.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat(["no", "yes"], 100)
        >>> x = {"a": rng.normal(size=(200, 3)) + (y == "yes")[:, None], "b": rng.normal(size=(200, 2))}
        >>> model = MultimodalClassifier("joint", max_epochs=10, random_state=0).fit(x, y)
        >>> model.predict({"a": np.full((1, 3), 2.0), "b": None})
        array(['yes'], dtype='<U3')
    """

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
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        progress: bool = False,
        checkpoints: str | None = None,
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
        self.device = device
        self.random_state = random_state
        self.progress = progress
        self.checkpoints = checkpoints

    def fit(self, X: Data, y: Any = None, *, validation: Data | None = None) -> Self:
        """Train on a data set.

        Args:
            X: a :class:`~interplay.MultimodalDataset` or a mapping from modality to array.
            y: class labels; None takes the data set's own target.
            validation: a labelled data set that chooses epochs, instead of a share of ``X``.

        Raises:
            ValueError: for data or parameters that cannot be used; the message says what to change.
        """
        dataset = as_dataset(X, y)
        check_target(dataset, "classification")
        self._check_parameters()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        training, held_out = self._validation_split(dataset, validation, seed)
        self.classes_ = dataset.classes
        self.class_names_ = list(dataset.class_names or map(str, dataset.classes.tolist()))
        self.modality_names_ = dataset.names
        self.shapes_ = {name: x.shape[1:] or (1,) for name, x in dataset.modalities.items()}
        self.n_features_in_ = int(sum(np.prod(shape) for shape in self.shapes_.values()))
        device = _device(self.device)
        # Own random streams: training neither reads nor moves the caller's torch state.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            batch = to_batch(training, self._codes(training))
            self.method_ = self._build(batch).to(device)
            self.history_: History = train(
                self.method_,
                batch.to(device),
                to_batch(held_out, self._codes(held_out)).to(device),
                self._settings(),
                seed,
            )
        return self

    def predict_proba(self, X: Data) -> NDArray[np.float64]:
        """Class probabilities ``(n, K)``, columns in the order of ``classes_``."""
        return self._probabilities(self._outputs(X)[0])

    def predict(self, X: Data) -> NDArray[Any]:
        """The most probable class of each row, as the labels were given."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def score(self, X: Data, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy; ``y`` None takes the data set's own target."""
        if y is None:
            y = as_dataset(X).target
        if y is None:
            raise ValueError("score needs labels: pass y, or a data set with a target")
        return float(np.average(self.predict(X) == np.asarray(y), weights=sample_weight))

    def explain(self, X: Data, *, n_draws: int = 0) -> pd.DataFrame:
        r"""Say, for each row, what the prediction is made of.

        A contribution is the gate's weight times the logit of the predicted class minus its mean over classes,
        :math:`g_c\,(\ell_{c,\hat y} - \tfrac1K \sum_k \ell_{c,k})`: how far part ``c`` pushes towards the prediction.

        Args:
            X: rows to explain.
            n_draws: how often to draw the latents from their posteriors, for the columns ``sd:<part>``, the standard
                deviation of each contribution (0 for methods without posteriors; always the same draws).

        Returns:
            One row a sample, indexed by id: ``prediction``, ``probability``; for methods with parts the contributions
            ``redundancy``, ``unique:<modality>``, ``synergy``, the weights ``gate:<part>``, and what each part alone
            would say, ``prediction:<part>``; ``missing``, the absent modalities joined by commas.
        """
        output, dataset = self._outputs(X)
        draws = [self._draw(dataset, seed) for seed in range(n_draws)]
        return explanation(output, self._probabilities(output), self.classes_, dataset, draws)

    def _draw(self, dataset: MultimodalDataset, seed: int) -> Output:
        device = next(self.method_.parameters()).device
        self.method_.sampling = True
        try:
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(seed)
                return self._outputs(dataset)[0]
        finally:
            self.method_.sampling = False

    def save(self, folder: Any) -> None:
        """Write ``model.safetensors`` and ``config.json`` into a folder; an interrupted save keeps the old model."""
        check_is_fitted(self, "method_")
        persistence.save(self, folder)

    @classmethod
    def load(cls, folder: Any, *, encoders: Mapping[str, nn.Module] | None = None) -> Self:
        """Read a model that :meth:`save` wrote.

        Args:
            folder: the model's folder.
            encoders: the modules that were given to ``fit``, where they were not interplay's own.
        """
        return persistence.load(cls, folder, encoders)

    def _check_parameters(self) -> None:
        for name in ("max_epochs", "batch_size", "width", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, found {value!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be > 0, found {self.learning_rate!r}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must lie between 0 and 1, found {self.validation_fraction!r}")

    def _settings(self) -> Settings:
        return Settings(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            progress=self.progress,
            checkpoints=self.checkpoints,
        )

    def _validation_split(
        self, dataset: MultimodalDataset, validation: Data | None, seed: int
    ) -> tuple[MultimodalDataset, MultimodalDataset]:
        if validation is None:
            return dataset.split(self.validation_fraction, random_state=seed)
        held_out = as_dataset(validation)
        if held_out.target is None:
            raise ValueError("the validation data have no target; pass a MultimodalDataset with one")
        unknown = sorted(set(held_out.classes.tolist()) - set(dataset.classes.tolist()), key=str)
        if unknown:
            raise ValueError(f"the validation data have classes that the training data lack: {unknown[:5]}")
        return dataset, held_out

    def _codes(self, dataset: MultimodalDataset) -> NDArray[np.int64]:
        # Not dataset.codes: a part of the data may lack a class.
        return np.searchsorted(self.classes_, dataset.classes).astype(np.int64)[dataset.codes]

    def _build(self, batch: Batch) -> Method:
        method = methods.make(self.method)
        method.check(self.modality_names_, "classification")
        chosen = self._encoder_choices()
        encoders: dict[str, nn.Module] = {}
        for name, choice in chosen.items():
            # A copy, so that fitting twice starts twice from the user's module.
            module = copy.deepcopy(choice) if isinstance(choice, nn.Module) else self._named_encoder(name, choice)
            x, present = batch.modalities[name], batch.present[name]
            scale = Standardize.fit(x, valid_steps(x, present, batch.lengths.get(name)), image=choice == "conv")
            encoders[name] = MaskedEncoder(scale, module, name, self.shapes_[name])
        assert batch.target is not None
        counts = torch.bincount(batch.target, minlength=len(self.classes_))
        method.build(encoders, counts / counts.sum())
        return method

    def _named_encoder(self, name: str, choice: str) -> nn.Module:
        try:
            return build_encoder(choice, self.shapes_[name], width=self.width, dropout=self.dropout)
        except ValueError as error:
            raise ValueError(f"modality {name!r}: {error}") from None

    def _encoder_choices(self) -> dict[str, EncoderChoice]:
        given = self.encoders
        if given is None or isinstance(given, str):
            return {name: given or default_encoder(shape) for name, shape in self.shapes_.items()}
        if isinstance(given, nn.Module):
            raise ValueError("encoders: give a mapping from modality to module; one module cannot serve all")
        unknown = sorted(set(given) - set(self.shapes_))
        if unknown:
            raise ValueError(f"encoders name unknown modalities {unknown}; the data have {list(self.shapes_)}")
        return {name: given.get(name, default_encoder(shape)) for name, shape in self.shapes_.items()}

    def _outputs(self, X: Data) -> tuple[Output, MultimodalDataset]:
        check_is_fitted(self, "method_")
        dataset = self._conform(X)
        device = next(self.method_.parameters()).device
        return evaluate(self.method_, to_batch(dataset, shapes=self.shapes_).to(device), self.batch_size), dataset

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

    def _probabilities(self, output: Output) -> NDArray[np.float64]:
        return output.logits.double().softmax(-1).cpu().numpy()


def _device(name: str) -> torch.device:
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ValueError(f"device {name!r} cannot be used ({reason}); use 'auto' or 'cpu'") from None
    return device
