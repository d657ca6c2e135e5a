"""Each definition against a slow twin, against the numbers of its paper, and against what it promises."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interplay.information import decompose, definitions, entropy, gate, mutual_information, pointwise_composition
from interplay.information.definitions._maximum_entropy import fit

ALL = definitions.names()
POINTWISE = ["broja", "pm", "pointwise_min", "sx"]
NON_NEGATIVE = ["broja", "mmi"]
# The others compare surprisals, so they see how finely a modality is coded.
BLIND_TO_EQUAL_SYMBOLS = ["broja", "ccs", "mmi", "pointwise_min"]

QUICK = settings(deadline=None, max_examples=25)


def joints(*sizes):
    """Joints with ties and zeros: normalised small counts."""
    return arrays(np.int64, sizes, elements=st.integers(0, 6)).filter(lambda c: c.sum() > 0).map(lambda c: c / c.sum())


def parts(joint, name):
    d = decompose(joint, redundancy=name)
    return np.array([d.redundancy, *d.unique, d.synergy])


H = entropy([0.25, 0.75])  # 0.811278
L = np.log2(3)
C = 0.25 * (2 - L)
# Y = max of two uniform 4-level inputs: H(Y) and I(X1;Y)
MAX_TOTAL = entropy(np.array([1, 3, 5, 7]) / 16)
MAX_ONE = MAX_TOTAL - np.mean([entropy([(i + 1) / 4] + [0.25] * (3 - i)) for i in range(4)])

# R, U1, U2, S. "broja" and "mmi" by hand (the classical gates); "pm" and "sx" by hand from their formulas, see the
# twins below; "ccs" by hand: no other joint has the pairwise tables of these gates (XOR: the uniform one). All
# but "broja" and "pointwise_min" were also confirmed with an independent implementation (dit 2.3).
KNOWN = {
    ("broja", "redundant"): (1, 0, 0, 0),
    ("broja", "unique"): (0, 1, 0, 0),
    ("broja", "copy"): (0, 1, 1, 0),
    ("broja", "xor"): (0, 0, 0, 1),
    ("broja", "and"): (H - 0.5, 0, 0, 0.5),
    ("broja", "or"): (H - 0.5, 0, 0, 0.5),
    ("broja", "sum"): (0.5, 0, 0, 1),
    ("broja", "mod3"): (0, 0, 0, L),
    ("broja", "max4"): (MAX_ONE, 0, 0, MAX_TOTAL - MAX_ONE),
    ("broja", "and_hint"): (H - 0.5, 0.5, 0, 0),
    ("broja", "xor_hint"): (0, 1, 0, 0),
    ("broja", "dyadic"): (0, 1, 1, 0),
    ("broja", "triadic"): (1, 0, 0, 1),
    ("broja", "bit_each"): (1, 1, 1, 1),
    ("broja", "four_types"): (0.5, 0, 0, 0.5),
    ("broja", "four_types4"): (1, 0, 0, 1),
    ("mmi", "copy"): (1, 0, 0, 1),
    ("mmi", "and"): (H - 0.5, 0, 0, 0.5),
    ("mmi", "xor"): (0, 0, 0, 1),
    ("pointwise_min", "four_types"): (0.25, 0.25, 0.25, 0.25),
    ("pointwise_min", "four_types4"): (0.5, 0.5, 0.5, 0.5),
    ("pm", "unique"): (1, 0, -1, 1),
    ("pm", "xor"): (0, 0, 0, 1),
    ("pm", "and"): (0.75 * (2 - L) + 0.25, -0.25, -0.25, 0.75),
    ("pm", "four_types"): (0.75, -0.25, -0.25, 0.75),
    ("sx", "redundant"): (1, 0, 0, 0),
    ("sx", "xor"): (1 - L, L - 1, L - 1, 2 - L),
    ("sx", "unique"): (2 - L, L - 1, L - 2, 2 - L),
    ("ccs", "and"): (C, H - 0.5 - C, H - 0.5 - C, C + 1 - H),
    ("ccs", "xor"): (0, 0, 0, 1),
    ("ccs", "sum"): (0, 0.5, 0.5, 0.5),
    ("ccs", "copy"): (0, 1, 1, 0),
    ("ccs", "redundant"): (1, 0, 0, 0),
}


@pytest.mark.parametrize(("name", "example"), KNOWN)
def test_known_values(name, example):
    np.testing.assert_allclose(parts(gate(example), name), KNOWN[name, example], atol=1e-10)


@pytest.mark.parametrize("name", ALL)
@QUICK
@given(p=joints(2, 3, 3))
def test_identities(name, p):
    r, u1, u2, s = parts(p, name)
    assert r + u1 == pytest.approx(mutual_information(p.sum(1)), abs=1e-12)
    assert r + u2 == pytest.approx(mutual_information(p.sum(0)), abs=1e-12)
    assert r + u1 + u2 + s == pytest.approx(mutual_information(p.reshape(6, 3)), abs=1e-12)


@pytest.mark.parametrize("name", ALL)
@QUICK
@given(p=joints(3, 2, 2))
def test_swapping_the_modalities_swaps_their_unique_parts(name, p):
    np.testing.assert_allclose(parts(p.swapaxes(0, 1), name), parts(p, name)[[0, 2, 1, 3]], atol=2e-8)


@pytest.mark.parametrize("name", ALL)
@QUICK
@given(p=joints(3, 3, 2), orders=st.tuples(st.permutations(range(3)), st.permutations(range(3))))
def test_names_of_symbols_do_not_matter(name, p, orders):
    renamed = p[orders[0]][:, orders[1]][..., ::-1]
    np.testing.assert_allclose(parts(renamed, name), parts(p, name), atol=2e-8)


@pytest.mark.parametrize("name", BLIND_TO_EQUAL_SYMBOLS)
@QUICK
@given(p=joints(2, 3, 2), share=st.floats(0.1, 0.9))
def test_splitting_a_symbol_into_equal_ones_changes_nothing(name, p, share):
    split = np.concatenate([p[:1] * share, p[:1] * (1 - share), p[1:]])
    np.testing.assert_allclose(parts(split, name), parts(p, name), atol=2e-8)


@pytest.mark.parametrize("name", sorted(set(ALL) - set(BLIND_TO_EQUAL_SYMBOLS)))
def test_surprisal_definitions_see_how_finely_a_modality_is_coded(name):
    """Y = X1: an X2 that says nothing, as one symbol and as a fair coin, gives different parts."""
    constant = np.array([[[0.5, 0.0]], [[0.0, 0.5]]])
    assert abs(parts(constant, name) - parts(gate("unique"), name)).max() > 0.3


@pytest.mark.parametrize("name", NON_NEGATIVE)
@QUICK
@given(p=joints(3, 3, 3))
def test_promised_parts_are_not_negative(name, p):
    assert parts(p, name).min() >= -1e-12


@QUICK
@given(p=joints(3, 3, 2))
def test_broja_is_not_negative_however_rough_the_solution(p):
    d = decompose(p, tolerance=0.05)
    assert min(d.redundancy, *d.unique, d.synergy) >= -1e-12


@QUICK
@given(p=joints(3, 3, 2))
def test_minimum_mutual_information_is_the_largest_redundancy(p):
    assert decompose(p).redundancy <= decompose(p, redundancy="mmi").redundancy + 1e-12


@QUICK
@given(p=joints(3, 3, 2))
def test_broja_redundancy_and_unique_need_only_the_pairwise_tables(p):
    """Mixing with the conditionally independent joint of the same tables changes the synergy alone."""
    labels = p.sum((0, 1))
    independent = np.einsum("iy,jy->ijy", p.sum(1), p.sum(0) / np.where(labels > 0, labels, 1))
    np.testing.assert_allclose(parts((p + independent) / 2, "broja")[:3], parts(p, "broja")[:3], atol=2e-8)


@pytest.mark.parametrize("name", POINTWISE)
@QUICK
@given(p=joints(3, 2, 3))
def test_pointwise_parts_average_to_the_parts(name, p):
    d = decompose(p, redundancy=name)
    local = d.pointwise
    assert local is not None
    tables = [local["redundancy"], *local["unique"], local["synergy"]]
    for table, part in zip(tables, parts(p, name), strict=True):
        assert (np.isnan(table) == (p == 0)).all()
        assert np.nansum(p * table) == pytest.approx(part, abs=1e-8 if name == "broja" else 1e-12)


@pytest.mark.parametrize("name", ["ccs", "mmi"])
def test_definitions_without_pointwise_values_say_so(name):
    assert decompose(gate("and"), redundancy=name).pointwise is None


def loop_redundancy(p, rule):
    """Mean over all outcomes of a rule of (p, x1, x2, y)."""
    return sum(p[o] * rule(p, *o) for o in np.ndindex(*p.shape) if p[o] > 0)


def pm_rule(p, x1, x2, y):
    py = p[:, :, y].sum()
    surprise = min(-np.log2(p[x1].sum()), -np.log2(p[:, x2].sum()))
    left = min(-np.log2(p[x1, :, y].sum() / py), -np.log2(p[:, x2, y].sum() / py))
    return surprise - left


def sx_rule(p, x1, x2, y):
    either = np.zeros(p.shape, dtype=bool)
    either[x1] = either[:, x2] = True
    posterior = p[:, :, y][either[:, :, y]].sum() / p[either].sum()
    return np.log2(posterior / p[:, :, y].sum())


def min_rule(p, x1, x2, y):
    py = p[:, :, y].sum()
    one = np.log2(p[x1, :, y].sum() / (p[x1].sum() * py))
    two = np.log2(p[:, x2, y].sum() / (p[:, x2].sum() * py))
    return max(0.0, min(one, two))


@pytest.mark.parametrize(("name", "rule"), [("pm", pm_rule), ("sx", sx_rule), ("pointwise_min", min_rule)])
@QUICK
@given(p=joints(3, 2, 3))
def test_redundancy_equals_the_loop(name, rule, p):
    assert decompose(p, redundancy=name).redundancy == pytest.approx(loop_redundancy(p, rule), abs=1e-12)


def test_common_change_in_surprisal_equals_the_loop():
    rng = np.random.default_rng(0)
    for p in rng.dirichlet(np.full(12, 0.5), size=60).reshape(60, 3, 2, 2):
        d = decompose(p, redundancy="ccs")
        q, expected = d.coupling, 0.0
        assert q is not None
        for x1, x2, y in np.ndindex(*p.shape):
            if q[x1, x2, y] < 1e-9:
                continue
            qy = q[:, :, y].sum()
            one = np.log2(q[x1, :, y].sum() / q[x1].sum() / qy)
            two = np.log2(q[:, x2, y].sum() / q[:, x2].sum() / qy)
            both = np.log2(q[x1, x2, y] / q[x1, x2].sum() / qy)
            common = one + two - both
            if one > 0 and two > 0 and both > 0 and common > 0:
                expected += q[x1, x2, y] * common
            if one < 0 and two < 0 and both < 0 and common < 0:
                expected += q[x1, x2, y] * common
        assert d.redundancy == pytest.approx(expected, abs=1e-7)


@QUICK
@given(p=joints(2, 3, 2))
def test_maximum_entropy_table_has_the_pairwise_tables_and_no_less_entropy(p):
    q = decompose(p, redundancy="ccs").coupling
    assert q is not None
    for axis in range(3):
        np.testing.assert_allclose(q.sum(axis), p.sum(axis), atol=1e-10)
    assert entropy(q / q.sum()) >= entropy(p) - 1e-9


def test_maximum_entropy_table_has_no_three_way_interaction():
    p = np.random.default_rng(0).dirichlet(np.ones(8)).reshape(2, 2, 2)
    q, gap = fit(p.reshape(4, 2), [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])])
    signs = np.array([(-1) ** sum(cell) for cell in np.ndindex(2, 2, 2)])
    assert signs @ np.log(q.ravel()) == pytest.approx(0.0, abs=1e-9)
    assert gap < 1e-12


def test_maximum_entropy_fit_empties_the_cells_that_must_be_zero():
    """All pairwise tables of this joint are positive, and yet nothing but the joint itself has them."""
    p = np.full((2, 2, 2), 1 / 6)
    p[0, 0, 0] = p[1, 1, 1] = 0
    np.testing.assert_allclose(decompose(p, redundancy="ccs").coupling, p, atol=1e-9)


@QUICK
@given(i=arrays(float, (3, 5), elements=st.floats(-3, 3)), together=arrays(float, 5, elements=st.floats(-3, 6)))
def test_composition_is_non_negative_and_adds_up_to_the_best_evidence(i, together):
    c = pointwise_composition(i, together)
    total = c.redundancy + c.unique.sum(0) + c.partial + c.synergy
    assert min(c.redundancy.min(), c.unique.min(), c.partial.min(), c.synergy.min()) >= 0
    np.testing.assert_allclose(total, np.maximum(0, np.maximum(together, i.max(0))), atol=1e-12)


def test_composition_of_two_modalities_is_the_formula():
    rng = np.random.default_rng(1)
    i1, i2, together = rng.normal(size=(3, 200))
    c = pointwise_composition([i1, i2], together)
    r = np.maximum(0, np.minimum(i1, i2))
    np.testing.assert_allclose(c.redundancy, r)
    np.testing.assert_allclose(c.unique, [np.maximum(0, i1 - r), np.maximum(0, i2 - r)])
    np.testing.assert_allclose(c.synergy, np.maximum(0, together - np.maximum(0, np.maximum(i1, i2))))
    np.testing.assert_allclose(c.partial, 0, atol=1e-15)


def test_composition_of_three_modalities_by_hand():
    c = pointwise_composition([[3.0, 1.0, -1.0], [2.0, -2.0, -1.0], [0.5, 0.5, -2.0]], [3.5, 0.0, 2.0])
    np.testing.assert_allclose(c.redundancy, [0.5, 0, 0])
    np.testing.assert_allclose(c.unique, [[1, 0.5, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(c.partial, [1.5, 0.5, 0])
    np.testing.assert_allclose(c.synergy, [0.5, 0, 2])


def test_composition_refuses_arrays_that_do_not_match():
    with pytest.raises(ValueError, match="M >= 2"):
        pointwise_composition([[1.0, 2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="shape"):
        pointwise_composition([[1.0], [2.0]], [1.0, 2.0])


def test_unknown_definitions_and_gates_list_the_choices():
    with pytest.raises(ValueError, match="broja, ccs, mmi, pm, pointwise_min, sx"):
        decompose(gate("and"), redundancy="imin")
    with pytest.raises(ValueError, match="four_types"):
        gate("nonsense")


@pytest.mark.parametrize("page", ["definitions.md", "information.md"])
def test_the_documentation_computes_what_it_prints(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    examples = doctest.DocTestParser().get_doctest(re.sub(r"(?m)^```.*$", "", text), {}, page, page, 0)
    assert examples.examples
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(examples, out=report.append)
    assert not report, "".join(report)
