"""Softmax moves by at most tanh(delta / 2) in total variation if scores move by at most delta: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Numeric, Term, absolute, between, both, exp, implies, ite, natural, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.theorems.guarantees import s, t, vote
from tokendemo_formal.theorems.setting import mass, n


def prove(p: Proof) -> None:
    some = p.assumption("there is a token")
    positive = [
        p.have(mass(n, scores) > 0, [some, p.lemma(mass_positive, n, scores)], "exp is positive") for scores in (s, t)
    ]
    x, y = real("x"), real("y")
    inverse = p.have(implies(y > 0, both((x * (1 / y)).eq(x / y), (y * (1 / y)).eq(1))))

    def quotient(number: Term, of: Term) -> list[Fact]:
        return [p.kernel.instantiate(inverse, {x: number, y: of}), *positive]

    p.say("Let the tokens whose weight grows vote 1, the others 0.")
    before, after = real("before"), real("after")

    def growing(i: Numeric) -> Term:
        return ite(before * exp(s(i)) <= after * exp(t(i)), 1, 0)

    p.say("With c for the vote, w for the weight before and w' for that after, |w' - w| = 2 c (w' - w) - (w' - w).")
    length = natural("l")
    sums = p.induction(
        length,
        total(length, lambda i: absolute(after * exp(t(i)) - before * exp(s(i)))).eq(
            2
            * (
                after * total(length, lambda i: growing(i) * exp(t(i)))
                - before * total(length, lambda i: growing(i) * exp(s(i)))
            )
            - (after * mass(length, t) - before * mass(length, s))
        ),
        because="term by term",
    )
    inverses = {before: 1 / mass(n, s), after: 1 / mass(n, t)}
    moves = p.kernel.instantiate(sums, {length: n, **inverses})

    def votes(i: Numeric) -> Term:
        return ite(1 / mass(n, s) * exp(s(i)) <= 1 / mass(n, t) * exp(t(i)), 1, 0)

    def distance(i: Numeric) -> Term:
        return absolute(exp(t(i)) / mass(n, t) - exp(s(i)) / mass(n, s))

    def same(i: Numeric) -> Term:
        return absolute(1 / mass(n, t) * exp(t(i)) - 1 / mass(n, s) * exp(s(i)))

    distances = p.each(
        n,
        lambda i: distance(i).eq(same(i)),
        lambda i: quotient(exp(t(i)), mass(n, t)) + quotient(exp(s(i)), mass(n, s)),
    )
    variation = p.kernel_fact(
        p.kernel.same(total(n, distance), total(n, same), distances), "term by term", "equal terms"
    )

    p.say("The sum of w' - w is 0, so half the sum of |w' - w| is what the vote moves by.")
    chosen = p.each(n, lambda i: between(0, votes(i), 1))
    bound = p.use(
        "votes_are_tanh_stable",
        functions={vote: votes},
        by=[*p.assumptions, chosen],
    )
    p.conclude(
        [
            bound,
            moves,
            variation,
            *quotient(total(n, lambda i: votes(i) * exp(s(i))), mass(n, s)),
            *quotient(total(n, lambda i: votes(i) * exp(t(i))), mass(n, t)),
        ]
    )


if __name__ == "__main__":
    main("softmax_is_tanh_stable", prove)
