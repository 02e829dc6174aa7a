"""One bound for all assignments of some candidates: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Variable, both, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import quotient_of_sums_at_most
from tokendemo_formal.proving.lemmas.sums import sum_added, sum_monotone, sums_at_most
from tokendemo_formal.proving.tactics import at_index
from tokendemo_formal.theorems.bounds import (
    A,
    B,
    a,
    b,
    b_hi,
    b_lo,
    c,
    denominator,
    fixed,
    least,
    most,
    numerator,
    own,
    phi,
    top,
)
from tokendemo_formal.theorems.setting import H, m


def prove(p: Proof) -> None:
    def order(h: Variable) -> Fact:
        low = at_index(p.kernel, p.assumption("b_lo is at most b"), h)
        high = at_index(p.kernel, p.assumption("b_hi is at least b"), h)
        positive = at_index(p.kernel, p.assumption("L is positive"), h)
        return p.kernel.arithmetic(
            both(least(h) > 0, least(h) <= denominator(h), denominator(h) <= most(h)),
            [
                low,
                high,
                positive,
                sum_monotone(p.kernel, m, lambda i: b_lo(h, i), lambda i: b(h, i)),
                sum_monotone(p.kernel, m, lambda i: b(h, i), lambda i: b_hi(h, i)),
            ],
        )

    p.say("In each head 0 < L <= D <= U, term by term.")
    p.say("There N/D = c + (N - c D)/D, and each part x of N - c D gives x/D <= φ(x) = max(x/L, x/U).")
    each_head = p.each(
        H,
        lambda h: numerator(h) / denominator(h) <= (c(h) + phi(h, fixed(h))) + total(m, lambda i: phi(h, own(h, i))),
        lambda h: [
            order(h),
            quotient_of_sums_at_most(
                p.kernel,
                m,
                (A(h), B(h), c(h), least(h), most(h)),
                lambda i: a(h, i),
                lambda i: b(h, i),
            ),
        ],
        "of the quotient's parts each is bounded by itself",
    )

    p.say("Summed over heads, the slots' parts can be sorted by slot, and each slot's is at most its top.")
    sorted_by_slot = p.lemma(
        sums_at_most,
        H,
        m,
        lambda h: numerator(h) / denominator(h),
        lambda h: c(h) + phi(h, fixed(h)),
        lambda h, i: phi(h, own(h, i)),
        lambda i: top(i),
    )
    apart = p.lemma(sum_added, H, lambda h: c(h), lambda h: phi(h, fixed(h)))
    p.conclude([each_head, sorted_by_slot, apart, p.assumption("top is at least each slot's term")])


if __name__ == "__main__":
    main("leaf_bound", prove)
