"""Indices: the largest element, rearrangements, cells, digits."""

from __future__ import annotations

from collections.abc import Callable

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    between,
    both,
    each,
    either,
    exp,
    iff,
    implies,
    ite,
    natural,
    negation,
    some,
    term,
    total,
)
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.lemmas.general import Terms, a_, b_, by_length, c_, f_, m_, n_, once, p_
from tokendemo_formal.proving.lemmas.sums import (
    sum_at_least,
    sum_at_most,
    sum_constant,
    sum_exchanged,
    sum_member,
    sum_scaled,
    sum_subtracted,
)
from tokendemo_formal.proving.tactics import by_induction, exp_of_sum, for_each


def not_each(kernel: Kernel, n: Numeric, body: Callable[..., Term]) -> Fact:
    """Not "each i < n" ⇔ "some i < n not"."""
    inner = kernel.none(n, lambda i: negation(body(i)))
    double = for_each(kernel, n, lambda i: body(i), [kernel.assume(each(n, lambda i: negation(negation(body(i)))))])
    back = for_each(kernel, n, lambda i: negation(negation(body(i))), [kernel.assume(each(n, body))])
    facts = [inner] + [kernel.discharge(f, next(iter(f.hypotheses))) for f in (double, back)]
    return kernel.arithmetic(iff(negation(each(n, body)), some(n, lambda i: negation(body(i)))), facts)


def largest(kernel: Kernel, n: Numeric, f: Terms) -> Fact:
    """n > 0 ⇒ some i < n has f(j) <= f(i) for each j < n."""
    top = some(n_, lambda i: each(n_, lambda j: f_(j) <= f_(i)))
    general = implies(n_ > 0, top)

    def prove() -> Fact:
        longer = some(n_ + 1, lambda i: each(n_ + 1, lambda j: f_(j) <= f_(i)))
        i = natural("i")
        # an index i that was largest below n: either f(n) <= f(i) and i still is, or n is
        was = kernel.assume(each(n_, lambda j: f_(j) <= f_(i)))
        below = kernel.assume(i < n_)
        still = kernel.assume(f_(n_) <= f_(i))
        stays = kernel.arithmetic(
            both(i < n_ + 1, each(n_ + 1, lambda j: f_(j) <= f_(i))),
            [below, was, still, kernel.last(each(n_ + 1, lambda j: f_(j) <= f_(i)))],
        )
        beaten = kernel.assume(f_(i) <= f_(n_))
        others = for_each(kernel, n_, lambda j: f_(j) <= f_(n_), [was, beaten])
        takes = kernel.arithmetic(
            both(n_ < n_ + 1, each(n_ + 1, lambda j: f_(j) <= f_(n_))),
            [others, kernel.last(each(n_ + 1, lambda j: f_(j) <= f_(n_)))],
        )
        first = kernel.discharge(kernel.exhibit(stays, longer, i), still.conclusion)
        second = kernel.discharge(kernel.exhibit(takes, longer, n_), beaten.conclusion)
        either_way = kernel.arithmetic(longer, [first, second])
        chosen = kernel.discharge(kernel.choose(kernel.assume(top), i, either_way), top)
        # n = 0: the only index is 0
        alone = kernel.assume(n_.eq(0))
        vacuous = kernel.arithmetic(
            each(n_, lambda j: f_(j) <= f_(n_)),
            [
                alone,
                kernel.equal(n_, 0, lambda t: each(t, lambda j: f_(j) <= f_(n_))),
                kernel.empty(each(0, lambda j: f_(j) <= f_(n_))),
            ],
        )
        only = kernel.arithmetic(
            both(n_ < n_ + 1, each(n_ + 1, lambda j: f_(j) <= f_(n_))),
            [vacuous, kernel.last(each(n_ + 1, lambda j: f_(j) <= f_(n_)))],
        )
        start = kernel.discharge(kernel.exhibit(only, longer, n_), alone.conclusion)
        base = kernel.arithmetic(implies(term(0) > 0, some(0, lambda i: each(0, lambda j: f_(j) <= f_(i)))))
        step = kernel.arithmetic(implies(n_ + 1 > 0, longer), [kernel.assume(general), chosen, start])
        return kernel.induction(n_, general, base, step)

    return kernel.instantiate(once(kernel, "largest", prove), {n_: n}, {f_: f})


