"""Sparsemax keeps the system at least its lead in score: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import larger
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_monotone
from tokendemo_formal.theorems.normalisers import g, lead, sparse_S, sparse_U, theta
from tokendemo_formal.theorems.setting import k, m, s_S, s_U


def prove(p: Proof) -> None:
    threshold = p.assumption("theta is sparsemax's threshold")
    adversary = p.assumption("the adversary's scores are at most g")

    p.say("If theta <= g, a system token's weight s - theta is at least its lead s - g.")
    low = p.kernel.assume(theta <= g)
    weights = p.each(k, lambda i: larger(s_S(i) - g, 0) <= larger(s_S(i) - theta, 0), [low])
    leads = p.have(
        lead <= sparse_S,
        [weights, p.lemma(sum_monotone, k, lambda i: larger(s_S(i) - g, 0), lambda i: larger(s_S(i) - theta, 0))],
    )
    first = p.kernel.discharge(leads, low.conclusion)

    p.say("If theta >= g, no adversary token exceeds theta: the system has all of the weight.")
    high = p.kernel.assume(g <= theta)
    nothing = p.each(m, lambda j: larger(s_U(j) - theta, 0) <= 0, [high, adversary])
    none = p.have(sparse_U <= 0, [nothing, p.lemma(sum_at_most, m, lambda j: larger(s_U(j) - theta, 0), 0)])
    everything = p.have(sparse_S >= 1, [none, threshold])
    second = p.kernel.discharge(everything, high.conclusion)
    p.conclude([first, second])


if __name__ == "__main__":
    main("sparse_floor", prove)
