"""What the numbers say, in plain sentences."""

from collections.abc import Mapping
from typing import Any

from interplay.evaluation.missing import CHANCE, COMPLETE
from interplay.evaluation.results import Results


def overview(results: Results) -> list[str]:
    """The report's first paragraph, one sentence an entry; only what the results carry."""
    sentences = reading(results.measurement)[:1]
    if results.scores:
        table, best = results.summary(), _best if results.data.classes else _best_r2
        of = "of the test samples" if results.data.classes else "of the variance of the test targets (R2)"
        sentences.append(f"With everything there, {best(table[COMPLETE])} {of}.")
        others = [f"{name} {value:.1%}" for name, value in table[COMPLETE].items() if value < table[COMPLETE].max()]
        if others:
            sentences.append(f"The others: {', '.join(others)}.")
        missing = [c for c in map(str, table) if c not in (COMPLETE, CHANCE)]
        sentences += [f"{c[0].upper()}{c[1:]}, {best(table[c])}." for c in missing]
        if CHANCE in table and results.data.classes:
            sentences.append(f"Always naming the most frequent class would give {table[CHANCE].mean():.1%}.")
        if len(results.run.seeds) > 1:
            sentences.append(f"Figures are means over {len(results.run.seeds)} seeds.")
    return sentences


def _best(accuracy: Any) -> str:
    """Who is right most often, ties named together."""
    first = [str(name) for name, value in accuracy.items() if value == accuracy.max()]
    if len(accuracy) == 1:
        return f"{first[0]} is right in {accuracy.max():.1%}"
    verb = "are" if len(first) > 1 else "is"
    return f"{_and(first)} {verb} right most often, in {accuracy.max():.1%}"


def _best_r2(r2: Any) -> str:
    """Who explains most of the variance, ties named together."""
    first = [str(name) for name, value in r2.items() if value == r2.max()]
    verb = "explain" if len(first) > 1 else "explains"
    return f"{_and(first)} {verb}{' most,' if len(r2) > 1 else ''} {r2.max():.1%}"


def reading(measurement: Any) -> list[str]:
    """What a measurement says; empty without one."""
    if not measurement:
        return []
    parts = parts_of(measurement)
    if not parts:
        names = " and ".join([", ".join(measurement["names"][:-1]), measurement["names"][-1]])
        return [f"Information was measured for each pair among {names}."]
    meaning = {part: _meaning(part) for part in parts}
    known = sorted(((part, value) for part, value in parts.items() if value is not None), key=lambda item: -item[1])
    if not known or measurement["total"] is None:
        return ["The data are too few to say how much the modalities tell about the target."]
    said = ", ".join(f"{value:.2f} {meaning[part]}" for part, value in known)
    sentences = [f"Together the modalities tell {measurement['total']:.2f} bits about the target: {said}."]
    unsure = [meaning[part] for part in parts if not distinguishable(measurement, part)]
    if unsure:
        sentences.append(f"Not distinguishable from none: what is {_and(unsure)}.")
    return sentences


def parts_of(measurement: Mapping[str, Any]) -> dict[str, float | None]:
    """Redundancy, each unique part and synergy in bits, None where withheld; empty for three and more modalities."""
    m = measurement
    if not isinstance(m.get("unique"), Mapping) or len(m["unique"]) != 2:
        return {}
    return {
        "redundancy": m["redundancy"],
        **{f"unique:{k}": v for k, v in m["unique"].items()},
        "synergy": m["synergy"],
    }


def interval(measurement: Mapping[str, Any], part: str) -> tuple[float | None, float | None]:
    """Ends of the interval of a part, None where it has none."""
    low, high = (measurement.get("intervals") or {}).get(part, (None, None))
    return low, high


def distinguishable(measurement: Mapping[str, Any], part: str) -> bool:
    """Whether a part is told from none, by its p-value and its interval; the rule of `Measurement`."""
    low, p = interval(measurement, part)[0], (measurement.get("p_values") or {}).get(part)
    return p is not None and low is not None and p <= 1 - measurement["confidence"] + 1e-12 and low > 0


def _meaning(part: str) -> str:
    kind, _, name = part.partition(":")
    return {"redundancy": "in each of them", "synergy": "only in both together"}.get(kind, f"only in {name}")


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
