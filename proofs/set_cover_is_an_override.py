"""Covers are overrides: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, both, each, either, fresh, natural, negation, some, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.counting import not_each
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_member, sum_nonnegative, sum_scaled
from tokendemo_formal.proving.tactics import at_index, for_each
from tokendemo_formal.theorems.complexity import b, covered, denominator, gain, half, has
from tokendemo_formal.theorems.setting import H, m


def prove(p: Proof) -> None:
    kernel = p.kernel
    signs = p.assumption("no weight is negative")
    heavy = p.assumption("a set weighs at least 2H in the heads of its elements")
    light = p.assumption("a set weighs at most 1/m in all other heads")

    def in_a_set(h: Term) -> Term:
        return some(m, lambda i: has(h, i).eq(1))

    def weights(h: Term) -> Term:
        return total(m, lambda i: b(h, i))

    p.say("No weight is negative, so every head's vote -1/D is at most 0.")
    positive = p.each(
        H,
        lambda h: both(denominator(h) >= 1, 1 / denominator(h) >= 0),
        lambda h: [sum_nonnegative(kernel, m, lambda i: b(h, i)), at_index(kernel, signs, h)],
    )

    p.say("Suppose that the sets cover all elements. In each head some slot has the element, so 2H <= Σ b.")
    cover = kernel.assume(covered)

    def weighty(h: Term) -> Fact:
        i = fresh("i")
        slot = [kernel.assume(i < m), kernel.assume(has(h, i).eq(1)), kernel.at(at_index(kernel, heavy, h), i)]
        member = sum_member(kernel, m, lambda i: b(h, i), i)
        enough = kernel.arithmetic(weights(h) >= 2 * H, [*slot, member, at_index(kernel, signs, h)])
        return kernel.choose(at_index(kernel, cover, h), i, enough)

    small = p.each(
        H, lambda h: 1 / denominator(h) <= 1 / (1 + 2 * H), lambda h: [weighty(h)], "its vote is at least -1/(1 + 2H)"
    )
    above = p.have(
        gain > half,
        [small, p.lemma(sum_at_most, H, lambda h: 1 / denominator(h), 1 / (1 + 2 * H))],
        "H/(1 + 2H) < 1/2",
    )
    forward = p.kernel_fact(kernel.discharge(above, covered), "a cover was assumed", "discharged")

    p.say("Suppose that element h is in no set. All m slots weigh at most 1/m there, so D <= 2.")
    h = natural("h")
    missing, below = kernel.assume(negation(in_a_set(h))), kernel.assume(h < H)
    none = kernel.arithmetic(
        each(m, lambda i: negation(has(h, i).eq(1))), [missing, kernel.none(m, lambda i: has(h, i).eq(1))]
    )
    weak = for_each(kernel, m, lambda i: m * b(h, i) <= 1, [none, at_index(kernel, light, h)])
    no_slots = p.induction(m, either(m > 0, weights(h).eq(0)), because="without slots nothing is added")
    two = p.have(
        denominator(h) <= 2,
        [
            weak,
            no_slots,
            sum_at_most(kernel, m, lambda i: m * b(h, i), 1),
            sum_scaled(kernel, m, m, lambda i: b(h, i)),
        ],
        "m Σ b <= m",
    )
    p.say("That head alone votes at most -1/2, and no other head votes above 0.")
    votes = for_each(kernel, H, lambda h: 1 / denominator(h) >= 0, [positive])
    inverse = kernel.arithmetic(1 / denominator(h) >= -half, [two, at_index(kernel, positive, h)])
    short = p.have(
        negation(gain > half), [inverse, below, votes, sum_member(kernel, H, lambda h: 1 / denominator(h), h)]
    )
    somewhere = kernel.assume(some(H, lambda h: negation(in_a_set(h))))
    gap = kernel.discharge(kernel.choose(somewhere, h, short), somewhere.conclusion)
    backward = p.have(
        either(covered, negation(gain > half)), [gap, not_each(kernel, H, in_a_set)], "such an h exists without a cover"
    )
    p.conclude([forward, backward])


if __name__ == "__main__":
    main("set_cover_is_an_override", prove)
