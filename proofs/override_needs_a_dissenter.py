"""A safe prompt can be overridden at some length exactly if some token dissents: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, each, exp, implies, negation, some
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_constant
from tokendemo_formal.theorems.override import copies, vote
from tokendemo_formal.theorems.setting import E_S, N_S, V, a_U, a_V, k, m, margin, s_S, s_U, s_V, surplus, tau, votes


def prove(p: Proof) -> None:
    p.say("The system alone is safe, so its surplus P = N_S - tau E_S is at least 0.")
    safe = p.assumption("the system alone is safe")
    some_token = p.have(k + m > 0, [safe])
    mass = p.have(E_S > 0, [safe, p.lemma(mass_positive, k, s_S)])
    system = p.induction(k, surplus.eq(N_S - tau * E_S), because="one token more adds e^s (a - tau) to both")
    in_hand = p.have(surplus >= 0, [safe, mass, system])

    p.say("Suppose that nobody dissents. Then no vote is above 0, and the votes can't exceed P.")
    nobody = p.kernel.assume(negation(some(V, lambda v: a_V(v) < tau)))
    none = p.have(each(V, lambda v: negation(a_V(v) < tau)), [nobody, p.kernel.none(V, lambda v: a_V(v) < tau)])
    at_most = p.each_choice(
        p.assumption("the adversary's tokens are the vocabulary's"),
        lambda j: exp(s_U(j)) * (tau - a_U(j)) <= 0,
        lambda j, v: [none, p.axiom("exp_positive", s_U(j))],
        "e^s > 0 and tau - a <= 0",
    )
    bounded = p.have(votes <= 0, [at_most, p.lemma(sum_at_most, m, lambda j: exp(s_U(j)) * (tau - a_U(j)), 0)])
    linear = p.use("override_is_linear", by=[some_token])
    holds = p.have(negation(margin < tau), [linear, bounded, in_hand], "votes <= 0 <= P")
    without = p.kernel_fact(p.kernel.discharge(holds, nobody.conclusion), "nobody was assumed to dissent", "discharged")

    p.say("Copies of a dissenter take m times its vote, and override once that exceeds P.")
    repeated = p.each(
        V,
        lambda v: implies(both(a_V(v) < tau, surplus < m * vote(v)), copies(m, v) < tau),
        lambda v: [
            p.use("override_is_linear", functions={s_U: lambda j: s_V(v), a_U: lambda j: a_V(v)}, by=[some_token]),
            p.lemma(sum_constant, m, vote(v)),
        ],
        "m copies vote m times what one does",
    )
    p.conclude([without, repeated])


if __name__ == "__main__":
    main("override_needs_a_dissenter", prove)
