"""The tests of a cell with modalities missing: every subset, missing rates, and patterns of the user's own."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from interplay.data import MultimodalDataset
from interplay.data.missing import Pattern, as_pattern, pattern_from, subsets
from interplay.evaluation.metrics import score_model
from interplay.evaluation.missing import CHANCE, COMPLETE
from interplay.evaluation.robustness import robustness

ROW = ["condition", "rate", "metric", "value"]
MISSING, TUNED, COST = "missing", "tuned", "cost"
DRAWS, MASK_SEED = 5, 0  # of own patterns, as `robustness` has them for rates


def own_patterns(missing: Any) -> dict[str, Pattern]:
    """The patterns of ``missing`` by name: none where it is true or false.

    Raises:
        ValueError: neither true nor false nor name -> pattern, or a name that a condition of every comparison has.

    Example:
        >>> own_patterns({"night": {"pattern": "Independent", "rates": {"face": 0.8}}, "noise": 0.3})
        {'night': Independent(rates={'face': 0.8}, keep_one=False), 'noise': Rate(rate=0.3, exact=False)}
    """
    if isinstance(missing, bool):
        return {}
    if not isinstance(missing, Mapping) or not missing:
        raise ValueError(f"missing: expected true, false, or a mapping name -> pattern, found {missing!r}")
    return {_name(name): _pattern(name, given) for name, given in missing.items()}


def _name(name: Any) -> str:
    taken = (COMPLETE, CHANCE, MISSING, TUNED, COST)
    if not isinstance(name, str) or not name.strip() or name in taken or name.startswith(("rate ", "without ")):
        raise ValueError(
            f"missing: expected names other than those of every comparison, found {name!r}; choose another"
        )
    return name


def _pattern(name: str, given: Any) -> Pattern:
    try:
        found = pattern_from(given) if isinstance(given, Mapping) else as_pattern(given)
    except TypeError:  # its fields are the arguments of a pattern
        known = inspect.signature(Pattern.kinds[given["pattern"]])
        raise ValueError(f"missing: {name!r}: expected the fields {known}, found {dict(given)}") from None
    except ValueError as error:
        raise ValueError(f"missing: {name!r}: {error}") from None
    if found is None:
        raise ValueError(f"missing: {name!r}: expected a pattern or a rate above 0, found {given!r}")
    return found


def asked_tests(missing: Any, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell has to hold: by name what is to be tested, with the pattern where there is one."""
    own = {f"missing pattern {name!r}": pattern.to_dict() for name, pattern in own_patterns(missing).items()}
    return ({"missing modalities": True} if missing else {}) | own | {f"metric {name!r}": True for name in metrics}


Masked = dict[str, list[MultimodalDataset]]


def masked(test: MultimodalDataset, patterns: Mapping[str, Pattern]) -> Masked:
    """The test part under each pattern, `DRAWS` times, the same for every model.

    Raises:
        ValueError: a pattern does not fit the data, or has the name of a subset of modalities.
    """
    known = {" + ".join(kept) for kept in subsets(test.names)} if patterns else set()
    seeds = np.random.SeedSequence(MASK_SEED).generate_state(DRAWS)
    found: Masked = {}
    for name, pattern in patterns.items():
        if name in known:
            raise ValueError(f"missing: {name!r} is the name of a subset of modalities; choose another")
        try:
            found[name] = [test.with_missing(pattern, random_state=int(seed)) for seed in seeds]
        except ValueError as error:
            raise ValueError(f"missing: {name!r}: {error}") from None
    return found


def conditions(model: Any, test: MultimodalDataset, own: Masked, problems: dict[str, str]) -> list[pd.DataFrame]:
    """Every proper subset of modalities, missing rates, what each modality is worth, their means; and own patterns.

    Somebody else's model may not take gaps: what fails is noted in ``problems``.
    """
    found = []
    try:
        found += _usual(model, test)
    except Exception as error:
        problems[MISSING] = f"{type(error).__name__}: {error}"
    for name, drawn in own.items():
        try:
            each = pd.DataFrame([{**score_model(model, data), "taken": _taken(test, data)} for data in drawn])
            found.append(rows(name, {str(metric): value for metric, value in each.mean().items()}))
        except Exception as error:
            problems[f"{MISSING} {name}"] = f"{type(error).__name__}: {error}"
    return found


def _taken(test: MultimodalDataset, data: MultimodalDataset) -> float:
    """The share of what is there that went."""
    before, after = (sum(int(mask.sum()) for mask in each.present.values()) for each in (test, data))
    return 1 - after / max(before, 1)


def _usual(model: Any, test: MultimodalDataset) -> list[pd.DataFrame]:
    found = robustness(model, test)
    fixed = found.subsets.iloc[1:].drop(columns=["missing", "size"]).rename(columns={"subset": "condition"})
    rates = found.rates.iloc[1:].copy()
    rates["condition"] = [f"rate {rate:.3g}" for rate in rates["rate"]]
    costs = found.costs.assign(condition="without " + found.costs["modality"].astype(str)).drop(columns="modality")
    means = {name: getattr(found, name) for name in ("mean_subsets", "mean_rates", "relative")}
    known = {name: value for name, value in means.items() if not np.isnan(value)}
    tidy = [_melted(table) for table in (fixed, rates, costs) if len(table)]
    return [
        *tidy,
        rows(MISSING, known | {"effective": found.effective()}),
        rows(CHANCE, {found.metric: found.chance}),
    ]


def _melted(table: pd.DataFrame) -> pd.DataFrame:
    wide = table if "rate" in table else table.assign(rate=np.nan)
    return wide.melt(["condition", "rate"], var_name="metric", value_name="value").astype({"value": float})


def rows(condition: str, values: Mapping[str, float]) -> pd.DataFrame:
    """Rows of one condition; columns `ROW`."""
    frame = pd.DataFrame({"metric": list(values), "value": [float(v) for v in values.values()]})
    return frame.assign(condition=condition, rate=np.nan)
