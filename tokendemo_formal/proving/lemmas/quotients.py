"""Products, quotients and roots, so that solvers meet them with few variables."""

from __future__ import annotations

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    absolute,
    between,
    both,
    iff,
    implies,
    larger,
    real,
    sqrt,
    term,
    total,
)
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.lemmas.general import Terms, b_, c_, f_, g_, m_, n_, once, x_, y_
from tokendemo_formal.proving.lemmas.sums import (
    cauchy_schwarz,
    sum_monotone,
    sum_of_squares,
    sum_scaled,
    sum_subtracted,
)
from tokendemo_formal.proving.tactics import equal_sums, for_each


def scaled(kernel: Kernel, c: Numeric, a: Numeric, b: Numeric) -> Fact:
    """c > 0 ⇒ (a <= b ⇔ c a <= c b), and c >= 0 and a <= b ⇒ c a <= c b."""
    x, y, z = (real(name) for name in ("x", "y", "z"))
    less, more = x <= y, z * x <= z * y
    general = both(implies(z > 0, iff(less, more)), implies(both(z >= 0, less), more))
    return kernel.instantiate(once(kernel, "scaled", lambda: kernel.arithmetic(general)), {x: a, y: b, z: c})


def product_nonnegative(kernel: Kernel, x: Numeric, y: Numeric) -> Fact:
    """x >= 0 and y >= 0 ⇒ x y >= 0."""
    general = implies(both(x_ >= 0, y_ >= 0), x_ * y_ >= 0)
    fact = once(kernel, "product_nonnegative", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {x_: x, y_: y})


def quotient_at_least(kernel: Kernel, x: Numeric, y: Numeric, c: Numeric) -> Fact:
    """y > 0 and c y <= x ⇒ c <= x / y."""
    general = implies(both(y_ > 0, c_ * y_ <= x_), c_ <= x_ / y_)
    fact = once(kernel, "quotient_at_least", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {x_: x, y_: y, c_: c})


def quotient_at_most(kernel: Kernel, x: Numeric, y: Numeric, c: Numeric) -> Fact:
    """y > 0 and x <= c y ⇒ x / y <= c."""
    general = implies(both(y_ > 0, x_ <= c_ * y_), x_ / y_ <= c_)
    fact = once(kernel, "quotient_at_most", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {x_: x, y_: y, c_: c})


def quotient_of_sums_at_most(
    kernel: Kernel,
    n: Numeric,
    parts: tuple[Numeric, Numeric, Numeric, Numeric, Numeric],
    a: Terms,
    b: Terms,
) -> Fact:
    """A quotient of sums is at most a sum of terms, one for each part.

    With D = B + Σ b, N = A + Σ a and φ(x) = max(x/L, x/U): 0 < L <= D <= U ⇒
    N/D <= c + φ(A - c B) + Σ φ(a(i) - c b(i)).

    Args:
        kernel: checks.
        n: how many terms the sums have.
        parts: A, B, c, L, U.
        a, b: the sums' terms.
    """
    A, B, L, U, x, d = (real(name) for name in ("A", "B", "L", "U", "x", "d"))
    N, D = A + total(n_, lambda i: f_(i)), B + total(n_, lambda i: g_(i))

    def phi(x: Numeric) -> Term:
        return larger(term(x) / L, term(x) / U)

    order = both(L > 0, L <= D, D <= U)

    def prove() -> Fact:
        given = kernel.assume(order)
        single = kernel.arithmetic(implies(both(L > 0, L <= d, d <= U), x <= d * phi(x)))

        def part(of: Numeric) -> Fact:
            return kernel.arithmetic(term(of) <= D * phi(of), [kernel.instantiate(single, {x: of, d: D}), given])

        slots = for_each(
            kernel,
            n_,
            lambda i: f_(i) - c_ * g_(i) <= D * phi(f_(i) - c_ * g_(i)),
            lambda i: [part(f_(i) - c_ * g_(i))],
        )
        sums = [
            sum_monotone(kernel, n_, lambda i: f_(i) - c_ * g_(i), lambda i: D * phi(f_(i) - c_ * g_(i))),
            sum_scaled(kernel, n_, D, lambda i: phi(f_(i) - c_ * g_(i))),
            sum_subtracted(kernel, n_, lambda i: f_(i), lambda i: c_ * g_(i)),
            sum_scaled(kernel, n_, c_, lambda i: g_(i)),
        ]
        spread = total(n_, lambda i: phi(f_(i) - c_ * g_(i)))
        whole = kernel.arithmetic(
            total(n_, lambda i: f_(i)) - c_ * total(n_, lambda i: g_(i)) <= D * spread, [slots, *sums]
        )
        multiplied = kernel.arithmetic(N - c_ * D <= D * (phi(A - c_ * B) + spread), [whole, part(A - c_ * B)])
        division = kernel.arithmetic(implies(both(d > 0, A - c_ * d <= d * x), A / d <= c_ + x))
        short = kernel.instantiate(division, {A: N, d: D, x: phi(A - c_ * B) + spread})
        divided = kernel.arithmetic(N / D <= c_ + phi(A - c_ * B) + spread, [multiplied, given, short])
        return kernel.discharge(divided, order)

    fact = once(kernel, "quotient_of_sums_at_most", prove)
    return kernel.instantiate(fact, {n_: n, **dict(zip((A, B, c_, L, U), parts, strict=True))}, {f_: a, g_: b})


