"""How many tokens leave the system a given share at most: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import exp_difference
from tokendemo_formal.theorems.setting import eps, hi, k, lo, m


def prove(p: Proof) -> None:
    p.say("The system's share is at most k e^hi / (k e^hi + m e^lo).")
    bound = p.use("dilution", by=p.assumptions)
    ratio = p.lemma(exp_difference, hi, lo)

    p.say("With e^hi = d e^lo that is k d / (k d + m), which is at most eps if k d (1 - eps) <= m eps.")
    long_enough = p.assumption("the adversary has that many tokens")
    some_token, positive = p.assumption("there is a token"), p.assumption("eps is positive")
    length = p.have(k * exp(hi - lo) * (1 - eps) <= m * eps, [long_enough, positive], "multiplied by eps")
    masses = p.have(
        k * exp(hi) * (1 - eps) <= m * exp(lo) * eps,
        [length, ratio, p.axiom("exp_positive", lo)],
        "multiplied by e^lo",
    )
    p.conclude([bound, masses, some_token, positive, p.axiom("exp_positive", hi), p.axiom("exp_positive", lo)])


if __name__ == "__main__":
    main("dilution_length", prove)
