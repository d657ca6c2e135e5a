"""Three and more modalities: every pair, each against the rest, total correlation and O-information."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.estimation.counts import corrected_entropy
from interplay.estimation.discrete import discretise, method_of
from interplay.estimation.discretise import rows_of
from interplay.estimation.measurement import Measurement
from interplay.estimation.settings import Settings

__all__ = ["measure_several"]

Codes = NDArray[np.int64]
MeasureTwo = Callable[[MultimodalDataset, Settings], Measurement]


def measure_several(
    dataset: MultimodalDataset,
    whole: MultimodalDataset,
    y: Codes,
    groups: Codes | None,
    settings: Settings,
    measure_two: MeasureTwo,
) -> Measurement:
    """Measure all pairs of ``dataset``, each modality against the rest, and the multivariate measures.

    Args:
        dataset: as given; a pair uses every row that has both.
        whole: the rows that have all modalities.
        y: classes of these rows.
        groups: groups of these rows.
        settings: choices of the call.
        measure_two: measures a data set of two modalities.
    """
    import pandas as pd

    plain = replace(settings, sensitivity=False)
    pairs = [measure_two(dataset.select(list(pair)), plain) for pair in combinations(dataset.names, 2)]
    rest = [measure_two(_against_rest(whole, name, settings), plain) for name in dataset.names]
    correlation, o_information, n_bins, warnings = _multivariate(whole, y, groups, settings)
    for found in (*pairs, *rest):
        warnings += [f"{' and '.join(found.names)}: {text}" for text in found.warnings]
    return Measurement(
        names=dataset.names,
        redundancy=np.nan,
        unique=dict.fromkeys(dataset.names, np.nan),
        synergy=np.nan,
        total=np.nan,
        intervals={},
        p_values={},
        warnings=warnings,
        gap=max(found.gap for found in (*pairs, *rest)),
        definition=settings.redundancy,
        estimator=pairs[0].estimator,
        confidence=settings.confidence,
        n_samples=len(whole),
        n_bins=n_bins,
        pairs=pd.DataFrame.from_records([_record(found) for found in pairs]),
        rest=pd.DataFrame.from_records([_record(found) for found in rest]),
        total_correlation=correlation,
        o_information=o_information,
    )


def _record(found: Measurement) -> dict[str, object]:
    first, second = found.names
    low, high = found.intervals["synergy"]
    return {
        "first": first,
        "second": second,
        "redundancy": found.redundancy,
        "unique:first": found.unique[first],
        "unique:second": found.unique[second],
        "synergy": found.synergy,
        "synergy:low": low,
        "synergy:high": high,
        "p_value": found.p_value,
        "total": found.total,
        "n_samples": found.n_samples,
    }


def _against_rest(whole: MultimodalDataset, name: str, settings: Settings) -> MultimodalDataset:
    """Two modalities: this one, and all others side by side (one code for each combination where all are codes)."""
    others = [other for other in whole.names if other != name]
    label = "rest" if name != "rest" else "the rest"
    if all(method_of(whole, other, settings.discretiser) == "codes" for other in others):
        columns = np.column_stack([rows_of(whole, other)[:, 0] for other in others])
        rest: NDArray[np.generic] = np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)
    else:
        rest = np.hstack([rows_of(whole, other) for other in others])
    own = {name: whole.modalities[name]}
    lengths = {name: whole.lengths[name]} if name in whole.lengths else None
    return MultimodalDataset({**own, label: rest}, whole.target, lengths=lengths, ids=whole.ids, groups=whole.groups)


def _multivariate(
    whole: MultimodalDataset, y: Codes, groups: Codes | None, settings: Settings
) -> tuple[float, float, dict[str, int], list[str]]:
    """Total correlation of the modalities, O-information of modalities and target, with Grassberger's entropies."""
    coded = discretise(whole, y, groups, settings, settings.seed, settings.n_bins)
    columns = [*(coded.codes[name][coded.counted] for name in whole.names), y[coded.counted]]
    m = len(columns) - 1

    def h(chosen: list[Codes]) -> float:
        return corrected_entropy(np.unique(np.column_stack(chosen), axis=0, return_counts=True)[1], "grassberger")

    correlation = sum(h([c]) for c in columns[:m]) - h(columns[:m])
    without = [columns[:i] + columns[i + 1 :] for i in range(m + 1)]
    o_information = (m - 1) * h(columns) + sum(h([c]) - h(w) for c, w in zip(columns, without, strict=True))
    cells, n = int(np.prod([*coded.sizes.values(), y.max() + 1], dtype=float)), int(coded.counted.sum())
    warnings = list(coded.warnings)
    if cells > n:
        warnings.append(
            f"{n} samples for {cells} cells of all modalities and the target: O-information and total correlation are "
            "mostly bias; use fewer bins or modalities."
        )
    return correlation, o_information, coded.sizes, warnings
