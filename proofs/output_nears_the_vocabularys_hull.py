"""The output is near the hull of the vocabulary's values, by the system's share: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import attention_at_least, attention_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import quotient_at_least, quotient_at_most
from tokendemo_formal.theorems.guarantees import R, high, low
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, Z, a_S, a_U, k, m, margin, s_S, s_U, share


def prove(p: Proof) -> None:
    chosen = p.assumption("the adversary's tokens are from the vocabulary")
    words = p.assumption("the vocabulary's readouts lie in [low, high]")
    system = p.assumption("the system's readouts lie within R of [low, high]")
    positive = p.have(
        Z > 0,
        [p.assumption("there is a token"), p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)],
        "exp is positive",
    )
    part = p.have((share * Z).eq(E_S), [positive], "that is what the share is")

    p.say("From below: the adversary's part reads at least low, the system's at least low - R.")
    their_least = p.each_choice(chosen, lambda j: a_U(j) >= low, lambda j, v: [words], "it is a word's readout")
    our_least = p.each(k, lambda i: a_S(i) >= low - R, [system])
    theirs = p.have(N_U >= low * E_U, [their_least, p.lemma(attention_at_least, m, s_U, a_U, low)])
    ours = p.have(N_S >= (low - R) * E_S, [our_least, p.lemma(attention_at_least, k, s_S, a_S, low - R)])
    votes = p.have((low - share * R) * Z <= N_S + N_U, [theirs, ours, part])
    below = p.have(
        low - share * R <= margin,
        [votes, positive, p.lemma(quotient_at_least, N_S + N_U, Z, low - share * R)],
        "divided by Z, which is positive",
    )

    p.say("From above, in the same way.")
    their_most = p.each_choice(chosen, lambda j: a_U(j) <= high, lambda j, v: [words], "it is a word's readout")
    our_most = p.each(k, lambda i: a_S(i) <= high + R, [system])
    theirs = p.have(N_U <= high * E_U, [their_most, p.lemma(attention_at_most, m, s_U, a_U, high)])
    ours = p.have(N_S <= (high + R) * E_S, [our_most, p.lemma(attention_at_most, k, s_S, a_S, high + R)])
    votes = p.have((high + share * R) * Z >= N_S + N_U, [theirs, ours, part])
    above = p.have(
        margin <= high + share * R,
        [votes, positive, p.lemma(quotient_at_most, N_S + N_U, Z, high + share * R)],
        "divided by Z, which is positive",
    )
    p.conclude([below, above])


if __name__ == "__main__":
    main("output_nears_the_vocabularys_hull", prove)
