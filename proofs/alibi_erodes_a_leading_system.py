"""ALiBi erodes a leading system: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import geometric_at_least, geometric_at_most
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.positions import LEADING_S, LEADING_U, distance, mu, r
from tokendemo_formal.theorems.setting import hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    slope = p.assumption("the slope is positive")
    some = p.assumption("the adversary has a token")
    zero = p.axiom("exp_zero")
    D, E, K, M = exp(hi - lo - mu * m), exp(mu), exp(mu * k), exp(mu * m)

    p.say("A token's exponent rises by the slope from one position to the next, so each block is a geometric sum.")
    front = hi - mu * (k + m - 1 + r)
    back = lo - mu * (m - 1 + r)
    at_most = p.each(
        k,
        lambda i: s_S(i) - mu * distance(i) <= front + mu * i,
        [p.assumption("the system's scores are at most hi")],
        "its distance is k + m - 1 + r - i",
    )
    upper = p.have(
        (E - 1) * LEADING_S <= exp(front) * (K - 1),
        [slope, at_most, p.lemma(geometric_at_most, k, lambda i: s_S(i) - mu * distance(i), front, mu)],
    )
    at_least = p.each(
        m,
        lambda j: s_U(j) - mu * distance(k + j) >= back + mu * j,
        [p.assumption("the adversary's scores are at least lo")],
        "its distance is m - 1 + r - j",
    )
    lower = p.have(
        (E - 1) * LEADING_U >= exp(back) * (M - 1),
        [slope, at_least, p.lemma(geometric_at_least, m, lambda j: s_U(j) - mu * distance(k + j), back, mu)],
    )

    p.say("The system's sum starts k + m tokens further away than the adversary's ends.")
    apart = p.kernel_fact(
        exp_of_sum(p.kernel, front, hi - lo - mu * m, back, mu * m, -(mu * k)), "the exponents add up", "smt"
    )
    steps = p.have(both(slope.conclusion, mu * 1 <= mu * m), [slope, some, p.kernel.discrete(0, m)], "m is at least 1")
    above = p.have(
        both(E > 1, M > 1, K >= 1),
        [
            steps,
            zero,
            p.have(mu * k >= 0, [slope], "a product of nonnegative numbers"),
            p.axiom("exp_increasing", 0, mu),
            p.axiom("exp_increasing", 0, mu * m),
            p.axiom("exp_increasing", mu * k, 0),
        ],
        "exp is increasing",
    )
    k_inverse, m_inverse = (
        p.have((exp(x) * exp(-y)).eq(1), [zero, p.kernel_fact(exp_of_sum(p.kernel, 0, x, -y), "exponents add", "smt")])
        for x, y in ((mu * k, mu * k), (mu * m, mu * m))
    )
    positive = [p.axiom("exp_positive", x) for x in (front, back, hi - lo - mu * m, -(mu * k), -(mu * m))]

    p.say("So the quotient of the sums is the bound.")
    x, y, h, low, d, e, a, b, c, v = (real(name) for name in ("x", "y", "h", "l", "d", "e", "a", "b", "c", "v"))
    quotient = p.have(
        implies(
            both(
                (e - 1) * x <= h * (a - 1),
                (e - 1) * y >= low * (b - 1),
                h.eq(d * low * b * c),
                both(e > 1, b > 1, a >= 1),
                both((a * c).eq(1), (b * v).eq(1)),
                both(h > 0, low > 0, d > 0, c > 0, v > 0),
            ),
            both(y > 0, x * (1 - v) <= d * (1 - c) * y, v < 1),
        )
    )
    values = {x: LEADING_S, y: LEADING_U, h: exp(front), low: exp(back), d: D, e: E, a: K, b: M}
    here = p.kernel.instantiate(quotient, {**values, c: exp(-(mu * k)), v: exp(-(mu * m))})
    cleared = p.have(
        both(
            LEADING_U > 0, LEADING_S * (1 - exp(-(mu * m))) <= D * (1 - exp(-(mu * k))) * LEADING_U, exp(-(mu * m)) < 1
        ),
        [upper, lower, apart, above, k_inverse, m_inverse, *positive, here],
    )

    p.say("Its numerator is less than 1, and its denominator at least that of m = 1.")
    nearer = p.have(exp(-(mu * m)) <= exp(-mu), [steps, p.axiom("exp_increasing", -mu, -(mu * m))])
    closest = p.have(exp(-mu) < 1, [slope, zero, p.axiom("exp_increasing", -mu, 0)])
    weak = p.kernel.instantiate(
        p.have(
            implies(
                both(y > 0, v < 1, d > 0, c > 0, x * (1 - v) <= d * (1 - c) * y, v <= e, e < 1),
                both(x / y <= d * (1 - c) / (1 - v), x / y < d / (1 - e)),
            )
        ),
        {x: LEADING_S, y: LEADING_U, d: D, c: exp(-(mu * k)), v: exp(-(mu * m)), e: exp(-mu)},
    )
    p.conclude([weak, cleared, nearer, closest, *positive])


if __name__ == "__main__":
    main("alibi_erodes_a_leading_system", prove)
