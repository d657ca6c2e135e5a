"""`Advice`: what `advise` found, as numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interplay.evaluation.advice.gain import Estimate
from interplay.evaluation.advice.worries import Worry

if TYPE_CHECKING:
    import pandas as pd

    from interplay.estimation import Bound, Measurement

YES, NO, UNSURE = "yes", "no", "cannot say"


@dataclass(frozen=True)
class Advice:
    """What to do with a data set. Printing it gives the plain words.

    Attributes:
        fusion: ``"yes"``, ``"no"`` or ``"cannot say"``: is fusion worth it?
        gain: of the best way of fusing over the best single modality, in ``metric``, on held-out rows.
        method: what to try first: a method's name; ``modality`` is the one to use alone, or None for all.
        modality: see ``method``.
        alternatives: candidates that these data do not tell from it.
        candidates: a row for each way of predicting that was cross-validated: ``method``, ``modality`` (None: all),
            ``score``, ``low``, ``high``, ``seconds``.
        modalities: a row for each modality: ``alone`` (score of the best model that has nothing else) with ``low`` and
            ``high``; ``lost``, what the best way of fusing loses where it is hidden, with ``lost:low``, ``lost:high``;
            ``present``, the share of rows that have it.
        chance: score of the best constant answer.
        measurement: of the two modalities that are best alone, or None.
        bound: of the same two where less than half of the rows have both, else None.
        worries: what to fear.
        notes: what could not be done, and why.
        metric: ``"accuracy"`` or ``"r2"``.
        least: gains below this are not worth the trouble.
        n_samples: rows that the scores are from.
        n_groups: groups among them; None without groups.
        folds: of the cross-validation.
        confidence: of the intervals.
    """

    fusion: str
    gain: Estimate
    method: str
    modality: str | None
    alternatives: Sequence[str]
    candidates: "pd.DataFrame"
    modalities: "pd.DataFrame"
    chance: float
    measurement: "Measurement | None"
    bound: "Bound | None"
    worries: Sequence[Worry]
    notes: Sequence[str]
    metric: str
    least: float
    n_samples: int
    n_groups: int | None
    folds: int
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        plain = {
            key: getattr(self, key)
            for key in ("fusion", "method", "modality", "chance", "metric", "least", "n_samples", "n_groups", "folds")
        }
        return plain | {
            "confidence": self.confidence,
            "gain": _estimate(self.gain),
            "alternatives": list(self.alternatives),
            "candidates": self.candidates.astype(object).where(self.candidates.notna(), None).to_dict(orient="records"),
            "modalities": self.modalities.reset_index().to_dict(orient="records"),
            "measurement": None if self.measurement is None else self.measurement.to_dict(),
            "bound": None if self.bound is None else self.bound.to_dict(),
            "worries": [{"kind": w.kind, "text": w.text, "evidence": dict(w.evidence)} for w in self.worries],
            "notes": list(self.notes),
            "text": str(self),
        }

    def __str__(self) -> str:
        groups = "" if self.n_groups is None else f" of {self.n_groups} groups"
        lines = [
            f"{self._verdict()}",
            f"Try first: {self._first()}",
            "",
            f"What each modality is worth ({self.metric}; the best constant answer has {self.chance:.3f}):",
            *(self._modality(str(name), row.to_dict()) for name, row in self.modalities.iterrows()),
            *self._interactions(),
            *([] if self.bound is None else ["", f"Without pairing labels: {self.bound.advice}"]),
            "",
            "What to fear:" if self.worries else "Nothing to fear was found by the checks that there are.",
            *(f"  - {worry}" for worry in self.worries),
            *(f"Note: {note}" for note in self.notes),
            f"Scores: {self.folds}-fold cross-validation of {self.n_samples} rows{groups}; intervals at "
            f"{self.confidence:.0%}.",
        ]
        return "\n".join(lines)

    def _verdict(self) -> str:
        gain = f"{self.gain.value:+.3f} {self.metric} [{self.gain.low:+.3f}, {self.gain.high:+.3f}]"
        return {
            YES: f"Fusion is worth it: {gain} over the best single modality.",
            NO: f"Fusion is not worth it: {gain} against the best single modality, less than {self.least:g}.",
            UNSURE: f"Whether fusion is worth it these data cannot say: {gain} against the best single modality.",
        }[self.fusion]

    def _first(self) -> str:
        row = self.candidates.iloc[0]
        score = f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        what = self.method if self.modality is None else f"{self.modality} alone ({self.method})"
        others = f"; not told from it: {', '.join(self.alternatives)}" if self.alternatives else ""
        return f"{what}, {self.metric} {score}{others}."

    def _modality(self, name: str, row: Mapping[Any, float]) -> str:
        alone = f"{row['alone']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        useless = "" if row["low"] > self.chance else ", not told from a constant answer"
        lost = f"{row['lost']:.3f} [{row['lost:low']:.3f}, {row['lost:high']:.3f}] lost without it"
        unsure = "" if row["lost:low"] > 0 else " (cannot say that it matters)"
        return f"  {name}: alone {alone}{useless}; {lost}{unsure}"

    def _interactions(self) -> list[str]:
        m = self.measurement
        if m is None:
            return []
        lines = ["", f"What {' and '.join(m.names)} tell, in bits (coarsely: {m.n_samples} rows):"]
        meaning = {"redundancy": "both tell", "synergy": "only both together tell"}
        for part, value in m.parts.items():
            if part == "total":
                continue
            words = meaning.get(part, f"only {part.partition(':')[2]} tells")
            low, high = m.intervals[part]
            sure = "" if m.distinguishable(part) else ", not distinguishable from none"
            lines.append(f"  {words}: {value:.3f} [{low:.3f}, {high:.3f}]{sure} (p = {m.p_values[part]:.2f})")
        return lines


def _estimate(found: Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}
