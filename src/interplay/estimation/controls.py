"""Built-in checks of a measurement: data of the user's size for which the answer is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.data.datasets import make_gates
from interplay.estimation.discretise import rows_of
from interplay.estimation.measurement import Measurement
from interplay.estimation.resample import permute_target
from interplay.estimation.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_controls"]

Codes = NDArray[np.int64]
MeasureTwo = Callable[[MultimodalDataset, Settings], Measurement]

_MEANING = {
    "duplicate": "one modality given twice has no synergy, yet some was found: this estimator invents it on such data",
    "XOR": "one bit of synergy was not found at this number of samples and features: its absence here is no evidence",
    "shuffled": "shuffled targets, which nothing can tell, seem to have synergy: do not trust it here",
}


def run_controls(
    pair: MultimodalDataset, groups: Codes | None, settings: Settings, measure_two: MeasureTwo
) -> tuple["pd.DataFrame", list[str]]:
    """Measure three cases of known synergy at the user's size.

    - duplicate: the first modality twice; no synergy.
    - XOR: two noisy code vectors of the pair's numbers of rows and features (noise sd 0.3); one bit of synergy.
    - shuffled: the pair with shuffled targets; no synergy.

    Returns:
        A row for each control (synergy, its interval, p-value, ``passed``), and a warning for each that failed.
    """
    import pandas as pd

    plain = replace(settings, sensitivity=False)
    first, n = pair.names[0], len(pair)
    again = f"{first} (again)"
    lengths = dict.fromkeys((first, again), pair.lengths[first]) if first in pair.lengths else None
    twice = MultimodalDataset(
        dict.fromkeys((first, again), pair.modalities[first]), pair.target, lengths=lengths, groups=pair.groups
    )
    width = max(rows_of(pair, name).shape[1] for name in pair.names)
    gate = make_gates("XOR", n_samples=n, n_features=max(width, 2), noise=0.3, random_state=settings.seed).dataset
    order = permute_target(np.arange(n), groups, np.random.default_rng([settings.seed, 3]))
    assert pair.target is not None
    cases = {"duplicate": twice, "XOR": gate, "shuffled": pair.with_target(pair.target[order])}
    records, warnings = [], []
    for name, case in cases.items():
        found = measure_two(case, replace(plain, discretiser="auto", n_bins=None) if name == "XOR" else plain)
        low, high = found.intervals["synergy"]
        passed = found.distinguishable("synergy") == (name == "XOR")
        records.append(
            {
                "control": name,
                "synergy": found.synergy,
                "low": low,
                "high": high,
                "p_value": found.p_value,
                "passed": passed,
            }
        )
        if not passed:
            warnings.append(f"control {name!r} failed: {_MEANING[name]}.")
    return pd.DataFrame.from_records(records), warnings
