"""Sums of any length: orders, signs, members, rows and columns, squares."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Numeric, between, both, each, implies, term, total
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.lemmas.general import F_, Terms, a_, by_length, c_, f_, g_, h_, m_, n_, once
from tokendemo_formal.proving.tactics import by_induction, equal_sums, for_each


def sum_constant(kernel: Kernel, n: Numeric, c: Numeric) -> Fact:
    """Σ_{i<n} c = n c."""
    general = total(n_, lambda i: c_).eq(n_ * c_)
    return kernel.instantiate(by_length(kernel, "sum_constant", general), {n_: n, c_: c})


def sum_zero(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) = 0 for each i < n ⇒ Σ f = 0."""
    general = implies(each(n_, lambda i: f_(i).eq(0)), total(n_, lambda i: f_(i)).eq(0))
    return kernel.instantiate(by_length(kernel, "sum_zero", general), {n_: n}, {f_: f})


def sum_at_least(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """c <= f(i) for each i < n ⇒ n c <= Σ f."""
    general = implies(each(n_, lambda i: c_ <= f_(i)), n_ * c_ <= total(n_, lambda i: f_(i)))
    return kernel.instantiate(by_length(kernel, "sum_at_least", general), {n_: n, c_: c}, {f_: f})


def sum_at_most(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """f(i) <= c for each i < n ⇒ Σ f <= n c."""
    general = implies(each(n_, lambda i: f_(i) <= c_), total(n_, lambda i: f_(i)) <= n_ * c_)
    return kernel.instantiate(by_length(kernel, "sum_at_most", general), {n_: n, c_: c}, {f_: f})


def sum_monotone(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """f(i) <= g(i) for each i < n ⇒ Σ f <= Σ g."""
    general = implies(each(n_, lambda i: f_(i) <= g_(i)), total(n_, lambda i: f_(i)) <= total(n_, lambda i: g_(i)))
    return kernel.instantiate(by_length(kernel, "sum_monotone", general), {n_: n}, {f_: f, g_: g})


def sum_between(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """-g(i) <= f(i) <= g(i) for each i < n ⇒ -Σ g <= Σ f <= Σ g."""
    x, y = total(n_, lambda i: f_(i)), total(n_, lambda i: g_(i))
    general = implies(each(n_, lambda i: between(-g_(i), f_(i), g_(i))), between(-y, x, y))
    return kernel.instantiate(by_length(kernel, "sum_between", general), {n_: n}, {f_: f, g_: g})


def sum_scaled(kernel: Kernel, n: Numeric, c: Numeric, f: Terms) -> Fact:
    """Σ c f(i) = c Σ f."""
    general = total(n_, lambda i: c_ * f_(i)).eq(c_ * total(n_, lambda i: f_(i)))
    return kernel.instantiate(by_length(kernel, "sum_scaled", general), {n_: n, c_: c}, {f_: f})


def sum_added(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """Σ (f(i) + g(i)) = Σ f + Σ g."""
    general = total(n_, lambda i: f_(i) + g_(i)).eq(total(n_, lambda i: f_(i)) + total(n_, lambda i: g_(i)))
    return kernel.instantiate(by_length(kernel, "sum_added", general), {n_: n}, {f_: f, g_: g})


def sum_subtracted(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """Σ (f(i) - g(i)) = Σ f - Σ g."""
    general = total(n_, lambda i: f_(i) - g_(i)).eq(total(n_, lambda i: f_(i)) - total(n_, lambda i: g_(i)))
    return kernel.instantiate(by_length(kernel, "sum_subtracted", general), {n_: n}, {f_: f, g_: g})


def sum_nonnegative(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) >= 0 for each i < n ⇒ Σ f >= 0."""
    general = implies(each(n_, lambda i: f_(i) >= 0), total(n_, lambda i: f_(i)) >= 0)
    return kernel.instantiate(by_length(kernel, "sum_nonnegative", general), {n_: n}, {f_: f})


def sum_positive(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) > 0 for each i < n ⇒ Σ f >= 0, and Σ f > 0 where n > 0."""
    x = total(n_, lambda i: f_(i))
    general = implies(each(n_, lambda i: f_(i) > 0), both(x >= 0, implies(n_ > 0, x > 0)))
    return kernel.instantiate(by_length(kernel, "sum_positive", general), {n_: n}, {f_: f})


def sum_member(kernel: Kernel, n: Numeric, f: Terms, a: Numeric) -> Fact:
    """f(i) >= 0 for each i < n ⇒ Σ f >= 0, and f(a) <= Σ f where a < n."""
    x = total(n_, lambda i: f_(i))
    general = implies(each(n_, lambda i: f_(i) >= 0), both(x >= 0, implies(a_ < n_, f_(a_) <= x)))

    def prove() -> Fact:
        step = [kernel.discrete(n_, a_), kernel.discrete(a_, n_), kernel.equal(a_, n_, lambda t: f_(t))]
        return by_induction(kernel, n_, general, step=step)

    return kernel.instantiate(once(kernel, "sum_member", prove), {n_: n, a_: a}, {f_: f})


def sum_of_each(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) >= 0 for each i < n ⇒ f(i) <= Σ f for each i < n."""
    x = total(n_, lambda i: f_(i))
    nonnegative = each(n_, lambda i: f_(i) >= 0)

    def prove() -> Fact:
        given = kernel.assume(nonnegative)
        members = for_each(
            kernel,
            n_,
            lambda i: f_(i) <= x,
            lambda i: [kernel.arithmetic(implies(i < n_, f_(i) <= x), [given, sum_member(kernel, n_, f_, i)])],
        )
        return kernel.discharge(members, nonnegative)

    return kernel.instantiate(once(kernel, "sum_of_each", prove), {n_: n}, {f_: f})


def sum_member_strictly(kernel: Kernel, n: Numeric, f: Terms, a: Numeric) -> Fact:
    """f(i) > 0 for each i < n ⇒ Σ f >= 0, Σ f > 0 where n > 0, and f(a) < Σ f where a < n and n >= 2."""
    x = total(n_, lambda i: f_(i))
    member = implies(a_ < n_, both(f_(a_) <= x, implies(n_ >= 2, f_(a_) < x)))
    general = implies(each(n_, lambda i: f_(i) > 0), both(x >= 0, implies(n_ > 0, x > 0), member))

    def prove() -> Fact:
        step = [
            kernel.discrete(n_, a_),
            kernel.discrete(a_, n_),
            kernel.discrete(0, n_),
            kernel.equal(a_, n_, lambda t: f_(t)),
        ]
        return by_induction(kernel, n_, general, step=step)

    return kernel.instantiate(once(kernel, "sum_member_strictly", prove), {n_: n, a_: a}, {f_: f})


def weighted_at_least(kernel: Kernel, n: Numeric, w: Terms, f: Terms, c: Numeric) -> Fact:
    """w(i) >= 0 and c <= f(i) for each i < n ⇒ c Σ w <= Σ w(i) f(i)."""
    general = implies(
        each(n_, lambda i: both(g_(i) >= 0, c_ <= f_(i))),
        c_ * total(n_, lambda i: g_(i)) <= total(n_, lambda i: g_(i) * f_(i)),
    )
    return kernel.instantiate(by_length(kernel, "weighted_at_least", general), {n_: n, c_: c}, {f_: f, g_: w})


def weighted_at_most(kernel: Kernel, n: Numeric, w: Terms, f: Terms, c: Numeric) -> Fact:
    """w(i) >= 0 and f(i) <= c for each i < n ⇒ Σ w(i) f(i) <= c Σ w."""
    general = implies(
        each(n_, lambda i: both(g_(i) >= 0, f_(i) <= c_)),
        total(n_, lambda i: g_(i) * f_(i)) <= c_ * total(n_, lambda i: g_(i)),
    )
    return kernel.instantiate(by_length(kernel, "weighted_at_most", general), {n_: n, c_: c}, {f_: f, g_: w})


def sum_exchanged(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """Σ_{i<n} Σ_{j<m} f(i, j) = Σ_{j<m} Σ_{i<n} f(i, j)."""
    general = total(n_, lambda i: total(m_, lambda j: F_(i, j))).eq(total(m_, lambda j: total(n_, lambda i: F_(i, j))))

    def prove() -> Fact:
        none = equal_sums(
            kernel,
            m_,
            lambda j: total(0, lambda i: F_(i, j)),
            lambda j: term(0),
            lambda j: [kernel.empty(total(0, lambda i: F_(i, j)))],
        )
        # n + 1: each inner sum on the right has one more term, and a sum of sums is the sum of both
        longer = equal_sums(
            kernel,
            m_,
            lambda j: total(n_ + 1, lambda i: F_(i, j)),
            lambda j: total(n_, lambda i: F_(i, j)) + F_(n_, j),
            lambda j: [kernel.last(total(n_ + 1, lambda i: F_(i, j)))],
        )
        added = sum_added(kernel, m_, lambda j: total(n_, lambda i: F_(i, j)), lambda j: F_(n_, j))
        return by_induction(kernel, n_, general, base=[none, sum_constant(kernel, m_, 0)], step=[longer, added])

    return kernel.instantiate(once(kernel, "sum_exchanged", prove), {n_: n, m_: m}, {F_: f})


def sums_at_most(kernel: Kernel, n: Numeric, m: Numeric, x: Terms, s: Terms, t: Terms, top: Terms) -> Fact:
    """x(i) <= s(i) + Σ_j t(i, j) for each i < n, and Σ_i t(i, j) <= top(j) for each j < m ⇒ Σ x <= Σ s + Σ top."""
    rows = each(n_, lambda i: h_(i) <= f_(i) + total(m_, lambda j: F_(i, j)))
    columns = each(m_, lambda j: total(n_, lambda i: F_(i, j)) <= g_(j))
    bound = total(n_, lambda i: h_(i)) <= total(n_, lambda i: f_(i)) + total(m_, lambda j: g_(j))

    def prove() -> Fact:
        return kernel.arithmetic(
            implies(both(rows, columns), bound),
            [
                sum_monotone(kernel, n_, lambda i: h_(i), lambda i: f_(i) + total(m_, lambda j: F_(i, j))),
                sum_added(kernel, n_, lambda i: f_(i), lambda i: total(m_, lambda j: F_(i, j))),
                sum_exchanged(kernel, n_, m_, lambda i, j: F_(i, j)),
                sum_monotone(kernel, m_, lambda j: total(n_, lambda i: F_(i, j)), lambda j: g_(j)),
            ],
        )

    fact = once(kernel, "sums_at_most", prove)
    return kernel.instantiate(fact, {n_: n, m_: m}, {h_: x, f_: s, F_: t, g_: top})


def sum_square(kernel: Kernel, n: Numeric, f: Terms, g: Terms, c: Numeric) -> Fact:
    """Σ (f(i) - c g(i))² = Σ f² - 2 c Σ f g + c² Σ g²."""
    general = total(n_, lambda i: (f_(i) - c_ * g_(i)) * (f_(i) - c_ * g_(i))).eq(
        total(n_, lambda i: f_(i) * f_(i))
        - 2 * c_ * total(n_, lambda i: f_(i) * g_(i))
        + c_ * c_ * total(n_, lambda i: g_(i) * g_(i))
    )
    return kernel.instantiate(by_length(kernel, "sum_square", general), {n_: n, c_: c}, {f_: f, g_: g})


def sum_of_squares(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """Σ f² >= 0."""
    general = total(n_, lambda i: f_(i) * f_(i)) >= 0
    return kernel.instantiate(by_length(kernel, "sum_of_squares", general), {n_: n}, {f_: f})


def cauchy_schwarz(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """(Σ f g)² <= Σ f² Σ g², and both factors are nonnegative."""
    p = total(n_, lambda i: f_(i) * g_(i))
    a, b = total(n_, lambda i: f_(i) * f_(i)), total(n_, lambda i: g_(i) * g_(i))

    def prove() -> Fact:
        # Σ (f - c g)² >= 0 for every c; the discriminant of a square that is never negative is not positive
        squares = sum_of_squares(kernel, n_, lambda i: f_(i) - c_ * g_(i))
        expanded = sum_square(kernel, n_, f_, g_, c_)
        parabola = kernel.arithmetic(a - 2 * c_ * p + c_ * c_ * b >= 0, [squares, expanded])
        signs = [sum_of_squares(kernel, n_, f_), sum_of_squares(kernel, n_, g_)]
        # where b > 0 the least value, at c = p / b, is a - p² / b; where b = 0 and p is not, c = (a + 1) / 2 p gives -1
        least = kernel.instantiate(parabola, {c_: p / b})
        flat = kernel.instantiate(parabola, {c_: (a + 1) / (2 * p)})
        return kernel.arithmetic(both(p * p <= a * b, a >= 0, b >= 0), [*signs, least, flat])

    return kernel.instantiate(once(kernel, "cauchy_schwarz", prove), {n_: n}, {f_: f, g_: g})
