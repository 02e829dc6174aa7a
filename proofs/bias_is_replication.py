"""A bias of log r on the system's scores is the same as saying the system r times: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive, mass_shifted, weighted_shifted
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.setting import E_S, N_S, a_S, k, m, s_S, s_U
from tokendemo_formal.theorems.share import beta, r


def prove(p: Proof) -> None:
    p.say("The bias multiplies the system's weights, and so their sums, by e^beta = r.")
    is_r = p.assumption("the bias is the logarithm of r")
    biased = [p.lemma(mass_shifted, k, s_S, beta), p.lemma(weighted_shifted, k, s_S, a_S, beta)]
    p.say("So does repeating the system r times.")
    repeated = [p.lemma(sum_constant, r, E_S), p.lemma(sum_constant, r, N_S)]
    p.say("Both margins have the same numerator and the same denominator, which is positive as there is a token.")
    some_token = [p.assumption("there is a token"), p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)]
    p.conclude([is_r, *biased, *repeated, *some_token, p.axiom("exp_positive", beta)])


if __name__ == "__main__":
    main("bias_is_replication", prove)
