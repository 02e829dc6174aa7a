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
    absolute,
    between,
    both,
    each,
    either,
    exp,
    function,
    implies,
    ite,
    natural,
    negation,
    real,
    some,
    sqrt,
    term,
    total,
)
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.tactics import by_induction, equal_sums, exp_of_sum, for_each

Terms: TypeAlias = Callable[..., Numeric]
"""A sequence, as a function of its index."""

_n, _m, _a = natural("n"), natural("m"), natural("a")
_f, _g, _f2 = function("f"), function("g"), function("h", 2)
_b, _c = real("b"), real("c")


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


def geometric_at_most(kernel: Kernel, n: Numeric, f: Terms, b: Numeric, c: Numeric) -> Fact:
    """f(i) <= b + c i for each i < n, and c >= 0 ⇒ (e^c - 1) Σ e^f(i) <= e^b (e^{c n} - 1)."""
    return _geometric(kernel, "geometric_at_most", False, n, f, b, c)


def geometric_at_least(kernel: Kernel, n: Numeric, f: Terms, b: Numeric, c: Numeric) -> Fact:
    """f(i) >= b + c i for each i < n, and c >= 0 ⇒ (e^c - 1) Σ e^f(i) >= e^b (e^{c n} - 1)."""
    return _geometric(kernel, "geometric_at_least", True, n, f, b, c)


def _geometric(kernel: Kernel, name: str, least: bool, n: Numeric, f: Terms, b: Numeric, c: Numeric) -> Fact:
    def ordered(x: Numeric, y: Numeric) -> Term:
        return term(y) <= x if least else term(x) <= y

    line = _b + _c * _n
    general = implies(
        both(_c >= 0, each(_n, lambda i: ordered(_f(i), _b + _c * i))),
        ordered((exp(_c) - 1) * total(_n, lambda i: exp(_f(i))), exp(_b) * (exp(_c * _n) - 1)),
    )

    def prove() -> Fact:
        base = [kernel.axiom("exp_zero"), kernel.identity((_c * 0).eq(0)), kernel.equal(_c * 0, 0, lambda t: exp(t))]
        # the last term, times e^c - 1 >= 0, is at most (at least) e^b (e^{c n + c} - e^{c n})
        steeper = kernel.arithmetic(
            implies(_c >= 0, exp(_c) >= 1), [kernel.axiom("exp_increasing", _c, 0), kernel.axiom("exp_zero")]
        )
        last = kernel.arithmetic(
            implies(ordered(_f(_n), line), ordered(exp(_f(_n)), exp(_b) * exp(_c * _n))),
            [
                kernel.axiom("exp_increasing", *((_f(_n), line) if least else (line, _f(_n)))),
                kernel.axiom("exp_sum", _b, _c * _n),
            ],
        )
        return by_induction(kernel, _n, general, base, [steeper, last, exp_of_sum(kernel, _c * (_n + 1), _c * _n, _c)])

    return kernel.instantiate(_once(kernel, name, prove), {_n: n, _b: b, _c: c}, {_f: f})


def last_index(kernel: Kernel, n: Numeric) -> Fact:
    """n > 0 ⇒ some i < n has i + 1 = n."""
    general = implies(_n > 0, some(_n, lambda i: (i + 1).eq(_n)))

    def prove() -> Fact:
        longer = some(_n + 1, lambda i: (i + 1).eq(_n + 1))
        base = kernel.arithmetic(implies(term(0) > 0, some(0, lambda i: (i + 1).eq(0))))
        step = kernel.exhibit(kernel.arithmetic(both(_n < _n + 1, (_n + 1).eq(_n + 1))), longer, _n)
        return kernel.induction(_n, general, base, kernel.arithmetic(implies(_n + 1 > 0, longer), [step]))

    return kernel.instantiate(_once(kernel, "last_index", prove), {_n: n})


