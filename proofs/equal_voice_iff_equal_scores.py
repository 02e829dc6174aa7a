"""Weights are all equal exactly if scores are: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, each, exp, natural, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.proving.tactics import for_each
from tokendemo_formal.theorems.setting import n
from tokendemo_formal.theorems.voice import Z, s


def prove(p: Proof) -> None:
    some_token = p.lemma(mass_positive, n, s)

    p.say("Suppose that all weights are 1/n.")
    equal_weights = p.kernel.assume(each(n, lambda i: (exp(s(i)) / Z).eq(1 / n)))
    share = p.each(
        n,
        lambda i: exp(s(i)).eq(Z / n),
        lambda i: [equal_weights, some_token],
        "then each exponential is the mean of all",
    )

    def like(i: Term, j: Term) -> list[Fact]:
        both_mean = [p.kernel.at(share, i), p.kernel.at(share, j), p.kernel.assume(i < n)]
        return [*both_mean, p.axiom("exp_increasing", s(i), s(j)), p.axiom("exp_increasing", s(j), s(i))]

    i = natural("i")
    to_i = for_each(p.kernel, n, lambda j: s(i).eq(s(j)), lambda j: like(i, j))
    equal_scores = p.kernel_fact(
        p.kernel.each(to_i, i, n), "equal exponentials have equal arguments, as exp is increasing", "smt"
    )
    forth = p.kernel.discharge(equal_scores, equal_weights.conclusion)

    p.say("Suppose that all scores are equal.")
    all_alike = p.kernel.assume(each(n, lambda i: each(n, lambda j: s(i).eq(s(j)))))

    def sum_of_equals(i: Term) -> Fact:
        alike = p.kernel.assume(each(n, lambda j: s(i).eq(s(j))))
        terms = for_each(
            p.kernel,
            n,
            lambda j: exp(s(j)).eq(exp(s(i))),
            lambda j: [alike, p.kernel.equal(s(i), s(j), lambda t: exp(t))],
        )
        summed = p.kernel.same(Z, total(n, lambda j: exp(s(i))), terms)
        each_is_mean = p.kernel.arithmetic(Z.eq(n * exp(s(i))), [summed, sum_constant(p.kernel, n, exp(s(i)))])
        return p.kernel.discharge(each_is_mean, alike.conclusion)

    weights = p.each(
        n,
        lambda i: (exp(s(i)) / Z).eq(1 / n),
        lambda i: [p.kernel.at(all_alike, i), sum_of_equals(i), p.axiom("exp_positive", s(i))],
        "then Z is n times any of the exponentials",
    )
    back = p.kernel.discharge(weights, all_alike.conclusion)
    p.conclude([forth, back])


if __name__ == "__main__":
    main("equal_voice_iff_equal_scores", prove)
