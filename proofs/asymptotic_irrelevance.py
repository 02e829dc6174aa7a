"""Long inputs make the system's words irrelevant: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import R
from tokendemo_formal.theorems.setting import eps, hi, lo, s_U, share


def prove(p: Proof) -> None:
    given = p.assumptions
    chosen = p.assumption("the adversary's tokens are from the vocabulary")
    scores = p.assumption("the vocabulary's scores are at least lo")
    heavy = p.each_choice(chosen, lambda j: lo <= s_U(j), lambda j, v: [scores], "it is a word's score")

    p.say("By dilution the share is at most k e^hi / (k e^hi + m e^lo), which the length makes at most eps.")
    diluted = p.use("dilution", by=[*given, heavy])
    small = p.have(
        share <= eps,
        [
            diluted,
            p.assumption("there are enough tokens"),
            p.assumption("there is a token"),
            p.have(exp(lo) > 0, [p.axiom("exp_positive", lo)]),
            p.have(exp(hi) > 0, [p.axiom("exp_positive", hi)]),
        ],
        "multiplied by the denominator, which is positive",
    )

    p.say("The output is within M_S R of the hull.")
    near = p.use("output_nears_the_vocabularys_hull", by=given)
    nearer = p.have(share * R <= eps * R, [small, p.assumption("R is a distance")])
    p.conclude([near, nearer])


if __name__ == "__main__":
    main("asymptotic_irrelevance", prove)
