"""An assignment within a node's limits is within a child's: proof."""

from __future__ import annotations

from collections.abc import Callable

from tokendemo_formal.logic.terms import Numeric, Term
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.tactics import for_each
from tokendemo_formal.theorems.bounds import B, above, at, below, denominator, q
from tokendemo_formal.theorems.setting import H


def prove(p: Proof) -> None:
    kernel = p.kernel
    within = [p.assumption(name) for name in ("D is at least L", "D is at most U")]

    def child(side: Term, limits: Callable[[Numeric], Term]) -> Fact:
        given = kernel.assume(side)
        every = for_each(
            kernel,
            H,
            lambda h: limits(h),
            lambda h: [*within, given, kernel.equal(h, q, denominator), kernel.equal(h, q, lambda t: B(t))],
        )
        return p.kernel_fact(
            kernel.discharge(every, side), "the other heads' limits stay", "smt, for an arbitrary index"
        )

    p.say("D_q is at most at B_q, or at least that.")
    p.conclude([child(denominator(q) <= at * B(q), below), child(denominator(q) >= at * B(q), above)])


if __name__ == "__main__":
    main("range_covers", prove)
