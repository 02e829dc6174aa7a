"""A share above (A + tau) / (a + A) is safe: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import attention_at_least, mass_positive
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, A, Z, a, a_S, a_U, k, m, rho, s_S, s_U, tau


def prove(p: Proof) -> None:
    p.say("The system's votes sum to at least a E_S, the adversary's to at least -A E_U.")
    system = p.have(
        N_S >= a * E_S,
        [p.assumption("the system's readouts are at least a"), p.lemma(attention_at_least, k, s_S, a_S, a)],
    )
    adversary = p.have(
        N_U >= -A * E_U,
        [p.assumption("the adversary's readouts are at least -A"), p.lemma(attention_at_least, m, s_U, a_U, -A)],
    )
    positive = p.have(
        Z > 0,
        [
            p.assumption("there is a token"),
            p.lemma(mass_positive, k, s_S),
            p.lemma(mass_positive, m, s_U),
        ],
        "exp is positive",
    )
    p.say("So the numerator is at least (a + A) E_S - A Z, which is least where E_S is: at the share rho.")
    share = p.have(
        (a + A) * E_S >= (a + A) * (rho * Z),
        [p.assumption("the adversary can vote lower than the system"), p.assumption("the share is at least rho")],
    )
    enough = p.have(
        rho * (a + A) * Z > (A + tau) * Z, [p.assumption("rho is above (A + tau) / (a + A)"), positive], "Z is positive"
    )
    votes = p.have(N_S + N_U > tau * Z, [system, adversary, share, enough])
    p.conclude([votes, positive], "divided by Z")


if __name__ == "__main__":
    main("majority", prove)
