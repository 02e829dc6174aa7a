"""Softmax weights are positive and less than 1: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, both, exp, implies
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_member_strictly
from tokendemo_formal.theorems.setting import n
from tokendemo_formal.theorems.voice import Z, s


def prove(p: Proof) -> None:
    p.say("Each exponential is positive, so it is less than the sum of all, there being others.")
    positive = p.each(n, lambda i: exp(s(i)) > 0, lambda i: [p.axiom("exp_positive", s(i))])
    two = p.assumption("there are at least two tokens")

    def less(i: Term) -> Fact:
        others = sum_member_strictly(p.kernel, n, lambda j: exp(s(j)), i)
        return p.kernel.arithmetic(implies(i < n, exp(s(i)) < Z), [positive, two, others])

    below = p.each(n, lambda i: exp(s(i)) < Z, lambda i: [less(i)], "one term of a sum of positive ones")

    p.say("Divided by the sum it is between 0 and 1.")
    between = p.each(n, lambda i: both(0 < exp(s(i)) / Z, exp(s(i)) / Z < 1), [positive, below])
    p.conclude([between])


if __name__ == "__main__":
    main("weights_positive", prove)
