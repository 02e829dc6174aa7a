"""One token of a large enough score overrides: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp, iff, log
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.theorems.setting import E_S, eps, k, m, s_S, s_U
from tokendemo_formal.theorems.share import x


def prove(p: Proof) -> None:
    small, less_than_one = p.assumption("eps is positive"), p.assumption("eps is less than 1")
    system = p.have(E_S > 0, [p.assumption("there is a system token"), p.lemma(mass_positive, k, s_S)])

    p.say("e to the score that is needed is E_S (1 - eps) / eps.")
    odds = (1 - eps) / eps
    needed = log(E_S) + log(odds)
    odds_positive = p.have(odds > 0, [small, less_than_one])
    weight_needed = p.have(
        exp(needed).eq(E_S * odds),
        [
            p.axiom("exp_sum", log(E_S), log(odds)),
            p.axiom("exp_log", E_S),
            p.axiom("exp_log", odds),
            system,
            odds_positive,
        ],
    )

    p.say("As exp is increasing, the score x is at least that exactly if e^x is at least that weight.")
    enough = p.have(iff(needed <= x, E_S * odds <= exp(x)), [weight_needed, p.axiom("exp_increasing", x, needed)])
    enough_multiplied = p.have(iff(needed <= x, E_S * (1 - eps) <= eps * exp(x)), [enough, small], "multiplied by eps")

    p.say("The share is at most eps exactly then; further tokens only add to the denominator.")
    p.conclude(
        [enough_multiplied, system, small, p.axiom("exp_positive", x), p.lemma(mass_positive, m, s_U)],
    )


if __name__ == "__main__":
    main("one_token_override", prove)
