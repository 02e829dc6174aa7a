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
    iff,
    implies,
    indices,
    ite,
    larger,
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
_f, _g = function("f"), function("g")
_p = indices("p")
_f, _g, _h = function("f"), function("g"), function("h")
_F = function("F", 2)
_c = real("c")
_f, _g, _f2 = function("f"), function("g"), function("h", 2)
_b, _c = real("b"), real("c")


def _once(kernel: Kernel, name: str, prove: Callable[[], Fact]) -> Fact:
    key = ("lemma", name)
    if key not in kernel.known:
        kernel.known[key] = prove()
    return kernel.known[key]


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


def sum_member_strictly(kernel: Kernel, n: Numeric, f: Terms, a: Numeric) -> Fact:
    """f(i) > 0 for each i < n ⇒ Σ f >= 0, Σ f > 0 where n > 0, and f(a) < Σ f where a < n and n >= 2."""
    x = total(_n, lambda i: _f(i))
    member = implies(_a < _n, both(_f(_a) <= x, implies(_n >= 2, _f(_a) < x)))
    general = implies(each(_n, lambda i: _f(i) > 0), both(x >= 0, implies(_n > 0, x > 0), member))

    def prove() -> Fact:
        step = [
            kernel.discrete(_n, _a),
            kernel.discrete(_a, _n),
            kernel.discrete(0, _n),
            kernel.equal(_a, _n, lambda t: _f(t)),
        ]
        return by_induction(kernel, _n, general, step=step)

    return kernel.instantiate(_once(kernel, "sum_member_strictly", prove), {_n: n, _a: a}, {_f: f})


