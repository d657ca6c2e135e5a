"""What the numbers say, in plain sentences."""

from typing import Any

from interplay.evaluation.missing import CHANCE, COMPLETE
from interplay.evaluation.results import Results


def overview(results: Results) -> list[str]:
    """The report's first paragraph, one sentence an entry; only what the results carry."""
    sentences = reading(results.measurement)[:1]
    if results.scores:
        table = results.summary()
        complete = table[COMPLETE].sort_values(ascending=False)
        best = complete.index[0]
        sentences.append(f"With everything there, {best} is right most often: {complete.iloc[0]:.1%} of the test samples.")
        if len(complete) > 1:
            others = ", ".join(f"{name} {value:.1%}" for name, value in complete.iloc[1:].items())
            sentences.append(f"The others: {others}.")
        for condition in (c for c in table if c not in (COMPLETE, CHANCE)):
            column = table[condition].sort_values(ascending=False)
            sentences.append(f"{condition.capitalize()}, {column.index[0]} holds up best: {column.iloc[0]:.1%}.")
        if CHANCE in table:
            sentences.append(f"Always naming the most frequent class would give {table[CHANCE].mean():.1%}.")
        if len(results.run.seeds) > 1:
            sentences.append(f"Figures are means over {len(results.run.seeds)} seeds.")
    return sentences


def reading(measurement: Any) -> list[str]:
    """What a measurement of two modalities says."""
    if not measurement or measurement.get("redundancy") is None:
        return []
    m = measurement
    total = m["total"]
    parts = {"shared by both": m["redundancy"], "only together": m["synergy"]}
    parts |= {f"only in {name}": value for name, value in m["unique"].items()}
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    said = ", ".join(f"{value:.2f} {name}" for name, value in ordered)
    sentences = [f"The modalities together carry {total:.2f} bits about the target: {said}."]
    p = m.get("p_value")
    if p is not None and p > 0.05:
        sentences.append(f"The synergy is not distinguishable from none (p = {p:.2f}).")
    elif p is not None:
        sentences.append(f"The synergy is more than chance gives (p = {p:.3f}).")
    return sentences
