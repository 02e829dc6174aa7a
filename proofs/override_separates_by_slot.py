"""With one head and positions, each slot takes its own best token: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, each, exp, implies, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_monotone
from tokendemo_formal.theorems.override import s_C, top
from tokendemo_formal.theorems.setting import a_U, m, margin, s_U, surplus, tau, votes


def prove(p: Proof) -> None:
    linear = p.use("override_is_linear", by=[p.assumption("there is a token")])

    p.say("The token that a slot takes votes at most the slot's top.")
    taken = p.assumption("each slot takes one of the vocabulary's tokens")
    largest = p.assumption("no token's vote exceeds its slot's largest")

    def vote(j: Term) -> Term:
        return exp(s_U(j)) * (tau - a_U(j))

    at_most = p.each_choice(
        taken,
        lambda j: vote(j) <= top(j),
        lambda j, v: [largest, p.kernel.equal(s_U(j), s_C(j, v), exp)],
        "it is one of the vocabulary's",
    )
    tops = total(m, lambda j: top(j))
    first = p.have(
        implies(margin < tau, surplus < tops),
        [linear, at_most, p.lemma(sum_monotone, m, vote, lambda j: top(j))],
        "so the votes are at most the sum of the tops",
    )

    p.say("Where every slot takes a token that votes its top, the votes are the sum of the tops.")
    reached = p.kernel.assume(each(m, lambda j: vote(j).eq(top(j))))
    same = p.kernel_fact(p.kernel.same(votes, tops, reached), "equal terms, equal sums", "sums")
    second = p.kernel.discharge(p.have(implies(surplus < tops, margin < tau), [linear, same]), reached.conclusion)
    p.conclude([first, second])


if __name__ == "__main__":
    main("override_separates_by_slot", prove)
