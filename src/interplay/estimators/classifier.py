"""The scikit-learn face: ``MultimodalClassifier``."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from torch import Tensor

from interplay.data import MultimodalDataset, as_dataset, check_target
from interplay.data.validation import Task
from interplay.estimators._base import Data, MultimodalEstimator
from interplay.estimators.answer import Answer, Probabilities
from interplay.estimators.explanation import Columns
from interplay.methods import Output


class MultimodalClassifier(ClassifierMixin, MultimodalEstimator):
    """Classify samples that have several modalities, with any method of :mod:`interplay.methods`.

    Features are standardised with the training part; a share of the training part (whole groups, where the data have
    groups) chooses the epoch and is never trained on. Modalities may be missing, at training and at prediction;
    the page of each method says what it does then.

    Args:
        method: a name (see ``ip.methods.names()``) or a configured method such as ``ip.methods.DMIL(width=64)``, whose
            parameters are also reachable as ``method__...``.
        encoders: what maps a modality to a vector: None (chosen from the shape: vectors ``"mlp"``, sequences
            ``"transformer"``, images ``"conv"``), one name for all, or a mapping from modality to a name or to a
            ``torch.nn.Module`` with an integer attribute ``out_features``. ``"hf:<model id or folder>"`` is a
            pretrained network of Hugging Face (extra ``hf``), frozen: its features are computed once, and ``"mlp"``
            encodes them; ``"resnet18"`` is one of these.
        width: output width of the encoders that are chosen or named.
        dropout: dropout inside those encoders.
        max_epochs: the most epochs of a stage; methods with several say on their pages how these share them.
        batch_size: rows a step.
        learning_rate: learning rate of AdamW, for stages that name none of their own.
        weight_decay: weight decay of AdamW.
        patience: epochs without improvement on the validation part before a stage ends.
        validation_fraction: share of the training part that chooses epochs.
        loss: ``"cross_entropy"``; None is the same.
        missing: modality dropout: training rows lose modalities anew in each epoch, by a pattern of
            :mod:`interplay.data.missing` or a missing rate. The part that chooses epochs keeps what it has. None: no.
        device: ``"auto"`` (the first accelerator, else the CPU) or any torch device.
        precision: ``"32-true"``; ``"bf16-mixed"`` or ``"16-mixed"`` trains with half-precision products on accelerators
            that are faster at them. Validation and predictions stay in 32 bits.
        random_state: seed; the same seed on the same machine gives the same result.
        progress: show a bar a stage on standard error.
        checkpoints: folder for a checkpoint after every epoch, or None. Fitting again with the same data, parameters
            and seed goes on exactly where an interrupted fit stood, at any epoch of any stage.
        logger: ``"tensorboard"`` (writes to the folder ``runs``), ``"wandb"`` (offline unless ``WANDB_MODE=online``) or
            a logger of ``pytorch_lightning.loggers``; gets every epoch's record with all parts of the loss as
            ``<stage>/<name>``. The names need the extra ``tracking``.

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

    _task: ClassVar[Task] = "classification"

    def predict_proba(self, X: Data, *, n_draws: int = 0) -> NDArray[np.float64]:
        """Class probabilities ``(n, K)``, columns in the order of ``classes_``.

        Args:
            X: rows.
            n_draws: 0 predicts from the means of the latents. Otherwise the mean of the probabilities over so many
                draws of the latents from their posteriors (``"dmil"``, ``"cyin"`` and ``"poe"`` have some; for methods
                without any it is the same); always the same draws.
        """
        return self._predicted(X, self._probabilities, n_draws)

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

    def _labelled(self, dataset: MultimodalDataset) -> MultimodalDataset:
        check_target(dataset, self._task)
        return dataset

    def _learn_target(self, dataset: MultimodalDataset, training: MultimodalDataset) -> None:
        self.classes_ = dataset.classes
        self.class_names_ = list(dataset.class_names or map(str, dataset.classes.tolist()))

    def _encode_target(self, dataset: MultimodalDataset) -> NDArray[np.int64]:
        # Not dataset.codes: a part of the data may lack a class.
        unknown = sorted(set(dataset.classes.tolist()) - set(self.classes_.tolist()), key=str)
        if unknown:
            raise ValueError(f"the validation data have classes that the training data lack: {unknown[:5]}")
        return np.searchsorted(self.classes_, dataset.classes).astype(np.int64)[dataset.codes]

    def _prior(self, target: Tensor) -> Tensor:
        counts = torch.bincount(target, minlength=len(self.classes_))
        return counts / counts.sum()

    def _columns(self, output: Output) -> Columns:
        probabilities = self._probabilities(output)
        best = probabilities.argmax(1)
        index = torch.from_numpy(best).to(output.logits.device)[:, None]

        def of_the_best(drawn: Output) -> NDArray[np.float64]:
            return self._probabilities(drawn)[np.arange(len(best)), best]

        return Columns(
            {"prediction": self.classes_[best], "probability": of_the_best(output)},
            uncertain=("probability", of_the_best),
            push=lambda logits: logits.gather(1, index)[:, 0] - logits.mean(1),
            say=lambda logits: self.classes_[logits.argmax(1).cpu().numpy()],
            probabilities={f"p:{label}": probabilities[:, k] for k, label in enumerate(self.classes_.tolist())},
        )

    def _probabilities(self, output: Output) -> NDArray[np.float64]:
        return output.logits.double().softmax(-1).cpu().numpy()

    @property
    def answer(self) -> Answer:
        """Probabilities from logits."""
        return Probabilities()

    def _target_config(self) -> dict[str, Any]:
        return {
            "classes": self.classes_.tolist(),
            "classes_dtype": self.classes_.dtype.str,
            "class_names": self.class_names_,
        }

    def _restore_target(self, config: Mapping[str, Any]) -> None:
        self.classes_ = np.array(config["classes"], dtype=np.dtype(config["classes_dtype"]))
        self.class_names_ = list(config["class_names"])