def last_index(kernel: Kernel, n: Numeric) -> Fact:
    """n > 0 ⇒ some i < n has i + 1 = n."""
    general = implies(n_ > 0, some(n_, lambda i: (i + 1).eq(n_)))

    def prove() -> Fact:
        longer = some(n_ + 1, lambda i: (i + 1).eq(n_ + 1))
        base = kernel.arithmetic(implies(term(0) > 0, some(0, lambda i: (i + 1).eq(0))))
        step = kernel.exhibit(kernel.arithmetic(both(n_ < n_ + 1, (n_ + 1).eq(n_ + 1))), longer, n_)
        return kernel.induction(n_, general, base, kernel.arithmetic(implies(n_ + 1 > 0, longer), [step]))

    return kernel.instantiate(once(kernel, "last_index", prove), {n_: n})


def difference(kernel: Kernel, m: Numeric, n: Numeric) -> Fact:
    """m < n ⇒ some i < n has m + i + 1 = n."""

    def found(n: Numeric) -> Term:
        return some(n, lambda i: (m_ + i + 1).eq(n))

    def prove() -> Fact:
        general = implies(m_ < n_, found(n_))
        i = natural("i")
        base = kernel.arithmetic(implies(m_ < 0, found(0)))
        below, here = kernel.assume(i < n_), kernel.assume((m_ + i + 1).eq(n_))
        further = kernel.arithmetic(both(i + 1 < n_ + 1, (m_ + (i + 1) + 1).eq(n_ + 1)), [below, here])
        later = kernel.choose(kernel.assume(found(n_)), i, kernel.exhibit(further, found(n_ + 1), i + 1))
        equal = kernel.assume(m_.eq(n_))
        first = kernel.exhibit(
            kernel.arithmetic(both(term(0) < n_ + 1, (m_ + 0 + 1).eq(n_ + 1)), [equal]), found(n_ + 1), 0
        )
        step = kernel.arithmetic(
            implies(m_ < n_ + 1, found(n_ + 1)),
            [
                kernel.assume(general),
                kernel.discharge(later, found(n_)),
                kernel.discharge(first, equal.conclusion),
                kernel.discrete(n_, m_),
            ],
        )
        return kernel.induction(n_, general, base, step)

    return kernel.instantiate(once(kernel, "difference", prove), {n_: n, m_: m})


def sum_picked(kernel: Kernel, n: Numeric, a: Numeric, f: Terms) -> Fact:
    """a < n ⇒ Σ_{i<n} (f(i) if i = a, else 0) = f(a); that sum is 0 where n <= a."""
    x = total(n_, lambda i: ite(i.eq(a_), f_(i), 0))
    general = both(implies(a_ < n_, x.eq(f_(a_))), implies(n_ <= a_, x.eq(0)))

    def prove() -> Fact:
        step = [kernel.discrete(n_, a_), kernel.discrete(a_, n_), kernel.equal(a_, n_, lambda t: f_(t))]
        return by_induction(kernel, n_, general, step=step)

    return kernel.instantiate(once(kernel, "sum_picked", prove), {n_: n, a_: a}, {f_: f})


def injective(n: Numeric, p: Terms) -> Term:
    """p(i) != p(j) for all j < i < n."""
    return each(n, lambda i: each(i, lambda j: negation(term(p(i)).eq(p(j)))))


def counted_once(kernel: Kernel, n: Numeric, p: Terms, a: Numeric) -> Fact:
    """p(i) != p(j) for all j < i < n ⇒ at most one i < n has p(i) = a: Σ_{i<n} (1 if a = p(i), else 0) <= 1."""
    hits = total(n_, lambda i: ite(a_.eq(p_(i)), 1, 0))
    general = implies(injective(n_, p_), hits <= 1)

    def prove() -> Fact:
        # n + 1: either p(n) is not a and adds nothing, or no p(i) before is
        hit = kernel.assume(a_.eq(p_(n_)))
        others = kernel.assume(each(n_, lambda j: negation(p_(n_).eq(p_(j)))))
        missed = for_each(kernel, n_, lambda i: ite(a_.eq(p_(i)), 1, 0) <= 0, [others, hit])
        before = kernel.arithmetic(hits <= 0, [missed, sum_at_most(kernel, n_, lambda i: ite(a_.eq(p_(i)), 1, 0), 0)])
        none = kernel.discharge(kernel.discharge(before, others.conclusion), hit.conclusion)
        return by_induction(kernel, n_, general, step=[none])

    return kernel.instantiate(once(kernel, "counted_once", prove), {n_: n, a_: a}, {p_: p})


