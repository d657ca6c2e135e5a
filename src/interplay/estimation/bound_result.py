"""What `bound` finds: intervals of synergy and of the accuracy of fusion, and what they advise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from interplay.estimation._bound_codes import Coded
from interplay.estimation._bound_input import Codes, Sources
from interplay.estimation.disagreement import Disagreement
from interplay.information.bounds import SynergyBounds

Array = NDArray[np.float64]
Interval = tuple[float, float]
WORTH = 0.01  # accuracy below which a gain is called none
FEW_SUBJECTS = 10


@dataclass(frozen=True)
class Bound:
    """Bounds of what fusing two modalities can bring, from samples that were never labelled together.

    names: the two modalities. synergy: lower and upper bound in bits, for the symbols the modalities were cut into;
    synergy_interval: the same ends one-sided at `confidence`. redundancy, unique (by name): bits, with `intervals`.
    single: accuracy of each modality's own rule. accuracy: of the pair, lower (a rule fitted without labelled pairs,
    scored on other samples) and upper (of the symbols); accuracy_interval: one-sided ends.
    accuracy_additive: expected if nothing interacts beyond pairs; expected_gain: the same less the better modality.
    gain: accuracy_interval less the best single modality. lower_bounds, upper_bounds: of synergy, by name.
    disagreement: of the classifiers, None for codes. p_value: test that the three sources share their populations.
    moved: total variation by table. n_samples, n_subjects: by source; the second holds the sources with groups only.
    """

    names: tuple[str, str]
    synergy: Interval
    synergy_interval: Interval
    redundancy: float
    unique: Mapping[str, float]
    intervals: Mapping[str, Interval]
    single: Mapping[str, float]
    accuracy: Interval
    accuracy_interval: Interval
    accuracy_additive: float
    expected_gain: float
    entropy: float
    lower_bounds: Mapping[str, float]
    upper_bounds: Mapping[str, float]
    disagreement: Disagreement | None
    p_value: float
    moved: tuple[float, float, float]
    n_bins: Mapping[str, int]
    n_samples: Mapping[str, int]
    n_subjects: Mapping[str, int]
    confidence: float
    warnings: tuple[str, ...]

    @property
    def gain(self) -> Interval:
        """Least and largest gain of fusion over the best single modality, in accuracy, at `confidence` each."""
        best = max(self.single.values())
        return max(self.accuracy_interval[0] - best, 0.0), max(self.accuracy_interval[1] - best, 0.0)

    @property
    def fusion(self) -> str:
        """Either "none", "additive" (reaches nearly all that is possible) or "interactive" (may add to additive).

        What additive fusion reaches is the larger of what is guaranteed and what is expected without interaction.
        """
        low, high = self.gain
        if high < WORTH:
            return "none"
        return "additive" if high - max(low, self.expected_gain) < 2 * WORTH else "interactive"

    @property
    def advice(self) -> str:
        """Whether fusion is worth it, and of which kind, in plain words."""
        low, high = self.gain
        best = max(self.single, key=self.single.__getitem__)
        second = next(name for name in self.names if name != best)
        if self.fusion == "none":
            return f"Adding {second} to {best} gains at most {100 * high:.1f} points of accuracy: not worth pairing."
        lines = [
            f"Fusing {second} with {best} gains between {100 * low:.1f} and {100 * high:.1f} points of accuracy; "
            f"{100 * min(max(self.expected_gain, low), high):.1f} if the modalities do not interact."
        ]
        if low >= WORTH:
            lines.append("The lower end is guaranteed by an additive fusion rule that needs no labelled pair.")
        if self.fusion == "additive":
            sure = "is" if high - low < 2 * WORTH else "is expected to be"
            lines.append(f"Additive fusion (a sum of scores, one a modality) {sure} enough.")
        elif low >= WORTH or self.expected_gain >= 3 * WORTH:
            lines.append(
                "Start with additive fusion; only labelled pairs can tell whether interactive fusion adds to it."
            )
        else:
            lines.append("Nothing is guaranteed: any large gain would be an interaction. Label some pairs to find out.")
        return " ".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dictionaries, ready for JSON."""
        found: dict[str, Any] = asdict(self)
        found.update(gain=self.gain, fusion=self.fusion, advice=self.advice)
        return dict(_plain(found))

    def __str__(self) -> str:
        a, b = self.names
        level = f"{100 * self.confidence:.0f} %"
        low, high = self.synergy, self.synergy_interval
        rows = [
            f"{a} and {b}: bounds without labelled pairs",
            f"  samples       {', '.join(self._counted(name) for name in self.n_samples)}",
            f"  synergy       {low[0]:.3f} to {low[1]:.3f} bits ({level} each end: {high[0]:.3f}, {high[1]:.3f})",
            f"  redundancy    {self.redundancy:.3f} bits",
            *(f"  {'unique ' + name[:20]:<13} {self.unique[name]:.3f} bits" for name in self.names),
            *(f"  {name[:13]:<13} {100 * value:.1f} % accuracy alone" for name, value in self.single.items()),
            f"  together      {100 * self.accuracy[0]:.1f} to {100 * self.accuracy[1]:.1f} % "
            f"({level} each end: {100 * self.accuracy_interval[0]:.1f}, {100 * self.accuracy_interval[1]:.1f})",
            *_wrap(self.advice),
            *(line for warning in self.warnings for line in _wrap("Warning: " + warning)),
        ]
        return "\n".join(rows)

    def _counted(self, name: str) -> str:
        of = f" ({self.n_subjects[name]} subjects)" if name in self.n_subjects else ""
        return f"{name} {self.n_samples[name]}{of}"

    @classmethod
    def assemble(
        cls,
        sources: Sources,
        parts: Sequence[Coded],
        exact: Sequence[SynergyBounds],
        draws: Mapping[str, Array],
        seen: Mapping[str, float],
        honest: Mapping[str, Interval],
        continuous: Disagreement | None,
        confidence: float,
    ) -> Self:
        """Average over splits, and one-sided ends from bootstrap draws (reflected, so that bias is taken back)."""
        ends = _Ends(draws, seen, confidence)
        entropy = _mean(exact, lambda e: e.entropy)
        lower, upper = _mean(exact, lambda e: e.lower), _mean(exact, lambda e: e.upper)
        top = _mean(exact, lambda e: e.accuracy_upper)
        z = float(norm.ppf(confidence))
        single = {n: honest[f"single{m}"][0] for m, n in enumerate(sources.names, 1)}
        best = max((honest[f"single{m}"] for m in (1, 2)), key=lambda v: v[0])
        # Sources that differ can promise more than is possible: never more than what their tables allow.
        most = max(top, best[0])
        sure = min(max(honest["joint"][0] - z * honest["joint"][1], best[0] - z * best[1]), most)
        reached = min(max(honest["joint"][0], best[0]), most)
        top_end = min(max(top + ends.shift_up("accuracy_upper"), reached), 1.0)
        unique = [_mean(exact, lambda e, m=m: e.unique[m]) for m in (0, 1)]
        redundancy = _mean(exact, lambda e: e.redundancy)
        tables = [e.reconciliation for e in exact if e.reconciliation is not None]
        p_value = min(1.0, len(tables) * min(t.p_value for t in tables if t.p_value is not None))
        n_bins = {name: max(part.shape[m] for part in parts) for m, name in enumerate(sources.names)}
        return cls(
            names=sources.names,
            synergy=(lower, upper),
            synergy_interval=(
                float(np.clip(honest["lower"][0] + ends.shortfall("unpaired") - z * honest["lower"][1], 0.0, lower)),
                # The draws' bound is cooled, so smoother and a little larger: bias and spread are of that very bound.
                min(max(upper, ends.seen["upper"] + ends.shift_up("upper")), entropy),
            ),
            redundancy=redundancy,
            unique=dict(zip(sources.names, unique, strict=True)),
            intervals={
                "redundancy": ends.around("redundancy", redundancy),
                **{f"unique:{n}": ends.around(f"unique{m}", unique[m - 1]) for m, n in enumerate(sources.names, 1)},
            },
            single=single,
            accuracy=(reached, max(top, reached)),
            accuracy_interval=(sure, top_end),
            accuracy_additive=_mean(exact, lambda e: e.accuracy_additive),
            expected_gain=_mean(exact, lambda e: max(e.accuracy_additive - max(e.accuracy_unimodal), 0.0)),
            entropy=entropy,
            lower_bounds=_mean_by_name([e.lower_bounds for e in exact])
            | ({} if continuous is None else {"disagreement of classifiers": continuous.bound}),
            upper_bounds=_mean_by_name([e.upper_bounds for e in exact]),
            disagreement=continuous,
            p_value=p_value,
            moved=tuple(float(np.mean(v)) for v in zip(*(t.moved_variation for t in tables), strict=True)),  # type: ignore[arg-type]
            n_bins=n_bins,
            n_samples={name: len(units) for name, units in _by_source(sources)},
            n_subjects=_subjects(sources),
            confidence=confidence,
            warnings=tuple(_warnings(sources, parts, p_value)),
        )


