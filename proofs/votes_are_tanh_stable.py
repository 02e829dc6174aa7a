"""A mean of votes moves by at most tanh(delta / 2) if scores move by at most delta: proof."""

from __future__ import annotations

from typing import NamedTuple

from tokendemo_formal.logic.terms import Function, Numeric, Term, both, exp, implies, natural, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.quotients import product_nonnegative
from tokendemo_formal.proving.lemmas.sums import Terms, sum_monotone, sum_nonnegative, sum_scaled
from tokendemo_formal.proving.tactics import at_index
from tokendemo_formal.theorems.guarantees import delta, s, shift, t, vote
from tokendemo_formal.theorems.setting import mass, n

# masses of two blocks before (X, Y) and after (X_, Y_), a common factor q, and T = e^delta
X, Y, X_, Y_, q, T = (real(name) for name in ("X", "Y", "X'", "Y'", "q", "T"))


class Block(NamedTuple):
    """The mass of a block before and after, how it may grow and shrink, and that it is not negative."""

    before: Term
    after: Term
    grows: Fact
    shrinks: Fact
    positive: Fact


def two_blocks(p: Proof) -> Fact:
    """Masses of two blocks that change by factors in [q / T, q T]: the first's share grows by at most (T-1)/(T+1)."""
    grows, shrinks, before, after, positive = (
        p.kernel.assume(hypothesis)
        for hypothesis in (
            X_ <= q * T * X,
            q * Y <= T * Y_,
            both(X >= 0, Y >= 0, X + Y > 0),
            both(X_ >= 0, Y_ >= 0, X_ + Y_ > 0),
            both(q > 0, T >= 1),
        )
    )
    p.say("Write A = X' Y, B = X Y' and W = X X' + Y Y'. The odds change by at most T², so A <= T² B.")
    A, B, W = X_ * Y, X * Y_, X * X_ + Y * Y_
    first = p.have(X_ * (q * Y) <= X_ * (T * Y_), [p.lemma(product_nonnegative, X_, T * Y_ - q * Y), shrinks, after])
    scale = p.have(T * Y_ >= 0, [p.lemma(product_nonnegative, T, Y_), after, positive])
    second = p.have(
        T * Y_ * X_ <= T * Y_ * (q * T * X), [p.lemma(product_nonnegative, T * Y_, q * T * X - X_), scale, grows]
    )
    x, y = real("x"), real("y")
    cancel = p.have(implies(both(q > 0, q * x <= q * y), x <= y))
    odds = p.have(
        A <= T * T * B, [first, second, positive, p.kernel.instantiate(cancel, {x: A, y: T * T * B})], "divided by q"
    )
    signs = p.have(
        both(A >= 0, B >= 0, W >= 0),
        [
            before,
            after,
            *(p.lemma(product_nonnegative, u, v) for u, v in ((X_, Y), (X, Y_), (X, X_), (Y, Y_))),
        ],
    )

    p.say("And W² >= 4 A B, since W² - 4 A B = (X X' - Y Y')².")
    square = p.identity((W * W - 4 * (A * B)).eq((X * X_ - Y * Y_) * (X * X_ - Y * Y_)))
    u = p.have((x * x) >= 0)
    means = p.have(W * W >= 4 * (A * B), [square, p.kernel.instantiate(u, {x: X * X_ - Y * Y_})])

    p.say("Hence (T + 1) (A - B) <= (T - 1) (A + B + W), which is the product of the masses.")
    a, b, w = real("A"), real("B"), real("W")
    pure = p.have(
        implies(
            both(a >= 0, b >= 0, w >= 0, T >= 1, a <= T * T * b, w * w >= 4 * (a * b)), 2 * a - 2 * T * b <= (T - 1) * w
        ),
        because="else (A - B)(A - T² B) > 0",
    )
    apart = p.have(
        2 * A - 2 * T * B <= (T - 1) * W,
        [p.kernel.instantiate(pure, {a: A, b: B, w: W}), odds, signs, means, positive],
    )
    masses = real("Z")
    bound = (T - 1) / (T + 1)
    share = p.have(
        implies(both(T >= 1, 2 * a - 2 * T * b <= (T - 1) * w, masses.eq(a + b + w)), a - b <= bound * masses),
    )
    moved = p.have(
        A - B <= bound * ((X_ + Y_) * (X + Y)),
        [p.kernel.instantiate(share, {a: A, b: B, w: W, masses: (X_ + Y_) * (X + Y)}), apart, positive],
    )
    c, d = real("c"), real("d")
    quotients = p.have(
        implies(both(c > 0, d > 0, x * d - y * c <= w * (c * d)), x / c - y / d <= w), because="divided by both masses"
    )
    return p.have(
        X_ / (X_ + Y_) - X / (X + Y) <= bound,
        [p.kernel.instantiate(quotients, {x: X_, y: X, c: X_ + Y_, d: X + Y, w: bound}), moved, before, after],
    )


