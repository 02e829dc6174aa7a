"""With one head and no positions, the shortest override is floor(P/g) + 1 copies of one token: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, both, either, exp, implies, natural, some
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_constant
from tokendemo_formal.theorems.override import copies, g, vote
from tokendemo_formal.theorems.setting import E_S, N_S, V, a_U, a_V, k, m, margin, n, s_S, s_U, s_V, surplus, tau, votes


def prove(p: Proof) -> None:
    some_token = p.assumption("there is a token")
    linear = p.use("override_is_linear", by=[some_token])

    p.say("Length 0: P = N_S - tau E_S, and P < 0 takes a system token, which weighs something.")
    system = p.induction(k, surplus.eq(N_S - tau * E_S), because="one token more adds e^s (a - tau) to both")
    nobody = p.induction(k, either(k > 0, surplus.eq(0)), because="without tokens P = 0")
    mass = p.lemma(mass_positive, k, s_S)
    alone = p.have(implies(surplus < 0, N_S / E_S < tau), [system, nobody, mass])

    p.say("No m tokens take more than m g from P.")
    at_most = p.each_choice(
        p.assumption("the adversary's tokens are the vocabulary's"),
        lambda j: exp(s_U(j)) * (tau - a_U(j)) <= g,
        lambda j, v: [p.assumption("no token's vote exceeds g"), p.kernel.equal(s_U(j), s_V(v), exp)],
        "each token is one of the vocabulary's",
    )
    bounded = p.have(votes <= m * g, [at_most, p.lemma(sum_at_most, m, lambda j: exp(s_U(j)) * (tau - a_U(j)), g)])
    too_few = p.have(implies(m * g <= surplus, margin >= tau), [linear, bounded])
    never = p.have(implies(both(surplus >= 0, g <= 0), margin >= tau), [too_few], "m g <= 0 <= P")

    p.say("m copies of a token that votes g take exactly m g.")
    v = natural("v")
    constant = p.lemma(sum_constant, m, vote(v))
    repeated = p.use("override_is_linear", functions={s_U: lambda j: s_V(v), a_U: lambda j: a_V(v)}, by=[some_token])
    enough, member, best = (p.kernel.assume(t) for t in (surplus < m * g, v < V, vote(v).eq(g)))
    reached = p.have(both(v < V, copies(m, v) < tau), [repeated, constant, enough, member, best])
    goal: Term = some(V, lambda v: copies(m, v) < tau)
    exhibited = p.kernel.choose(p.assumption("some token's vote is g"), v, p.kernel.exhibit(reached, goal, v))
    many = p.kernel_fact(p.kernel.discharge(exhibited, enough.conclusion), "there is such a token", "choice")

    p.say("With n = floor(P/g): n g <= P < (n + 1) g, so n tokens are too few, and any number from n + 1 on is enough.")
    between = both(g > 0, n * g <= surplus, surplus < (n + 1) * g)
    few = p.have(implies(both(between, m <= n), m * g <= surplus), [], "m g <= n g <= P")
    more = p.have(implies(both(between, n < m), surplus < m * g), [p.kernel.discrete(n, m)], "P < (n + 1) g <= m g")
    p.conclude([alone, never, too_few, many, few, more])


if __name__ == "__main__":
    main("minimum_override_length", prove)
