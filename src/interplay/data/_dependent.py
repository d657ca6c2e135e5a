"""A modality that goes missing depending on the target or on values: the gaps that do harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interplay.data._pattern import Mask, Pattern, assign, check_probability
from interplay.data.validation import check_known, problem


@dataclass(frozen=True)
class Dependent(Pattern):
    r"""One modality goes missing depending on the target, on another modality, or on its own value.

    To study what such gaps do: a model may read the absence itself, or learn from a part of the data that is not like
    the rest. With a mapping, row :math:`i` loses the modality with probability ``rate[target_i]``. With a number,

    .. math:: P(\text{missing}_i) = \sigma(c + s z_i),

    with :math:`z` the standardised target, or the standardised mean over the standardised features of the modality
    ``on`` (0 where that is absent), and :math:`c` such that the mean over the rows that have the modality is ``rate``.

    Args:
        modality: what goes missing.
        rate: label -> probability (labels not named: 0), or the mean probability.
        on: name of the modality whose values decide, which may be ``modality`` itself; None for the target.
        slope: :math:`s`; 0 is missing completely at random, negative turns the direction.

    >>> present = {"a": np.ones(4, bool)}
    >>> Dependent("a", {"ill": 1.0}).draw(present, np.random.default_rng(0), target=["ill", "well", "ill", "well"])
    {'a': array([False,  True, False,  True])}
    """

    modality: str
    rate: float | Mapping[Any, float]
    on: str | None = None
    slope: float = 2.0

    def __post_init__(self) -> None:
        if not isinstance(self.rate, int | float):
            assign(self, rate=dict(self.rate))
            if self.on is not None:
                remedy = "leave on out, or give one number as rate"
                raise problem("Dependent: rate", f"a number where on={self.on!r}", "rates by label", remedy)
        for rate in self.rate.values() if isinstance(self.rate, Mapping) else [self.rate]:
            check_probability("Dependent: rate", rate)

    def _keep(
        self, names: list[str], there: Mask, rng: np.random.Generator, target: Any, modalities: Mapping[str, Any]
    ) -> Mask:
        check_known([self.modality] if self.on is None else [self.modality, self.on], names, "Dependent")
        if self.on is None and target is None:
            raise problem("Dependent", "a target to depend on", "none", "give data with a target, or on='a modality'")
        column = names.index(self.modality)
        if isinstance(self.rate, Mapping):
            chance = _by_label(np.asarray(target), self.rate)
        else:
            z = self._score(names, there, target, modalities)
            chance = _logistic(z, there[:, column], float(self.rate), self.slope)
        keep = np.ones(there.shape, bool)
        keep[:, column] = rng.random(len(there)) >= chance
        return keep

    def _score(self, names: list[str], there: Mask, target: Any, modalities: Mapping[str, Any]) -> NDArray[np.float64]:
        if self.on is None:
            numbers = np.asarray(target)
            if numbers.dtype.kind not in "fiub":
                remedy = "give a rate for each label: rate={label: probability}"
                raise problem("Dependent: rate", "rates by label for labels that are no numbers", "one number", remedy)
            return _standardized(numbers.astype(np.float64))
        if self.on not in modalities:
            raise problem("Dependent", f"the values of {self.on!r}", "none", "give modalities={name: values}")
        x, rows = np.asarray(modalities[self.on]), there[:, names.index(self.on)]
        if x.ndim > 2:
            remedy = "depend on a vector modality or on the target"
            raise problem(f"Dependent: on={self.on!r}", "values (n, features)", f"shape {x.shape}", remedy)
        z = np.zeros(len(there))
        z[rows] = _standardized(_standardized(x[rows].reshape(rows.sum(), -1).astype(np.float64)).mean(1))
        return z


def _by_label(target: NDArray[Any], rate: Mapping[Any, float]) -> NDArray[np.float64]:
    labels, codes = np.unique(target, return_inverse=True)
    unknown = [label for label in rate if label not in set(labels.tolist())]
    if len(unknown) == len(rate):
        remedy = "give rates by label as the target has them"
        raise problem("Dependent: rate", f"labels among {labels.tolist()[:10]}", f"{unknown[:10]}", remedy)
    return np.array([rate.get(label, 0.0) for label in labels.tolist()])[codes]


def _logistic(z: NDArray[np.float64], rows: Mask, rate: float, slope: float) -> NDArray[np.float64]:
    """Probabilities that are logistic in ``z`` and have the mean ``rate`` over ``rows``."""
    if rate in (0, 1) or not rows.any():
        return np.full(len(z), float(rate))
    from scipy.optimize import brentq
    from scipy.special import expit

    reach = 40 + abs(slope) * np.abs(z[rows]).max()
    shift = brentq(lambda c: expit(c + slope * z[rows]).mean() - rate, -reach, reach)
    return np.asarray(expit(shift + slope * z))


def _standardized(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column with mean 0 and standard deviation 1; a constant one becomes 0."""
    if not len(x):
        return x
    centred = x - x.mean(0)
    spread = centred.std(0)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))
