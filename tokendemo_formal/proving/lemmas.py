"""Sums of any length: what proofs need to know of them, each shown by induction on the length.

Each function returns a fact without hypotheses, for the sequences (as functions of an index) and bounds given. It is
proved in general once a kernel, and instantiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    both,
    each,
    function,
    implies,
    larger,
    natural,
    negation,
    real,
    some,
    term,
    total,
)
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.tactics import by_induction, for_each

Terms: TypeAlias = Callable[..., Numeric]
"""A sequence, as a function of its index."""

_n, _m, _a = natural("n"), natural("m"), natural("a")
_f, _g, _h = function("f"), function("g"), function("h")
_F = function("F", 2)
_c = real("c")


def _once(kernel: Kernel, name: str, prove: Callable[[], Fact]) -> Fact:
    if name not in kernel.known:
        kernel.known[name] = prove()
    return kernel.known[name]


def _by_induction(kernel: Kernel, name: str, proposition: Term) -> Fact:
    return _once(kernel, name, lambda: by_induction(kernel, _n, proposition))


def sum_at_least(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """c <= f(i) for each i < n ⇒ n c <= Σ f."""
    general = implies(each(_n, lambda i: _c <= _f(i)), _n * _c <= total(_n, lambda i: _f(i)))
    return kernel.instantiate(_by_induction(kernel, "sum_at_least", general), {_n: n, _c: c}, {_f: f})


def sum_at_most(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """f(i) <= c for each i < n ⇒ Σ f <= n c."""
    general = implies(each(_n, lambda i: _f(i) <= _c), total(_n, lambda i: _f(i)) <= _n * _c)
    return kernel.instantiate(_by_induction(kernel, "sum_at_most", general), {_n: n, _c: c}, {_f: f})


def sum_constant(kernel: Kernel, n: Numeric, c: Numeric) -> Fact:
    """Σ_{i<n} c = n c."""
    general = total(_n, lambda i: _c).eq(_n * _c)
    return kernel.instantiate(_by_induction(kernel, "sum_constant", general), {_n: n, _c: c})


def sum_monotone(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """f(i) <= g(i) for each i < n ⇒ Σ f <= Σ g."""
    general = implies(each(_n, lambda i: _f(i) <= _g(i)), total(_n, lambda i: _f(i)) <= total(_n, lambda i: _g(i)))
    return kernel.instantiate(_by_induction(kernel, "sum_monotone", general), {_n: n}, {_f: f, _g: g})


def sum_strictly_monotone(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """f(i) < g(i) for each i < n, and n >= 1 ⇒ Σ f < Σ g."""
    x, y = total(_n, lambda i: _f(i)), total(_n, lambda i: _g(i))
    general = implies(each(_n, lambda i: _f(i) < _g(i)), both(x <= y, implies(_n > 0, x < y)))
    return kernel.instantiate(_by_induction(kernel, "sum_strictly_monotone", general), {_n: n}, {_f: f, _g: g})


def sum_scaled(kernel: Kernel, n: Numeric, c: Numeric, f: Terms) -> Fact:
    """Σ c f(i) = c Σ f."""
    general = total(_n, lambda i: _c * _f(i)).eq(_c * total(_n, lambda i: _f(i)))
    return kernel.instantiate(_by_induction(kernel, "sum_scaled", general), {_n: n, _c: c}, {_f: f})


def sum_added(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """Σ (f(i) + g(i)) = Σ f + Σ g."""
    general = total(_n, lambda i: _f(i) + _g(i)).eq(total(_n, lambda i: _f(i)) + total(_n, lambda i: _g(i)))
    return kernel.instantiate(_by_induction(kernel, "sum_added", general), {_n: n}, {_f: f, _g: g})


def sum_subtracted(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """Σ (f(i) - g(i)) = Σ f - Σ g."""
    general = total(_n, lambda i: _f(i) - _g(i)).eq(total(_n, lambda i: _f(i)) - total(_n, lambda i: _g(i)))
    return kernel.instantiate(_by_induction(kernel, "sum_subtracted", general), {_n: n}, {_f: f, _g: g})


def sum_positive(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) > 0 for each i < n ⇒ Σ f >= 0, and Σ f > 0 where n > 0."""
    x = total(_n, lambda i: _f(i))
    general = implies(each(_n, lambda i: _f(i) > 0), both(x >= 0, implies(_n > 0, x > 0)))
    return kernel.instantiate(_by_induction(kernel, "sum_positive", general), {_n: n}, {_f: f})


