"""LayerNorm keeps the system's share between bounds: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Term, Variable, both, exp, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_at_least, sum_at_most, sum_positive
from tokendemo_formal.theorems.norms import ADVERSARY_MASS, BOUND, SYSTEM_MASS, normed_score, x_S, x_U, y
from tokendemo_formal.theorems.setting import hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    positive = p.assumption("the norm's delta is positive")
    some_token = p.assumption("there is a token")

    p.say("Every score lies between -B and B, B the number that the weights determine.")
    bound = p.use("layernorm_bounds_the_scores", by=[positive])

    def key(states: Function, i: Variable) -> Term:
        return normed_score(lambda c: states(i, c))

    def within(states: Function, i: Variable) -> Fact:
        here = p.kernel.instantiate(bound, functions={y: lambda c: states(i, c)})
        return p.kernel.arithmetic(both(-BOUND <= key(states, i), key(states, i) <= BOUND), [here])

    system = p.each(k, lambda i: both(-BOUND <= key(x_S, i), key(x_S, i) <= BOUND), lambda i: [within(x_S, i)])
    adversary = p.each(m, lambda j: both(-BOUND <= key(x_U, j), key(x_U, j) <= BOUND), lambda j: [within(x_U, j)])

    p.say("The ceiling is dilution's.")
    ceiling = p.use(
        "dilution",
        {lo: -BOUND, hi: BOUND},
        {s_S: lambda i: key(x_S, i), s_U: lambda j: key(x_U, j)},
        [
            p.each(k, lambda i: key(x_S, i) <= BOUND, [system]),
            p.each(m, lambda j: -BOUND <= key(x_U, j), [adversary]),
            some_token,
        ],
    )

    p.say("For the floor, a system token weighs at least e^-B and an adversary token at most e^B.")
    at_least = p.each(
        k,
        lambda i: exp(-BOUND) <= exp(key(x_S, i)),
        lambda i: [system, p.axiom("exp_increasing", key(x_S, i), -BOUND)],
    )
    at_most = p.each(
        m,
        lambda j: exp(key(x_U, j)) <= exp(BOUND),
        lambda j: [adversary, p.axiom("exp_increasing", BOUND, key(x_U, j))],
    )
    weights = p.each(m, lambda j: exp(key(x_U, j)) > 0, lambda j: [p.axiom("exp_positive", key(x_U, j))])
    heavier = p.have(
        both(ADVERSARY_MASS >= 0, implies(m > 0, ADVERSARY_MASS > 0)),
        [weights, p.lemma(sum_positive, m, lambda j: exp(key(x_U, j)))],
    )
    masses = p.have(
        both(
            k * exp(-BOUND) <= SYSTEM_MASS,
            ADVERSARY_MASS <= m * exp(BOUND),
            ADVERSARY_MASS >= 0,
            implies(m > 0, ADVERSARY_MASS > 0),
        ),
        [
            at_least,
            at_most,
            heavier,
            p.lemma(sum_at_least, k, lambda i: exp(key(x_S, i)), exp(-BOUND)),
            p.lemma(sum_at_most, m, lambda j: exp(key(x_U, j)), exp(BOUND)),
        ],
    )
    a, b, s, t, e, f = (real(name) for name in ("a", "b", "s", "t", "e", "f"))
    grows = p.have(
        implies(
            both(
                both(a >= 0, b >= 0, a + b > 0, e > 0, f > 0),
                a * e <= s,
                both(t >= 0, t <= b * f, implies(b > 0, t > 0)),
            ),
            a * e / (a * e + b * f) <= s / (s + t),
        ),
        because="the share x / (x + y) grows with x and falls with y",
    )
    values = {a: k, b: m, s: SYSTEM_MASS, t: ADVERSARY_MASS, e: exp(-BOUND), f: exp(BOUND)}
    p.conclude(
        [
            ceiling,
            masses,
            some_token,
            p.axiom("exp_positive", BOUND),
            p.axiom("exp_positive", -BOUND),
            p.kernel.instantiate(grows, values),
        ]
    )


if __name__ == "__main__":
    main("layernorm_bounds_the_share", prove)
