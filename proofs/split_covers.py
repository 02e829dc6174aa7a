"""A node's assignments are its children's: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, both, either, fresh, negation, some
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.tactics import at_index
from tokendemo_formal.theorems.bounds import child, first, holds, kept, q, second, x
from tokendemo_formal.theorems.setting import V, m


def prove(p: Proof) -> None:
    kernel = p.kernel
    candidates = p.assumption("each slot holds one of its candidates")
    token = fresh("v")

    def every_slot(side: Function, given: Fact) -> Fact:
        """The assignment is the child's, slot by slot, where the given fact speaks for slot q."""
        i, v = fresh("i"), fresh("v")
        there = at_index(kernel, candidates, i)
        slot = [kernel.assume(i < m), kernel.assume(v < V), kernel.assume(holds(i, v))]
        same = [kernel.equal(i, q, lambda t: x(t)), kernel.equal(v, token, lambda t: side(t))]
        shown = kernel.arithmetic(both(v < V, kept(side, i, v)), [*slot, given, *same])
        exhibited = kernel.exhibit(shown, some(V, lambda v: kept(side, i, v)), v)
        return kernel.discharge(kernel.each(kernel.choose(there, v, exhibited), i, m), given.conclusion)

    def of_side(side: Function) -> Fact:
        return every_slot(side, kernel.assume(both(x(q).eq(token), side(token).eq(1))))

    p.say("The token that slot q holds is on one side, and the other slots keep all their candidates.")
    there = at_index(kernel, candidates, q)
    one = kernel.arithmetic(
        either(child(first), child(second)),
        [
            kernel.assume(holds(q, token)),
            at_index(kernel, p.assumption("each token is on one side"), token),
            of_side(first),
            of_side(second),
        ],
    )
    split = kernel.discharge(kernel.choose(there, token, one), q < m)
    slot = p.kernel_fact(split, "slot q's token is of the first side or of the second", "choice")

    p.say("If q is none of the slots, nothing is split.")
    whole = p.kernel_fact(every_slot(first, kernel.assume(negation(q < m))), "every slot is another", "choice")
    p.conclude([slot, whole])


if __name__ == "__main__":
    main("split_covers", prove)
