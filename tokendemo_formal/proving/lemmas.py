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
    exp,
    function,
    iff,
    implies,
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
_f, _g = function("f"), function("g")
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
    return kernel.arithmetic(iff(negation(each(n, body)), some(n, lambda i: negation(body(i)))), facts)


def mass_positive(kernel: Kernel, n: Numeric, scores: Terms) -> Fact:
    """Σ_{i<n} e^score >= 0, and > 0 where n > 0."""
    positive = for_each(kernel, n, lambda i: exp(scores(i)) > 0, lambda i: [kernel.axiom("exp_positive", scores(i))])
    mass = total(n, lambda i: exp(scores(i)))
    lemma = sum_positive(kernel, n, lambda i: exp(scores(i)))
    return kernel.arithmetic(both(mass >= 0, implies(term(n) > 0, mass > 0)), [positive, lemma])


def mass_at_most(kernel: Kernel, n: Numeric, scores: Terms, c: Numeric) -> Fact:
    """score <= c for each i < n ⇒ Σ_{i<n} e^score <= n e^c."""
    general = implies(each(_n, lambda i: _f(i) <= _c), total(_n, lambda i: exp(_f(i))) <= _n * exp(_c))

    def prove() -> Fact:
        return by_induction(kernel, _n, general, step=[kernel.axiom("exp_increasing", _c, _f(_n))])

    return kernel.instantiate(_once(kernel, "mass_at_most", prove), {_n: n, _c: c}, {_f: scores})


def mass_at_least(kernel: Kernel, n: Numeric, scores: Terms, c: Numeric) -> Fact:
    """score >= c for each i < n ⇒ Σ_{i<n} e^score >= n e^c."""
    general = implies(each(_n, lambda i: _c <= _f(i)), _n * exp(_c) <= total(_n, lambda i: exp(_f(i))))

    def prove() -> Fact:
        return by_induction(kernel, _n, general, step=[kernel.axiom("exp_increasing", _f(_n), _c)])

    return kernel.instantiate(_once(kernel, "mass_at_least", prove), {_n: n, _c: c}, {_f: scores})


# Shares


def share_at_most(kernel: Kernel, mass: Numeric, others: Numeric, eps: Numeric) -> Fact:
    """x >= 0, y > 0 and x (1 - eps) <= eps y ⇒ x / (x + y) <= eps."""
    x, y, e = (real(name) for name in ("x", "y", "e"))
    general = implies(both(x >= 0, y > 0, x * (1 - e) <= e * y), x / (x + y) <= e)
    fact = _once(kernel, "share_at_most", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {x: mass, y: others, e: eps})


def share_at_least(kernel: Kernel, mass: Numeric, others: Numeric, eps: Numeric) -> Fact:
    """x + y > 0 and y (1 - eps) <= eps x ⇒ x / (x + y) >= 1 - eps."""
    x, y, e = (real(name) for name in ("x", "y", "e"))
    general = implies(both(x + y > 0, y * (1 - e) <= e * x), 1 - e <= x / (x + y))
    fact = _once(kernel, "share_at_least", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {x: mass, y: others, e: eps})


def scaled(kernel: Kernel, c: Numeric, a: Numeric, b: Numeric) -> Fact:
    """c > 0 ⇒ (a <= b ⇔ c a <= c b), and c >= 0 and a <= b ⇒ c a <= c b."""
    x, y, z = (real(name) for name in ("x", "y", "z"))
    less, more = x <= y, z * x <= z * y
    general = both(implies(z > 0, iff(less, more)), implies(both(z >= 0, less), more))
    return kernel.instantiate(_once(kernel, "scaled", lambda: kernel.arithmetic(general)), {x: a, y: b, z: c})


def odds_outgrown(
    kernel: Kernel, k: Numeric, m: Numeric, ratio: Numeric, gained: Numeric, left: Numeric, eps: Numeric
) -> Fact:
    """Where k + m = gained left, k weights of ratio gained against m of 1 lose once left outgrows the odds:

    k (k + 1) ratio (1 - eps) <= eps left ⇒ k ratio gained (1 - eps) <= eps m, and eps >= 0,

    if m >= 1, and ratio, gained and left are positive.
    """
    d, q, r, e, a = (real(name) for name in ("d", "q", "r", "e", "a"))
    length = (_n + _m).eq(q * r)
    odds = _n * (_n + 1) * d * (1 - e) <= e * r
    bound = _n * d * q * (1 - e) <= e * _m

    def prove() -> Fact:
        one, positive = kernel.assume(_m >= 1), kernel.assume(both(d > 0, q > 0, r > 0))
        # a negative eps would make the odds' left side at least 0 and the right side less
        general = kernel.arithmetic(implies(both(a >= 0, r > 0, a * (1 - e) <= e * r), e >= 0))
        odd = kernel.arithmetic(_n * (_n + 1) * d >= 0, [positive])
        sign = kernel.arithmetic(
            e >= 0, [kernel.instantiate(general, {a: _n * (_n + 1) * d}), odd, positive, kernel.assume(odds)]
        )
        # the odds times gained, with gained left = k + m <= (k + 1) m, and k + 1 cancelled
        most = kernel.arithmetic(q * r <= (_n + 1) * _m, [kernel.assume(length), one])
        times = scaled(kernel, q, _n * (_n + 1) * d * (1 - e), e * r)
        longer = scaled(kernel, e, q * r, (_n + 1) * _m)
        cancel = scaled(kernel, _n + 1, _n * d * q * (1 - e), e * _m)
        fact = kernel.arithmetic(
            both(bound, e >= 0), [times, longer, cancel, most, sign, positive, kernel.assume(odds)]
        )
        for premise in (odds, length, positive.conclusion, one.conclusion):
            fact = kernel.discharge(fact, premise)
        return fact

    values = {_n: k, _m: m, d: ratio, q: gained, r: left, e: eps}
    return kernel.instantiate(_once(kernel, "odds_outgrown", prove), values)