def sum_nonnegative(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) >= 0 for each i < n ⇒ Σ f >= 0."""
    general = implies(each(_n, lambda i: _f(i) >= 0), total(_n, lambda i: _f(i)) >= 0)
    return kernel.instantiate(_by_induction(kernel, "sum_nonnegative", general), {_n: n}, {_f: f})


def weighted_at_least(kernel: Kernel, n: Numeric, w: Terms, f: Terms, c: Numeric) -> Fact:
    """w(i) >= 0 and c <= f(i) for each i < n ⇒ c Σ w <= Σ w(i) f(i)."""
    general = implies(
        each(_n, lambda i: both(_g(i) >= 0, _c <= _f(i))),
        _c * total(_n, lambda i: _g(i)) <= total(_n, lambda i: _g(i) * _f(i)),
    )
    return kernel.instantiate(_by_induction(kernel, "weighted_at_least", general), {_n: n, _c: c}, {_f: f, _g: w})


def weighted_at_most(kernel: Kernel, n: Numeric, w: Terms, f: Terms, c: Numeric) -> Fact:
    """w(i) >= 0 and f(i) <= c for each i < n ⇒ Σ w(i) f(i) <= c Σ w."""
    general = implies(
        each(_n, lambda i: both(_g(i) >= 0, _f(i) <= _c)),
        total(_n, lambda i: _g(i) * _f(i)) <= _c * total(_n, lambda i: _g(i)),
    )
    return kernel.instantiate(_by_induction(kernel, "weighted_at_most", general), {_n: n, _c: c}, {_f: f, _g: w})


def sum_member(kernel: Kernel, n: Numeric, f: Terms, a: Numeric) -> Fact:
    """f(i) >= 0 for each i < n ⇒ Σ f >= 0, and f(a) <= Σ f where a < n."""
    x = total(_n, lambda i: _f(i))
    general = implies(each(_n, lambda i: _f(i) >= 0), both(x >= 0, implies(_a < _n, _f(_a) <= x)))

    def prove() -> Fact:
        step = [kernel.discrete(_n, _a), kernel.discrete(_a, _n), kernel.equal(_a, _n, lambda t: _f(t))]
        return by_induction(kernel, _n, general, step=step)

    return kernel.instantiate(_once(kernel, "sum_member", prove), {_n: n, _a: a}, {_f: f})


def sum_joined(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """Σ_{i<n+m} f(i) = Σ_{i<n} f(i) + Σ_{j<m} f(n + j)."""
    general = total(_n + _m, lambda i: _f(i)).eq(total(_n, lambda i: _f(i)) + total(_m, lambda j: _f(_n + j)))

    def prove() -> Fact:
        zero = kernel.equal(_n + 0, _n, lambda t: total(t, lambda i: _f(i)))
        return by_induction(kernel, _m, general, base=[zero])

    return kernel.instantiate(_once(kernel, "sum_joined", prove), {_n: n, _m: m}, {_f: f})


def largest(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """n > 0 ⇒ some i < n has f(j) <= f(i) for each j < n."""
    top = some(_n, lambda i: each(_n, lambda j: _f(j) <= _f(i)))
    general = implies(_n > 0, top)

    def prove() -> Fact:
        longer = some(_n + 1, lambda i: each(_n + 1, lambda j: _f(j) <= _f(i)))
        i = natural("i")
        # an index i that was largest below n: either f(n) <= f(i) and i still is, or n is
        was = kernel.assume(each(_n, lambda j: _f(j) <= _f(i)))
        below = kernel.assume(i < _n)
        still = kernel.assume(_f(_n) <= _f(i))
        stays = kernel.arithmetic(
            both(i < _n + 1, each(_n + 1, lambda j: _f(j) <= _f(i))),
            [below, was, still, kernel.last(each(_n + 1, lambda j: _f(j) <= _f(i)))],
        )
        beaten = kernel.assume(_f(i) <= _f(_n))
        others = for_each(kernel, _n, lambda j: _f(j) <= _f(_n), [was, beaten])
        takes = kernel.arithmetic(
            both(_n < _n + 1, each(_n + 1, lambda j: _f(j) <= _f(_n))),
            [others, kernel.last(each(_n + 1, lambda j: _f(j) <= _f(_n)))],
        )
        first = kernel.discharge(kernel.exhibit(stays, longer, i), still.conclusion)
        second = kernel.discharge(kernel.exhibit(takes, longer, _n), beaten.conclusion)
        either_way = kernel.arithmetic(longer, [first, second])
        chosen = kernel.discharge(kernel.choose(kernel.assume(top), i, either_way), top)
        # n = 0: the only index is 0
        alone = kernel.assume(_n.eq(0))
        vacuous = kernel.arithmetic(
            each(_n, lambda j: _f(j) <= _f(_n)),
            [
                alone,
                kernel.equal(_n, 0, lambda t: each(t, lambda j: _f(j) <= _f(_n))),
                kernel.empty(each(0, lambda j: _f(j) <= _f(_n))),
            ],
        )
        only = kernel.arithmetic(
            both(_n < _n + 1, each(_n + 1, lambda j: _f(j) <= _f(_n))),
            [vacuous, kernel.last(each(_n + 1, lambda j: _f(j) <= _f(_n)))],
        )
        start = kernel.discharge(kernel.exhibit(only, longer, _n), alone.conclusion)
        base = kernel.arithmetic(implies(term(0) > 0, some(0, lambda i: each(0, lambda j: _f(j) <= _f(i)))))
        step = kernel.arithmetic(implies(_n + 1 > 0, longer), [kernel.assume(general), chosen, start])
        return kernel.induction(_n, general, base, step)

    return kernel.instantiate(_once(kernel, "largest", prove), {_n: n}, {_f: f})


def no_index(kernel: Kernel, n: Numeric, body: Callable[..., Term]) -> Fact:
    """Not "some i < n" ⇔ "each i < n not"."""
    return kernel.none(n, lambda i: body(i))


def not_each(kernel: Kernel, n: Numeric, body: Callable[..., Term]) -> Fact:
    """Not "each i < n" ⇔ "some i < n not"."""
    inner = kernel.none(n, lambda i: negation(body(i)))
    double = for_each(kernel, n, lambda i: body(i), [kernel.assume(each(n, lambda i: negation(negation(body(i)))))])
    back = for_each(kernel, n, lambda i: negation(negation(body(i))), [kernel.assume(each(n, body))])
    facts = [inner] + [kernel.discharge(f, next(iter(f.hypotheses))) for f in (double, back)]
    from tokendemo_formal.logic.terms import iff

    return kernel.arithmetic(iff(negation(each(n, body)), some(n, lambda i: negation(body(i)))), facts)


def sums_swapped(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """Σ_{i<n} Σ_{j<m} f(i, j) = Σ_{j<m} Σ_{i<n} f(i, j)."""
    general = total(_n, lambda i: total(_m, lambda j: _F(i, j))).eq(total(_m, lambda j: total(_n, lambda i: _F(i, j))))

    def prove() -> Fact:
        none = total(_m, lambda j: total(0, lambda i: _F(i, j)))
        empty = for_each(
            kernel,
            _m,
            lambda j: total(0, lambda i: _F(i, j)).eq(0),
            lambda j: [kernel.empty(total(0, lambda i: _F(i, j)))],
        )
        zeros = total(_m, lambda j: 0)
        base = [kernel.same(none, zeros, empty), sum_constant(kernel, _m, 0)]
        longer = total(_m, lambda j: total(_n + 1, lambda i: _F(i, j)))
        split = total(_m, lambda j: total(_n, lambda i: _F(i, j)) + _F(_n, j))
        unfolded = for_each(
            kernel,
            _m,
            lambda j: total(_n + 1, lambda i: _F(i, j)).eq(total(_n, lambda i: _F(i, j)) + _F(_n, j)),
            lambda j: [kernel.last(total(_n + 1, lambda i: _F(i, j)))],
        )
        step = [
            kernel.same(longer, split, unfolded),
            sum_added(kernel, _m, lambda j: total(_n, lambda i: _F(i, j)), lambda j: _F(_n, j)),
        ]
        return by_induction(kernel, _n, general, base, step)

    return kernel.instantiate(_once(kernel, "sums_swapped", prove), {_n: n, _m: m}, {_F: f})


def sums_at_most(kernel: Kernel, n: Numeric, m: Numeric, x: Terms, s: Terms, t: Terms, top: Terms) -> Fact:
    """x(i) <= s(i) + Σ_j t(i, j) for each i < n, and Σ_i t(i, j) <= top(j) for each j < m ⇒ Σ x <= Σ s + Σ top."""
    rows = each(_n, lambda i: _h(i) <= _f(i) + total(_m, lambda j: _F(i, j)))
    columns = each(_m, lambda j: total(_n, lambda i: _F(i, j)) <= _g(j))
    bound = total(_n, lambda i: _h(i)) <= total(_n, lambda i: _f(i)) + total(_m, lambda j: _g(j))

    def prove() -> Fact:
        return kernel.arithmetic(
            implies(both(rows, columns), bound),
            [
                sum_monotone(kernel, _n, lambda i: _h(i), lambda i: _f(i) + total(_m, lambda j: _F(i, j))),
                sum_added(kernel, _n, lambda i: _f(i), lambda i: total(_m, lambda j: _F(i, j))),
                sums_swapped(kernel, _n, _m, lambda i, j: _F(i, j)),
                sum_monotone(kernel, _m, lambda j: total(_n, lambda i: _F(i, j)), lambda j: _g(j)),
            ],
        )

    fact = _once(kernel, "sums_at_most", prove)
    return kernel.instantiate(fact, {_n: n, _m: m}, {_h: x, _f: s, _F: t, _g: top})


def quotient_at_most(
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
    N, D = A + total(_n, lambda i: _f(i)), B + total(_n, lambda i: _g(i))

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
            _n,
            lambda i: _f(i) - _c * _g(i) <= D * phi(_f(i) - _c * _g(i)),
            lambda i: [part(_f(i) - _c * _g(i))],
        )
        sums = [
            sum_monotone(kernel, _n, lambda i: _f(i) - _c * _g(i), lambda i: D * phi(_f(i) - _c * _g(i))),
            sum_scaled(kernel, _n, D, lambda i: phi(_f(i) - _c * _g(i))),
            sum_subtracted(kernel, _n, lambda i: _f(i), lambda i: _c * _g(i)),
            sum_scaled(kernel, _n, _c, lambda i: _g(i)),
        ]
        spread = total(_n, lambda i: phi(_f(i) - _c * _g(i)))
        whole = kernel.arithmetic(
            total(_n, lambda i: _f(i)) - _c * total(_n, lambda i: _g(i)) <= D * spread, [slots, *sums]
        )
        multiplied = kernel.arithmetic(N - _c * D <= D * (phi(A - _c * B) + spread), [whole, part(A - _c * B)])
        division = kernel.arithmetic(implies(both(d > 0, A - _c * d <= d * x), A / d <= _c + x))
        short = kernel.instantiate(division, {A: N, d: D, x: phi(A - _c * B) + spread})
        divided = kernel.arithmetic(N / D <= _c + phi(A - _c * B) + spread, [multiplied, given, short])
        return kernel.discharge(divided, order)

    fact = _once(kernel, "quotient_at_most", prove)
    return kernel.instantiate(fact, {_n: n, **dict(zip((A, B, _c, L, U), parts, strict=True))}, {_f: a, _g: b})


def cauchy_schwarz(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """(Σ f g)² <= (Σ f²) (Σ g²), and both factors are at least 0."""
    x, y = total(_n, lambda i: _f(i) * _f(i)), total(_n, lambda i: _g(i) * _g(i))
    xy = total(_n, lambda i: _f(i) * _g(i))
    general = both(x >= 0, y >= 0, xy * xy <= x * y)

    def prove() -> Fact:
        X, Y, P, a, b = (real(name) for name in ("X", "Y", "P", "a", "b"))
        known = kernel.assume(both(X >= 0, Y >= 0, P * P <= X * Y))
        # 2 P a b is at most its absolute value, a geometric mean, and that at most the arithmetic one
        square = kernel.arithmetic((P * a * b) * (P * a * b) <= (X * b * b) * (Y * a * a), [known])
        signs = kernel.arithmetic(both(X * b * b >= 0, Y * a * a >= 0), [known])
        u, v, t = (real(name) for name in ("u", "v", "t"))
        means = kernel.arithmetic(implies(both(u >= 0, v >= 0, t * t <= u * v), 2 * t <= u + v))
        mean = kernel.arithmetic(
            2 * (P * a * b) <= X * b * b + Y * a * a,
            [square, signs, kernel.instantiate(means, {u: X * b * b, v: Y * a * a, t: P * a * b})],
        )
        after = both(X + a * a >= 0, Y + b * b >= 0, (P + a * b) * (P + a * b) <= (X + a * a) * (Y + b * b))
        general_step = kernel.discharge(kernel.arithmetic(after, [known, mean]), known.conclusion)
        step = kernel.instantiate(general_step, {X: x, Y: y, P: xy, a: _f(_n), b: _g(_n)})
        return by_induction(kernel, _n, general, step=[step])

    return kernel.instantiate(_once(kernel, "cauchy_schwarz", prove), {_n: n}, {_f: f, _g: g})
