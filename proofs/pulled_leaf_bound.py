"""The bound in limits of the denominators, with jointly bounded heads and pulls: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, Variable, both, either, implies, ite, negation, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import quotient_of_sums_at_most
from tokendemo_formal.proving.lemmas.sums import sum_added, sum_scaled, sum_subtracted, sums_at_most
from tokendemo_formal.proving.tactics import at_index, for_each
from tokendemo_formal.theorems.bounds import (
    A,
    B,
    L,
    U,
    a,
    b,
    c,
    denominator,
    fixed,
    joint,
    numerator,
    own,
    phi,
    pull,
    pull_end,
    spread,
    top,
    w,
)
from tokendemo_formal.theorems.setting import H, m

_N, _D, _L, _U, _c, _w, _p = (real(name) for name in ("N", "D", "L", "U", "c", "w", "p"))


def _w_fits(N: Term, D: Term, L: Term, U: Term, c: Term, w: Term) -> Term:
    """0 < L <= D <= U, and w is 1/L where N > c D, and 1/U elsewhere."""
    return both(L > 0, L <= D, D <= U, w.eq(ite(c * D < N, 1 / L, 1 / U)))


def prove(p: Proof) -> None:
    kernel = p.kernel

    p.say("For numbers: a w that fits the sign of N - c D gives N/D <= c + w (N - c D).")
    fits = kernel.assume(_w_fits(_N, _D, _L, _U, _c, _w))
    large = p.have(implies(_c * _D < _N, _w * _D >= 1), [fits], "D/L >= 1")
    small = p.have(implies(_N <= _c * _D, _w * _D <= 1), [fits], "D/U <= 1")
    x, y = real("x"), real("y")
    signed = kernel.arithmetic(implies(either(both(x > 0, y >= 1), both(x <= 0, y <= 1)), x <= y * x))
    scaled = p.have(
        _N - _c * _D <= _w * _D * (_N - _c * _D),
        [large, small, kernel.instantiate(signed, {x: _N - _c * _D, y: _w * _D})],
    )
    positive = p.have(_D > 0, [fits])
    divided = p.have(_N / _D <= _c + _w * (_N - _c * _D), [positive, scaled])
    multiplied = kernel.discharge(divided, fits.conclusion)

    def inside(h: Variable, x: Term) -> Term:
        return spread(h, x, L, U)

    def pulled(h: Variable, i: Variable) -> Term:
        return inside(h, own(h, i)) + pull(h) * b(h, i)

    def claim(h: Variable) -> Term:
        return numerator(h) / denominator(h) <= c(h) + inside(h, fixed(h)) + total(m, lambda i: inside(h, own(h, i)))

    def pulled_claim(h: Variable) -> Term:
        whole = c(h) + inside(h, fixed(h)) + pull(h) * (B(h) - pull_end(h))
        return numerator(h) / denominator(h) <= whole + total(m, lambda i: pulled(h, i))

    def order(h: Variable) -> Fact:
        names = ("D is at least L", "D is at most U", "L is positive")
        return kernel.arithmetic(
            both(L(h) > 0, L(h) <= denominator(h), denominator(h) <= U(h)),
            [at_index(kernel, p.assumption(name), h) for name in names],
        )

    def joint_head(h: Variable) -> Fact:
        together = kernel.assume(joint(h) > 0)
        terms = for_each(kernel, m, lambda i: inside(h, own(h, i)).eq(w(h) * own(h, i)), [together])
        spread_sum = total(m, lambda i: inside(h, own(h, i)))
        same = kernel.same(spread_sum, total(m, lambda i: w(h) * own(h, i)), terms)
        rest = total(m, lambda i: own(h, i))
        parts = kernel.arithmetic(
            (numerator(h) - c(h) * denominator(h)).eq(fixed(h) + rest),
            [
                sum_subtracted(kernel, m, lambda i: a(h, i), lambda i: c(h) * b(h, i)),
                sum_scaled(kernel, m, c(h), lambda i: b(h, i)),
            ],
        )
        signs = at_index(kernel, p.assumption("w of a joint head is 1/L where N > c D, and 1/U elsewhere"), h)
        excess = numerator(h) - c(h) * denominator(h)
        values = {_N: numerator(h), _D: denominator(h), _L: L(h), _U: U(h), _c: c(h), _w: w(h)}
        fits = kernel.arithmetic(
            _w_fits(numerator(h), denominator(h), L(h), U(h), c(h), w(h)), [order(h), signs, together]
        )
        whole = kernel.arithmetic(
            numerator(h) / denominator(h) <= c(h) + w(h) * excess, [kernel.instantiate(multiplied, values), fits]
        )
        spread_out = kernel.arithmetic(
            (w(h) * excess).eq(w(h) * fixed(h) + spread_sum),
            [parts, same, sum_scaled(kernel, m, w(h), lambda i: own(h, i))],
        )
        return kernel.discharge(kernel.arithmetic(claim(h), [together, whole, spread_out]), together.conclusion)

    def other_head(h: Variable) -> Fact:
        apart = kernel.assume(negation(joint(h) > 0))
        terms = for_each(kernel, m, lambda i: inside(h, own(h, i)).eq(phi(h, own(h, i), L, U)), [apart])
        spread_sum = total(m, lambda i: inside(h, own(h, i)))
        same = kernel.same(spread_sum, total(m, lambda i: phi(h, own(h, i), L, U)), terms)
        parts = (A(h), B(h), c(h), L(h), U(h))
        quotient = quotient_of_sums_at_most(kernel, m, parts, lambda i: a(h, i), lambda i: b(h, i))
        return kernel.discharge(kernel.arithmetic(claim(h), [apart, same, order(h), quotient]), apart.conclusion)

    p.say("In each head 0 < L <= D <= U.")
    p.say("In a joint head N - c D is multiplied by one w that fits its sign.")
    each_joint = p.each(H, lambda h: implies(joint(h) > 0, claim(h)), lambda h: [joint_head(h)])
    p.say("In any other head each part x of N - c D is bounded by itself, by φ(x).")
    each_other = p.each(H, lambda h: implies(negation(joint(h) > 0), claim(h)), lambda h: [other_head(h)])
    each_head = p.each(H, claim, [each_joint, each_other], "one or the other")

    charge = kernel.arithmetic(implies(both(_L <= _D, _D <= _U), _p * (_D - ite(_p >= 0, _L, _U)) >= 0))

    def pull_of(h: Variable) -> list[Fact]:
        return [
            kernel.instantiate(charge, {_p: pull(h), _D: denominator(h), _L: L(h), _U: U(h)}),
            order(h),
            sum_scaled(kernel, m, pull(h), lambda i: b(h, i)),
            sum_added(kernel, m, lambda i: inside(h, own(h, i)), lambda i: pull(h) * b(h, i)),
        ]

    p.say("A pull p (D - E) is at least 0, and of parts as D is: p (B - E), and p b of each slot.")
    each_pulled = p.each(H, pulled_claim, lambda h: [at_index(kernel, each_head, h), *pull_of(h)])

    p.say("Summed over heads, the slots' parts can be sorted by slot, and each slot's is at most its top.")
    sorted_by_slot = p.lemma(
        sums_at_most,
        H,
        m,
        lambda h: numerator(h) / denominator(h),
        lambda h: c(h) + inside(h, fixed(h)) + pull(h) * (B(h) - pull_end(h)),
        pulled,
        lambda i: top(i),
    )
    apart = [
        p.lemma(sum_added, H, lambda h: c(h), lambda h: inside(h, fixed(h))),
        p.lemma(sum_added, H, lambda h: c(h) + inside(h, fixed(h)), lambda h: pull(h) * (B(h) - pull_end(h))),
    ]
    p.conclude([each_pulled, sorted_by_slot, *apart, p.assumption("top is at least each slot's term")])


if __name__ == "__main__":
    main("pulled_leaf_bound", prove)
