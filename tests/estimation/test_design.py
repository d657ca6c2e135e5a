"""What rows in groups are worth, and the test of synergy on them."""

import numpy as np
import pytest

from interplay.estimation.design import design_effects, effective_rows
from interplay.estimation.resample import from_model, parts_of
from interplay.estimation.table import synergy_free

SHAPE = (3, 3, 2)


def counts(cells):
    return np.bincount(cells, minlength=int(np.prod(SHAPE))).reshape(SHAPE)


def slow_effect(cells, groups, model):
    """Twin: explicit scores of rows and a dense projection away from the pairwise indicators."""
    places = np.array(np.unravel_index(np.arange(model.size), model.shape))
    columns = []
    for axes in ((0, 1), (0, 2), (1, 2)):
        numbers = places[axes[0]] * 10 + places[axes[1]]
        columns += [(numbers == value) * 1.0 for value in np.unique(numbers)]
    root = np.sqrt(model.ravel())
    design = np.array(columns).T * root[:, None]
    keep = np.eye(model.size) - design @ np.linalg.pinv(design)
    share = np.bincount(cells, minlength=model.size) / len(cells)
    scores = [keep @ ((np.eye(model.size)[cell] - share) / root) for cell in cells]
    by_row = sum((score**2).sum() for score in scores)
    names = np.unique(groups)
    sums = [sum(score for score, group in zip(scores, groups, strict=True) if group == name) for name in names]
    by_group = sum((total**2).sum() for total in sums)
    return max(1.0, by_group / by_row * len(names) / (len(names) - 1))


def test_the_effect_on_synergy_is_that_of_the_slow_twin():
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(12, size=150))
    cells = (rng.integers(18, size=150) + groups) // 2
    model = rng.dirichlet(np.full(18, 5.0)).reshape(SHAPE)
    assert design_effects(cells, groups, model)[1] == pytest.approx(slow_effect(cells, groups, model))


def test_copies_are_worth_one_row_and_single_rows_themselves():
    rng = np.random.default_rng(0)
    cells = rng.integers(18, size=100)
    copied, groups = np.repeat(cells, 6), np.repeat(np.arange(100), 6)
    assert effective_rows(counts(copied), copied, groups) == pytest.approx((100, 100), abs=2)
    alone = np.arange(600)
    assert effective_rows(counts(copied), copied, alone) == pytest.approx((600, 600), abs=2)
    assert effective_rows(counts(copied), copied, None) == (600, 600)
    assert effective_rows(counts(copied), copied, np.zeros(600, dtype=int)) == (600, 600)  # one group tells nothing


def test_persons_whose_target_is_drawn_anew_lose_nothing_for_synergy():
    """Both modalities depend on the person, the class does not: rows are as good as independent for the third order."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 20)
    a, b = (np.where(rng.random(1200) < 0.8, rng.integers(3, size=60)[groups], 0) for _ in range(2))
    free = np.ravel_multi_index((a, b, rng.integers(2, size=1200)), SHAPE)
    bound = np.ravel_multi_index((a, b, rng.integers(2, size=60)[groups]), SHAPE)
    assert min(effective_rows(counts(free), free, groups)) > 900
    assert max(effective_rows(counts(bound), bound, groups)) < 400


def test_groups_keep_the_level_of_the_test_where_single_rows_do_not():
    """Independent variables, every row five times: 5 % of 60 tests should reject; as single rows, most do."""
    rng = np.random.default_rng(0)
    rejected = {"rows": 0, "groups": 0}
    for _ in range(60):
        cells, groups = np.repeat(rng.integers(18, size=120), 5), np.repeat(np.arange(120), 5)
        table = counts(cells)
        observed = parts_of(table[None], "broja")[0, 3]
        for unit, names in (("rows", None), ("groups", groups)):
            worth = effective_rows(table, cells, names)[1]
            null = from_model(synergy_free(table * worth / 600), worth)(rng, 39)
            p = (1 + (parts_of(null, "broja")[:, 3] >= observed).sum()) / 40
            rejected[unit] += p <= 0.05
    assert rejected["rows"] >= 30
    assert rejected["groups"] <= 8  # 3 expected; P(more than 8) < 0.005
