"""A bias on all scores leaves the margin as it is: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive, mass_shifted, weighted_shifted
from tokendemo_formal.theorems.setting import a_S, a_U, k, m, s_S, s_U
from tokendemo_formal.theorems.share import beta


def prove(p: Proof) -> None:
    p.say("The bias multiplies all sums by e^beta.")
    masses = [p.lemma(mass_shifted, k, s_S, beta), p.lemma(mass_shifted, m, s_U, beta)]
    readouts = [p.lemma(weighted_shifted, k, s_S, a_S, beta), p.lemma(weighted_shifted, m, s_U, a_U, beta)]
    p.say("It cancels.")
    some_token = [p.assumption("there is a token"), p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)]
    p.conclude([*masses, *readouts, *some_token, p.axiom("exp_positive", beta)])


if __name__ == "__main__":
    main("uniform_bias_changes_nothing", prove)
