"""The reduction from SET COVER, in both directions: on exact tables and on layers, which the searches answer."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tokendemo_formal.attention import Layer
from tokendemo_formal.logic.terms import exp
from tokendemo_formal.logic.values import Instance, holds, value
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Question, Readout
from tokendemo_formal.override.solve import solve
from tokendemo_formal.theorems.complexity import (
    MULTIHEAD_OVERRIDE_IS_NP_COMPLETE,
    SET_COVER_IS_AN_OVERRIDE,
    covered,
    table_gain,
)

Sets = list[frozenset[int]]


@st.composite
def instances(draw: st.DrawFn) -> tuple[int, Sets, int]:
    """Elements, sets, and how many sets may be chosen: often just enough, often one too few."""
    elements = draw(st.integers(1, 5))
    sets = draw(st.lists(st.frozensets(st.integers(0, elements - 1), max_size=3), min_size=1, max_size=6))
    return elements, sets, draw(st.integers(0, 4))


def covers(elements: int, sets: Sets, chosen: tuple[int, ...]) -> bool:
    return set().union(*(sets[v] for v in chosen)) == set(range(elements))


def coverable(elements: int, sets: Sets, size: int) -> bool:
    return any(covers(elements, sets, c) for c in itertools.product(range(len(sets)), repeat=size))


def layer(elements: int, sets: Sets, size: int) -> Question:
    """A layer with one head per element, and the question whether that many tokens bring the gain above -1/2.

    A token's row is its set's indicator, then 1 if it is a set, 1 if it is the template's, and the place that is read
    out. Scores are log 4H or -log 2m, rounded: within what the theorem allows, 2H and 1/m.
    """
    width = elements + 3
    is_set, template, read = elements, elements + 1, elements + 2
    embedding = np.zeros((len(sets) + 1, width))
    for v, members in enumerate(sets):
        embedding[v, list(members)] = 1.0
        embedding[v, is_set] = 1.0
    embedding[-1, template] = 1.0
    light, heavy = -math.log(2 * max(size, 1)), math.log(4 * elements)
    wq = np.zeros((elements, width, 1))
    wk, wv, wo = np.zeros_like(wq), np.zeros_like(wq), np.zeros((elements, 1, width))
    wq[:, template, 0] = wv[:, template, 0] = 1.0
    wk[:, is_set, 0] = light
    wk[range(elements), range(elements), 0] = heavy - light
    wo[:, 0, read] = -1.0
    toward = np.eye(width)[read]
    return Question(
        Layer(embedding, wq, wk, wv, wo, causal=False),
        Readout(toward, 0 * toward, threshold=Fraction(-1, 2)),
        (),
        (len(sets),),
        "last",
        size,
        tuple(range(len(sets))),
    )


def incidence(elements: int, sets: Sets, chosen: tuple[int, ...]) -> Instance:
    has = [[int(h in sets[v]) for v in chosen] for h in range(elements)]
    return Instance({"H": elements, "m": len(chosen), "has": has})


@given(instances())
@settings(max_examples=60, deadline=None)
def test_chosen_sets_cover_exactly_if_their_table_overrides(instance: tuple[int, Sets, int]) -> None:
    elements, sets, size = instance
    for chosen in itertools.islice(itertools.product(range(len(sets)), repeat=size), 40):
        given_sets = incidence(elements, sets, chosen)
        expected = covers(elements, sets, chosen)
        assert holds(covered, given_sets) is expected
        assert (value(table_gain, given_sets) > Fraction(-1, 2)) is expected
        assert holds(MULTIHEAD_OVERRIDE_IS_NP_COMPLETE.conclusion, given_sets) is True


@given(instances())
@settings(max_examples=60, deadline=None)
def test_searches_on_layers_solve_set_cover(instance: tuple[int, Sets, int]) -> None:
    elements, sets, size = instance
    question = layer(elements, sets, size)
    for engine in ("search", "brute-force"):
        answer = solve(question, "exists", engine=engine)  # type: ignore[arg-type]
        assert answer.verdict == ("override" if coverable(elements, sets, size) else "no-override")
        if answer.assignment is not None:
            assert covers(elements, sets, answer.assignment)


@given(instances())
@settings(max_examples=60, deadline=None)
def test_every_cover_overrides_its_layer_and_nothing_else_does(instance: tuple[int, Sets, int]) -> None:
    elements, sets, size = instance
    question = layer(elements, sets, size)
    exact, prompt = ExactGain(question), question.prompt(size)
    for chosen in itertools.islice(itertools.product(range(len(sets)), repeat=size), 20):
        assert exact.above(prompt.filled(chosen), prompt.reader) is covers(elements, sets, chosen)


@given(instances())
@settings(max_examples=30, deadline=None)
def test_a_layer_s_weights_are_those_the_theorem_allows(instance: tuple[int, Sets, int]) -> None:
    elements, sets, size = instance
    rows = layer(elements, sets, size).layer
    chosen = tuple(range(len(sets)))[:size]
    keys = np.einsum("vd,hdk->hv", rows.embedding, rows.wk)
    weights = [[value(exp(Fraction(keys[h, v])), Instance({})) for v in chosen] for h in range(elements)]
    given_sets = incidence(elements, sets, chosen)
    stored = given_sets.but(b=weights)
    for name, assumption in SET_COVER_IS_AN_OVERRIDE.assumptions.items():
        assert holds(assumption, stored) is True, name


def test_the_smallest_cover_is_the_shortest_override() -> None:
    sets = [frozenset(s) for s in ({0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}, {5})]
    smallest = next(size for size in range(7) if coverable(6, sets, size))
    assert smallest == 4
    # the weights 1/m are those for the longest question: fewer slots add less than the theorem allows
    answer = solve(layer(6, sets, 6), "minimum")
    assert answer.minimum == smallest
    assert answer.assignment is not None
    assert covers(6, sets, answer.assignment)
