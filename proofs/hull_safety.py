"""If every token reads at least tau, so does every mixture of them: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import attention_at_least, mass_positive
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, Z, a_S, a_U, k, m, s_S, s_U, tau


def prove(p: Proof) -> None:
    system = p.assumption("the system's readouts are at least tau")
    words = p.assumption("the vocabulary's readouts are at least tau")
    chosen = p.assumption("the adversary's tokens are from the vocabulary")
    adversary = p.each_choice(chosen, lambda j: a_U(j) >= tau, lambda j, v: [words], "it is a word's readout")
    ours = p.have(N_S >= tau * E_S, [system, p.lemma(attention_at_least, k, s_S, a_S, tau)])
    theirs = p.have(N_U >= tau * E_U, [adversary, p.lemma(attention_at_least, m, s_U, a_U, tau)])
    positive = p.have(
        Z > 0,
        [p.assumption("there is a token"), p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)],
        "exp is positive",
    )
    p.conclude([ours, theirs, positive], "divided by Z, which is positive")


if __name__ == "__main__":
    main("hull_safety", prove)
