"""A bias on the system's scores multiplies what the adversary has to outweigh: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive, mass_shifted, threshold_inside, weighted_shifted
from tokendemo_formal.theorems.setting import a_S, a_U, k, m, s_S, s_U, tau
from tokendemo_formal.theorems.share import beta


def prove(p: Proof) -> None:
    p.say("The bias multiplies the system's weights, and so every sum over them, by e^beta.")
    mass, readouts = p.lemma(mass_shifted, k, s_S, beta), p.lemma(weighted_shifted, k, s_S, a_S, beta)
    protection = p.lemma(weighted_shifted, k, s_S, lambda i: a_S(i) - tau, beta)

    p.say("What the system protects is N_S - tau E_S, and what the adversary pulls is tau E_U - N_U.")
    spread = [p.lemma(threshold_inside, k, s_S, a_S, tau), p.lemma(threshold_inside, m, s_U, a_U, tau)]

    p.say("A margin is below tau exactly if numerator < tau denominator, the denominator being positive.")
    some_token = [p.assumption("there is a token"), p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)]
    p.conclude([mass, readouts, protection, *spread, *some_token, p.axiom("exp_positive", beta)])


if __name__ == "__main__":
    main("bias_multiplies_the_length", prove)
