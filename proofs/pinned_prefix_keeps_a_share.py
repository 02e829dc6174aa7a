"""A pinned prefix keeps a share beside a sliding window: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, Variable, both, exp, implies, ite, larger, natural, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least
from tokendemo_formal.proving.lemmas.sums import sum_monotone, sum_nonnegative, sum_scaled
from tokendemo_formal.theorems.positions import WINDOWED_U, W, distance, r, windowed
from tokendemo_formal.theorems.setting import E_S, hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    p.say("A system token weighs at least e^lo.")
    at_least = p.assumption("the system's scores are at least lo")
    lower = p.have(k * exp(lo) <= E_S, [at_least, p.lemma(mass_at_least, k, s_S, lo)])

    p.say("Of the adversary's first n tokens at most n - (m + r - W) are in sight, and none if that is negative.")
    n = natural("n")

    def seen(count: Variable) -> Term:
        return total(count, lambda j: ite(distance(k + j) <= W - 1, 1, 0))

    counted = p.induction(n, seen(n) <= larger(0, n + W - m - r), because="token n is in sight only if n + W >= m + r")
    in_sight = p.have(seen(m) <= W, [p.kernel.instantiate(counted, {n: m})], "r is not negative")

    p.say("Each of them weighs at most e^hi.")
    at_most = p.each(
        m,
        lambda j: windowed(k + j, s_U(j)) <= exp(hi) * ite(distance(k + j) <= W - 1, 1, 0),
        lambda j: [p.assumption("the adversary's scores are at most hi"), p.axiom("exp_increasing", hi, s_U(j))],
        "exp is increasing",
    )
    ones = [
        p.lemma(
            sum_monotone,
            m,
            lambda j: windowed(k + j, s_U(j)),
            lambda j: exp(hi) * ite(distance(k + j) <= W - 1, 1, 0),
        ),
        p.lemma(sum_scaled, m, exp(hi), lambda j: ite(distance(k + j) <= W - 1, 1, 0)),
    ]
    upper = p.have(WINDOWED_U <= W * exp(hi), [at_most, *ones, in_sight, p.axiom("exp_positive", hi)])
    weight = p.each(
        m,
        lambda j: windowed(k + j, s_U(j)) >= 0,
        lambda j: [p.axiom("exp_positive", s_U(j))],
        "weights are 0 or exponentials",
    )
    nonnegative = p.have(WINDOWED_U >= 0, [weight, p.lemma(sum_nonnegative, m, lambda j: windowed(k + j, s_U(j)))])

    p.say("The share x / (x + y) grows with x and falls with y.")
    x, y, a, b = (real(name) for name in ("x", "y", "a", "b"))
    grows = p.have(implies(both(a > 0, a <= x, y >= 0, y <= b), x / (x + y) >= a / (a + b)))
    system = p.have(k * exp(lo) > 0, [p.assumption("the system has a token"), p.axiom("exp_positive", lo)])
    values = {x: E_S, y: WINDOWED_U, a: k * exp(lo), b: W * exp(hi)}
    p.conclude([system, lower, upper, nonnegative, p.kernel.instantiate(grows, values)])


if __name__ == "__main__":
    main("pinned_prefix_keeps_a_share", prove)
