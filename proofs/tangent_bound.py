"""What a final norm divides by is at least any of its tangents: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, both, either, implies, real, sqrt, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_added, sum_monotone, sum_nonnegative, sum_scaled
from tokendemo_formal.theorems.bounds import N_z, beta, e, e_eps, high, sigma, tangent, y
from tokendemo_formal.theorems.setting import d, eps


def prove(p: Proof) -> None:
    squares = total(d, lambda j: y(j) * y(j))
    lengths = total(d, lambda j: e(j) * e(j))
    product = total(d, lambda j: e(j) * y(j))
    eps_sign = p.assumption("eps is at least 0")

    p.say("σ² = |y|²/d + eps > 0.")
    each_square = p.each(d, lambda j: y(j) * y(j) >= 0)
    positive = p.have(squares >= 0, [each_square, p.lemma(sum_nonnegative, d, lambda j: y(j) * y(j))])
    divisor = p.assumption("the norm divides by something")
    nothing = p.induction(d, either(d > 0, squares.eq(0)), because="no coordinates, no length")
    coordinates = p.have(d > 0, [nothing, divisor])
    inside = p.have(squares / d + eps > 0, [positive, coordinates, eps_sign, divisor])
    squared = p.axiom("sqrt_squared", squares / d + eps)
    root = p.have(both(sigma > 0, (sigma * sigma).eq(squares / d + eps)), [inside, squared])
    width = p.have(both(sqrt(d) > 0, (sqrt(d) * sqrt(d)).eq(d)), [coordinates, p.axiom("sqrt_squared", d)])
    small = p.have((sqrt(eps) * sqrt(eps)).eq(eps), [eps_sign, p.axiom("sqrt_squared", eps)])

    p.say("Coordinate by coordinate (σ √d e - y)² >= 0; these sum to 2 σ √d ⟨e, y⟩ <= σ² d |e|² + |y|².")
    c = sigma * sqrt(d)

    def twice(j: Term) -> Term:
        return (2 * c) * (e(j) * y(j))

    def scaled(j: Term) -> Term:
        return (c * c) * (e(j) * e(j))

    each_product = p.each(d, lambda j: twice(j) <= scaled(j) + y(j) * y(j), because="a square is at least 0")
    summed = p.have(
        2 * c * product <= c * c * lengths + squares,
        [
            each_product,
            p.lemma(sum_monotone, d, twice, lambda j: scaled(j) + y(j) * y(j)),
            p.lemma(sum_scaled, d, 2 * c, lambda j: e(j) * y(j)),
            p.lemma(sum_scaled, d, c * c, lambda j: e(j) * e(j)),
            p.lemma(sum_added, d, scaled, lambda j: y(j) * y(j)),
        ],
    )

    p.say("Divided by d, and with (σ e' - √eps)² >= 0: 2 σ tangent <= σ² (|e|² + e'²) + σ² <= 2 σ².")
    S, s, D, X, Y, Q = (real(name) for name in ("S", "s", "D", "X", "Y", "Q"))
    multiplied = both(s > 0, (s * s).eq(D), 2 * (S * s) * X <= S * s * (S * s) * Q + Y)
    quotients = p.kernel.assume(multiplied)
    at_d = p.kernel.arithmetic((2 * S * (X / s)) * D <= (S * S * Q + Y / D) * D, [quotients])
    divided = p.kernel.arithmetic(2 * S * (X / s) <= S * S * Q + Y / D, [at_d, quotients])
    values = {S: sigma, s: sqrt(d), D: d, X: product, Y: squares, Q: lengths}
    by_d = p.have(
        2 * sigma * (product / sqrt(d)) <= sigma * sigma * lengths + squares / d,
        [p.kernel.instantiate(p.kernel.discharge(divided, multiplied), values), width, summed],
    )
    last = p.have(
        2 * sigma * (e_eps * sqrt(eps)) <= sigma * sigma * (e_eps * e_eps) + eps, [small], "a square is at least 0"
    )
    unit = p.assumption("e is of length at most 1")
    longer = p.have(sigma * sigma * (lengths + e_eps * e_eps) <= sigma * sigma, [unit, root], "|e|² + e'² is at most 1")
    doubled = p.have(2 * sigma * tangent <= 2 * sigma * sigma, [by_d, last, longer, root])
    below = p.have(tangent <= sigma, [doubled, root])

    p.say("So N - κ σ <= N - κ tangent <= 0 for κ >= 0, and the gain N/σ + β is at most κ + β.")
    sign = p.assumption("kappa is at least 0")
    kappa = high - beta
    enough = p.have(implies(N_z - kappa * tangent <= 0, N_z <= kappa * sigma), [below, sign])
    rule = p.have(implies(N_z - kappa * tangent <= 0, N_z / sigma + beta <= high), [enough, root])
    p.conclude([below, rule])


if __name__ == "__main__":
    main("tangent_bound", prove)
