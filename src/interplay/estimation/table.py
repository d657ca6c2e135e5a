"""Redundancy, unique parts and synergy from a table of counts: corrected, with intervals and tests."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from interplay.estimation.counts import CORRECTED_ENTROPIES, corrected_information, pairwise_maximum_entropy
from interplay.estimation.design import effective_rows
from interplay.estimation.held_out import held_out_union
from interplay.estimation.resample import Draw, Track, bootstrap, decompose_tables, from_model, parts_of, shuffled
from interplay.estimation.settings import Settings
from interplay.information.broja import solve

__all__ = [
    "CORRECTIONS",
    "NON_NEGATIVE",
    "TableEstimate",
    "correct",
    "correction_error",
    "estimate_and_intervals",
    "estimate_table",
    "synergy_free",
]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

CORRECTIONS = ("adaptive", "maxent", *CORRECTED_ENTROPIES, "none")
NON_NEGATIVE = frozenset({"broja", "mmi"})  # definitions all of whose parts are >= 0 by theorem

# (R, U1, U2, S, total) -> (I1, I2, I*, I12) with I* = R + U1 + U2, and back
_TO_INFORMATION = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 1]], dtype=float)
_TO_PARTS = np.array([[1, 1, -1, 0], [0, -1, 1, 0], [-1, 0, 1, 0], [0, 0, -1, 1], [0, 0, 0, 1]], dtype=float)


@dataclass(frozen=True)
class TableEstimate:
    """Parts in the order of `PARTS` (redundancy, unique 1, unique 2, synergy, total), each ``(5,)``, in bits.

    Attributes:
        plugin: parts of the empirical distribution, uncorrected.
        estimate: corrected, and moved into the region that any joint obeys where the definition has one.
        intervals: ``(5, 2)``, corrected value -+ z * deviation; "broja": and as far as I* may be overestimated.
        deviation: bootstrap standard deviation and error of the correction, as root of the sum of squares.
        p_values: synergy against the synergy-free null, the others against shuffled targets.
        worth: independent rows that the rows are worth for synergy; fewer than there are where groups are alike.
    """

    plugin: Array
    estimate: Array
    intervals: Array
    deviation: Array
    p_values: Array
    worth: int


def _project(parts: Array) -> Array:
    """Move corrected parts to where those of every joint are: I1, I2 >= 0, max(I1, I2) <= I* <= I1 + I2, I12 >= I*."""
    first, second, optimum, both = _TO_INFORMATION @ parts
    first, second = max(first, 0.0), max(second, 0.0)
    optimum = float(np.clip(optimum, max(first, second), first + second))
    return _TO_PARTS @ np.array([first, second, optimum, max(both, optimum)])


def correct(table: NDArray[Any], plugin: Array, drawn: Array, exact: Array, method: str) -> Array:
    """Plug-in parts less their bias.

    "maxent" subtracts from every part the mean error of tables of the same size drawn from the pairwise
    maximum-entropy joint m (of shrunken pairwise tables). The entropy methods correct ``I12`` by their formula instead;
    "miller-madow" also ``I1`` and ``I2``, and leaves ``I*``, which has no such formula, as it is. "adaptive" mixes: m
    is the right model where the excess D of the plug-in synergy over what m's tables show is noise, and is wrong where
    there is an interaction of third order (on XOR it takes away synergy that is there). So ``I12`` is that of "maxent"
    with weight ``w = min(1, 4 var(S | m) / D^2)`` and that of "grassberger", which knows no model, with ``1 - w``.

    Args:
        table: counts ``(K1, K2, k)``.
        plugin: parts of the table.
        drawn: parts ``(B, 5)`` of tables drawn from m.
        exact: parts of m.
        method: one of `CORRECTIONS`.
    """
    plain = _TO_INFORMATION @ plugin
    if method == "none":
        return plugin
    information = plain - _TO_INFORMATION @ (drawn.mean(axis=0) - exact)
    if method == "adaptive":
        excess = plugin[3] - drawn[:, 3].mean()
        noise = 4 * drawn[:, 3].var(ddof=1)
        weight = noise / max(noise, excess**2) if excess != 0 else 1.0
        information[3] = weight * information[3] + (1 - weight) * corrected_information(table, "grassberger")
    elif method in CORRECTED_ENTROPIES:
        information[3] = corrected_information(table, method)
        if method == "miller-madow":
            information[:2] = [corrected_information(table.sum(axis=axis), method) for axis in (1, 0)]
            information[2] = plain[2]
    return _TO_PARTS @ information


def correction_error(table: NDArray[Any], plugin: Array, drawn: Array, exact: Array, redundancy: str) -> Array:
    """How far the corrected parts ``(5,)`` may still be off; arguments as of `correct`.

    For synergy and total half of what "maxent" and "grassberger" disagree. For R and U the size of the correction, as
    resampling finds about half of the bias where the redundancy has a kink; 0 for "broja", whose error in that case is
    known by other means (see `estimate_table`).
    """
    low, high = (correct(table, plugin, drawn, exact, method)[3] for method in ("maxent", "grassberger"))
    sides = np.zeros(3) if redundancy == "broja" else np.abs(drawn.mean(axis=0) - exact)[:3]
    return np.array([*sides, abs(high - low) / 2, abs(high - low) / 2])


def estimate_and_intervals(
    corrected: Array, deviation: Array, redundancy: str, confidence: float, *, below: float = 0.0, above: float = 0.0
) -> tuple[Array, Array]:
    """Parts ``(5,)`` and intervals ``(5, 2)``: corrected value -+ z * deviation, within what the definition allows.

    The true I* = R + U1 + U2 may lie by ``below`` under and by ``above`` over the corrected one: R and synergy, which
    subtract it, reach further up by ``below`` and down by ``above``, the unique parts the other way.
    """
    reach = norm.ppf(0.5 + confidence / 2) * deviation
    low = corrected - reach - np.array([above, below, below, above, 0.0])
    high = corrected + reach + np.array([below, above, above, below, 0.0])
    estimate = corrected
    if redundancy in NON_NEGATIVE:
        estimate, low, high = _project(corrected), np.maximum(low, 0.0), np.maximum(high, 0.0)
    return estimate, np.column_stack([np.minimum(low, estimate), np.maximum(high, estimate)])


def synergy_free(table: NDArray[Any]) -> Array:
    """Return a joint like the table's, but without synergy up to sampling noise: the null of the test.

    A joint without synergy is its own pairwise maximum-entropy model. So that model (of shrunken pairwise tables) is
    the null wherever its synergy, the least that the pairwise tables allow, is within noise. Where it is not (AND), it
    is mixed with the optimal coupling of the convex programme, which has none: synergy is convex on joints with the
    same two tables, so ``(1 - w) coupling + w model`` has at most ``w S(model)``, and ``w`` keeps that within noise.
    The coupling alone would be too sparse: its tables have too little spurious synergy, and everything would look
    significant.
    """
    n = float(np.sum(table))
    model = pairwise_maximum_entropy(table, shrink=True)
    first, second, k = (int((model.sum(axis=axes) > 0).sum()) for axes in ((1, 2), (0, 2), (0, 1)))
    noise = (first + second) * (k - 1) / (2 * n * np.log(2))
    implied = float(parts_of(model[None], "broja")[0, 3])
    if implied <= noise:
        return model
    weight = noise / implied
    return weight * model + (1 - weight) * solve(model).coupling


def estimate_table(
    table: NDArray[Any], cells: Codes, groups: Codes | None, *, settings: Settings, track: Track
) -> TableEstimate:
    """Estimate from counts ``(K1, K2, k)``; ``cells`` ``(n,)`` is each row's flat index in the table.

    With groups, tables are drawn from a model with as many rows as the groups are worth, see `effective_rows`. For
    "broja" the intervals reach down to the I* of duals evaluated on held-out rows, see `held_out_union`.
    """
    n, k = int(table.sum()), table.shape[-1]
    seeds = np.random.SeedSequence(settings.seed).spawn(6)
    redundancy, n_bootstrap, n_permutations = settings.redundancy, settings.n_bootstrap, settings.n_permutations

    def run(draw: Draw, size: int, which: int) -> Array:
        return decompose_tables(
            draw, size, redundancy=redundancy, seed=seeds[which], n_jobs=settings.n_jobs, track=track
        )

    plugin = parts_of(table[None], redundancy)[0]
    worth = effective_rows(table, cells, groups)
    thinned = table * (worth[1] / n)
    model = pairwise_maximum_entropy(thinned, shrink=True)
    exact = parts_of(model[None], redundancy)[0]
    under_model = run(from_model(model, worth[1]), n_bootstrap, 0)
    if worth[0] != worth[1]:
        under_model[:, :3] = run(from_model(model, worth[0]), n_bootstrap, 5)[:, :3]
        under_model[:, 4] = under_model[:, :4].sum(axis=1)
    corrected = correct(table, plugin, under_model, exact, settings.correction)
    scatter = run(bootstrap(table, cells, groups), n_bootstrap, 1).std(axis=0, ddof=1)
    deviation = np.hypot(scatter, correction_error(table, plugin, under_model, exact, redundancy))
    without = run(from_model(synergy_free(thinned), worth[1]), n_permutations, 2)
    unrelated = run(shuffled(cells // k, cells % k, groups, table.shape), n_permutations, 3)
    null = unrelated.copy()
    null[:, 3] = without[:, 3]

    # Ties up to rounding count as at least as large.
    p_values = (1 + (null >= plugin - 1e-9).sum(axis=0)) / (1 + n_permutations)
    below = 0.0
    if redundancy == "broja":
        below = float(corrected[:3].sum()) - held_out_union(table, cells, groups, np.random.default_rng(seeds[4]))
    estimate, intervals = estimate_and_intervals(
        corrected, deviation, redundancy, settings.confidence, below=max(below, 0.0)
    )
    return TableEstimate(plugin, estimate, intervals, deviation, p_values, worth[1])
