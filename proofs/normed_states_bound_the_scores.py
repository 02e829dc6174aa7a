"""Short states bound a head's scores: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Term, Variable, absolute, between, both, implies, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import affine_within
from tokendemo_formal.proving.lemmas.sums import sum_between
from tokendemo_formal.theorems.norms import W_K, W_Q, b_K, b_Q, d_head, row, row_bound, scale, u, v
from tokendemo_formal.theorems.setting import d


def prove(p: Proof) -> None:
    kernel = p.kernel
    a, b, r, s, z = (real(name) for name in ("a", "b", "r", "s", "z"))

    p.say("A coordinate of the query is an inner product plus a bias. Cauchy-Schwarz bounds it by the lengths.")

    def coordinate(weights: Function, bias: Function, state: Function, e: Variable, short: Fact) -> Fact:
        bound = row_bound(weights, bias, e)
        within = affine_within(kernel, d, lambda c: weights(e, c), lambda c: state(c), bias(e))
        return kernel.arithmetic(between(-bound, row(weights, bias, state, e), bound), [short, within])

    product = p.have(
        implies(both(between(-r, a, r), between(-s, b, s)), between(-(r * s), a * b, r * s)),
        because="bounds multiply",
    )

    def factors(e: Variable) -> list[Fact]:
        values = {
            a: row(W_Q, b_Q, u, e),
            r: row_bound(W_Q, b_Q, e),
            b: row(W_K, b_K, v, e),
            s: row_bound(W_K, b_K, e),
        }
        return [
            coordinate(W_Q, b_Q, u, e, p.assumption("the query's state is short")),
            coordinate(W_K, b_K, v, e, p.assumption("the key's state is short")),
            kernel.instantiate(product, values),
        ]

    p.say("Products of bounded coordinates are bounded by the product, and their sum by the sum.")

    def f(e: Variable) -> Term:
        return row(W_Q, b_Q, u, e) * row(W_K, b_K, v, e)

    def g(e: Variable) -> Term:
        return row_bound(W_Q, b_Q, e) * row_bound(W_K, b_K, e)

    products = p.each(d_head, lambda e: between(-g(e), f(e), g(e)), factors)
    summed = p.have(
        between(-total(d_head, g), total(d_head, f), total(d_head, g)),
        [products, p.lemma(sum_between, d_head, f, g)],
    )
    scaled = p.have(implies(between(-z, a, z), absolute(s * a) <= absolute(s) * z))
    p.conclude([summed, kernel.instantiate(scaled, {a: total(d_head, f), z: total(d_head, g), s: scale})])


if __name__ == "__main__":
    main("normed_states_bound_the_scores", prove)
