"""Causal attention reads the prefix only: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Term, Variable, exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.tactics import equal_sums
from tokendemo_formal.theorems.causality import OV, A, agree, attention, head_output, query, score, value, x, y
from tokendemo_formal.theorems.setting import H, d


def prove(p: Proof) -> None:
    kernel, seen = p.kernel, query + 1
    given = p.assumption("the runs agree up to the query")
    own = p.have(agree(x, y, query), [kernel.at(given, query)], "the query sees itself")

    def state(j: Variable) -> Fact:
        return kernel.arithmetic(agree(x, y, j), [kernel.at(given, j), kernel.assume(j < seen)])

    def same_score(h: Variable, j: Variable) -> Fact:
        def term_of(f: Function, a: Variable, b: Variable) -> Term:
            return f(query, a) * A(h, query, j, a, b) * f(j, b)

        def row(a: Variable) -> Fact:
            coordinates = [kernel.assume(a < d), kernel.at(own, a)]
            return equal_sums(
                kernel,
                d,
                lambda b: term_of(x, a, b),
                lambda b: term_of(y, a, b),
                lambda b: [*coordinates, kernel.at(state(j), b)],
            )

        sums = equal_sums(
            kernel,
            d,
            lambda a: total(d, lambda b: term_of(x, a, b)),
            lambda a: total(d, lambda b: term_of(y, a, b)),
            lambda a: [row(a)],
        )
        left, right = score(x, h, query, j), score(y, h, query, j)
        return kernel.arithmetic(exp(left).eq(exp(right)), [sums, kernel.equal(left, right, lambda t: exp(t))])

    def same_value(h: Variable, j: Variable, c: Variable) -> Fact:
        return equal_sums(
            kernel,
            d,
            lambda b: OV(h, c, b) * x(j, b),
            lambda b: OV(h, c, b) * y(j, b),
            lambda b: [kernel.at(state(j), b)],
        )

    def same_head(h: Variable, c: Variable) -> Fact:
        def weight(f: Function, j: Variable) -> Term:
            return exp(score(f, h, query, j))

        masses = equal_sums(kernel, seen, lambda j: weight(x, j), lambda j: weight(y, j), lambda j: [same_score(h, j)])
        outputs = equal_sums(
            kernel,
            seen,
            lambda j: weight(x, j) * value(x, h, j, c),
            lambda j: weight(y, j) * value(y, h, j, c),
            lambda j: [same_score(h, j), same_value(h, j, c)],
        )
        (n_x, n_y), (z_x, z_y) = outputs.conclusion.parts, masses.conclusion.parts
        quotients = [kernel.equal(n_x, n_y, lambda t: t / z_x), kernel.equal(z_x, z_y, lambda t: n_y / t)]
        return kernel.arithmetic((n_x / z_x).eq(n_y / z_y), [outputs, masses, *quotients])

    p.say("A visible key's score sums products of coordinates that agree, so its weight is the same in both runs.")
    p.say("Its value sums coordinates that agree, so numerator and denominator of every head are the same.")

    def head(f: Function, h: Variable, c: Variable) -> Term:
        return head_output(f, seen, h, query, c)

    p.conclude(
        [
            p.each(
                d,
                lambda c: attention(x, seen, query, c).eq(attention(y, seen, query, c)),
                lambda c: [
                    equal_sums(kernel, H, lambda h: head(x, h, c), lambda h: head(y, h, c), lambda h: [same_head(h, c)])
                ],
                "so is their sum",
            )
        ]
    )


if __name__ == "__main__":
    main("causal_attention_reads_the_prefix_only", prove)
