"""A layer can be safe at any length while the system's share vanishes: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import eps, hi, lo, s_U, share


def prove(p: Proof) -> None:
    given = p.assumptions
    p.say("All readouts are at least tau, so the margin is.")
    safe = p.use("hull_safety", by=given)

    p.say("By dilution the share is at most k e^hi / (k e^hi + m e^lo), which the length makes at most eps.")
    chosen = p.assumption("the adversary's tokens are from the vocabulary")
    scores = p.assumption("the vocabulary's scores are at least lo")
    heavy = p.each_choice(chosen, lambda j: lo <= s_U(j), lambda j, v: [scores], "it is a word's score")
    small = p.have(
        share <= eps,
        [
            p.use("dilution", by=[*given, heavy]),
            p.assumption("there are enough tokens"),
            p.assumption("there is a token"),
            p.have(exp(lo) > 0, [p.axiom("exp_positive", lo)]),
            p.have(exp(hi) > 0, [p.axiom("exp_positive", hi)]),
        ],
        "multiplied by the denominator, which is positive",
    )
    p.conclude([safe, small])


if __name__ == "__main__":
    main("safe_with_a_vanishing_share", prove)