def sum_exchanged(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """Σ_{i<n} Σ_{j<m} f(i, j) = Σ_{j<m} Σ_{i<n} f(i, j)."""
    f2 = function("f", 2)
    general = total(_n, lambda i: total(_m, lambda j: f2(i, j))).eq(total(_m, lambda j: total(_n, lambda i: f2(i, j))))

    def prove() -> Fact:
        # n + 1: each inner sum on the right has one more term, and a sum of sums is the sum of both
        longer = for_each(
            kernel,
            _m,
            lambda j: total(_n + 1, lambda i: f2(i, j)).eq(total(_n, lambda i: f2(i, j)) + f2(_n, j)),
            lambda j: [kernel.last(total(_n + 1, lambda i: f2(i, j)))],
        )
        split = kernel.same(
            total(_m, lambda j: total(_n + 1, lambda i: f2(i, j))),
            total(_m, lambda j: total(_n, lambda i: f2(i, j)) + f2(_n, j)),
            longer,
        )
        added = sum_added(kernel, _m, lambda j: total(_n, lambda i: f2(i, j)), lambda j: f2(_n, j))
        nothing = for_each(
            kernel,
            _m,
            lambda j: total(0, lambda i: f2(i, j)).eq(0),
            lambda j: [kernel.empty(total(0, lambda i: f2(i, j)))],
        )
        none = kernel.same(total(_m, lambda j: total(0, lambda i: f2(i, j))), total(_m, lambda j: term(0)), nothing)
        return by_induction(kernel, _n, general, base=[none, sum_constant(kernel, _m, 0)], step=[split, added])

    return kernel.instantiate(_once(kernel, "sum_exchanged", prove), {_n: n, _m: m}, {f2: f})


def sum_picked(kernel: Kernel, n: Numeric, a: Numeric, f: Terms) -> Fact:
    """a < n ⇒ Σ_{i<n} (f(i) if i = a, else 0) = f(a); that sum is 0 where n <= a."""
    x = total(_n, lambda i: ite(i.eq(_a), _f(i), 0))
    general = both(implies(_a < _n, x.eq(_f(_a))), implies(_n <= _a, x.eq(0)))

    def prove() -> Fact:
        step = [kernel.discrete(_n, _a), kernel.discrete(_a, _n), kernel.equal(_a, _n, lambda t: _f(t))]
        return by_induction(kernel, _n, general, step=step)

    return kernel.instantiate(_once(kernel, "sum_picked", prove), {_n: n, _a: a}, {_f: f})


def injective(n: Numeric, p: Terms) -> Term:
    """p(i) != p(j) for all j < i < n."""
    return each(n, lambda i: each(i, lambda j: negation(term(p(i)).eq(p(j)))))


def counted_once(kernel: Kernel, n: Numeric, p: Terms, a: Numeric) -> Fact:
    """p(i) != p(j) for all j < i < n ⇒ at most one i < n has p(i) = a: Σ_{i<n} (1 if a = p(i), else 0) <= 1."""
    hits = total(_n, lambda i: ite(_a.eq(_p(i)), 1, 0))
    general = implies(injective(_n, _p), hits <= 1)

    def prove() -> Fact:
        # n + 1: either p(n) is not a and adds nothing, or no p(i) before is
        hit = kernel.assume(_a.eq(_p(_n)))
        others = kernel.assume(each(_n, lambda j: negation(_p(_n).eq(_p(j)))))
        missed = for_each(kernel, _n, lambda i: ite(_a.eq(_p(i)), 1, 0) <= 0, [others, hit])
        before = kernel.arithmetic(hits <= 0, [missed, sum_at_most(kernel, _n, lambda i: ite(_a.eq(_p(i)), 1, 0), 0)])
        none = kernel.discharge(kernel.discharge(before, others.conclusion), hit.conclusion)
        return by_induction(kernel, _n, general, step=[none])

    return kernel.instantiate(_once(kernel, "counted_once", prove), {_n: n, _a: a}, {_p: p})


def sum_rearranged(kernel: Kernel, n: Numeric, p: Terms, f: Terms) -> Fact:
    """p(i) < n for each i < n, and p(i) != p(j) for all j < i < n ⇒ Σ_{i<n} f(p(i)) = Σ_{i<n} f(i).

    By counting twice: p meets each index at most once, and n times in all; so it meets each exactly once.
    """
    return kernel.instantiate(_once(kernel, "sum_rearranged", lambda: _rearranged(kernel)), {_n: n}, {_p: p, _f: f})


def _rearranged(kernel: Kernel) -> Fact:
    inside = kernel.assume(each(_n, lambda i: _p(i) < _n))
    different = kernel.assume(injective(_n, _p))

    def spread(g: Terms) -> tuple[Term, Fact]:
        """Σ_i g(p(i)) = Σ_j Σ_i (g(j) if j = p(i)): every term of the left side, put where it belongs."""

        def cell(i: Numeric, j: Numeric) -> Term:
            return ite(term(j).eq(_p(i)), g(j), 0)

        rows = for_each(
            kernel,
            _n,
            lambda i: term(g(_p(i))).eq(total(_n, lambda j: cell(i, j))),
            lambda i: [inside, sum_picked(kernel, _n, _p(i), g)],
        )
        left, by_rows = total(_n, lambda i: g(_p(i))), total(_n, lambda i: total(_n, lambda j: cell(i, j)))
        by_columns = total(_n, lambda j: total(_n, lambda i: cell(i, j)))
        facts = [kernel.same(left, by_rows, rows), sum_exchanged(kernel, _n, _n, cell)]
        return by_columns, kernel.arithmetic(left.eq(by_columns), facts)

    def hits(j: Numeric) -> Term:
        return total(_n, lambda i: ite(term(j).eq(_p(i)), 1, 0))

    # the number of hits: at most one for each index, n in all, so exactly one
    in_all, count = spread(lambda j: term(1))
    n_hits = kernel.arithmetic(in_all.eq(_n), [count, sum_constant(kernel, _n, 1)])

    def at_most_once(j: Numeric) -> Fact:
        return kernel.arithmetic(1 - hits(j) >= 0, [different, counted_once(kernel, _n, _p, j)])

    at_most = for_each(kernel, _n, lambda j: 1 - hits(j) >= 0, lambda j: [at_most_once(j)])
    missing = kernel.arithmetic(
        total(_n, lambda j: 1 - hits(j)).eq(0),
        [n_hits, sum_subtracted(kernel, _n, lambda j: term(1), hits), sum_constant(kernel, _n, 1)],
    )

    def exactly(j: Numeric) -> Fact:
        member = sum_member(kernel, _n, lambda i: 1 - hits(i), j)
        return kernel.arithmetic(implies(term(j) < _n, hits(j) >= 1), [at_most, missing, member])

    once = for_each(kernel, _n, lambda j: hits(j).eq(1), lambda j: [at_most, exactly(j)])
    # so the column of j holds f(j) exactly once
    columns, put = spread(lambda j: _f(j))
    column = for_each(
        kernel,
        _n,
        lambda j: total(_n, lambda i: ite(j.eq(_p(i)), _f(j), 0)).eq(_f(j)),
        lambda j: [
            once,
            sum_scaled(kernel, _n, _f(j), lambda i: ite(j.eq(_p(i)), 1, 0)),
            kernel.same(
                total(_n, lambda i: ite(j.eq(_p(i)), _f(j), 0)),
                total(_n, lambda i: _f(j) * ite(j.eq(_p(i)), 1, 0)),
                for_each(kernel, _n, lambda i: ite(j.eq(_p(i)), _f(j), 0).eq(_f(j) * ite(j.eq(_p(i)), 1, 0))),
            ),
        ],
    )
    goal = total(_n, lambda i: _f(_p(i))).eq(total(_n, lambda i: _f(i)))
    shown = kernel.arithmetic(goal, [put, kernel.same(columns, total(_n, lambda j: _f(j)), column)])
    return kernel.discharge(kernel.discharge(shown, different.conclusion), inside.conclusion)


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


def exp_difference(kernel: Kernel, x: Numeric, y: Numeric) -> Fact:
    """e^(x - y) e^y = e^x."""
    difference = term(x) - y
    facts = [kernel.axiom("exp_sum", difference, y), kernel.equal(difference + y, x, lambda t: exp(t))]
    return kernel.arithmetic((exp(difference) * exp(y)).eq(exp(x)), facts)


def mass_shifted(kernel: Kernel, n: Numeric, scores: Terms, c: Numeric) -> Fact:
    """Σ e^(score + c) = e^c Σ e^score."""
    terms = for_each(
        kernel,
        n,
        lambda i: exp(scores(i) + term(c)).eq(exp(c) * exp(scores(i))),
        lambda i: [kernel.axiom("exp_sum", scores(i), c)],
    )
    left, mass = total(n, lambda i: exp(scores(i) + term(c))), total(n, lambda i: exp(scores(i)))
    scaled = sum_scaled(kernel, n, exp(c), lambda i: exp(scores(i)))
    factored = kernel.same(left, total(n, lambda i: exp(c) * exp(scores(i))), terms)
    return kernel.arithmetic(left.eq(exp(c) * mass), [factored, scaled])


def weighted_shifted(kernel: Kernel, n: Numeric, scores: Terms, readouts: Terms, c: Numeric) -> Fact:
    """Σ e^(score + c) readout = e^c Σ e^score readout."""
    terms = for_each(
        kernel,
        n,
        lambda i: (exp(scores(i) + term(c)) * readouts(i)).eq(exp(c) * (exp(scores(i)) * readouts(i))),
        lambda i: [kernel.axiom("exp_sum", scores(i), c)],
    )
    left = total(n, lambda i: exp(scores(i) + term(c)) * readouts(i))
    weighted = total(n, lambda i: exp(scores(i)) * readouts(i))
    scaled = sum_scaled(kernel, n, exp(c), lambda i: exp(scores(i)) * readouts(i))
    factored = kernel.same(left, total(n, lambda i: exp(c) * (exp(scores(i)) * readouts(i))), terms)
    return kernel.arithmetic(left.eq(exp(c) * weighted), [factored, scaled])


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

    fact = _once(kernel, "quotient_of_sums_at_most", prove)
    return kernel.instantiate(fact, {_n: n, **dict(zip((A, B, _c, L, U), parts, strict=True))}, {_f: a, _g: b})


def attention_at_least(kernel: Kernel, n: Numeric, s: Terms, a: Terms, c: Numeric) -> Fact:
    """c <= a(i) for each i < n ⇒ c Σ e^s <= Σ e^s a."""
    general = implies(
        each(_n, lambda i: _c <= _g(i)),
        _c * total(_n, lambda i: exp(_f(i))) <= total(_n, lambda i: exp(_f(i)) * _g(i)),
    )

    def prove() -> Fact:
        return by_induction(kernel, _n, general, step=[kernel.axiom("exp_positive", _f(_n))])

    return kernel.instantiate(_once(kernel, "attention_at_least", prove), {_n: n, _c: c}, {_f: s, _g: a})


def attention_at_most(kernel: Kernel, n: Numeric, s: Terms, a: Terms, c: Numeric) -> Fact:
    """a(i) <= c for each i < n ⇒ Σ e^s a <= c Σ e^s."""
    general = implies(
        each(_n, lambda i: _g(i) <= _c),
        total(_n, lambda i: exp(_f(i)) * _g(i)) <= _c * total(_n, lambda i: exp(_f(i))),
    )

    def prove() -> Fact:
        return by_induction(kernel, _n, general, step=[kernel.axiom("exp_positive", _f(_n))])

    return kernel.instantiate(_once(kernel, "attention_at_most", prove), {_n: n, _c: c}, {_f: s, _g: a})


_x, _y = real("x"), real("y")


def quotient_at_least(kernel: Kernel, x: Numeric, y: Numeric, c: Numeric) -> Fact:
    """y > 0 and c y <= x ⇒ c <= x / y."""
    general = implies(both(_y > 0, _c * _y <= _x), _c <= _x / _y)
    fact = _once(kernel, "quotient_at_least", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {_x: x, _y: y, _c: c})


def quotient_at_most(kernel: Kernel, x: Numeric, y: Numeric, c: Numeric) -> Fact:
    """y > 0 and x <= c y ⇒ x / y <= c."""
    general = implies(both(_y > 0, _x <= _c * _y), _x / _y <= _c)
    fact = _once(kernel, "quotient_at_most", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {_x: x, _y: y, _c: c})


def product_nonnegative(kernel: Kernel, x: Numeric, y: Numeric) -> Fact:
    """x >= 0 and y >= 0 ⇒ x y >= 0."""
    general = implies(both(_x >= 0, _y >= 0), _x * _y >= 0)
    fact = _once(kernel, "product_nonnegative", lambda: kernel.arithmetic(general))
    return kernel.instantiate(fact, {_x: x, _y: y})


def sum_zero(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """f(i) = 0 for each i < n ⇒ Σ f = 0."""
    general = implies(each(_n, lambda i: _f(i).eq(0)), total(_n, lambda i: _f(i)).eq(0))
    return kernel.instantiate(_by_induction(kernel, "sum_zero", general), {_n: n}, {_f: f})


def sum_equal(kernel: Kernel, n: Numeric, f: Terms, g: Terms) -> Fact:
    """f(i) = g(i) for each i < n ⇒ Σ f = Σ g."""
    general = implies(each(_n, lambda i: _f(i).eq(_g(i))), total(_n, lambda i: _f(i)).eq(total(_n, lambda i: _g(i))))
    return kernel.instantiate(_by_induction(kernel, "sum_equal", general), {_n: n}, {_f: f, _g: g})


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


def threshold_inside(kernel: Kernel, n: Numeric, scores: Terms, readouts: Terms, tau: Numeric) -> Fact:
    """Σ e^score (readout - tau) = Σ e^score readout - tau Σ e^score, and the same with both sides' signs changed."""

    def weighted(i: Term) -> Term:
        return exp(scores(i)) * readouts(i)

    def scaled(i: Term) -> Term:
        return tau * exp(scores(i))

    def difference(first: Terms, second: Terms, of: Terms) -> Fact:
        terms = for_each(kernel, n, lambda i: term(of(i)).eq(term(first(i)) - second(i)))
        factored = kernel.same(total(n, of), total(n, lambda i: term(first(i)) - second(i)), terms)
        subtracted = sum_subtracted(kernel, n, first, second)
        return kernel.arithmetic(total(n, of).eq(total(n, first) - total(n, second)), [factored, subtracted])

    above = difference(weighted, scaled, lambda i: exp(scores(i)) * (term(readouts(i)) - tau))
    below = difference(scaled, weighted, lambda i: exp(scores(i)) * (term(tau) - readouts(i)))
    mass, readout = total(n, lambda i: exp(scores(i))), total(n, weighted)
    goal = both(above.conclusion.parts[0].eq(readout - tau * mass), below.conclusion.parts[0].eq(tau * mass - readout))
    return kernel.arithmetic(goal, [above, below, sum_scaled(kernel, n, tau, lambda i: exp(scores(i)))])


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