@dataclass(frozen=True)
class _Ends:
    """Ends by the reflected bootstrap: the bias of the draws taken back, and so many of their standard deviations."""

    draws: Mapping[str, Array]
    seen: Mapping[str, float]
    confidence: float

    def shift_up(self, name: str) -> float:
        """How far above the estimate the upper end lies; at least 0."""
        spread = float(norm.ppf(self.confidence)) * float(np.std(self.draws[name], ddof=1))
        return max(self.seen[name] - float(np.mean(self.draws[name])) + spread, 0.0)

    def shortfall(self, name: str) -> float:
        """How much too small the estimate is on average; at least 0."""
        return max(self.seen[name] - float(np.mean(self.draws[name])), 0.0)

    def around(self, name: str, estimate: float) -> Interval:
        """Two-sided interval, both ends at half the error."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(self.draws[name], [1 - tail, tail]) - self.seen[name]
        return max(float(estimate - low), 0.0), max(float(estimate - high), 0.0)


def _mean(found: Sequence[SynergyBounds], value: Any) -> float:
    return float(np.mean([value(each) for each in found]))


def _mean_by_name(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _warnings(sources: Sources, parts: Sequence[Coded], p_value: float) -> list[str]:
    found = []
    if p_value < 0.01:
        found.append(
            f"the three sources look like different populations (p = {p_value:.2g}): bounds hold only if labels and "
            "modalities are distributed alike in all three"
        )
    found.extend(
        f"{name}: {count} subjects only: errors and ends rest on few independent draws, and are too small rather than "
        "too large"
        for name, count in _subjects(sources).items()
        if count < FEW_SUBJECTS
    )
    k1, k2, k = parts[0].shape
    for m, size in enumerate((k1, k2)):
        counted = min(len(part.codes1 if m == 0 else part.codes2) for part in parts)
        if counted < 5 * size * k:
            found.append(
                f"{sources.names[m]}: {counted} samples counted in a table of {size} x {k}: bounds of synergy are "
                "dominated by sampling error; use fewer bins or more labelled samples"
            )
    return found


def _by_source(sources: Sources) -> list[tuple[str, Codes]]:
    return list(zip((*sources.names, "pairs"), sources.units, strict=True))


def _subjects(sources: Sources) -> dict[str, int]:
    named = zip(_by_source(sources), sources.grouped, strict=True)
    return {name: len(np.unique(units)) for (name, units), grouped in named if grouped}


def _wrap(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, 78)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
