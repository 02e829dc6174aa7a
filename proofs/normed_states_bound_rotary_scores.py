"""Short states bound a head's rotary scores: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import (
    Function,
    Numeric,
    Term,
    Variable,
    absolute,
    between,
    both,
    cos,
    implies,
    real,
    sin,
    total,
)
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import affine_within
from tokendemo_formal.proving.lemmas.sums import sum_between
from tokendemo_formal.theorems.norms import (
    W_K,
    W_Q,
    b_K,
    b_Q,
    phi,
    plane_bound,
    plane_score,
    planes,
    row,
    row_bound,
    scale,
    u,
    v,
)
from tokendemo_formal.theorems.setting import d


def prove(p: Proof) -> None:
    kernel = p.kernel
    a, b, r, s, n, w, t, z = (real(name) for name in ("a", "b", "r", "s", "n", "w", "t", "z"))

    p.say("A coordinate of query or key is an inner product plus a bias. Cauchy-Schwarz bounds it by the lengths.")

    def coordinate(weights: Function, bias: Function, state: Function, e: Numeric, short: Fact) -> Fact:
        bound = row_bound(weights, bias, e)
        within = affine_within(kernel, d, lambda c: weights(e, c), lambda c: state(c), bias(e))
        return kernel.arithmetic(between(-bound, row(weights, bias, state, e), bound), [short, within])

    p.say("The lengths in a plane are bounded by the lengths of the bounds.")
    x, y = real("x"), real("y")
    square = p.have(implies(between(-r, a, r), a * a <= r * r))

    def plane(weights: Function, bias: Function, state: Function, i: Variable, short: Fact) -> Fact:
        """The squared length in plane i is at most the squared bound."""
        rows = [row(weights, bias, state, e) for e in (2 * i, 2 * i + 1)]
        bounds = [row_bound(weights, bias, e) for e in (2 * i, 2 * i + 1)]
        squares = [
            kernel.arithmetic(
                q * q <= bound * bound,
                [coordinate(weights, bias, state, e, short), kernel.instantiate(square, {a: q, r: bound})],
            )
            for q, bound, e in zip(rows, bounds, (2 * i, 2 * i + 1), strict=True)
        ]
        inside = bounds[0] * bounds[0] + bounds[1] * bounds[1]
        whole = plane_bound(weights, bias, i)
        return kernel.arithmetic(
            both(whole >= 0, rows[0] * rows[0] + rows[1] * rows[1] <= whole * whole),
            [*squares, kernel.axiom("sqrt_squared", inside)],
        )

    p.say("Turned or not, two vectors of a plane have an inner product of at most the product of their lengths.")
    q_1, q_2, k_1, k_2 = (real(name) for name in ("q_1", "q_2", "k_1", "k_2"))
    inner, cross = q_1 * k_1 + q_2 * k_2, q_1 * k_2 - q_2 * k_1
    turned, rest = inner * x + cross * y, inner * y - cross * x
    square_q, square_k = q_1 * q_1 + q_2 * q_2, k_1 * k_1 + k_2 * k_2
    lagrange = p.identity(
        (turned * turned + rest * rest).eq(square_q * square_k * (x * x + y * y)), "Lagrange's identity, twice"
    )
    circle = kernel.assume((x * x + y * y).eq(1))
    at_most = p.have(
        a * a <= n * w, [kernel.assume((a * a + b * b).eq(n * w * t)), kernel.assume(t.eq(1))], "a square is left out"
    )
    product = p.have(
        between(-(r * s), a, r * s),
        [
            kernel.assume(a * a <= n * w),
            kernel.assume(both(r >= 0, n <= r * r)),
            kernel.assume(both(s >= 0, w <= s * s)),
            kernel.assume(n >= 0),
            kernel.assume(w >= 0),
        ],
        "n w is at most (r s)^2",
    )
    here = {a: turned, b: rest, n: square_q, w: square_k, t: x * x + y * y}
    squared = kernel.cut(kernel.instantiate(at_most, here), [lagrange, circle])
    signs = [kernel.arithmetic(square_q >= 0), kernel.arithmetic(square_k >= 0)]
    bounded = kernel.cut(kernel.instantiate(product, here), [squared, *signs])

    def in_plane(i: Variable) -> list[Fact]:
        query = plane(W_Q, b_Q, u, i, p.assumption("the query's state is short"))
        key = plane(W_K, b_K, v, i, p.assumption("the key's state is short"))
        values = {
            q_1: row(W_Q, b_Q, u, 2 * i),
            q_2: row(W_Q, b_Q, u, 2 * i + 1),
            k_1: row(W_K, b_K, v, 2 * i),
            k_2: row(W_K, b_K, v, 2 * i + 1),
            x: cos(phi(i)),
            y: sin(phi(i)),
            r: plane_bound(W_Q, b_Q, i),
            s: plane_bound(W_K, b_K, i),
        }
        return [kernel.cut(kernel.instantiate(bounded, values), [kernel.axiom("circle", phi(i)), query, key])]

    p.say("Products of bounded lengths sum up to at most the sum of the products.")

    def f(i: Variable) -> Term:
        return plane_score(u, v, i)

    def g(i: Variable) -> Term:
        return plane_bound(W_Q, b_Q, i) * plane_bound(W_K, b_K, i)

    each_plane = p.each(planes, lambda i: between(-g(i), f(i), g(i)), in_plane)
    summed = p.have(
        between(-total(planes, g), total(planes, f), total(planes, g)), [each_plane, p.lemma(sum_between, planes, f, g)]
    )
    scaled = p.have(implies(between(-z, a, z), absolute(s * a) <= absolute(s) * z))
    p.conclude([summed, kernel.instantiate(scaled, {a: total(planes, f), z: total(planes, g), s: scale})])


if __name__ == "__main__":
    main("normed_states_bound_rotary_scores", prove)
