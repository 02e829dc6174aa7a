"""With one head, overriding is a linear condition on the tokens: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_positive
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, Z, k, m, s_S, s_U, surplus, tau, votes


def prove(p: Proof) -> None:
    p.say("Sorted by token: P = N_S - tau E_S, and the adversary's votes are tau E_U - N_U.")
    system = p.induction(k, surplus.eq(N_S - tau * E_S), because="one system token more adds e^s (a - tau) to both")
    adversary = p.induction(m, votes.eq(tau * E_U - N_U), because="likewise")

    p.say("Every token weighs something, so Z > 0.")
    each_system = p.each(k, lambda i: exp(s_S(i)) > 0, lambda i: [p.axiom("exp_positive", s_S(i))])
    each_adversary = p.each(m, lambda j: exp(s_U(j)) > 0, lambda j: [p.axiom("exp_positive", s_U(j))])
    masses = [
        p.have(both(E_S >= 0, implies(k > 0, E_S > 0)), [each_system, p.lemma(sum_positive, k, lambda i: exp(s_S(i)))]),
        p.have(
            both(E_U >= 0, implies(m > 0, E_U > 0)), [each_adversary, p.lemma(sum_positive, m, lambda j: exp(s_U(j)))]
        ),
    ]
    positive = p.have(Z > 0, [*masses, p.assumption("there is a token")])

    p.say("So (N_S + N_U) / Z < tau can be multiplied by Z.")
    p.conclude([positive, system, adversary])


if __name__ == "__main__":
    main("override_is_linear", prove)
