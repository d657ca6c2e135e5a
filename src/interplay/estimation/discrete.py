"""The "discrete" estimator: partitions fitted on one part of the rows, tables counted on the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from interplay.data import MultimodalDataset
from interplay.estimation.counts import count_table, pairwise_maximum_entropy
from interplay.estimation.discretise import DISCRETISERS, SUPERVISED, choose_n_bins, is_codes, rows_of
from interplay.estimation.measurement import Measurement
from interplay.estimation.pointwise import sample_parts
from interplay.estimation.resample import PARTS, Track, bootstrap, from_model, parts_of
from interplay.estimation.settings import Settings
from interplay.estimation.table import NON_NEGATIVE, TableEstimate, correct, estimate_table
from interplay.information import decompose

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Coded", "discretise", "measure_discrete", "method_of", "part_names"]

Codes = NDArray[np.int64]

_FIT_SHARE = {False: 0.2, True: 0.5}  # a classifier or tree needs more rows than a clustering
_MAX_CODES = 200
_MAX_CELLS = 2_000_000


@dataclass(frozen=True)
class Coded:
    """Modalities as codes.

    Attributes:
        codes: by name ``(n,)``, from 0; only values that occur in the counted rows have a code, others are -1.
        sizes: by name, number of codes.
        counted: bool ``(n,)``, rows that no partition was fitted on.
        fitted: whether any partition was fitted (else the codes are the user's).
    """

    codes: dict[str, Codes]
    sizes: dict[str, int]
    counted: NDArray[np.bool_]
    fitted: bool
    warnings: list[str] = field(default_factory=list)


def part_names(names: tuple[str, str]) -> tuple[str, ...]:
    """Names of the parts in the order of `PARTS`."""
    return ("redundancy", f"unique:{names[0]}", f"unique:{names[1]}", "synergy", "total")


def method_of(dataset: MultimodalDataset, name: str, discretiser: str | Mapping[str, str]) -> str:
    """Return which discretiser a modality gets; "codes" where it is used as it stands."""
    chosen = discretiser if isinstance(discretiser, str) else discretiser.get(name, "auto")
    x, present = dataset.modalities[name], dataset.present[name]
    if chosen == "auto":
        return "codes" if is_codes(x, present) else "kmeans"
    if chosen != "codes" and chosen not in DISCRETISERS:
        raise ValueError(f"unknown discretiser {chosen!r}; there are auto, codes, {', '.join(DISCRETISERS)}.")
    if chosen == "codes":
        one_column = x.dtype.kind in "iub" and int(np.prod(x.shape[1:])) == 1
        if not one_column or len(np.unique(x[present])) > _MAX_CODES:
            raise ValueError(
                f"modality {name!r}: discretiser 'codes' expects one column of integers with at most {_MAX_CODES} "
                f"values, found {x.dtype} of shape {x.shape[1:]} a sample; use 'kmeans' or 'quantile'."
            )
    return chosen


def _rows_to_fit(y: Codes, groups: Codes | None, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose about ``share`` of the rows to fit on: the same share of each class, or whole groups."""
    chosen = np.zeros(len(y), dtype=bool)
    if groups is None:
        order = np.lexsort((rng.random(len(y)), y))
        every = round(1 / share)
        chosen[order[rng.integers(every) :: every]] = True
        return chosen
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    taken = np.cumsum(sizes[order]) <= share * len(y)
    taken[0] = True
    return np.isin(groups, order[taken])


def discretise(
    dataset: MultimodalDataset, y: Codes, groups: Codes | None, settings: Settings, seed: int, n_bins: int | None
) -> Coded:
    """Give every row a code in each modality; the partitions are fitted on rows that will not be counted."""
    methods = {name: method_of(dataset, name, settings.discretiser) for name in dataset.names}
    fitted = any(method != "codes" for method in methods.values())
    n, counted = len(dataset), np.ones(len(dataset), dtype=bool)
    if fitted:
        share = _FIT_SHARE[any(method in SUPERVISED for method in methods.values())]
        counted = ~_rows_to_fit(y, groups, share, np.random.default_rng([seed, 0]))
        if not counted.any() or (any(m in SUPERVISED for m in methods.values()) and len(np.unique(y[~counted])) < 2):
            raise ValueError(
                "no rows (or one class only) are left on one side of the split into rows to fit a partition on and "
                f"rows to count: {n} rows" + ("" if groups is None else f" in {groups.max() + 1} groups") + "; "
                "give more rows or groups, or codes of your own."
            )
    own = {name: np.unique(rows_of(dataset, name)[:, 0]).size for name, method in methods.items() if method == "codes"}
    n_classes = int(y.max()) + 1
    if n_bins is None:
        n_bins = choose_n_bins(int(counted.sum()), n_classes, known=tuple(own.values()), n_modalities=len(methods))
    codes, sizes, warnings = {}, {}, []
    for name, method in methods.items():
        rows = rows_of(dataset, name)
        if method == "codes":
            raw = rows[:, 0].astype(np.int64)
        else:
            raw = DISCRETISERS[method](rows[~counted], y[~counted], n_bins, seed)(rows)
        values = np.unique(raw[counted])
        place = np.minimum(np.searchsorted(values, raw), len(values) - 1)
        codes[name], sizes[name] = np.where(values[place] == raw, place, -1), len(values)
        if len(values) == 1:
            warnings.append(f"modality {name!r} is constant in the rows counted, it tells nothing.")
    return Coded(codes, sizes, counted, fitted, warnings)


def measure_discrete(
    dataset: MultimodalDataset, y: Codes, groups: Codes | None, settings: Settings, track: Track
) -> Measurement:
    """Measure the two modalities of a dataset that has both in every row, sorted by id."""
    names = (dataset.names[0], dataset.names[1])
    coded = discretise(dataset, y, groups, settings, settings.seed, settings.n_bins)
    counted = coded.counted
    shape = (coded.sizes[names[0]], coded.sizes[names[1]], int(y.max()) + 1)
    if np.prod(shape) > _MAX_CELLS:
        raise ValueError(f"a table of {shape} cells is too large; use fewer codes or n_bins.")
    cells = np.ravel_multi_index((*(coded.codes[name][counted] for name in names), y[counted]), shape)
    table = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
    within = None if groups is None else np.unique(groups[counted], return_inverse=True)[1]
    found = estimate_table(table, cells, within, settings=settings, track=track)

    estimate, intervals, warnings = _withhold(found, table, settings.redundancy)
    parts = part_names(names)
    details = decompose(table, redundancy=settings.redundancy, normalize=True)
    codes = (coded.codes[names[0]], coded.codes[names[1]], y)
    samples = sample_parts(details, codes, parts, dataset.ids, bootstrap(table, cells, within), settings.seed)
    sensitivity = _sensitivity(dataset, y, groups, settings, coded) if settings.sensitivity and coded.fitted else None
    return Measurement(
        names=names,
        redundancy=float(estimate[0]),
        unique={names[0]: float(estimate[1]), names[1]: float(estimate[2])},
        synergy=float(estimate[3]),
        total=float(estimate[4]),
        intervals={part: (float(low), float(high)) for part, (low, high) in zip(parts, intervals, strict=True)},
        p_values=dict(zip(parts, found.p_values.tolist(), strict=True)),
        warnings=[*coded.warnings, *warnings],
        gap=details.gap,
        definition=settings.redundancy,
        estimator="discrete",
        confidence=settings.confidence,
        n_samples=int(counted.sum()),
        n_bins=coded.sizes,
        plugin=dict(zip(parts, found.plugin.tolist(), strict=True)),
        samples=samples,
        sensitivity=sensitivity,
    )


def _withhold(
    found: TableEstimate, table: NDArray[np.int64], redundancy: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Replace by NaN what has fewer samples than cells: of the joint, for R and U of the table with the target."""
    n, (first, second, k) = found.worth, table.shape
    samples = f"{n} samples"
    if n < table.sum():
        samples = f"{table.sum()} samples in groups, worth about {n} independent ones,"
    estimate, intervals, warnings = found.estimate.copy(), found.intervals.copy(), []
    needs_joint = [3, 4] if redundancy in NON_NEGATIVE else [0, 1, 2, 3, 4]
    for columns, cells, what in (
        (needs_joint, table.size, f"{first} x {second} x {k}"),
        ([0, 1, 2], max(first, second) * k, f"{max(first, second)} x {k}"),
    ):
        if n < cells and k > 1:
            estimate[columns], intervals[columns] = np.nan, np.nan
            parts = ", ".join(PARTS[c].partition(":")[0] for c in columns if c != 2)
            warnings.append(
                f"{parts} withheld: {samples} for {cells} cells ({what}) cannot carry an estimate; the p-values "
                "still hold. Use fewer bins or more samples."
            )
    if not warnings and n < 2 * table.size:
        warnings.append(
            f"{samples} for {table.size} cells ({first} x {second} x {k}): below two a cell, intervals of the "
            "synergy may be too narrow."
        )
    return estimate, intervals, warnings


def _sensitivity(
    dataset: MultimodalDataset, y: Codes, groups: Codes | None, settings: Settings, coded: Coded
) -> "pd.DataFrame":
    """Corrected parts for other numbers of cells and other fits; 20 tables a correction, no intervals."""
    import pandas as pd

    largest = max(coded.sizes.values()) if settings.n_bins is None else settings.n_bins
    parts_names = part_names((dataset.names[0], dataset.names[1]))
    records = []
    for n_bins in sorted({max(2, largest // 2), largest, min(20, largest + largest // 2)}):
        for repeat in range(3):
            again = discretise(dataset, y, groups, settings, settings.seed + 1 + repeat, n_bins)
            shape = (*again.sizes.values(), int(y.max()) + 1)
            table = count_table(*(c[again.counted] for c in again.codes.values()), y[again.counted], shape=shape)
            model = pairwise_maximum_entropy(table)
            draw = from_model(model, int(table.sum()))
            plugin, exact = parts_of(np.stack([table / table.sum(), model]), settings.redundancy)
            drawn = parts_of(draw(np.random.default_rng([settings.seed, n_bins, repeat]), 20), settings.redundancy)
            parts = correct(table, plugin, drawn, exact, settings.correction)
            records.append({"n_bins": n_bins, "repeat": repeat, **dict(zip(parts_names, parts, strict=True))})
    return pd.DataFrame.from_records(records)