def sum_swapped(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """Σ_{i<n} Σ_{j<m} f(i, j) = Σ_{j<m} Σ_{i<n} f(i, j)."""

    def rows(n: Numeric) -> Term:
        return total(n, lambda i: total(_m, lambda j: _f2(i, j)))

    def columns(n: Numeric) -> Term:
        return total(_m, lambda j: total(n, lambda i: _f2(i, j)))

    def prove() -> Fact:
        none = equal_sums(
            kernel,
            _m,
            lambda j: total(0, lambda i: _f2(i, j)),
            lambda j: term(0),
            lambda j: [kernel.empty(total(0, lambda i: _f2(i, j)))],
        )
        one_more = equal_sums(
            kernel,
            _m,
            lambda j: total(_n + 1, lambda i: _f2(i, j)),
            lambda j: total(_n, lambda i: _f2(i, j)) + _f2(_n, j),
            lambda j: [kernel.last(total(_n + 1, lambda i: _f2(i, j)))],
        )
        added = sum_added(kernel, _m, lambda j: total(_n, lambda i: _f2(i, j)), lambda j: _f2(_n, j))
        base = [kernel.empty(rows(0)), none, sum_constant(kernel, _m, 0)]
        start = kernel.arithmetic(rows(0).eq(columns(0)), base)
        same = kernel.assume(rows(_n).eq(columns(_n)))
        step = kernel.arithmetic(rows(_n + 1).eq(columns(_n + 1)), [same, kernel.last(rows(_n + 1)), one_more, added])
        return kernel.induction(_n, rows(_n).eq(columns(_n)), start, step)

    return kernel.instantiate(_once(kernel, "sum_swapped", prove), {_n: n, _m: m}, {_f2: f})


def sum_square(kernel: Kernel, n: Numeric, f: Terms, g: Terms, c: Numeric) -> Fact:
    """Σ (f(i) - c g(i))² = Σ f² - 2 c Σ f g + c² Σ g²."""
    general = total(_n, lambda i: (_f(i) - _c * _g(i)) * (_f(i) - _c * _g(i))).eq(
        total(_n, lambda i: _f(i) * _f(i))
        - 2 * _c * total(_n, lambda i: _f(i) * _g(i))
        + _c * _c * total(_n, lambda i: _g(i) * _g(i))
    )
    return kernel.instantiate(_by_induction(kernel, "sum_square", general), {_n: n, _c: c}, {_f: f, _g: g})


def sum_of_squares(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """Σ f² >= 0."""
    general = total(_n, lambda i: _f(i) * _f(i)) >= 0
    return kernel.instantiate(_by_induction(kernel, "sum_of_squares", general), {_n: n}, {_f: f})


def cauchy_schwarz(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """(Σ f g)² <= Σ f² Σ g², and both factors are nonnegative."""
    p = total(_n, lambda i: _f(i) * _g(i))
    a, b = total(_n, lambda i: _f(i) * _f(i)), total(_n, lambda i: _g(i) * _g(i))

    def prove() -> Fact:
        # Σ (f - c g)² >= 0 for every c; the discriminant of a square that is never negative is not positive
        squares = sum_of_squares(kernel, _n, lambda i: _f(i) - _c * _g(i))
        expanded = sum_square(kernel, _n, _f, _g, _c)
        parabola = kernel.arithmetic(a - 2 * _c * p + _c * _c * b >= 0, [squares, expanded])
        signs = [sum_of_squares(kernel, _n, _f), sum_of_squares(kernel, _n, _g)]
        # where b > 0 the least value, at c = p / b, is a - p² / b; where b = 0 and p is not, c = (a + 1) / 2 p gives -1
        least = kernel.instantiate(parabola, {_c: p / b})
        flat = kernel.instantiate(parabola, {_c: (a + 1) / (2 * p)})
        return kernel.arithmetic(both(p * p <= a * b, a >= 0, b >= 0), [*signs, least, flat])

    return kernel.instantiate(_once(kernel, "cauchy_schwarz", prove), {_n: n}, {_f: f, _g: g})


def sum_between(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """-g(i) <= f(i) <= g(i) for each i < n ⇒ -Σ g <= Σ f <= Σ g."""
    x, y = total(_n, lambda i: _f(i)), total(_n, lambda i: _g(i))
    general = implies(each(_n, lambda i: between(-_g(i), _f(i), _g(i))), between(-y, x, y))
    return kernel.instantiate(_by_induction(kernel, "sum_between", general), {_n: n}, {_f: f, _g: g})


def normed_square_sum(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """c > 0 ⇒ Σ (f(i) / √(Σ f² / n + c))² <= n."""
    square = total(_n, lambda i: _f(i) * _f(i))
    root = sqrt(square / _n + _c)

    def normed(n: Numeric) -> Term:
        return total(n, lambda i: _f(i) / root * (_f(i) / root))

    def prove() -> Fact:
        some_terms, positive = kernel.assume(_n > 0), kernel.assume(_c > 0)
        nonnegative = kernel.arithmetic(square >= 0, [sum_of_squares(kernel, _n, _f)])
        mean = kernel.arithmetic(square / _n >= 0, [nonnegative, some_terms])
        rooted = kernel.arithmetic(
            both(root > 0, (root * root).eq(square / _n + _c)),
            [mean, positive, kernel.axiom("sqrt_squared", square / _n + _c)],
        )
        divided = equal_sums(
            kernel,
            _n,
            lambda i: _f(i) / root * (_f(i) / root),
            lambda i: 1 / (root * root) * (_f(i) * _f(i)),
            [rooted],
        )
        scaled = sum_scaled(kernel, _n, 1 / (root * root), lambda i: _f(i) * _f(i))
        quotient = kernel.arithmetic(square / (root * root) <= _n, [nonnegative, some_terms, positive, rooted])
        long = kernel.arithmetic(normed(_n) <= _n, [divided, scaled, quotient, rooted])
        none = [kernel.equal(_n, 0, normed), kernel.empty(normed(0))]
        for hypothesis in (some_terms, positive):
            long = kernel.discharge(long, hypothesis.conclusion)
        return kernel.arithmetic(implies(_c > 0, normed(_n) <= _n), [long, *none])

    return kernel.instantiate(_once(kernel, "normed_square_sum", prove), {_n: n, _c: c}, {_f: f})


def cell(kernel: Kernel, n: Numeric, c: Numeric) -> Fact:
    """0 <= c < n ⇒ some i < n has i <= c < i + 1."""

    def found(n: Numeric) -> Term:
        return some(n, lambda i: both(i <= _c, _c < i + 1))

    def prove() -> Fact:
        general = implies(both(_c >= 0, _c < _n), found(_n))
        base = kernel.arithmetic(implies(both(_c >= 0, _c < 0), found(0)))
        in_last = kernel.assume(both(_n <= _c, _c < _n + 1))
        placed = kernel.arithmetic(both(_n < _n + 1, both(_n <= _c, _c < _n + 1)), [in_last])
        new = kernel.discharge(kernel.exhibit(placed, found(_n + 1), _n), in_last.conclusion)
        step = kernel.arithmetic(
            implies(both(_c >= 0, _c < _n + 1), found(_n + 1)),
            [kernel.assume(general), new, kernel.last(found(_n + 1))],
        )
        return kernel.induction(_n, general, base, step)

    return kernel.instantiate(_once(kernel, "cell", prove), {_n: n, _c: c})


def crowded(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """0 <= f(i) < m for each i < n, and m < n ⇒ some i < n and j < i have |f(i) - f(j)| < 1 (pigeonhole)."""
    b = natural("b")

    def inside(i: Numeric, b: Numeric) -> Term:
        return both(term(b) <= _f(i), _f(i) < term(b) + 1)

    def count(n: Numeric, b: Numeric) -> Term:
        return total(n, lambda i: ite(inside(i, b), 1, 0))

    def one(n: Numeric) -> Term:
        return some(n, lambda i: inside(i, b))

    def two(n: Numeric) -> Term:
        return some(n, lambda i: both(inside(i, b), one(i)))

    def near(n: Numeric) -> Term:
        return some(n, lambda i: some(i, lambda j: both(_f(i) - _f(j) < 1, _f(j) - _f(i) < 1)))

    def shared() -> Fact:
        """More than one element in the cell b ⇒ two near elements."""
        i, j = natural("i"), natural("j")
        at_least_one = by_induction(kernel, _n, implies(count(_n, b) > 0, one(_n)), step=[_last_one()])
        both_in = kernel.assume(both(inside(_n, b), one(_n)))
        pair = kernel.arithmetic(both(_n < _n + 1, both_in.conclusion), [both_in])
        new = kernel.discharge(kernel.exhibit(pair, two(_n + 1), _n), both_in.conclusion)
        at_least_two = by_induction(kernel, _n, implies(count(_n, b) > 1, two(_n)), base=[], step=[at_least_one, new])
        first = kernel.assume(both(inside(i, b), one(i)))
        second, below_i, below_n = kernel.assume(inside(j, b)), kernel.assume(j < i), kernel.assume(i < _n)
        inner = some(i, lambda j: both(_f(i) - _f(j) < 1, _f(j) - _f(i) < 1))
        close = kernel.arithmetic(both(j < i, both(_f(i) - _f(j) < 1, _f(j) - _f(i) < 1)), [first, second, below_i])
        some_j = kernel.choose(kernel.arithmetic(one(i), [first]), j, kernel.exhibit(close, inner, j))
        some_i = kernel.exhibit(kernel.arithmetic(both(i < _n, inner), [some_j, below_n]), near(_n), i)
        found = kernel.choose(kernel.assume(two(_n)), i, some_i)
        return kernel.arithmetic(implies(count(_n, b) > 1, near(_n)), [at_least_two, kernel.discharge(found, two(_n))])

    def _last_one() -> Fact:
        here = kernel.assume(inside(_n, b))
        return kernel.discharge(
            kernel.exhibit(kernel.arithmetic(both(_n < _n + 1, here.conclusion), [here]), one(_n + 1), _n),
            here.conclusion,
        )

    def prove() -> Fact:
        bounded = kernel.assume(each(_n, lambda i: both(_f(i) >= 0, _f(i) < _m)))
        fewer = kernel.assume(_m < _n)

        def row(i: Numeric) -> Term:
            return total(_m, lambda b: ite(inside(i, b), 1, 0))

        def counted(i: Numeric) -> list[Fact]:
            signs = for_each(kernel, _m, lambda b: ite(inside(i, b), 1, 0) >= 0)
            member = sum_member(kernel, _m, lambda b: ite(inside(i, b), 1, 0), b)
            has = kernel.arithmetic(row(i) >= 1, [signs, member, kernel.assume(b < _m), kernel.assume(inside(i, b))])
            placed = kernel.arithmetic(
                some(_m, lambda b: inside(i, b)),
                [cell(kernel, _m, _f(i)), kernel.at(bounded, i), kernel.assume(term(i) < _n)],
            )
            return [kernel.choose(placed, b, has)]

        rows = for_each(kernel, _n, lambda i: row(i) >= 1, counted)
        all_rows = kernel.arithmetic(total(_n, lambda i: row(i)) >= _n, [rows, sum_at_least(kernel, _n, row, 1)])
        swapped = sum_swapped(kernel, _n, _m, lambda i, b: ite(inside(i, b), 1, 0))
        # were there at most one element in each cell, there would be at most m
        alone = shared()
        lonely = kernel.assume(negation(near(_n)))
        at_most_one = for_each(
            kernel, _m, lambda b_: count(_n, b_) <= 1, lambda b_: [lonely, kernel.instantiate(alone, {b: b_})]
        )
        contradiction = kernel.arithmetic(
            near(_n),
            [all_rows, swapped, at_most_one, sum_at_most(kernel, _m, lambda b: count(_n, b), 1), fewer, lonely],
        )
        result = kernel.arithmetic(near(_n), [kernel.discharge(contradiction, lonely.conclusion)])
        for hypothesis in (fewer, bounded):
            result = kernel.discharge(result, hypothesis.conclusion)
        return result

    return kernel.instantiate(_once(kernel, "crowded", prove), {_n: n, _m: m}, {_f: f})


def difference(kernel: Kernel, m: Numeric, n: Numeric) -> Fact:
    """m < n ⇒ some i < n has m + i + 1 = n."""

    def found(n: Numeric) -> Term:
        return some(n, lambda i: (_m + i + 1).eq(n))

    def prove() -> Fact:
        general = implies(_m < _n, found(_n))
        i = natural("i")
        base = kernel.arithmetic(implies(_m < 0, found(0)))
        below, here = kernel.assume(i < _n), kernel.assume((_m + i + 1).eq(_n))
        further = kernel.arithmetic(both(i + 1 < _n + 1, (_m + (i + 1) + 1).eq(_n + 1)), [below, here])
        later = kernel.choose(kernel.assume(found(_n)), i, kernel.exhibit(further, found(_n + 1), i + 1))
        equal = kernel.assume(_m.eq(_n))
        first = kernel.exhibit(
            kernel.arithmetic(both(term(0) < _n + 1, (_m + 0 + 1).eq(_n + 1)), [equal]), found(_n + 1), 0
        )
        step = kernel.arithmetic(
            implies(_m < _n + 1, found(_n + 1)),
            [
                kernel.assume(general),
                kernel.discharge(later, found(_n)),
                kernel.discharge(first, equal.conclusion),
                kernel.discrete(_n, _m),
            ],
        )
        return kernel.induction(_n, general, base, step)

    return kernel.instantiate(_once(kernel, "difference", prove), {_n: n, _m: m})


def digits(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """Numbers f(i), each 0 or of an absolute value between 1 and e^c - 1, as digits to the base e^c.

    |Σ f(i) e^{c i}| <= e^{c n} - 1, and where it is less than 1, each digit is 0.
    """
    value = total(_n, lambda i: _f(i) * exp(_c * i))

    def proper(i: Numeric) -> Term:
        x = _f(i)
        return both(between(1 - exp(_c), x, exp(_c) - 1), either(x.eq(0), x >= 1, x <= -1))

    general = implies(
        each(_n, proper),
        both(
            between(1 - exp(_c * _n), value, exp(_c * _n) - 1),
            implies(both(value > -1, value < 1), each(_n, lambda i: _f(i).eq(0))),
        ),
    )

    def prove() -> Fact:
        base = [kernel.axiom("exp_zero"), kernel.identity((_c * 0).eq(0)), kernel.equal(_c * 0, 0, lambda t: exp(t))]
        step = [exp_of_sum(kernel, _c * (_n + 1), _c * _n, _c), kernel.axiom("exp_positive", _c * _n)]
        return by_induction(kernel, _n, general, base, step)

    return kernel.instantiate(_once(kernel, "digits", prove), {_n: n, _c: c}, {_f: f})


def steps_passed(n: Numeric, z: Numeric) -> Term:
    """How many of the numbers 2, 4, …, 2 n are at most z."""
    return total(n, lambda i: ite(2 * (i + 1) <= term(z), 1, 0))


def steps_bounds(kernel: Kernel, n: Numeric, z: Numeric) -> Fact:
    """Of steps x passed by z >= 0: 0 <= x <= n, 2 x <= z, and z < 2 x + 2 or x = n."""
    x = steps_passed(_n, _c)
    general = implies(_c >= 0, both(between(0, x, _n), 2 * x <= _c, either(_c < 2 * x + 2, x.eq(_n))))
    return kernel.instantiate(_by_induction(kernel, "steps_bounds", general), {_n: n, _c: z})


def steps_differ(kernel: Kernel, n: Numeric, z: Numeric, y: Numeric) -> Fact:
    """Steps passed by two numbers are as many, or differ by 1 or more."""

    def ordered(b: Term, c: Term) -> Fact:
        few, many = steps_passed(_n, b), steps_passed(_n, c)
        return by_induction(kernel, _n, implies(b <= c, either(few.eq(many), few + 1 <= many)))

    def prove() -> Fact:
        few, many = steps_passed(_n, _b), steps_passed(_n, _c)
        goal = either(few.eq(many), few + 1 <= many, many + 1 <= few)
        return kernel.arithmetic(goal, [ordered(_b, _c), ordered(_c, _b)])

    return kernel.instantiate(_once(kernel, "steps_differ", prove), {_n: n, _b: z, _c: y})


def affine_within(kernel: Kernel, n: Numeric, f: Terms, g: Terms, b: Numeric) -> Fact:
    """Σ g² <= n ⇒ |Σ f g + b| <= √n √(Σ f²) + |b|, as two inequalities."""
    p, a = total(_n, lambda i: _f(i) * _g(i)), total(_n, lambda i: _f(i) * _f(i))
    short = total(_n, lambda i: _g(i) * _g(i)) <= _n
    bound = sqrt(_n) * sqrt(a) + absolute(_b)

    def prove() -> Fact:
        square = kernel.arithmetic(implies(short, both(p * p <= a * _n, a >= 0)), [cauchy_schwarz(kernel, _n, _f, _g)])
        roots = [kernel.axiom("sqrt_squared", _n), kernel.axiom("sqrt_squared", a)]
        inner = kernel.arithmetic(
            implies(short, between(-(sqrt(_n) * sqrt(a)), p, sqrt(_n) * sqrt(a))), [square, *roots]
        )
        return kernel.arithmetic(implies(short, between(-bound, p + _b, bound)), [inner])

    return kernel.instantiate(_once(kernel, "affine_within", prove), {_n: n, _b: b}, {_f: f, _g: g})
