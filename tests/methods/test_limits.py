"""Every method says which values its parameters may have, and refuses the others before anything is trained."""

import inspect
import math
import re
from typing import Any

import pytest

from interplay import MultimodalClassifier, MultimodalDataset, methods
from interplay.methods import MCR, MLA, OGM, OPM, PMR, QMF, CyIN, GatedMixture, GBlending, KNNImpute, Method, PoE, TCMax
from interplay.methods._limits import Range

LIMITED = {name: method for name in methods.names() if (method := methods.make(name)).limits}
# Looked at elsewhere: three lengths at once, and a modality among those of the data.
ELSEWHERE = {"dmil": {"stage_epochs"}, "unimodal": {"modality"}}


def outside(limit: Any) -> list[Any]:
    """Values that the limit does not allow."""
    if not isinstance(limit, Range):
        return ["no such thing"]
    found: list[Any] = [math.nan, math.inf, True, "one", limit.low - 1, limit.high + 1]
    found += [limit.low] if limit.low_open else []
    found += [limit.high] if limit.high_open else []
    found += [limit.low + 0.5] if limit.whole else []
    return found if limit.optional else [*found, None]


@pytest.mark.parametrize("name", LIMITED)
def test_values_outside_the_limits_are_refused_by_name(name: str) -> None:
    title = type(LIMITED[name]).__name__
    for parameter, limit in LIMITED[name].limits.items():
        for value in outside(limit) if parameter in LIMITED[name].get_params() else ():
            method = methods.make(name, **{parameter: value})
            message = rf"^{title}: {parameter} must be .*, found {re.escape(repr(value))}$"
            with pytest.raises(ValueError, match=message):
                method.check(("a", "b", "c"), "classification")


@pytest.mark.parametrize("name", methods.names())
def test_every_parameter_has_limits_that_hold_its_default_and_what_is_searched(name: str) -> None:
    method = methods.make(name)
    method.check(("a", "b", "c"), "classification")
    free = ELSEWHERE.get(name, set())
    defaults = {n: p.default for n, p in inspect.signature(type(method).__init__).parameters.items() if n != "self"}
    named = {n for n in method.get_params() if not isinstance(defaults[n], bool)} - set(free)
    assert named - {"pattern"} <= set(method.limits)  # a pattern may be an object, which checks itself
    for parameter, space in method.search_space.items():
        for value in space if isinstance(space, list) else space[:2]:
            assert value in method.limits[parameter]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (MLA(width=0), "MLA: width must be an integer >= 1, found 0"),
        (MLA(alpha=0), "MLA: alpha must be a number > 0, found 0"),
        (OPM(base=5), "OPM: base must be a number in [0, 1], found 5"),
        (PMR(momentum=2), "PMR: momentum must be a number in [0, 1), found 2"),
        (OGM(alpha=-1), "OGM: alpha must be a number >= 0, found -1"),
        (QMF(rank=-1), "QMF: rank must be a number >= 0, found -1"),
        (GatedMixture(hidden=0), "GatedMixture: hidden must be an integer >= 1, found 0"),
        (MCR(hidden=0), "MCR: hidden must be an integer >= 1, found 0"),
        (MCR(permutations=0), "MCR: permutations must be an integer >= 1, found 0"),
        (MCR(temperature=0), "MCR: temperature must be a number > 0, found 0"),
        (MCR("shy"), "MCR: strategy must be one of 'greedy', 'independent', 'collaborative', found 'shy'"),
        (GBlending(probe=1.0), "GBlending: probe must be a number in (0, 1), found 1.0"),
        (PoE(latent=2.5), "PoE: latent must be an integer >= 1, found 2.5"),
        (TCMax(hidden=0), "TCMax: hidden must be an integer >= 1, found 0"),
        (KNNImpute(dropout=1), "KNNImpute: dropout must be a number in [0, 1), found 1"),
        (CyIN(gamma=-0.1), "CyIN: gamma must be a number >= 0 or None, found -0.1"),
    ],
    ids=repr,
)
def test_the_estimator_refuses_before_it_trains(method: Method, message: str, data: MultimodalDataset) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        MultimodalClassifier(method).fit(data)
