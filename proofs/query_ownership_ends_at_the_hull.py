"""Keys in the hull of the system's leave it an equal voice, whatever the query: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Variable, both, each, exp, implies, natural, real, some, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.counting import largest
from tokendemo_formal.proving.lemmas.sums import (
    sum_at_most,
    sum_exchanged,
    sum_member,
    sum_nonnegative,
    sum_scaled,
    weighted_at_most,
)
from tokendemo_formal.proving.tactics import equal_sums, for_each
from tokendemo_formal.theorems.query import dot, k_S, k_U, q, weight
from tokendemo_formal.theorems.setting import d, k, m


def prove(p: Proof) -> None:
    kernel = p.kernel
    nonnegative = p.assumption("the combinations' weights are not negative")
    one = p.assumption("they sum to 1")
    mixed = p.assumption("the adversary's keys are the combinations")
    some_token = p.assumption("the system has a token")

    p.say("A score is linear in the key, so the combination's score is the combination of the system's scores.")

    def linear(j: Variable) -> Fact:
        spread = equal_sums(
            kernel,
            d,
            lambda c: q(c) * k_U(j, c),
            lambda c: total(k, lambda i: q(c) * (weight(j, i) * k_S(i, c))),
            lambda c: [
                kernel.arithmetic(
                    each(d, lambda c: k_U(j, c).eq(total(k, lambda i: weight(j, i) * k_S(i, c)))),
                    [kernel.at(mixed, j), kernel.assume(j < m)],
                ),
                sum_scaled(kernel, k, q(c), lambda i: weight(j, i) * k_S(i, c)),
            ],
        )
        swapped = sum_exchanged(kernel, d, k, lambda c, i: q(c) * (weight(j, i) * k_S(i, c)))
        gathered = equal_sums(
            kernel,
            k,
            lambda i: total(d, lambda c: q(c) * (weight(j, i) * k_S(i, c))),
            lambda i: weight(j, i) * dot(q, k_S, i),
            lambda i: [
                equal_sums(
                    kernel,
                    d,
                    lambda c: q(c) * (weight(j, i) * k_S(i, c)),
                    lambda c: weight(j, i) * (q(c) * k_S(i, c)),
                ),
                sum_scaled(kernel, d, weight(j, i), lambda c: q(c) * k_S(i, c)),
            ],
        )
        return kernel.arithmetic(
            dot(q, k_U, j).eq(total(k, lambda i: weight(j, i) * dot(q, k_S, i))), [spread, swapped, gathered]
        )

    combined = p.each(
        m, lambda j: dot(q, k_U, j).eq(total(k, lambda i: weight(j, i) * dot(q, k_S, i))), lambda j: [linear(j)],
        "sums over coordinates and over system tokens change places",
    )  # fmt: skip

    p.say("Let system token a have the largest score: no combination of scores is larger.")
    a = natural("a")
    below = kernel.assume(a < k)
    top = kernel.assume(each(k, lambda i: dot(q, k_S, i) <= dot(q, k_S, a)))
    best = dot(q, k_S, a)

    def at_most_best(j: Variable) -> list[Fact]:
        here = [kernel.assume(j < m), kernel.at(combined, j)]
        signs = kernel.arithmetic(each(k, lambda i: weight(j, i) >= 0), [here[0], kernel.at(nonnegative, j)])
        pairs = for_each(kernel, k, lambda i: both(weight(j, i) >= 0, dot(q, k_S, i) <= best), [signs, top])
        mean = weighted_at_most(kernel, k, lambda i: weight(j, i), lambda i: dot(q, k_S, i), best)
        score = kernel.arithmetic(dot(q, k_U, j) <= best, [*here, pairs, mean, kernel.at(one, j)])
        return [score, p.axiom("exp_increasing", best, dot(q, k_U, j))]

    weights = p.each(m, lambda j: exp(dot(q, k_U, j)) <= exp(best), at_most_best, "weights are positive and sum to 1")

    p.say("So each adversary token weighs at most what token a does, which is at most what the system does.")
    E_S = total(k, lambda i: exp(dot(q, k_S, i)))
    E_U = total(m, lambda j: exp(dot(q, k_U, j)))
    upper = p.have(E_U <= m * exp(best), [weights, p.lemma(sum_at_most, m, lambda j: exp(dot(q, k_U, j)), exp(best))])
    positive_S = p.each(k, lambda i: exp(dot(q, k_S, i)) >= 0, lambda i: [p.axiom("exp_positive", dot(q, k_S, i))])
    positive_U = p.each(m, lambda j: exp(dot(q, k_U, j)) >= 0, lambda j: [p.axiom("exp_positive", dot(q, k_U, j))])
    lower = p.have(E_S >= exp(best), [below, positive_S, p.lemma(sum_member, k, lambda i: exp(dot(q, k_S, i)), a)])
    not_negative = p.have(E_U >= 0, [positive_U, p.lemma(sum_nonnegative, m, lambda j: exp(dot(q, k_U, j)))])
    x, y, z, n = (real(name) for name in ("x", "y", "z", "n"))
    quotient = p.have(implies(both(z > 0, n >= 0, z <= x, y >= 0, y <= n * z), x / (x + y) >= 1 / (1 + n)))
    shown = p.have(
        p.theorem.conclusion,
        [
            upper,
            lower,
            not_negative,
            p.axiom("exp_positive", best),
            kernel.instantiate(quotient, {x: E_S, y: E_U, z: exp(best), n: m}),
        ],
    )
    exists = p.have(
        some(k, lambda i: each(k, lambda j: dot(q, k_S, j) <= dot(q, k_S, i))),
        [some_token, p.lemma(largest, k, lambda i: dot(q, k_S, i))],
    )
    p.conclude([p.kernel_fact(kernel.choose(exists, a, shown), "there is such a token", "choosing it")])


if __name__ == "__main__":
    main("query_ownership_ends_at_the_hull", prove)
