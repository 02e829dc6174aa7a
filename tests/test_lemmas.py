"""Lemmas about sums of any length, tried on random numbers: a second look at what the kernel has proved."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

import pytest

from tokendemo_formal.logic.terms import function, natural, real
from tokendemo_formal.logic.values import Instance, holds
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.proving import lemmas
from tokendemo_formal.proving.kernel import Fact, Kernel

KERNEL = Kernel(("z3",))
N, M = natural("N"), natural("M")
F, G, F2 = function("F"), function("G"), function("F2", 2)
B, C = real("B"), real("C")

LEMMAS: dict[str, Callable[[], Fact]] = {
    "sum_square": lambda: lemmas.sum_square(KERNEL, N, F, G, B),
    "sum_of_squares": lambda: lemmas.sum_of_squares(KERNEL, N, F),
    "cauchy_schwarz": lambda: lemmas.cauchy_schwarz(KERNEL, N, F, G),
    "sum_between": lambda: lemmas.sum_between(KERNEL, N, F, G),
    "sum_swapped": lambda: lemmas.sum_swapped(KERNEL, N, M, F2),
    "affine_within": lambda: lemmas.affine_within(KERNEL, N, F, G, B),
    "normed_square_sum": lambda: lemmas.normed_square_sum(KERNEL, N, F, B),
    "geometric_at_most": lambda: lemmas.geometric_at_most(KERNEL, N, F, B, C),
    "geometric_at_least": lambda: lemmas.geometric_at_least(KERNEL, N, F, B, C),
    "last_index": lambda: lemmas.last_index(KERNEL, N),
    "difference": lambda: lemmas.difference(KERNEL, M, N),
    "cell": lambda: lemmas.cell(KERNEL, N, B),
    "crowded": lambda: lemmas.crowded(KERNEL, N, M, F),
    "digits": lambda: lemmas.digits(KERNEL, N, F, C),
    "steps_bounds": lambda: lemmas.steps_bounds(KERNEL, N, B),
    "steps_differ": lambda: lemmas.steps_differ(KERNEL, N, B, C),
}


@pytest.mark.parametrize("name", LEMMAS)
def test_a_lemma_holds_on_random_numbers(name: str) -> None:
    fact = LEMMAS[name]()
    assert not fact.hypotheses
    rng = random.Random(name)

    def number() -> Fraction:
        return Fraction(rng.randint(-6, 6), rng.choice((1, 1, 2)))

    for _ in range(60):
        values = {
            "N": rng.randint(0, 4),
            "M": rng.randint(0, 4),
            "F": [number() for _ in range(5)],
            "G": [number() for _ in range(5)],
            "F2": [[number() for _ in range(5)] for _ in range(5)],
            "B": number(),
            "C": Log(Fraction(rng.randint(1, 5))) if name in ("digits", "geometric_at_most") else number(),
        }
        assert holds(fact.conclusion, Instance(values)) is not False
