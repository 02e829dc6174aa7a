"""Up to a length the system keeps a share: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least, mass_at_most, mass_positive
from tokendemo_formal.theorems.setting import E_S, E_U, cap, hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    p.say("A system token weighs at least e^lo, so k of them weigh at least k e^lo.")
    at_least = p.assumption("the system's scores are at least lo")
    system = p.have(k * exp(lo) <= E_S, [at_least, p.lemma(mass_at_least, k, s_S, lo)])

    p.say("An adversary token weighs at most e^hi, so at most cap of them weigh at most cap e^hi.")
    at_most = p.assumption("the adversary's scores are at most hi")
    all_of_them = p.have(E_U <= m * exp(hi), [at_most, p.lemma(mass_at_most, m, s_U, hi)])
    room, high = p.assumption("the adversary has at most cap tokens"), p.axiom("exp_positive", hi)
    adversary = p.have(E_U <= cap * exp(hi), [all_of_them, room, high])

    p.say("The share x / (x + y) grows with x and falls with y.")
    there_is_one = p.assumption("there is a system token")
    positive = p.have(k * exp(lo) > 0, [there_is_one, p.axiom("exp_positive", lo)])
    p.conclude([system, adversary, positive, high, p.lemma(mass_positive, m, s_U)])


if __name__ == "__main__":
    main("share_floor_up_to_a_length", prove)