def sum_rearranged(kernel: Kernel, n: Numeric, p: Terms, f: Terms) -> Fact:
    """p(i) < n for each i < n, and p(i) != p(j) for all j < i < n ⇒ Σ_{i<n} f(p(i)) = Σ_{i<n} f(i).

    By counting twice: p meets each index at most once, and n times in all; so it meets each exactly once.
    """
    return kernel.instantiate(once(kernel, "sum_rearranged", lambda: _rearranged(kernel)), {n_: n}, {p_: p, f_: f})


def _rearranged(kernel: Kernel) -> Fact:
    inside = kernel.assume(each(n_, lambda i: p_(i) < n_))
    different = kernel.assume(injective(n_, p_))

    def spread(g: Terms) -> tuple[Term, Fact]:
        """Σ_i g(p(i)) = Σ_j Σ_i (g(j) if j = p(i)): every term of the left side, put where it belongs."""

        def cell(i: Numeric, j: Numeric) -> Term:
            return ite(term(j).eq(p_(i)), g(j), 0)

        rows = for_each(
            kernel,
            n_,
            lambda i: term(g(p_(i))).eq(total(n_, lambda j: cell(i, j))),
            lambda i: [inside, sum_picked(kernel, n_, p_(i), g)],
        )
        left, by_rows = total(n_, lambda i: g(p_(i))), total(n_, lambda i: total(n_, lambda j: cell(i, j)))
        by_columns = total(n_, lambda j: total(n_, lambda i: cell(i, j)))
        facts = [kernel.same(left, by_rows, rows), sum_exchanged(kernel, n_, n_, cell)]
        return by_columns, kernel.arithmetic(left.eq(by_columns), facts)

    def hits(j: Numeric) -> Term:
        return total(n_, lambda i: ite(term(j).eq(p_(i)), 1, 0))

    # the number of hits: at most one for each index, n in all, so exactly one
    in_all, count = spread(lambda j: term(1))
    n_hits = kernel.arithmetic(in_all.eq(n_), [count, sum_constant(kernel, n_, 1)])

    def at_most_once(j: Numeric) -> Fact:
        return kernel.arithmetic(1 - hits(j) >= 0, [different, counted_once(kernel, n_, p_, j)])

    at_most = for_each(kernel, n_, lambda j: 1 - hits(j) >= 0, lambda j: [at_most_once(j)])
    missing = kernel.arithmetic(
        total(n_, lambda j: 1 - hits(j)).eq(0),
        [n_hits, sum_subtracted(kernel, n_, lambda j: term(1), hits), sum_constant(kernel, n_, 1)],
    )

    def exactly(j: Numeric) -> Fact:
        member = sum_member(kernel, n_, lambda i: 1 - hits(i), j)
        return kernel.arithmetic(implies(term(j) < n_, hits(j) >= 1), [at_most, missing, member])

    once = for_each(kernel, n_, lambda j: hits(j).eq(1), lambda j: [at_most, exactly(j)])
    # so the column of j holds f(j) exactly once
    columns, put = spread(lambda j: f_(j))
    column = for_each(
        kernel,
        n_,
        lambda j: total(n_, lambda i: ite(j.eq(p_(i)), f_(j), 0)).eq(f_(j)),
        lambda j: [
            once,
            sum_scaled(kernel, n_, f_(j), lambda i: ite(j.eq(p_(i)), 1, 0)),
            kernel.same(
                total(n_, lambda i: ite(j.eq(p_(i)), f_(j), 0)),
                total(n_, lambda i: f_(j) * ite(j.eq(p_(i)), 1, 0)),
                for_each(kernel, n_, lambda i: ite(j.eq(p_(i)), f_(j), 0).eq(f_(j) * ite(j.eq(p_(i)), 1, 0))),
            ),
        ],
    )
    goal = total(n_, lambda i: f_(p_(i))).eq(total(n_, lambda i: f_(i)))
    shown = kernel.arithmetic(goal, [put, kernel.same(columns, total(n_, lambda j: f_(j)), column)])
    return kernel.discharge(kernel.discharge(shown, different.conclusion), inside.conclusion)


