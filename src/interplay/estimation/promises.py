"""Guarantees that rules and fits keep on samples they were not fitted on: honest lower ends for `bound`."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from interplay.estimation._bound_codes import Coded
from interplay.estimation._bound_folds import clustered_error, fold_of_units
from interplay.estimation._bound_input import Codes
from interplay.information._additive import additive_fit
from interplay.information.accuracy import smallest_accuracy, threshold
from interplay.information.bounds import independent_given_label
from interplay.information.broja import solve
from interplay.information.tables import reconcile_batch

Array = NDArray[np.float64]
RULE_FOLDS = 5


def honest_promises(parts: list[Coded], seed: int) -> dict[str, tuple[float, float]]:
    """(mean, standard error) of what rules and fits promise on samples they were not fitted on.

    "joint": guaranteed accuracy <a, p1y> + <b, p2y> - <threshold, p12>. "single1", "single2": accuracy of each
    modality's own rule. "lower": lower bound of synergy in bits, the largest H_q(Y|X1,X2) over label tables less the
    value of the additive fit. The first and the last are linear in the tables for given weights, so three sample means
    estimate them, and weights from other folds can only make them too small; the largest H_q is concave in the tables,
    so it is too small on average as well. Folds and errors are by subject where there are subjects.
    """
    means: dict[str, list[float]] = {}
    added: dict[str, list[tuple[Array, Codes]]] = {}
    for part in parts:
        units = part.units1, part.units2, part.units12
        promised, right = _promises(part, seed)
        samples: dict[str, tuple[list[Array], tuple[Codes, ...]]] = {
            name: (_fewer_errors(part, values), units) for name, values in promised.items()
        }
        samples |= {f"single{m + 1}": ([right[m]], (units[m],)) for m in (0, 1)}
        for name, (values, of) in samples.items():
            means.setdefault(name, []).append(sum(float(v.mean()) for v in values))
            pieces = [((v - v.mean()) / (len(v) * len(parts)), u) for v, u in zip(values, of, strict=True)]
            added.setdefault(name, []).extend(pieces)
    unit = {"lower": float(np.log(2.0))}
    return {
        name: (float(np.mean(means[name])) / unit.get(name, 1.0), clustered_error(added[name]) / unit.get(name, 1.0))
        for name in means
    }


def _promises(part: Coded, seed: int) -> tuple[dict[str, list[Array]], list[Array]]:
    """By name: terms of the labelled samples of 1 and of 2 and of the pairs; whether each modality's rule is right."""
    rows = (len(part.codes1), len(part.codes2), len(part.pair1))
    found = {name: [np.zeros(n) for n in rows] for name in ("joint", "lower")}
    right = [np.zeros(n) for n in rows[:2]]
    unpaired = _unpaired_weights(part)
    folds = fold_of_units((part.units1, part.units2, part.units12), RULE_FOLDS, seed)
    for fold in range(RULE_FOLDS):
        test1, test2, test12 = (of == fold for of in folds)
        counts = part.counts((~test1, ~test2, ~test12))
        rule, fit = _weights(counts)
        pairs = part.pair1[test12], part.pair2[test12]
        found["joint"][2][test12] = -threshold(rule[0][:, None] + rule[1][None])[pairs]
        found["lower"][2][test12] = -logsumexp(fit[0][:, None] + fit[1][None], axis=-1)[pairs]
        own = (test1, part.codes1[test1], part.y1[test1]), (test2, part.codes2[test2], part.y2[test2])
        for m, (test, code, label) in enumerate(own):
            found["joint"][m][test] = rule[m][code, label]
            found["lower"][m][test] = fit[m][code, label] - unpaired[m][code, label]
            right[m][test] = counts[m].argmax(1)[code] == label
    return found, right


def _fewer_errors(part: Coded, values: list[Array]) -> list[Array]:
    """Control variates that make the errors of the three means smaller.

    The sources share p(y), p(x1), p(x2), so h(y), c1(x1), c2(x2) may be added to one and taken from the other without
    changing the sum of the means; least squares picks those with the smallest variance.
    """
    k1, k2, k = part.shape
    label, first, second = np.eye(k), np.eye(k1), np.eye(k2)
    designs = [
        np.hstack([label[part.y1], first[part.codes1], np.zeros((len(part.y1), k2))]),
        np.hstack([-label[part.y2], np.zeros((len(part.y2), k1)), second[part.codes2]]),
        np.hstack([np.zeros((len(part.pair1), k)), -first[part.pair1], -second[part.pair2]]),
    ]
    left = np.vstack([(d - d.mean(0)) / len(d) for d in designs])
    right = np.concatenate([(v - v.mean()) / len(v) for v in values])
    weights = np.linalg.lstsq(left, -right, rcond=1e-10)[0]
    return [v + d @ weights for v, d in zip(values, designs, strict=True)]


def _unpaired_weights(part: Coded) -> tuple[Array, Array]:
    """Weights a, b with max_q H_q(Y|X1,X2) = -<a, p1y> - <b, p2y> at the part's reconciled tables, nats."""
    moved = _smoothed(part.counts(), strength=1e-3)
    found = solve(independent_given_label(moved[0], moved[1]), tolerance=1e-8)
    return found.a, found.b


def _weights(counts: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Weights of the rule with the largest guarantee, and of the maximum-entropy fit, under smoothed tables."""
    moved = _smoothed(counts, strength=0.5)
    rule = smallest_accuracy(*moved)
    fit = additive_fit(moved[0][None], moved[1][None], moved[2][None], tolerance=1e-8)
    return (rule.a, rule.b), (fit.a[0], fit.b[0])


def _smoothed(counts: tuple[Array, Array, Array], strength: float) -> tuple[Array, Array, Array]:
    """Reconciled tables, each with a few counts added in proportion to the product of its margins."""
    smooth = []
    for table in counts:
        independent = np.outer(table.sum(1) + 0.5, table.sum(0) + 0.5)
        smooth.append(table + strength * np.sqrt(table.size) * independent / independent.sum())
    weights = np.array([t.sum() for t in smooth])
    batch = [(t / t.sum())[None] for t in smooth]
    *moved, _ = reconcile_batch(
        batch[0], batch[1], batch[2], weights / weights.sum(), tolerance=1e-4, max_iterations=200
    )
    return moved[0][0], moved[1][0], moved[2][0]
