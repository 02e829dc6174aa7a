"""The system's share of attention is diluted by length: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_at_least, sum_at_most, sum_positive
from tokendemo_formal.theorems.setting import E_S, E_U, hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    system = p.assumption("the system's scores are at most hi")
    adversary = p.assumption("the adversary's scores are at least lo")

    p.say("A system token weighs at most e^hi, so k of them weigh at most k e^hi.")
    at_most = p.each(
        k,
        lambda i: exp(s_S(i)) <= exp(hi),
        lambda i: [system, p.axiom("exp_increasing", hi, s_S(i))],
        "exp is increasing",
    )
    upper = p.have(E_S <= k * exp(hi), [at_most, p.lemma(sum_at_most, k, lambda i: exp(s_S(i)), exp(hi))])

    p.say("An adversary token weighs at least e^lo, so m of them weigh at least m e^lo.")
    at_least = p.each(
        m,
        lambda j: exp(lo) <= exp(s_U(j)),
        lambda j: [adversary, p.axiom("exp_increasing", s_U(j), lo)],
        "exp is increasing",
    )
    lower = p.have(m * exp(lo) <= E_U, [at_least, p.lemma(sum_at_least, m, lambda j: exp(s_U(j)), exp(lo))])

    p.say("The share x / (x + y) grows with x and falls with y.")
    positive = p.each(k, lambda i: exp(s_S(i)) > 0, lambda i: [p.axiom("exp_positive", s_S(i))])
    system_mass = p.have(
        both(E_S >= 0, implies(k > 0, E_S > 0)), [positive, p.lemma(sum_positive, k, lambda i: exp(s_S(i)))]
    )
    some_token = p.assumption("there is a token")
    p.conclude([upper, lower, system_mass, some_token, p.axiom("exp_positive", lo), p.axiom("exp_positive", hi)])


if __name__ == "__main__":
    main("dilution", prove)