def prove(p: Proof) -> None:
    general = two_blocks(p)
    moves = p.assumption("the scores move by at most delta, up to a common shift")
    votes = p.assumption("the votes lie in [0, 1]")
    some = p.assumption("there is a token")
    common, factor = exp(shift), exp(delta)

    p.say("A token's mass grows at most by the factor e^(shift + delta), and at least by e^(shift - delta).")
    most = p.each(
        n,
        lambda i: exp(t(i)) <= common * factor * exp(s(i)),
        lambda i: [
            moves,
            p.axiom("exp_increasing", s(i) + (shift + delta), t(i)),
            p.axiom("exp_sum", s(i), shift + delta),
            p.axiom("exp_sum", shift, delta),
            p.kernel.equal(exp(shift + delta), common * factor, lambda x: exp(s(i)) * x),
        ],
        "exp is increasing",
    )
    least = p.each(
        n,
        lambda i: common * exp(s(i)) <= factor * exp(t(i)),
        lambda i: [
            moves,
            p.axiom("exp_increasing", t(i) + delta, s(i) + shift),
            p.axiom("exp_sum", t(i), delta),
            p.axiom("exp_sum", s(i), shift),
        ],
        "exp is increasing",
    )

    def block(weight: Terms, nonnegative: Fact) -> Block:
        """A block whose tokens count by a weight."""

        def before(i: Numeric) -> Term:
            return weight(i) * exp(s(i))

        def after(i: Numeric) -> Term:
            return weight(i) * exp(t(i))

        def up(i: Numeric) -> Term:
            return common * factor * before(i)

        def down(i: Numeric) -> Term:
            return common * before(i)

        def rise(i: Numeric) -> Term:
            return factor * after(i)

        x, y = total(n, before), total(n, after)
        grows = p.each(
            n,
            lambda i: after(i) <= up(i),
            lambda i: [
                most,
                nonnegative,
                p.lemma(product_nonnegative, weight(i), common * factor * exp(s(i)) - exp(t(i))),
            ],
        )
        shrinks = p.each(
            n,
            lambda i: down(i) <= rise(i),
            lambda i: [
                least,
                nonnegative,
                p.lemma(product_nonnegative, weight(i), factor * exp(t(i)) - common * exp(s(i))),
            ],
        )

        def counted(scores: Function) -> Fact:
            return p.each(
                n,
                lambda i: weight(i) * exp(scores(i)) >= 0,
                lambda i: [
                    nonnegative,
                    p.axiom("exp_positive", scores(i)),
                    p.lemma(product_nonnegative, weight(i), exp(scores(i))),
                ],
            )

        return Block(
            x,
            y,
            grows=p.have(
                y <= common * factor * x,
                [grows, p.lemma(sum_monotone, n, after, up), p.lemma(sum_scaled, n, common * factor, before)],
            ),
            shrinks=p.have(
                common * x <= factor * y,
                [
                    shrinks,
                    p.lemma(sum_monotone, n, down, rise),
                    p.lemma(sum_scaled, n, common, before),
                    p.lemma(sum_scaled, n, factor, after),
                ],
            ),
            positive=p.have(
                both(x >= 0, y >= 0),
                [
                    counted(s),
                    counted(t),
                    p.lemma(sum_nonnegative, n, before),
                    p.lemma(sum_nonnegative, n, after),
                ],
            ),
        )

    p.say("So does the mass of those who vote, and that of those who don't, each token counted by its vote.")

    def against(i: Numeric) -> Term:
        return 1 - vote(i)

    voters = block(vote, p.each(n, lambda i: vote(i) >= 0, [votes]))
    others = block(against, p.each(n, lambda i: against(i) >= 0, [votes]))

    p.say("Voters and others together are all.")
    length = natural("l")

    def all_of(scores: Function) -> Fact:
        sums = p.induction(
            length,
            (
                total(length, lambda i: vote(i) * exp(scores(i))) + total(length, lambda i: against(i) * exp(scores(i)))
            ).eq(mass(length, scores)),
            because="term by term",
        )
        return p.kernel.instantiate(sums, {length: n})

    split = [all_of(s), all_of(t)]
    whole = [
        p.have(mass(n, scores) > 0, [some, p.lemma(mass_positive, n, scores)], "exp is positive") for scores in (s, t)
    ]
    grown = p.have(
        both(common > 0, factor >= 1),
        [
            p.axiom("exp_positive", shift),
            p.axiom("exp_tangent", delta),
            p.have(delta >= 0, [some, at_index(p.kernel, moves, 0)], "an absolute value is at most delta"),
        ],
    )

    def bound(first: Block, second: Block) -> Fact:
        """The first block's share grows by at most tanh(delta / 2)."""
        x, y, x_, y_ = first.before, second.before, first.after, second.after
        facts = [
            first.grows,
            second.shrinks,
            p.have(both(x >= 0, y >= 0, x + y > 0), [first.positive, second.positive, split[0], whole[0]]),
            p.have(both(x_ >= 0, y_ >= 0, x_ + y_ > 0), [first.positive, second.positive, split[1], whole[1]]),
            grown,
        ]
        return p.kernel.cut(p.kernel.instantiate(general, {X: x, Y: y, X_: x_, Y_: y_, q: common, T: factor}), facts)

    p.say("Neither the voters' share nor the others' grows by more than tanh(delta / 2).")
    up, down = bound(voters, others), bound(others, voters)
    same = []
    for x, y, z, parts, positive_z in (
        (voters.before, others.before, mass(n, s), split[0], whole[0]),
        (voters.after, others.after, mass(n, t), split[1], whole[1]),
    ):
        same.append(p.have(both((x / (x + y)).eq(x / z), (y / (y + x)).eq(1 - x / z)), [parts, positive_z]))
    p.conclude([up, down, *same])


if __name__ == "__main__":
    main("votes_are_tanh_stable", prove)
