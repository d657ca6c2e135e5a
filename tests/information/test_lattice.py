import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interplay.information import decompose, gate, redundancy_lattice
from interplay.information.gates import from_outcomes
from interplay.information.lattice import nodes

WITH_LATTICE = ["ccs", "mmi", "pm", "sx"]
PARITY = from_outcomes([(*c, sum(c) % 2) for c in np.ndindex(2, 2, 2)])
# X3 repeats X1, Y = X1 xor X2
REPEATED = from_outcomes([(a, b, a, a ^ b) for a, b in np.ndindex(2, 2)])


def joints(*sizes):
    return arrays(np.int64, sizes, elements=st.integers(0, 4)).filter(lambda c: c.sum() > 0).map(lambda c: c / c.sum())


def test_number_of_nodes():
    """Dedekind numbers less two."""
    assert [len(nodes(m)) for m in (1, 2, 3, 4)] == [1, 4, 18, 166]


@pytest.mark.parametrize("name", WITH_LATTICE)
@pytest.mark.parametrize("example", ["and", "xor", "sum", "copy", "unique", "four_types"])
def test_lattice_of_two_modalities_is_the_decomposition(name, example):
    atoms = redundancy_lattice(gate(example), redundancy=name).atoms
    d = decompose(gate(example), redundancy=name)
    np.testing.assert_allclose(
        [atoms[(0,), (1,)], atoms[((0,),)], atoms[((1,),)], atoms[((0, 1),)]],
        [d.redundancy, *d.unique, d.synergy],
        atol=1e-10,
    )


@pytest.mark.parametrize("name", WITH_LATTICE)
def test_parity_of_three_is_told_only_by_all(name):
    lattice = redundancy_lattice(PARITY, redundancy=name)
    assert sum(lattice.atoms.values()) == pytest.approx(1.0, abs=1e-12)
    if name in ("ccs", "mmi", "pm"):
        assert lattice.atoms[((0, 1, 2),)] == pytest.approx(1.0, abs=1e-9)
    else:  # shared exclusions find misinformation below and make up for it above
        assert lattice.atoms[((0, 1, 2),)] < 1.0


def test_a_repeated_modality_moves_synergy_to_the_node_that_shares_it():
    atoms = redundancy_lattice(REPEATED, redundancy="mmi").atoms
    assert atoms[(0, 1), (1, 2)] == pytest.approx(1.0, abs=1e-12)
    assert sum(abs(v) for v in atoms.values()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", WITH_LATTICE)
@settings(deadline=None, max_examples=15)
@given(p=joints(2, 2, 2, 2))
def test_atoms_add_up_and_the_modalities_are_alike(name, p):
    lattice = redundancy_lattice(p, redundancy=name)
    assert sum(lattice.atoms.values()) == pytest.approx(lattice.total, abs=1e-9)
    turned = redundancy_lattice(p.transpose(1, 2, 0, 3), redundancy=name)
    place = {0: 2, 1: 0, 2: 1}
    if name == "ccs":  # redundancies, not atoms: a change of surprisal at zero keeps no sign under rounding
        return
    for node, value in lattice.atoms.items():
        moved = frozenset(frozenset(place[a] for a in source) for source in node)
        other = {frozenset(map(frozenset, n)): v for n, v in turned.atoms.items()}[moved]
        assert other == pytest.approx(value, abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(p=joints(2, 2, 2, 3))
def test_minimum_mutual_information_has_no_negative_atom(p):
    assert min(redundancy_lattice(p, redundancy="mmi").atoms.values()) >= -1e-12


@pytest.mark.parametrize("name", WITH_LATTICE)
@settings(deadline=None, max_examples=15)
@given(p=joints(2, 2, 2, 2))
def test_moebius_inversion_sums_back(name, p):
    """The redundancy of a node is the sum of the atoms at and below it, by the definition of "below"."""
    lattice = redundancy_lattice(p, redundancy=name)
    for node, value in lattice.redundancy.items():
        below = [
            other
            for other in lattice.atoms
            if all(any(set(source) <= set(member) for source in other) for member in node)
        ]
        assert sum(lattice.atoms[other] for other in below) == pytest.approx(value, abs=1e-12)


def sx_by_events(p, node):
    """Shared exclusions by listing the outcomes of the event 'some source takes its value'."""
    outcomes = [o for o in np.ndindex(*p.shape) if p[o] > 0]
    total = 0.0
    for o in outcomes:
        event = [e for e in outcomes if any(all(e[a] == o[a] for a in source) for source in node)]
        mass = sum(p[e] for e in event)
        same = sum(p[e] for e in event if e[-1] == o[-1])
        total += p[o] * np.log2(same / mass / sum(p[e] for e in outcomes if e[-1] == o[-1]))
    return total


def test_shared_exclusions_equal_the_list_of_events():
    p = np.random.default_rng(4).dirichlet(np.full(24, 0.5)).reshape(2, 3, 2, 2)
    lattice = redundancy_lattice(p, redundancy="sx")
    for node, value in lattice.redundancy.items():
        assert value == pytest.approx(sx_by_events(p, node), abs=1e-12)


def test_four_modalities():
    p = from_outcomes([(*c, sum(c) % 2) for c in np.ndindex(2, 2, 2, 2)])
    lattice = redundancy_lattice(p, redundancy="mmi")
    assert len(lattice.atoms) == 166
    assert lattice.atoms[((0, 1, 2, 3),)] == pytest.approx(1.0)


def test_it_reads_in_the_notation_of_the_literature():
    assert "{12}{23}" in str(redundancy_lattice(REPEATED, redundancy="mmi"))


@pytest.mark.parametrize("name", ["broja", "pointwise_min"])
def test_definitions_without_a_lattice_name_the_others(name):
    with pytest.raises(ValueError, match="mmi, pm, sx or ccs"):
        redundancy_lattice(PARITY, redundancy=name)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="two to four modalities"):
        redundancy_lattice(np.full((2, 2), 0.25))
    with pytest.raises(ValueError, match="two to four modalities"):
        redundancy_lattice(np.full((2,) * 6, 1 / 64))
