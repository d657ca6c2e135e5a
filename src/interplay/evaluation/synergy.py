"""The synergy indicator: how often only the modalities together are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SynergyIndicator", "synergy_indicator"]


@dataclass(frozen=True)
class SynergyIndicator:
    """Share of samples that only the modalities together get right.

    Attributes:
        value: the share, in [0, 1].
        interval: 95 % percentile bootstrap interval over samples.
        null: the share that the best single modality of another seed gets right where every reference is wrong: what
            retraining alone brings. None without a second seed. Only what exceeds it speaks for synergy.
    """

    value: float
    interval: tuple[float, float]
    null: float | None


def synergy_indicator(
    together: ArrayLike,
    reference: Mapping[str, ArrayLike],
    target: ArrayLike,
    *,
    second_seed: Mapping[str, ArrayLike] | None = None,
    n_bootstrap: int = 1000,
    random_state: int | None = 0,
) -> SynergyIndicator:
    r"""Share of samples where the multimodal prediction is right and every unimodal one is wrong.

    .. math:: \tfrac1n \#\{ i : \hat y_i = y_i,\ \hat y_i^{(m)} \ne y_i \text{ for all } m \}

    It is not zero by construction for an ensemble with three or more classes (averaging (.45, .40, .15) and
    (.15, .40, .45) makes the middle class win), and it counts noise: compare with ``null``.

    Args:
        together: predictions ``(n,)`` of the multimodal model.
        reference: predictions ``(n,)`` by modality: a method's own unimodal heads, or, to compare methods, one fixed
            set of separately trained unimodal models.
        target: labels ``(n,)``.
        second_seed: the unimodal models trained again with another seed, by modality.
        n_bootstrap: number of bootstrap samples.
        random_state: seed of the bootstrap.

    Raises:
        ValueError: if there is no reference or a length differs.

    Reference:
        Yang et al., CVPR 2026, as reported in secondary sources.

    Example:
        >>> synergy_indicator([0, 1, 1], {"a": [0, 0, 1], "b": [0, 0, 0]}, [0, 1, 1], n_bootstrap=10).value
        0.3333333333333333
    """
    y = np.asarray(target)
    if not reference:
        raise ValueError("reference: expected the predictions of at least one modality, found none")
    for name, predicted in {"together": together, **reference, **(second_seed or {})}.items():
        if np.shape(predicted) != y.shape:
            raise ValueError(
                f"{name!r}: expected predictions of shape {y.shape}, as the target; found {np.shape(predicted)}"
            )
    all_wrong = np.all([np.asarray(predicted) != y for predicted in reference.values()], axis=0)
    hit = _only_then(together, all_wrong, y)
    rng = np.random.default_rng(random_state)
    # The mean of n resampled zeros and ones is a binomial draw.
    drawn = rng.binomial(len(y), hit.mean(), size=n_bootstrap) / len(y)
    low, high = np.quantile(drawn, (0.025, 0.975))
    null = None
    if second_seed:
        null = max(float(_only_then(predicted, all_wrong, y).mean()) for predicted in second_seed.values())
    return SynergyIndicator(float(hit.mean()), (float(low), float(high)), null)


def _only_then(predicted: ArrayLike, all_wrong: NDArray[np.bool_], y: NDArray[np.generic]) -> NDArray[np.bool_]:
    return np.asarray((np.asarray(predicted) == y) & all_wrong)
