"""What a final norm divides by is at most that of the longest stream: proof."""

from __future__ import annotations

from collections.abc import Callable

from tokendemo_formal.logic.terms import Term, Variable, both, either, implies, real, sqrt, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import (
    cauchy_schwarz,
    sum_added,
    sum_exchanged,
    sum_monotone,
    sum_nonnegative,
    sum_scaled,
    weighted_at_most,
)
from tokendemo_formal.proving.tactics import at_index, for_each
from tokendemo_formal.theorems.bounds import (
    N_z,
    R,
    R_own,
    beta,
    head_part,
    high,
    reach,
    sigma_hat,
    stream,
    stream_sigma,
    weight,
    z,
    z_own,
)
from tokendemo_formal.theorems.setting import H, d, eps, n


def prove(p: Proof) -> None:
    kernel = p.kernel
    weights = p.assumption("weights are at least 0 and add up to at most 1")
    lengths = p.assumption("a token's part of head h is of length at most R[h]")
    own = p.assumption("the reader's own part is of length at most R_own")
    squares = total(d, lambda j: stream(j) * stream(j))
    length = sqrt(squares)

    p.say("Let l be the stream's length, l² = |y|². By Cauchy-Schwarz ⟨y, v⟩ <= l ρ for every v of length at most ρ.")
    norm, rho, x, v = (real(name) for name in ("norm", "rho", "x", "v"))
    given = both(norm >= 0, rho >= 0, x * x <= (norm * norm) * v, v <= rho * rho)
    short = kernel.assume(given)
    squared = kernel.arithmetic(x * x <= (norm * rho) * (norm * rho), [short])
    sign = kernel.arithmetic(norm * rho >= 0, [short])
    t = real("t")
    root = kernel.arithmetic(implies(both(t >= 0, x * x <= t * t), x <= t))
    tested = kernel.discharge(
        kernel.arithmetic(x <= norm * rho, [squared, sign, kernel.instantiate(root, {t: norm * rho})]), given
    )

    itself = cauchy_schwarz(kernel, d, stream, stream)
    long = p.have(both(length >= 0, (length * length).eq(squares)), [itself, p.axiom("sqrt_squared", squares)])

    def along(part: Callable[[Term], Term], bound: Term, by: list[Fact]) -> Fact:
        """⟨y, part⟩ <= l bound, for a part of at most that length."""
        product, square = total(d, lambda j: stream(j) * part(j)), total(d, lambda j: part(j) * part(j))
        values = {norm: length, rho: bound, x: product, v: square}
        return kernel.arithmetic(
            product <= length * bound,
            [cauchy_schwarz(kernel, d, stream, part), kernel.instantiate(tested, values), long, *by],
        )

    first = p.kernel_fact(along(lambda j: z_own(j), R_own, [own]), "the reader's own part", "Cauchy-Schwarz")

    p.say("A head's part is a mean of its tokens' parts, so ⟨y, o_h⟩ is a mean of the ⟨y, z_i⟩, each at most l R[h].")

    def one_head(h: Variable) -> list[Fact]:
        reached = at_index(kernel, lengths, h)
        slots = kernel.arithmetic(reached.conclusion.arguments[1], [reached])
        share = at_index(kernel, weights, h)
        signs = kernel.arithmetic(share.conclusion.arguments[0], [share])

        def product(i: Term) -> Term:
            return total(d, lambda j: stream(j) * z(h, i, j))

        each_token = for_each(
            kernel,
            n,
            lambda i: both(weight(h, i) >= 0, product(i) <= length * R(h)),
            lambda i: [
                kernel.at(signs, i),
                along(lambda j: z(h, i, j), R(h), [reached, at_index(kernel, slots, i)]),
            ],
        )
        mean = weighted_at_most(kernel, n, lambda i: weight(h, i), product, length * R(h))
        # ⟨y, Σ w z⟩ = Σ w ⟨y, z⟩: scaled inside, swapped, scaled outside
        inside = for_each(
            kernel,
            d,
            lambda j: (stream(j) * head_part(h, j)).eq(total(n, lambda i: stream(j) * (weight(h, i) * z(h, i, j)))),
            lambda j: [sum_scaled(kernel, n, stream(j), lambda i: weight(h, i) * z(h, i, j))],
        )
        outside = for_each(
            kernel,
            n,
            lambda i: total(d, lambda j: stream(j) * (weight(h, i) * z(h, i, j))).eq(weight(h, i) * product(i)),
            lambda i: [
                sum_scaled(kernel, d, weight(h, i), lambda j: stream(j) * z(h, i, j)),
                kernel.same(
                    total(d, lambda j: stream(j) * (weight(h, i) * z(h, i, j))),
                    total(d, lambda j: weight(h, i) * (stream(j) * z(h, i, j))),
                    for_each(
                        kernel,
                        d,
                        lambda j: (stream(j) * (weight(h, i) * z(h, i, j))).eq(weight(h, i) * (stream(j) * z(h, i, j))),
                    ),
                ),
            ],
        )
        whole = total(d, lambda j: stream(j) * head_part(h, j))
        double = total(d, lambda j: total(n, lambda i: stream(j) * (weight(h, i) * z(h, i, j))))
        swapped = total(n, lambda i: total(d, lambda j: stream(j) * (weight(h, i) * z(h, i, j))))
        linear = kernel.arithmetic(
            whole.eq(total(n, lambda i: weight(h, i) * product(i))),
            [
                kernel.same(whole, double, inside),
                sum_exchanged(kernel, d, n, lambda j, i: stream(j) * (weight(h, i) * z(h, i, j))),
                kernel.same(swapped, total(n, lambda i: weight(h, i) * product(i)), outside),
            ],
        )
        scale = kernel.arithmetic(length * R(h) >= 0, [long, reached])
        top = kernel.arithmetic(whole <= length * R(h) * total(n, lambda i: weight(h, i)), [linear, mean, each_token])
        return [top, scale, kernel.arithmetic(total(n, lambda i: weight(h, i)) <= 1, [share])]

    def voted(h: Term) -> Term:
        return total(d, lambda j: stream(j) * head_part(h, j))

    each_head = p.each(H, lambda h: voted(h) <= length * R(h), one_head)

    p.say("Together: l² = ⟨y, y⟩ <= l (R_own + Σ R), so l <= R_own + Σ R.")
    parts = p.each(
        d,
        lambda j: (stream(j) * stream(j)).eq(stream(j) * z_own(j) + total(H, lambda h: stream(j) * head_part(h, j))),
        lambda j: [sum_scaled(kernel, H, stream(j), lambda h: head_part(h, j))],
    )
    sorted_sum = total(d, lambda j: stream(j) * z_own(j) + total(H, lambda h: stream(j) * head_part(h, j)))
    square = p.have(
        squares <= length * reach,
        [
            first,
            each_head,
            kernel.same(squares, sorted_sum, parts),
            sum_added(
                kernel,
                d,
                lambda j: stream(j) * z_own(j),
                lambda j: total(H, lambda h: stream(j) * head_part(h, j)),
            ),
            sum_exchanged(kernel, d, H, lambda j, h: stream(j) * head_part(h, j)),
            sum_monotone(kernel, H, voted, lambda h: length * R(h)),
            sum_scaled(kernel, H, length, lambda h: R(h)),
        ],
    )
    signs = p.each(H, lambda h: R(h) >= 0, [lengths])
    reaches = p.have(reach >= 0, [own, signs, p.lemma(sum_nonnegative, H, lambda h: R(h))])
    at_most = p.have(squares <= reach * reach, [square, long, reaches], "l <= R_own + Σ R, and both are squared")

    p.say("So σ² = l²/d + eps is at most σ̂².")
    divisor = p.assumption("the norm divides by something")
    nothing = p.induction(d, either(d > 0, squares.eq(0)), because="no coordinates, no length")
    coordinates = p.have(d > 0, [nothing, divisor])
    inside = p.have(squares / d + eps > 0, [coordinates, divisor])
    above = p.have(squares / d + eps <= reach * reach / d + eps, [coordinates, at_most])
    root = p.have(
        both(stream_sigma > 0, (stream_sigma * stream_sigma).eq(squares / d + eps)),
        [inside, p.axiom("sqrt_squared", squares / d + eps)],
    )
    hat = p.have(
        both(sigma_hat >= 0, (sigma_hat * sigma_hat).eq(reach * reach / d + eps)),
        [inside, above, p.axiom("sqrt_squared", reach * reach / d + eps)],
    )
    below = p.have(stream_sigma <= sigma_hat, [root, hat, above])

    p.say("For κ <= 0, N - κ σ <= N - κ σ̂ <= 0, and the gain N/σ + β is at most κ + β.")
    kappa = high - beta
    enough = p.have(
        implies(N_z - kappa * sigma_hat <= 0, N_z <= kappa * stream_sigma), [below, p.assumption("kappa is at most 0")]
    )
    rule = p.have(implies(N_z - kappa * sigma_hat <= 0, N_z / stream_sigma + beta <= high), [enough, root])
    p.conclude([below, rule])


if __name__ == "__main__":
    main("deviation_bound", prove)
