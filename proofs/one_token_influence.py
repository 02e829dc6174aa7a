"""One token among many has little influence if scores are bounded: proof."""

from __future__ import annotations

from collections.abc import Callable

from tokendemo_formal.logic.terms import Term, between, both, each, exp, implies, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_at_least
from tokendemo_formal.theorems.guarantees import (
    a_W,
    a_x,
    a_y,
    high,
    low,
    m_W,
    others,
    readout,
    s,
    s_W,
    s_x,
    s_y,
    with_token,
)
from tokendemo_formal.theorems.setting import a_S, a_U, hi, k, lo, m, n, rho, s_S, s_U, weighted


def prove(p: Proof) -> None:
    p.say("The n others weigh at least n e^lo, and the token, before and after, at most e^hi.")
    scores = p.assumption("the other tokens' scores are at least lo")
    at_least = p.each(
        n, lambda i: exp(lo) <= exp(s(i)), lambda i: [scores, p.axiom("exp_increasing", s(i), lo)], "exp is increasing"
    )
    heavy = p.have(n * exp(lo) <= others, [at_least, p.lemma(sum_at_least, n, lambda i: exp(s(i)), exp(lo))])
    positive = p.have(both(n * exp(lo) >= 0, exp(hi) > 0), [p.axiom("exp_positive", lo), p.axiom("exp_positive", hi)])

    p.say("So the others keep at least the share n e^lo / (n e^lo + e^hi).")
    x, y, least, most = real("x"), real("y"), real("least"), real("most")
    pure = p.have(
        implies(
            both(0 <= least, least <= x, y <= most, 0 < most),
            least / (least + most) * (x + y) <= x,
        ),
        because="for any masses x and y",
    )
    floor = n * exp(lo) / (n * exp(lo) + exp(hi))

    rest = p.have(
        implies(both(0 <= least, 0 < most), ((1 - least / (least + most)) * x).eq(x * most / (least + most))),
        because="for any masses, and any range x",
    )
    limit = p.have(
        ((1 - floor) * (high - low)).eq((high - low) * exp(hi) / (n * exp(lo) + exp(hi))),
        [p.kernel.instantiate(rest, {x: high - low, least: n * exp(lo), most: exp(hi)}), positive],
        "the rest of the share, times the range",
    )

    def alone(over: Callable[[int], Term]) -> list[Fact]:
        """A sum, or quantifier, over one index."""
        return [p.kernel.last(over(1)), p.kernel.empty(over(0))]

    def token(score: Term, value: Term, light: Fact, inside: Fact) -> tuple[list[Fact], Fact]:
        """What privilege_costs_utility asks of an input of one token, and that its readout is what it is here."""
        masses, votes = total(1, lambda j: exp(score)), total(1, lambda j: exp(score) * value)
        small = p.have(exp(score) <= exp(hi), [light, p.axiom("exp_increasing", hi, score)], "exp is increasing")
        mass = p.have(masses.eq(exp(score)), alone(lambda t: total(t, lambda j: exp(score))), "a sum of one term")
        vote = p.have(
            votes.eq(exp(score) * value), alone(lambda t: total(t, lambda j: exp(score) * value)), "a sum of one term"
        )
        readouts = each(1, lambda j: between(low, value, high))
        share = p.have(
            floor * (others + exp(score)) <= others,
            [
                p.kernel.instantiate(pure, {x: others, y: exp(score), least: n * exp(lo), most: exp(hi)}),
                heavy,
                small,
                positive,
            ],
        )
        met = [
            p.have(readouts, [inside, *alone(lambda t: each(t, lambda j: between(low, value, high)))], "of one token"),
            p.have(
                floor * (others + masses) <= others,
                [share, mass, p.kernel.equal(masses, exp(score), lambda t: floor * (others + t))],
            ),
        ]
        known = weighted(n, s, readout)
        same = p.have(
            ((known + votes) / (others + masses)).eq(with_token(score, value)),
            [
                mass,
                vote,
                p.kernel.equal(votes, exp(score) * value, lambda t: (known + t) / (others + masses)),
                p.kernel.equal(masses, exp(score), lambda t: (known + exp(score) * value) / (others + t)),
            ],
            "sums of one term",
        )
        return met, same

    before, same_before = token(
        s_x,
        a_x,
        p.assumption("the token's score was at most hi"),
        p.assumption("the token's readout was in [low, high]"),
    )
    after, same_after = token(
        s_y,
        a_y,
        p.assumption("the new token's score is at most hi"),
        p.assumption("the new token's readout is in [low, high]"),
    )

    p.say("Take the others for the system, and the token for the input: privilege costs utility.")
    moved = p.use(
        "privilege_costs_utility",
        {k: n, m: 1, m_W: 1, rho: floor},
        {s_S: s, a_S: readout, s_U: lambda j: s_x, a_U: lambda j: a_x, s_W: lambda j: s_y, a_W: lambda j: a_y},
        by=[
            p.assumption("the other tokens' readouts lie in [low, high]"),
            p.have(both(n + 1 > 0, n + 1 > 0)),
            *before,
            *after,
        ],
    )
    p.conclude([moved, limit, same_before, same_after])


if __name__ == "__main__":
    main("one_token_influence", prove)
