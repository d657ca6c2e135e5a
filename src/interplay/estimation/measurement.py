"""`Measurement`: what `measure` found, with intervals, tests and warnings."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measurement"]

_MEANING = {
    "redundancy": "told by each of them",
    "unique": "told by {} alone",
    "synergy": "told only by both together",
    "total": "told by both",
}


@dataclass(frozen=True)
class Measurement:
    """What two modalities tell about the target, in bits. Printing it gives the plain words.

    With three or more modalities the four parts are NaN, and `pairs`, `rest`, `total_correlation` and `o_information`
    are filled instead.

    Attributes:
        names: modalities measured.
        redundancy: told by each of the two.
        unique: by name, told by that modality alone.
        synergy: told only by both together.
        total: told by both.
        intervals: part -> (low, high) at `confidence`; parts are "redundancy", "unique:<name>", "synergy", "total".
        p_value: of the synergy, against a joint without synergy; given also where the estimate is withheld (NaN).
        p_values: the same for all parts; the others against shuffled targets.
        samples: a row for each sample, columns as `intervals`; NaN where nothing can be said. None with three and more.
        warnings: what the data cannot carry, in words.
        gap: certified error of the convex programme behind "broja", in bits.
        definition: name of the definition of redundancy.
        estimator: name of the estimator.
        confidence: of the intervals.
        n_samples: rows counted.
        n_bins: by name, cells that occur in the counted rows; empty where nothing was discretised.
        plugin: uncorrected parts.
        sensitivity: corrected parts over the number of cells and over seeds, or None.
        pairs: three and more modalities: a row for each pair.
        rest: three and more modalities: each against all others together.
        total_correlation: of the discretised modalities, three and more; NaN otherwise.
        o_information: of the discretised modalities and the target; positive: redundancy prevails.
        controls: results of the built-in checks where they were asked for.
    """

    names: tuple[str, ...]
    redundancy: float
    unique: dict[str, float]
    synergy: float
    total: float
    intervals: dict[str, tuple[float, float]]
    p_values: dict[str, float]
    warnings: list[str]
    gap: float
    definition: str
    estimator: str
    confidence: float
    n_samples: int
    n_bins: dict[str, int]
    plugin: dict[str, float] = field(default_factory=dict)
    samples: "pd.DataFrame | None" = None
    sensitivity: "pd.DataFrame | None" = None
    pairs: "pd.DataFrame | None" = None
    rest: "pd.DataFrame | None" = None
    total_correlation: float = math.nan
    o_information: float = math.nan
    controls: "pd.DataFrame | None" = None

    @property
    def p_value(self) -> float:
        """P-value of the synergy; NaN with three and more modalities."""
        return self.p_values.get("synergy", math.nan)

    @property
    def parts(self) -> dict[str, float]:
        """Part -> bits, with the keys of `intervals`."""
        unique = {f"unique:{name}": value for name, value in self.unique.items()}
        return {"redundancy": self.redundancy, **unique, "synergy": self.synergy, "total": self.total}

    def distinguishable(self, part: str = "synergy") -> bool:
        """Whether a part is told from none: p at most ``1 - confidence``, and 0 outside its interval where it has one.

        Both, since shuffled targets test whether the target is related at all: where the modalities do tell something,
        a unique part of zero scatters more than that.
        """
        low = self.intervals[part][0]
        return self.p_values[part] <= 1 - self.confidence + 1e-12 and not low <= 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts; NaN becomes None, `samples` is left out."""
        plain = {
            "names": list(self.names),
            **{key: getattr(self, key) for key in ("redundancy", "unique", "synergy", "total", "p_value", "p_values")},
            "intervals": {part: list(ends) for part, ends in self.intervals.items()},
            **{key: getattr(self, key) for key in ("plugin", "warnings", "gap", "definition", "estimator")},
            **{key: getattr(self, key) for key in ("confidence", "n_samples", "n_bins")},
            **{key: getattr(self, key) for key in ("total_correlation", "o_information")},
        }
        for key in ("sensitivity", "pairs", "rest", "controls"):
            frame = getattr(self, key)
            plain[key] = None if frame is None else frame.reset_index(drop=True).to_dict(orient="records")
        cleaned: dict[str, Any] = _plain(plain)
        return cleaned

    def __str__(self) -> str:
        body = self._parts_table() if self.intervals else self._pairs_table()
        if self.controls is not None:
            body += [
                "Controls of known synergy:",
                self.controls.to_string(index=False, float_format=lambda v: f"{v:.4f}"),
            ]
        return "\n".join([*body, *(f"Warning: {text}" for text in self.warnings)])

    def _parts_table(self) -> list[str]:
        cells = " x ".join(str(k) for k in self.n_bins.values())
        size = f"{self.n_samples} samples" + (f", {cells} cells" if cells else "")
        both = " and ".join(self.names)
        lines = [f"What {both} tell about the target, in bits ({size}; {self.estimator}, {self.definition}):"]
        width = max(len(part) for part in self.parts)
        for part, value in self.parts.items():
            low, high = self.intervals[part]
            number = " withheld" if math.isnan(value) else f"{value + 0.0:9.4f}"
            ends = " " * 18 if math.isnan(low) else f"[{low + 0.0:7.4f}, {high + 0.0:7.4f}]"
            p = self.p_values[part]
            kind, _, name = part.partition(":")
            unsure = "not distinguishable from none" + (" (interval reaches 0)" if p <= 1 - self.confidence else "")
            reading = _MEANING[kind].format(name) if self.distinguishable(part) else unsure
            chance = "p < 0.001" if p < 0.0005 else f"p = {p:.3f}"
            lines.append(f"  {part:<{width}} {number} {ends}  {chance}  {reading}")
        null = "a joint without it" if self.n_bins else "0, over held-out rows"
        lines.append(f"Intervals at {self.confidence:.0%}; p of synergy against {null}, others: shuffled targets.")
        return lines

    def _pairs_table(self) -> list[str]:
        lines = [f"What {', '.join(self.names)} tell about the target, in bits ({self.n_samples} samples):"]
        for title, frame in (("pairs", self.pairs), ("one against the rest", self.rest)):
            if frame is not None:
                lines += [f"{title}:", frame.to_string(index=False, float_format=lambda v: f"{v:.4f}")]
        lines.append(
            f"total correlation of the modalities {self.total_correlation:.4f}, "
            f"O-information with the target {self.o_information:.4f}"
        )
        return lines


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
