"""A bias on the system's scores multiplies what the adversary has to outweigh: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import weighted_shifted
from tokendemo_formal.theorems.setting import a_S, k, s_S, tau
from tokendemo_formal.theorems.share import beta


def prove(p: Proof) -> None:
    p.say("The criterion of override_is_linear, for the scores that the bias makes.")
    criterion = p.use("override_is_linear", functions={s_S: lambda i: s_S(i) + beta}, by=p.assumptions)
    p.say("The bias multiplies the system's weights, and so its surplus, by e^beta.")
    p.conclude([criterion, p.lemma(weighted_shifted, k, s_S, lambda i: a_S(i) - tau, beta)])


if __name__ == "__main__":
    main("bias_multiplies_the_length", prove)
