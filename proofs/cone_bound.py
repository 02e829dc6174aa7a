"""One bound for any number of slots whose ratios of denominators are in a box: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Numeric, Term, Variable, both, implies, larger, real, smaller, term, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import quotient_of_sums_at_most
from tokendemo_formal.proving.lemmas.sums import sum_added, sum_scaled, sums_at_most
from tokendemo_formal.proving.tactics import at_index, equal_sums
from tokendemo_formal.theorems.bounds import (
    A,
    B,
    a,
    b,
    c,
    corner,
    denominator,
    fixed,
    k,
    l_hi,
    l_lo,
    level,
    numerator,
    own,
    psi,
    r,
    slot_part,
    template_part,
)
from tokendemo_formal.theorems.setting import H, m

D = denominator(0)


def prove(p: Proof) -> None:
    kernel = p.kernel
    x, y, z, d, e, lo, hi, f, s, t = (real(name) for name in ("x", "y", "z", "d", "e", "lo", "hi", "f", "s", "t"))
    positive, box = p.assumption("the first head's denominator is positive"), p.assumption("the ratios are in the box")

    p.say("Five facts of single numbers.")
    cancelled = p.have(implies(both(d > 0, lo > 0), (d * (x / (lo * d))).eq(x / lo)))
    of_larger = p.have(implies(d > 0, (d * larger(y, z)).eq(larger(d * y, d * z))))
    within = p.have(implies(both(d > 0, lo > 0, lo * d <= e, e <= hi * d), both(hi > 0, lo * d > 0)))
    at_corner = p.have(implies(both(d > 0, lo * d <= e, e <= hi * d), smaller(x * lo, x * hi) * d <= x * e))
    multiplied = p.have(implies(both(d > 0, y <= x + f + s), d * y <= d * x + d * f + d * s))

    def scaled(h: Numeric, of: Numeric) -> Term:
        """φ_h as the denominator's own ends L = l D_0 and U = u D_0 give it."""
        return larger(term(of) / (l_lo(h) * D), term(of) / (l_hi(h) * D))

    def in_box(h: Variable) -> list[Fact]:
        inside = at_index(kernel, box, h)
        ends = kernel.instantiate(within, {d: D, lo: l_lo(h), hi: l_hi(h), e: denominator(h)})
        return [inside, positive, kernel.arithmetic(both(l_hi(h) > 0, l_lo(h) * D > 0), [inside, positive, ends])]

    def same(h: Variable, of: Numeric) -> Fact:
        """D_0 φ_h(x) = max(x/l, x/u)."""
        return kernel.arithmetic(
            (D * scaled(h, of)).eq(psi(h, of)),
            [
                *in_box(h),
                kernel.instantiate(cancelled, {d: D, lo: l_lo(h), x: of}),
                kernel.instantiate(cancelled, {d: D, lo: l_hi(h), x: of}),
                kernel.instantiate(of_larger, {d: D, y: term(of) / (l_lo(h) * D), z: term(of) / (l_hi(h) * D)}),
            ],
        )

    def head(h: Variable) -> list[Fact]:
        quotient = quotient_of_sums_at_most(
            kernel,
            m,
            (A(h), B(h), c(h), l_lo(h) * D, l_hi(h) * D),
            lambda i: a(h, i),
            lambda i: b(h, i),
        )
        each_slot = total(m, lambda i: scaled(h, own(h, i)))
        bounded = kernel.arithmetic(
            numerator(h) / denominator(h) <= c(h) + scaled(h, fixed(h)) + each_slot, [*in_box(h), quotient]
        )
        times = kernel.instantiate(
            multiplied,
            {d: D, y: numerator(h) / denominator(h), x: c(h), f: scaled(h, fixed(h)), s: each_slot},
        )
        slots = equal_sums(
            kernel,
            m,
            lambda i: D * scaled(h, own(h, i)),
            lambda i: psi(h, own(h, i)),
            lambda i: [same(h, own(h, i))],
        )
        votes = kernel.arithmetic(
            D * (numerator(h) / denominator(h)) <= D * c(h) + psi(h, fixed(h)) + total(m, lambda i: psi(h, own(h, i))),
            [
                bounded,
                times,
                positive,
                same(h, fixed(h)),
                slots,
                sum_scaled(kernel, m, D, lambda i: scaled(h, own(h, i))),
            ],
        )
        least = kernel.arithmetic(
            corner(h) * D <= k(h) * denominator(h),
            [
                *in_box(h),
                kernel.instantiate(at_corner, {d: D, lo: l_lo(h), hi: l_hi(h), e: denominator(h), x: k(h)}),
            ],
        )
        return [
            votes,
            least,
            sum_added(kernel, m, lambda i: psi(h, own(h, i)), lambda i: k(h) * b(h, i)),
            sum_scaled(kernel, m, k(h), lambda i: b(h, i)),
        ]

    def rest(h: Numeric) -> Term:
        return D * (c(h) - corner(h))

    p.say("In each head D_0 N/D is at most D_0 (c - min(k l, k u)) and what it adds to the values.")
    each_head = p.each(
        H,
        lambda h: (
            D * (numerator(h) / denominator(h)) <= (rest(h) + template_part(h)) + total(m, lambda i: slot_part(h, i))
        ),
        head,
        "N - c D is split into its parts, and k D is at least min(k l, k u) D_0",
    )

    p.say("Summed over heads and sorted by slot, each slot's part is its value less b_0 (r + Σ (c - min(k l, k u))).")
    each_slot = p.each(
        m,
        lambda i: total(H, lambda h: slot_part(h, i)) <= -level * b(0, i),
        [p.assumption("no token's value is above 0")],
    )
    votes = total(H, lambda h: numerator(h) / denominator(h))
    levels = total(H, lambda h: c(h) - corner(h))
    template = total(H, lambda h: template_part(h))
    firsts = total(m, lambda i: b(0, i))
    sorted_by_slot = p.have(
        D * votes <= D * levels + template - level * firsts,
        [
            each_head,
            each_slot,
            p.lemma(
                sums_at_most,
                H,
                m,
                lambda h: D * (numerator(h) / denominator(h)),
                lambda h: rest(h) + template_part(h),
                lambda h, i: slot_part(h, i),
                lambda i: -level * b(0, i),
            ),
            p.lemma(sum_scaled, H, D, lambda h: numerator(h) / denominator(h)),
            p.lemma(sum_added, H, rest, lambda h: template_part(h)),
            p.lemma(sum_scaled, H, D, lambda h: c(h) - corner(h)),
            p.lemma(sum_scaled, m, -level, lambda i: b(0, i)),
        ],
    )

    p.say("With D_0 = B_0 + Σ b_0 that is D_0 times the gain at most the sum of all values, and D_0 is positive.")
    last = p.have(
        implies(both(e + s > 0, (e + s) * y <= (e + s) * z + t - (x + z) * s, e * (x + z) + t <= 0), x + y <= 0)
    )
    whole = kernel.instantiate(last, {e: B(0), s: firsts, y: votes, z: levels, t: template, x: r})
    p.conclude([whole, sorted_by_slot, positive, p.assumption("the template's value is not above 0")])


if __name__ == "__main__":
    main("cone_bound", prove)
