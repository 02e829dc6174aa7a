"""Ways of proving that put several rules of the kernel together. Nothing here is trusted: the kernel checks it all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tokendemo_formal.logic.terms import (
    Binder,
    Number,
    Numeric,
    Term,
    Variable,
    exp,
    free_variables,
    fresh,
    substitute,
    subterms,
    term,
    total,
)
from tokendemo_formal.proving.kernel import Fact, Kernel, predecessor


def by_induction(
    kernel: Kernel,
    index: Variable,
    proposition: Term,
    base: Iterable[Fact] = (),
    step: Iterable[Fact] = (),
) -> Fact:
    """P(n) for every natural n, from P(0), and P(n + 1) where P(n).

    Sums and quantifiers of length 0 and n + 1 are unfolded.

    Args:
        kernel: checks.
        index: n, free in the proposition.
        proposition: P(n).
        base: facts that P(0) needs besides.
        step: facts that P(n + 1) needs besides P(n).
    """
    zero, after = substitute(proposition, {index: term(0)}), substitute(proposition, {index: index + 1})
    start = kernel.arithmetic(zero, [*unfolded(kernel, zero), *base])
    go = kernel.arithmetic(after, [kernel.assume(proposition), *unfolded(kernel, after), *step])
    return kernel.induction(index, proposition, start, go)


def unfolded(kernel: Kernel, of: Term) -> list[Fact]:
    """What the kernel says about the sums and quantifiers inside whose lengths are 0 or of the form n + 1."""
    facts = []
    for t in dict.fromkeys(subterms(of)):
        # inside another binder its index is free, and a fact about it would be about something else
        if isinstance(t, Binder) and not any(v.name.startswith("_") for v in free_variables(t)):
            if t.count == term(0):
                facts.append(kernel.empty(t))
            elif predecessor(t.count) is not None and not isinstance(t.count, Number):
                facts.append(kernel.last(t))
    return facts


def for_each(
    kernel: Kernel,
    count: Numeric,
    goal: Callable[[Variable], Term],
    by: Iterable[Fact] | Callable[[Variable], Iterable[Fact]] = (),
) -> Fact:
    """ "goal(i) for each i < count", from facts about an arbitrary i.

    Args:
        kernel: checks.
        count: a natural number.
        goal: what to show of an index below it.
        by: facts, or a function that gives them for an index. Those that say something "for each i < count" are taken
            at that index.
    """
    index = fresh(goal.__code__.co_varnames[0] if hasattr(goal, "__code__") else "i")
    below = kernel.assume(index < term(count))
    facts = list(by(index)) if callable(by) else list(by)
    at_index = [kernel.at(f, index) if _speaks_of_each(f, term(count)) else f for f in facts]
    shown = kernel.arithmetic(goal(index), [below, *at_index])
    return kernel.each(shown, index, count, index.name.partition("?")[0])


def _speaks_of_each(fact: Fact, count: Term) -> bool:
    c = fact.conclusion
    return isinstance(c, Binder) and c.kind == "each" and c.count == count


def at_index(kernel: Kernel, fact: Fact, *indices: Numeric) -> Fact:
    """From "for each i < n, each j < m, … P(i, j, …)" to P(s, t, …), where s < n, t < m, … are hypotheses then."""
    for index in indices:
        binder = fact.conclusion
        assert isinstance(binder, Binder), "the fact says something for each index"
        below = kernel.assume(term(index) < binder.count)
        fact = kernel.arithmetic(binder.at(index), [below, kernel.at(fact, index)])
    return fact


def for_each_choice(
    kernel: Kernel,
    choice: Fact,
    goal: Callable[[Variable], Term],
    by: Callable[[Variable, Variable], Iterable[Fact]],
) -> Fact:
    """ "goal(i) for each i < n", from what is chosen for each i.

    Args:
        kernel: checks.
        choice: "for each i < n, P(i, v) for some v < count".
        goal: what to show of an index.
        by: facts besides P(i, v), for an arbitrary i and the v that is chosen for it. Those that say something "for
            each i < n" are taken at i, and what then says something "for each v < count" at v.
    """
    outer = choice.conclusion
    assert isinstance(outer, Binder), "choice says something for each index"
    i, v = fresh(outer.hint), fresh("v")
    below = kernel.assume(i < outer.count)
    there = at_index(kernel, choice, i)
    inner = there.conclusion
    assert isinstance(inner, Binder), "choice says that there is something to be chosen"
    given = [below, kernel.assume(v < inner.count), kernel.assume(inner.at(v))]
    facts = []
    for fact in by(i, v):
        if _speaks_of_each(fact, outer.count):
            fact = at_index(kernel, fact, i)
        facts.append(kernel.at(fact, v) if _speaks_of_each(fact, inner.count) else fact)
    shown = kernel.arithmetic(goal(i), [*given, *facts])
    return kernel.each(kernel.choose(there, v, shown), i, outer.count, outer.hint)


def exp_of_sum(kernel: Kernel, whole: Numeric, *parts: Numeric) -> Fact:
    """exp(whole) = exp(first) exp(second) …, where the whole is the sum of the parts as a polynomial."""
    joined, product = term(parts[0]), exp(parts[0])
    facts = []
    for part in parts[1:]:
        facts.append(kernel.axiom("exp_sum", joined, part))
        joined, product = joined + part, product * exp(part)
    same = [kernel.identity(term(whole).eq(joined)), kernel.equal(whole, joined, lambda t: exp(t))]
    return kernel.arithmetic(exp(whole).eq(product), [*facts, *same])


def equal_sums(
    kernel: Kernel,
    count: Numeric,
    left: Callable[[Variable], Term],
    right: Callable[[Variable], Term],
    by: Iterable[Fact] | Callable[[Variable], Iterable[Fact]] = (),
) -> Fact:
    """Σ left = Σ right, since left(i) = right(i) for an arbitrary i < count by these facts."""
    equal = for_each(kernel, count, lambda i: left(i).eq(right(i)), by)
    return kernel.same(total(count, left), total(count, right), equal)
