"""With one head, overriding is a linear condition on the tokens: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, Z, k, m, s_S, s_U, surplus, tau, votes


def prove(p: Proof) -> None:
    p.say("Sorted by token: P = N_S - tau E_S, and the adversary's votes are tau E_U - N_U.")
    system = p.induction(k, surplus.eq(N_S - tau * E_S), because="one system token more adds e^s (a - tau) to both")
    adversary = p.induction(m, votes.eq(tau * E_U - N_U), because="likewise")

    p.say("Every token weighs something, so Z > 0.")
    masses = [p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)]
    positive = p.have(Z > 0, [*masses, p.assumption("there is a token")])

    p.say("So (N_S + N_U) / Z < tau can be multiplied by Z.")
    p.conclude([positive, system, adversary])


if __name__ == "__main__":
    main("override_is_linear", prove)
