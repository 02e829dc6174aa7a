"""The bounds on the share are met: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Term, Variable, exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.setting import k, m, mass, s_S, s_U
from tokendemo_formal.theorems.share import x, y


def prove(p: Proof) -> None:
    def equal_terms(count: Variable, scores: Function, score: Term, assumed: str) -> Fact:
        terms = p.each(
            count,
            lambda i: exp(scores(i)).eq(exp(score)),
            lambda i: [p.assumption(assumed), p.kernel.equal(scores(i), score, lambda t: exp(t))],
            "equal scores, equal weights",
        )
        summed = p.kernel.same(mass(count, scores), total(count, lambda i: exp(score)), terms)
        constant = p.lemma(sum_constant, count, exp(score))
        return p.have(mass(count, scores).eq(count * exp(score)), [summed, constant], "a sum of equal terms")

    system = equal_terms(k, s_S, x, "every system token has score x")
    adversary = equal_terms(m, s_U, y, "every adversary token has score y")
    some_token = p.assumption("there is a token")
    p.conclude([system, adversary, some_token, p.axiom("exp_positive", x), p.axiom("exp_positive", y)])


if __name__ == "__main__":
    main("share_bounds_are_met", prove)
