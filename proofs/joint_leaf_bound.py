"""The bound with jointly bounded heads: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, Variable, substitute, term
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_monotone, sum_zero
from tokendemo_formal.proving.tactics import equal_sums
from tokendemo_formal.theorems.bounds import (
    B,
    L,
    U,
    b,
    b_hi,
    b_lo,
    denominator,
    least,
    most,
    own,
    pull,
    pull_end,
    pulled_slot_term,
    spread,
    top,
)
from tokendemo_formal.theorems.setting import H, m


def prove(p: Proof) -> None:
    kernel = p.kernel
    no_pull = {L: least, U: most, pull: lambda h: term(0)}

    def unpulled(t: Term) -> Term:
        return substitute(t, {}, no_pull)

    def same(i: Variable) -> Fact:
        return equal_sums(kernel, H, lambda h: spread(h, own(h, i)) + term(0) * b(h, i), lambda h: spread(h, own(h, i)))

    p.say("Term by term, L <= D <= U in each head.")
    low = p.each(
        H,
        lambda h: least(h) <= denominator(h),
        lambda h: [p.assumption("b_lo is at most b"), sum_monotone(kernel, m, lambda i: b_lo(h, i), lambda i: b(h, i))],
    )
    high = p.each(
        H,
        lambda h: denominator(h) <= most(h),
        lambda h: [
            p.assumption("b_hi is at least b"),
            sum_monotone(kernel, m, lambda i: b(h, i), lambda i: b_hi(h, i)),
        ],
    )

    p.say("With p = 0 nothing is pulled.")
    tops = p.each(
        m,
        lambda i: unpulled(pulled_slot_term(i)) <= top(i),
        lambda i: [p.assumption("top is at least each slot's term"), same(i)],
    )
    names = ("L is positive", "w of a joint head is 1/L where N > c D, and 1/U elsewhere")
    leaf = p.use("pulled_leaf_bound", functions=no_pull, by=[low, high, *map(p.assumption, names), tops])
    zero = p.each(H, lambda h: unpulled(pull(h) * (B(h) - pull_end(h))).eq(0))
    none_in_all = p.lemma(sum_zero, H, lambda h: unpulled(pull(h) * (B(h) - pull_end(h))))
    p.conclude([leaf, zero, none_in_all])


if __name__ == "__main__":
    main("joint_leaf_bound", prove)