def cell(kernel: Kernel, n: Numeric, c: Numeric) -> Fact:
    """0 <= c < n ⇒ some i < n has i <= c < i + 1."""

    def found(n: Numeric) -> Term:
        return some(n, lambda i: both(i <= c_, c_ < i + 1))

    def prove() -> Fact:
        general = implies(both(c_ >= 0, c_ < n_), found(n_))
        base = kernel.arithmetic(implies(both(c_ >= 0, c_ < 0), found(0)))
        in_last = kernel.assume(both(n_ <= c_, c_ < n_ + 1))
        placed = kernel.arithmetic(both(n_ < n_ + 1, both(n_ <= c_, c_ < n_ + 1)), [in_last])
        new = kernel.discharge(kernel.exhibit(placed, found(n_ + 1), n_), in_last.conclusion)
        step = kernel.arithmetic(
            implies(both(c_ >= 0, c_ < n_ + 1), found(n_ + 1)),
            [kernel.assume(general), new, kernel.last(found(n_ + 1))],
        )
        return kernel.induction(n_, general, base, step)

    return kernel.instantiate(once(kernel, "cell", prove), {n_: n, c_: c})


def crowded(kernel: Kernel, n: Numeric, m: Numeric, f: Terms) -> Fact:
    """0 <= f(i) < m for each i < n, and m < n ⇒ some i < n and j < i have |f(i) - f(j)| < 1 (pigeonhole)."""
    b = natural("b")

    def inside(i: Numeric, b: Numeric) -> Term:
        return both(term(b) <= f_(i), f_(i) < term(b) + 1)

    def count(n: Numeric, b: Numeric) -> Term:
        return total(n, lambda i: ite(inside(i, b), 1, 0))

    def one(n: Numeric) -> Term:
        return some(n, lambda i: inside(i, b))

    def two(n: Numeric) -> Term:
        return some(n, lambda i: both(inside(i, b), one(i)))

    def near(n: Numeric) -> Term:
        return some(n, lambda i: some(i, lambda j: both(f_(i) - f_(j) < 1, f_(j) - f_(i) < 1)))

    def shared() -> Fact:
        """More than one element in the cell b ⇒ two near elements."""
        i, j = natural("i"), natural("j")
        at_least_one = by_induction(kernel, n_, implies(count(n_, b) > 0, one(n_)), step=[_last_one()])
        both_in = kernel.assume(both(inside(n_, b), one(n_)))
        pair = kernel.arithmetic(both(n_ < n_ + 1, both_in.conclusion), [both_in])
        new = kernel.discharge(kernel.exhibit(pair, two(n_ + 1), n_), both_in.conclusion)
        at_least_two = by_induction(kernel, n_, implies(count(n_, b) > 1, two(n_)), base=[], step=[at_least_one, new])
        first = kernel.assume(both(inside(i, b), one(i)))
        second, below_i, below_n = kernel.assume(inside(j, b)), kernel.assume(j < i), kernel.assume(i < n_)
        inner = some(i, lambda j: both(f_(i) - f_(j) < 1, f_(j) - f_(i) < 1))
        close = kernel.arithmetic(both(j < i, both(f_(i) - f_(j) < 1, f_(j) - f_(i) < 1)), [first, second, below_i])
        some_j = kernel.choose(kernel.arithmetic(one(i), [first]), j, kernel.exhibit(close, inner, j))
        some_i = kernel.exhibit(kernel.arithmetic(both(i < n_, inner), [some_j, below_n]), near(n_), i)
        found = kernel.choose(kernel.assume(two(n_)), i, some_i)
        return kernel.arithmetic(implies(count(n_, b) > 1, near(n_)), [at_least_two, kernel.discharge(found, two(n_))])

    def _last_one() -> Fact:
        here = kernel.assume(inside(n_, b))
        return kernel.discharge(
            kernel.exhibit(kernel.arithmetic(both(n_ < n_ + 1, here.conclusion), [here]), one(n_ + 1), n_),
            here.conclusion,
        )

    def prove() -> Fact:
        bounded = kernel.assume(each(n_, lambda i: both(f_(i) >= 0, f_(i) < m_)))
        fewer = kernel.assume(m_ < n_)

        def row(i: Numeric) -> Term:
            return total(m_, lambda b: ite(inside(i, b), 1, 0))

        def counted(i: Numeric) -> list[Fact]:
            signs = for_each(kernel, m_, lambda b: ite(inside(i, b), 1, 0) >= 0)
            member = sum_member(kernel, m_, lambda b: ite(inside(i, b), 1, 0), b)
            has = kernel.arithmetic(row(i) >= 1, [signs, member, kernel.assume(b < m_), kernel.assume(inside(i, b))])
            placed = kernel.arithmetic(
                some(m_, lambda b: inside(i, b)),
                [cell(kernel, m_, f_(i)), kernel.at(bounded, i), kernel.assume(term(i) < n_)],
            )
            return [kernel.choose(placed, b, has)]

        rows = for_each(kernel, n_, lambda i: row(i) >= 1, counted)
        all_rows = kernel.arithmetic(total(n_, lambda i: row(i)) >= n_, [rows, sum_at_least(kernel, n_, row, 1)])
        swapped = sum_exchanged(kernel, n_, m_, lambda i, b: ite(inside(i, b), 1, 0))
        # were there at most one element in each cell, there would be at most m
        alone = shared()
        lonely = kernel.assume(negation(near(n_)))
        at_most_one = for_each(
            kernel, m_, lambda b_: count(n_, b_) <= 1, lambda b_: [lonely, kernel.instantiate(alone, {b: b_})]
        )
        contradiction = kernel.arithmetic(
            near(n_),
            [all_rows, swapped, at_most_one, sum_at_most(kernel, m_, lambda b: count(n_, b), 1), fewer, lonely],
        )
        result = kernel.arithmetic(near(n_), [kernel.discharge(contradiction, lonely.conclusion)])
        for hypothesis in (fewer, bounded):
            result = kernel.discharge(result, hypothesis.conclusion)
        return result

    return kernel.instantiate(once(kernel, "crowded", prove), {n_: n, m_: m}, {f_: f})


