"""A bias on the system's scores multiplies what the adversary has to outweigh: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas import (
    mass_positive,
    mass_shifted,
    sum_scaled,
    sum_subtracted,
    weighted_shifted,
)
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, a_S, a_U, k, m, s_S, s_U, tau
from tokendemo_formal.theorems.share import beta, protection, pull


def prove(p: Proof) -> None:
    p.say("The bias multiplies the system's weights, and so every sum over them, by e^beta.")
    mass, readouts = p.lemma(mass_shifted, k, s_S, beta), p.lemma(weighted_shifted, k, s_S, a_S, beta)
    outweighed = p.lemma(weighted_shifted, k, s_S, lambda i: a_S(i) - tau, beta)

    p.say("What the system protects is N_S - tau E_S, and what the adversary pulls tau E_U - N_U.")
    protects = p.have(protection.eq(N_S - tau * E_S), [_spread_system(p)])
    pulls = p.have(pull.eq(tau * E_U - N_U), [_spread_adversary(p)])

    p.say("A margin is below tau exactly if numerator < tau denominator, the denominator being positive.")
    some_token = [p.assumption("there is a token"), p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)]
    p.conclude([mass, readouts, outweighed, protects, pulls, *some_token, p.axiom("exp_positive", beta)])


def _spread_system(p: Proof) -> Fact:
    terms = p.each(
        k, lambda i: (exp(s_S(i)) * (a_S(i) - tau)).eq(exp(s_S(i)) * a_S(i) - tau * exp(s_S(i))), (), "multiplied out"
    )
    difference = total(k, lambda i: exp(s_S(i)) * a_S(i) - tau * exp(s_S(i)))
    return p.have(
        protection.eq(N_S - tau * E_S),
        [
            p.kernel.same(protection, difference, terms),
            p.lemma(sum_subtracted, k, lambda i: exp(s_S(i)) * a_S(i), lambda i: tau * exp(s_S(i))),
            p.lemma(sum_scaled, k, tau, lambda i: exp(s_S(i))),
        ],
    )


def _spread_adversary(p: Proof) -> Fact:
    terms = p.each(
        m, lambda j: (exp(s_U(j)) * (tau - a_U(j))).eq(tau * exp(s_U(j)) - exp(s_U(j)) * a_U(j)), (), "multiplied out"
    )
    difference = total(m, lambda j: tau * exp(s_U(j)) - exp(s_U(j)) * a_U(j))
    return p.have(
        pull.eq(tau * E_U - N_U),
        [
            p.kernel.same(pull, difference, terms),
            p.lemma(sum_subtracted, m, lambda j: tau * exp(s_U(j)), lambda j: exp(s_U(j)) * a_U(j)),
            p.lemma(sum_scaled, m, tau, lambda j: exp(s_U(j))),
        ],
    )


if __name__ == "__main__":
    main("bias_multiplies_the_length", prove)