def odds_outgrown(
    kernel: Kernel, k: Numeric, m: Numeric, ratio: Numeric, gained: Numeric, left: Numeric, eps: Numeric
) -> Fact:
    """Where k + m = gained left, k weights of ratio gained against m of 1 lose once left outgrows the odds:

    k (k + 1) ratio (1 - eps) <= eps left ⇒ k ratio gained (1 - eps) <= eps m, and eps >= 0,

    if m >= 1, and ratio, gained and left are positive.
    """
    d, q, r, e, a = (real(name) for name in ("d", "q", "r", "e", "a"))
    length = (n_ + m_).eq(q * r)
    odds = n_ * (n_ + 1) * d * (1 - e) <= e * r
    bound = n_ * d * q * (1 - e) <= e * m_

    def prove() -> Fact:
        one, positive = kernel.assume(m_ >= 1), kernel.assume(both(d > 0, q > 0, r > 0))
        # a negative eps would make the odds' left side at least 0 and the right side less
        general = kernel.arithmetic(implies(both(a >= 0, r > 0, a * (1 - e) <= e * r), e >= 0))
        odd = kernel.arithmetic(n_ * (n_ + 1) * d >= 0, [positive])
        sign = kernel.arithmetic(
            e >= 0, [kernel.instantiate(general, {a: n_ * (n_ + 1) * d}), odd, positive, kernel.assume(odds)]
        )
        # the odds times gained, with gained left = k + m <= (k + 1) m, and k + 1 cancelled
        most = kernel.arithmetic(q * r <= (n_ + 1) * m_, [kernel.assume(length), one])
        times = scaled(kernel, q, n_ * (n_ + 1) * d * (1 - e), e * r)
        longer = scaled(kernel, e, q * r, (n_ + 1) * m_)
        cancel = scaled(kernel, n_ + 1, n_ * d * q * (1 - e), e * m_)
        fact = kernel.arithmetic(
            both(bound, e >= 0), [times, longer, cancel, most, sign, positive, kernel.assume(odds)]
        )
        for premise in (odds, length, positive.conclusion, one.conclusion):
            fact = kernel.discharge(fact, premise)
        return fact

    values = {n_: k, m_: m, d: ratio, q: gained, r: left, e: eps}
    return kernel.instantiate(once(kernel, "odds_outgrown", prove), values)


def normed_square_sum(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """c > 0 ⇒ Σ (f(i) / √(Σ f² / n + c))² <= n."""
    square = total(n_, lambda i: f_(i) * f_(i))
    root = sqrt(square / n_ + c_)

    def normed(n: Numeric) -> Term:
        return total(n, lambda i: f_(i) / root * (f_(i) / root))

    def prove() -> Fact:
        some_terms, positive = kernel.assume(n_ > 0), kernel.assume(c_ > 0)
        nonnegative = kernel.arithmetic(square >= 0, [sum_of_squares(kernel, n_, f_)])
        mean = kernel.arithmetic(square / n_ >= 0, [nonnegative, some_terms])
        rooted = kernel.arithmetic(
            both(root > 0, (root * root).eq(square / n_ + c_)),
            [mean, positive, kernel.axiom("sqrt_squared", square / n_ + c_)],
        )
        divided = equal_sums(
            kernel,
            n_,
            lambda i: f_(i) / root * (f_(i) / root),
            lambda i: 1 / (root * root) * (f_(i) * f_(i)),
            [rooted],
        )
        scaled = sum_scaled(kernel, n_, 1 / (root * root), lambda i: f_(i) * f_(i))
        quotient = kernel.arithmetic(square / (root * root) <= n_, [nonnegative, some_terms, positive, rooted])
        long = kernel.arithmetic(normed(n_) <= n_, [divided, scaled, quotient, rooted])
        none = [kernel.equal(n_, 0, normed), kernel.empty(normed(0))]
        for hypothesis in (some_terms, positive):
            long = kernel.discharge(long, hypothesis.conclusion)
        return kernel.arithmetic(implies(c_ > 0, normed(n_) <= n_), [long, *none])

    return kernel.instantiate(once(kernel, "normed_square_sum", prove), {n_: n, c_: c}, {f_: f})


def affine_within(kernel: Kernel, n: Numeric, f: Terms, g: Terms, b: Numeric) -> Fact:
    """Σ g² <= n ⇒ |Σ f g + b| <= √n √(Σ f²) + |b|, as two inequalities."""
    p, a = total(n_, lambda i: f_(i) * g_(i)), total(n_, lambda i: f_(i) * f_(i))
    short = total(n_, lambda i: g_(i) * g_(i)) <= n_
    bound = sqrt(n_) * sqrt(a) + absolute(b_)

    def prove() -> Fact:
        square = kernel.arithmetic(implies(short, both(p * p <= a * n_, a >= 0)), [cauchy_schwarz(kernel, n_, f_, g_)])
        roots = [kernel.axiom("sqrt_squared", n_), kernel.axiom("sqrt_squared", a)]
        inner = kernel.arithmetic(
            implies(short, between(-(sqrt(n_) * sqrt(a)), p, sqrt(n_) * sqrt(a))), [square, *roots]
        )
        return kernel.arithmetic(implies(short, between(-bound, p + b_, bound)), [inner])

    return kernel.instantiate(once(kernel, "affine_within", prove), {n_: n, b_: b}, {f_: f, g_: g})
