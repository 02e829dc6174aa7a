"""Attention without positions does not see the order of tokens: proof."""

from __future__ import annotations

from collections.abc import Callable

from tokendemo_formal.logic.terms import Numeric, Term, exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.counting import sum_rearranged
from tokendemo_formal.theorems.setting import n
from tokendemo_formal.theorems.voice import a, b, c, s
from tokendemo_formal.theorems.voice import p as token_in


def weight(token: Numeric, bias: Numeric) -> Term:
    return exp(s(token) + bias)


def weighted_readout(token: Numeric, bias: Numeric) -> Term:
    return exp(s(token) + bias) * a(token)


def prove(p: Proof) -> None:
    inside = p.assumption("the tokens stay the same n tokens")
    different = p.assumption("no token is taken twice")

    def unaffected(of: Callable[[Numeric, Numeric], Term]) -> Fact:
        before = bias_is_c(p, lambda i: i, of)
        after = bias_is_c(p, lambda i: token_in(i), of)
        same_sum = p.lemma(sum_rearranged, n, token_in, lambda i: of(i, c))
        goal = total(n, lambda i: of(token_in(i), b(i))).eq(total(n, lambda i: of(i, b(i))))
        return p.have(goal, [before, after, same_sum, inside, different], "the same terms in another order")

    p.say("The denominator depends on the slots through their biases only, and those are all c.")
    denominator = unaffected(weight)
    p.say("So does the numerator.")
    numerator = unaffected(weighted_readout)
    p.say("Equal numerators over equal denominators, which are positive as there is a token.")
    positive = p.lemma(mass_positive, n, lambda i: s(i) + b(i))
    p.conclude([numerator, denominator, positive, p.assumption("there is a token")])


def bias_is_c(p: Proof, token: Callable[[Term], Term], of: Callable[[Numeric, Numeric], Term]) -> Fact:
    unbiased = p.assumption("no slot is favoured: every slot's bias is the same")
    terms = p.each(
        n,
        lambda i: of(token(i), b(i)).eq(of(token(i), c)),
        lambda i: [unbiased, p.kernel.equal(b(i), c, lambda bias: of(token(i), bias))],
        "every slot's bias is c",
    )
    left, right = total(n, lambda i: of(token(i), b(i))), total(n, lambda i: of(token(i), c))
    return p.kernel_fact(p.kernel.same(left, right, terms), "the terms are equal", "rule of the kernel")


if __name__ == "__main__":
    main("permutation_blind", prove)
