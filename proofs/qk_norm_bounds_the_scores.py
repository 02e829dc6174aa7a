"""QK-norm bounds a head's scores: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Term, absolute, both, implies, real, sqrt, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import normed_square_sum
from tokendemo_formal.proving.lemmas.sums import cauchy_schwarz, sum_monotone, sum_scaled
from tokendemo_formal.proving.tactics import equal_sums
from tokendemo_formal.theorems.norms import d_head, delta, g_K, g_Q, gain, qk_normed, scale, x, y


def prove(p: Proof) -> None:
    kernel = p.kernel
    positive = p.assumption("the norm's delta is positive")
    gains = p.assumption("products of gains are at most G")

    def normed(state: Function, e: Term) -> Term:
        return state(e) / sqrt(total(d_head, lambda c: state(c) * state(c)) / d_head + delta)

    def product(e: Term) -> Term:
        return g_Q(e) * g_K(e) * normed(x, e)

    p.say("After the norm, and before the gains, both vectors have a squared length of at most d_head.")

    def short(state: Function) -> Fact:
        return p.have(
            total(d_head, lambda e: normed(state, e) * normed(state, e)) <= d_head,
            [positive, p.lemma(normed_square_sum, d_head, state, delta)],
        )

    query, key = short(x), short(y)

    p.say("The products of gains, taken to the query's side, stretch its square by at most G^2.")
    a, b, c, n = (real(name) for name in ("a", "b", "c", "n"))
    stretch = p.have(implies(absolute(a) <= b, a * c * (a * c) <= b * b * (c * c)))

    def square_of(e: Term) -> Term:
        return normed(x, e) * normed(x, e)

    stretched = p.each(
        d_head,
        lambda e: product(e) * product(e) <= gain * gain * square_of(e),
        lambda e: [gains, kernel.instantiate(stretch, {a: g_Q(e) * g_K(e), b: gain, c: normed(x, e)})],
    )
    square = p.have(
        total(d_head, lambda e: product(e) * product(e)) <= gain * gain * d_head,
        [
            stretched,
            query,
            p.lemma(
                sum_monotone,
                d_head,
                lambda e: product(e) * product(e),
                lambda e: gain * gain * (normed(x, e) * normed(x, e)),
            ),
            p.lemma(sum_scaled, d_head, gain * gain, square_of),
        ],
    )

    p.say("Cauchy-Schwarz bounds the inner product.")
    inner = total(d_head, lambda e: product(e) * normed(y, e))
    bound = p.have(
        inner * inner <= gain * gain * d_head * d_head,
        [square, key, p.lemma(cauchy_schwarz, d_head, product, lambda e: normed(y, e))],
    )
    sign = p.have(implies(d_head > 0, gain >= 0), [kernel.at(gains, 0)], "G bounds an absolute value, if there is any")
    root = p.have(
        implies(both(a * a <= b * b * n * n, n >= 0, implies(n > 0, b >= 0)), absolute(c * a) <= absolute(c) * b * n)
    )
    regrouped = equal_sums(
        kernel, d_head, lambda e: qk_normed(x, g_Q, e) * qk_normed(y, g_K, e), lambda e: product(e) * normed(y, e)
    )
    p.conclude([bound, sign, regrouped, kernel.instantiate(root, {a: inner, b: gain, c: scale, n: d_head})])


if __name__ == "__main__":
    main("qk_norm_bounds_the_scores", prove)
