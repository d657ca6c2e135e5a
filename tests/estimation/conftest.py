"""Shared by the tests of estimators."""

from collections.abc import Callable

import pytest

from interplay.estimation.settings import Settings


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """Quick choices of one call of `measure`, with the changes given by name."""

    def make(**changes: object) -> Settings:
        quick = {
            "redundancy": "broja",
            "discretiser": "auto",
            "n_bins": None,
            "correction": "maxent",
            "n_bootstrap": 10,
            "n_permutations": 9,
            "confidence": 0.95,
            "n_splits": 5,
            "n_repeats": 1,
            "sensitivity": False,
            "n_jobs": None,
            "seed": 0,
        }
        return Settings(**{**quick, **changes})

    return make
