"""The direction from the nearest point separates: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Variable, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_square
from tokendemo_formal.proving.tactics import by_induction
from tokendemo_formal.theorems.query import SQUARE, k_S, point, step, u
from tokendemo_formal.theorems.setting import d, k


def prove(p: Proof) -> None:
    positive = p.assumption("a step is positive")
    small = p.assumption("steps towards the system's keys are small")
    none = p.assumption("none comes nearer")

    p.say("Let P = Σ (u - p)(key - p) and Y = |key - p|^2. A step s changes |u - p|^2 by -2 s P + s^2 Y.")
    p.say("That is no improvement, so 2 P <= s Y <= |u - p|^2: the inner product is at most half the square.")

    def ahead(i: Variable) -> list[Fact]:
        parabola = sum_square(p.kernel, d, lambda c: u(c) - point(c), lambda c: k_S(i, c) - point(c), step)
        shifted = by_induction(
            p.kernel,
            d,
            (total(d, lambda c: (u(c) - point(c)) * u(c)) - total(d, lambda c: (u(c) - point(c)) * k_S(i, c))).eq(
                SQUARE - total(d, lambda c: (u(c) - point(c)) * (k_S(i, c) - point(c)))
            ),
        )
        return [positive, small, none, parabola, shifted]

    p.say("And (u - p)·u - (u - p)·key = |u - p|^2 - P.")
    along_u = total(d, lambda c: (u(c) - point(c)) * u(c))
    ahead_of_all = p.each(
        k,
        lambda i: total(d, lambda c: (u(c) - point(c)) * k_S(i, c)) + SQUARE / 2 <= along_u,
        ahead,
        "so u is ahead by half the square",
    )
    p.conclude([ahead_of_all])


if __name__ == "__main__":
    main("nearest_point_separates", prove)
