"""Lemmas about sums of any length, tried on random numbers: a second look at what the kernel has proved."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

import pytest

from tokendemo_formal.logic.terms import function, natural, real
from tokendemo_formal.logic.values import Instance, holds
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.lemmas import attention, counting, quotients, sums

KERNEL = Kernel(("z3",))
N, M = natural("N"), natural("M")
F, G, F2 = function("F"), function("G"), function("F2", 2)
B, C = real("B"), real("C")

LEMMAS: dict[str, Callable[[], Fact]] = {
    "sum_square": lambda: sums.sum_square(KERNEL, N, F, G, B),
    "sum_of_squares": lambda: sums.sum_of_squares(KERNEL, N, F),
    "cauchy_schwarz": lambda: sums.cauchy_schwarz(KERNEL, N, F, G),
    "sum_between": lambda: sums.sum_between(KERNEL, N, F, G),
    "sum_exchanged": lambda: sums.sum_exchanged(KERNEL, N, M, F2),
    "affine_within": lambda: quotients.affine_within(KERNEL, N, F, G, B),
    "normed_square_sum": lambda: quotients.normed_square_sum(KERNEL, N, F, B),
    "geometric_at_most": lambda: attention.geometric_at_most(KERNEL, N, F, B, C),
    "geometric_at_least": lambda: attention.geometric_at_least(KERNEL, N, F, B, C),
    "last_index": lambda: counting.last_index(KERNEL, N),
    "difference": lambda: counting.difference(KERNEL, M, N),
    "cell": lambda: counting.cell(KERNEL, N, B),
    "crowded": lambda: counting.crowded(KERNEL, N, M, F),
    "digits": lambda: counting.digits(KERNEL, N, F, C),
    "steps_bounds": lambda: counting.steps_bounds(KERNEL, N, B),
    "steps_differ": lambda: counting.steps_differ(KERNEL, N, B, C),
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
