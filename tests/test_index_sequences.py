"""Sequences of indices, and lemmas about sums in another order: refused where wrong, true on random instances."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.printing import smtlib_statement
from tokendemo_formal.logic.terms import Sort, Term, each, function, indices, natural, total
from tokendemo_formal.logic.values import Instance, holds
from tokendemo_formal.proving.kernel import Kernel, ProofError
from tokendemo_formal.proving.lemmas.counting import counted_once, injective, sum_picked, sum_rearranged
from tokendemo_formal.proving.lemmas.sums import sum_exchanged, sum_member_strictly

n, m, a = natural("n"), natural("m"), natural("a")
p = indices("p")
f, s = function("f"), function("s")
f2 = function("h", 2)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(("z3",))


def test_a_sequence_of_indices_has_natural_elements() -> None:
    assert p(n).sort is Sort.NATURAL
    assert f(p(n)) != f(n)
    with pytest.raises(InputError, match="indexed by natural numbers"):
        f(f(n))


def test_an_instance_gives_it_natural_numbers() -> None:
    statement = each(n, lambda i: p(i) < n)
    assert holds(statement, Instance({"n": 2, "p": [1, 0]})) is True
    for wrong in (Fraction(1, 2), -1):
        with pytest.raises(InputError, match="p: expected a natural number"):
            holds(statement, Instance({"n": 1, "p": [wrong]}))
        with pytest.raises(InputError, match="p: expected a natural number"):
            holds(statement, Instance({"n": 1, "p": lambda i, x=wrong: x}))


def test_it_is_replaced_by_natural_numbers_only(kernel: Kernel) -> None:
    fact = kernel.arithmetic(p(n) >= 0)
    assert str(kernel.instantiate(fact, functions={p: lambda i: i + 1}).conclusion) == "0 ≤ n + 1"
    with pytest.raises(ProofError, match="natural numbers as elements"):
        kernel.instantiate(fact, functions={p: lambda i: i - 1})


def test_smtlib_declares_it_as_integers() -> None:
    script = smtlib_statement({}, each(n, lambda i: p(p(i)) < n))
    assert "(declare-fun p (Int) Int)" in script
    assert "(assert (forall ((i0 Int)) (<= 0 (p i0))))" in script
    z3 = pytest.importorskip("z3")
    solver = z3.Solver()
    solver.from_string(script)  # well sorted
    assert solver.check() == z3.sat


def test_a_sum_may_be_rearranged_by_permutations_only(kernel: Kernel) -> None:
    goal = total(n, lambda i: f(p(i))).eq(total(n, lambda i: f(i)))
    lemma = sum_rearranged(kernel, n, p, f)
    inside, different = each(n, lambda i: p(i) < n), injective(n, p)
    given_both = [kernel.assume(inside), kernel.assume(different)]
    assert kernel.arithmetic(goal, [lemma, *given_both]).hypotheses == {inside, different}
    for missing in (0, 1):
        with pytest.raises(ProofError, match="does not follow"):
            kernel.arithmetic(goal, [lemma, given_both[missing]])


numbers = st.fractions(-3, 3, max_denominator=3)


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    size, columns = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    permuted = draw(st.one_of(st.permutations(range(size)), st.lists(st.integers(0, 5), min_size=size, max_size=size)))
    row = st.lists(numbers, min_size=6, max_size=6)
    return Instance(
        {
            "n": size,
            "m": columns,
            "a": draw(st.integers(0, 5)),
            "p": permuted,
            "f": draw(st.one_of(row, st.lists(st.fractions(Fraction(1, 9), 3), min_size=6, max_size=6))),
            "h": draw(st.lists(row, min_size=4, max_size=4)),
        }
    )


@settings(max_examples=60)
@given(instance=instances())
def test_lemmas_hold_on_random_instances(kernel: Kernel, instance: Instance) -> None:
    conclusions: list[Term] = [
        sum_member_strictly(kernel, n, f, a).conclusion,
        sum_exchanged(kernel, n, m, f2).conclusion,
        sum_picked(kernel, n, a, f).conclusion,
        counted_once(kernel, n, p, a).conclusion,
        sum_rearranged(kernel, n, p, f).conclusion,
    ]
    for conclusion in conclusions:
        assert holds(conclusion, instance) is True