def digits(kernel: Kernel, n: Numeric, f: Terms, c: Numeric) -> Fact:
    """Numbers f(i), each 0 or of an absolute value between 1 and e^c - 1, as digits to the base e^c.

    |Σ f(i) e^{c i}| <= e^{c n} - 1, and where it is less than 1, each digit is 0.
    """
    value = total(n_, lambda i: f_(i) * exp(c_ * i))

    def proper(i: Numeric) -> Term:
        x = f_(i)
        return both(between(1 - exp(c_), x, exp(c_) - 1), either(x.eq(0), x >= 1, x <= -1))

    general = implies(
        each(n_, proper),
        both(
            between(1 - exp(c_ * n_), value, exp(c_ * n_) - 1),
            implies(both(value > -1, value < 1), each(n_, lambda i: f_(i).eq(0))),
        ),
    )

    def prove() -> Fact:
        base = [kernel.axiom("exp_zero"), kernel.identity((c_ * 0).eq(0)), kernel.equal(c_ * 0, 0, lambda t: exp(t))]
        step = [exp_of_sum(kernel, c_ * (n_ + 1), c_ * n_, c_), kernel.axiom("exp_positive", c_ * n_)]
        return by_induction(kernel, n_, general, base, step)

    return kernel.instantiate(once(kernel, "digits", prove), {n_: n, c_: c}, {f_: f})


def steps_passed(n: Numeric, z: Numeric) -> Term:
    """How many of the numbers 2, 4, …, 2 n are at most z."""
    return total(n, lambda i: ite(2 * (i + 1) <= term(z), 1, 0))


def steps_bounds(kernel: Kernel, n: Numeric, z: Numeric) -> Fact:
    """Of steps x passed by z >= 0: 0 <= x <= n, 2 x <= z, and z < 2 x + 2 or x = n."""
    x = steps_passed(n_, c_)
    general = implies(c_ >= 0, both(between(0, x, n_), 2 * x <= c_, either(c_ < 2 * x + 2, x.eq(n_))))
    return kernel.instantiate(by_length(kernel, "steps_bounds", general), {n_: n, c_: z})


def steps_differ(kernel: Kernel, n: Numeric, z: Numeric, y: Numeric) -> Fact:
    """Steps passed by two numbers are as many, or differ by 1 or more."""

    def ordered(b: Term, c: Term) -> Fact:
        few, many = steps_passed(n_, b), steps_passed(n_, c)
        return by_induction(kernel, n_, implies(b <= c, either(few.eq(many), few + 1 <= many)))

    def prove() -> Fact:
        few, many = steps_passed(n_, b_), steps_passed(n_, c_)
        goal = either(few.eq(many), few + 1 <= many, many + 1 <= few)
        return kernel.arithmetic(goal, [ordered(b_, c_), ordered(c_, b_)])

    return kernel.instantiate(once(kernel, "steps_differ", prove), {n_: n, b_: z, c_: y})
