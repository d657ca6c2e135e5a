"""The choices of one call of `measure`."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Checked arguments of `measure`, which documents them; ``seed`` is drawn from its ``random_state``."""

    redundancy: str
    discretiser: str | Mapping[str, str]
    n_bins: int | None
    correction: str
    n_bootstrap: int
    n_permutations: int
    confidence: float
    n_splits: int
    n_repeats: int
    sensitivity: bool
    n_jobs: int | None
    seed: int
