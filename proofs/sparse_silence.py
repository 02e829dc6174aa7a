"""Under sparsemax a token that is ahead by 1 takes all of the system's weight: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Binder, fresh, larger
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_member, sum_nonnegative
from tokendemo_formal.theorems.normalisers import sparse_S, theta
from tokendemo_formal.theorems.setting import k, m, s_S, s_U


def prove(p: Proof) -> None:
    threshold = p.assumption("theta is sparsemax's threshold")
    ahead = p.assumption("an adversary token is ahead by 1")
    assert isinstance(ahead.conclusion, Binder)

    p.say("Let j be the token that is ahead. Weights are not negative and add up to 1, so none exceeds 1.")
    j = fresh("j")
    there, leads = p.kernel.assume(j < m), p.kernel.assume(ahead.conclusion.at(j))
    system = p.each(k, lambda i: larger(s_S(i) - theta, 0) >= 0)
    own = p.have(sparse_S >= 0, [system, p.lemma(sum_nonnegative, k, lambda i: larger(s_S(i) - theta, 0))])
    adversary = p.each(m, lambda i: larger(s_U(i) - theta, 0) >= 0)
    member = p.lemma(sum_member, m, lambda i: larger(s_U(i) - theta, 0), j)
    high = p.have(s_U(j) - theta <= 1, [member, adversary, there, own, threshold], "its weight is at most 1")

    p.say("Then the threshold is at least s_U[j] - 1, which no system token exceeds.")
    nothing = p.each(k, lambda i: larger(s_S(i) - theta, 0) <= 0, [leads, high])
    none = p.have(sparse_S <= 0, [nothing, p.lemma(sum_at_most, k, lambda i: larger(s_S(i) - theta, 0), 0)])
    silent = p.have(sparse_S.eq(0), [none, own])
    p.conclude([p.kernel.choose(ahead, j, silent)])


if __name__ == "__main__":
    main("sparse_silence", prove)
