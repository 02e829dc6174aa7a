"""ALiBi leaves a trailing system a share at any length: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import geometric_at_least, geometric_at_most
from tokendemo_formal.proving.lemmas.sums import sum_positive
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.positions import TRAILING_S, TRAILING_U, distance, mu, r
from tokendemo_formal.theorems.setting import hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    slope = p.assumption("the slope is not negative")
    some = p.assumption("the system has a token")
    D, E, K, M = exp(hi - lo), exp(mu), exp(mu * k), exp(mu * m)

    p.say("A token's exponent rises by the slope from one position to the next, so each block is a geometric sum.")
    near, far = lo - mu * (k - 1 + r), hi - mu * (k + m - 1 + r)
    at_least = p.each(
        k,
        lambda i: s_S(i) - mu * distance(m + i) >= near + mu * i,
        [p.assumption("the system's scores are at least lo")],
        "its distance is k - 1 + r - i",
    )
    lower = p.have(
        (E - 1) * TRAILING_S >= exp(near) * (K - 1),
        [slope, at_least, p.lemma(geometric_at_least, k, lambda i: s_S(i) - mu * distance(m + i), near, mu)],
    )
    at_most = p.each(
        m,
        lambda j: s_U(j) - mu * distance(j) <= far + mu * j,
        [p.assumption("the adversary's scores are at most hi")],
        "its distance is k + m - 1 + r - j",
    )
    upper = p.have(
        (E - 1) * TRAILING_U <= exp(far) * (M - 1),
        [slope, at_most, p.lemma(geometric_at_most, m, lambda j: s_U(j) - mu * distance(j), far, mu)],
    )

    p.say(
        "The adversary's sum ends where the system's begins: whatever m is, it stays below e^D times the next weight."
    )
    joined = p.kernel_fact(exp_of_sum(p.kernel, hi - mu * (k - 1 + r), far, mu * m), "exponents add", "smt")
    shifted = p.kernel_fact(exp_of_sum(p.kernel, hi - mu * (k - 1 + r), hi - lo, near), "exponents add", "smt")
    bounded = p.have(
        (E - 1) * TRAILING_U < D * exp(near), [upper, joined, shifted, p.axiom("exp_positive", far)], "M drops out"
    )

    p.say("Both blocks have positive weight.")
    system = p.each(
        k,
        lambda i: exp(s_S(i) - mu * distance(m + i)) > 0,
        lambda i: [p.axiom("exp_positive", s_S(i) - mu * distance(m + i))],
    )
    adversary = p.each(
        m, lambda j: exp(s_U(j) - mu * distance(j)) > 0, lambda j: [p.axiom("exp_positive", s_U(j) - mu * distance(j))]
    )
    positive = p.have(
        both(TRAILING_S > 0, TRAILING_U >= 0),
        [
            some,
            system,
            adversary,
            p.lemma(sum_positive, k, lambda i: exp(s_S(i) - mu * distance(m + i))),
            p.lemma(sum_positive, m, lambda j: exp(s_U(j) - mu * distance(j))),
        ],
    )

    p.say("At slope 0 the bound is 0; at a positive slope e^{mu k} > 1 and the quotient of the sums is the bound.")
    long = p.have(implies(mu > 0, mu * k > 0), [some], "k is positive")
    growth = p.have(
        both(implies(mu.eq(0), K.eq(1)), implies(mu > 0, both(E > 1, K > 1))),
        [
            long,
            p.axiom("exp_zero"),
            p.axiom("exp_increasing", 0, mu),
            p.axiom("exp_increasing", 0, mu * k),
            p.kernel.equal(mu * k, 0, lambda t: exp(t)),
        ],
        "exp is increasing",
    )
    x, y, d, e, a, w = (real(name) for name in ("x", "y", "d", "e", "a", "w"))
    compare = p.have(
        implies(
            both(
                both(x > 0, y >= 0, d > 0, w > 0),
                implies(a > 1, e > 1),
                a >= 1,
                (e - 1) * x >= w * (a - 1),
                (e - 1) * y < d * w,
            ),
            x / (x + y) > (a - 1) / (a - 1 + d),
        )
    )
    values = {x: TRAILING_S, y: TRAILING_U, d: D, e: E, a: K, w: exp(near)}
    p.conclude(
        [
            slope,
            lower,
            bounded,
            positive,
            growth,
            p.axiom("exp_positive", hi - lo),
            p.axiom("exp_positive", near),
            p.kernel.instantiate(compare, values),
        ]
    )


if __name__ == "__main__":
    main("alibi_protects_a_trailing_system", prove)
