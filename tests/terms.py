"""Random terms, and instances for their names, for tests of the term language and of everything on top of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tokendemo_formal.logic.terms import (
    FALSE,
    TRUE,
    Binder,
    Operation,
    Term,
    Variable,
    both,
    each,
    either,
    exp,
    function,
    iff,
    implies,
    ite,
    larger,
    natural,
    negation,
    real,
    smaller,
    some,
    term,
    total,
)
from tokendemo_formal.logic.values import Instance

REALS = (real("x"), real("y"))
NATURALS = (natural("k"), natural("m"))
f, g = function("f"), function("g", 2)

rationals = st.fractions(-3, 3, max_denominator=4)


@st.composite
def numbers(draw: st.DrawFn, depth: int = 3, indices: tuple[Variable, ...] = (), exponentials: bool = False) -> Term:
    """A number, with free variables of this module and the indices given."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.one_of(st.sampled_from([*REALS, *NATURALS, *indices]), rationals.map(term)))
    inner = numbers(depth - 1, indices, exponentials)
    kinds = ["+", "-", "*", "/", "max", "min", "ite", "sum", "f", "g", *(["exp"] if exponentials else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "sum":
        return total(draw(counts(indices)), lambda i: draw(numbers(depth - 1, (*indices, i), exponentials)))
    if kind == "exp":
        return exp(draw(inner))
    if kind == "f":
        return f(draw(counts(indices)))
    if kind == "g":
        return g(draw(counts(indices)), draw(counts(indices)))
    a, b = draw(inner), draw(inner)
    if kind == "ite":
        return ite(draw(propositions(depth - 1, indices, exponentials)), a, b)
    return {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b,
        "max": lambda: larger(a, b),
        "min": lambda: smaller(a, b),
    }[kind]()


def counts(indices: tuple[Variable, ...] = ()) -> st.SearchStrategy[Term]:
    """A small natural number."""
    return st.one_of(st.sampled_from([*NATURALS, *indices]), st.integers(0, 2).map(term))


@st.composite
def propositions(
    draw: st.DrawFn, depth: int = 3, indices: tuple[Variable, ...] = (), exponentials: bool = False
) -> Term:
    kind = draw(st.sampled_from(["<", "<=", "=", "and", "or", "not", "=>", "iff", "each", "some", "constant"]))
    if depth == 0 or kind in ("<", "<=", "="):
        a, b = (draw(numbers(max(0, depth - 1), indices, exponentials)) for _ in range(2))
        return {"<": a < b, "<=": a <= b, "=": a.eq(b)}.get(kind, a <= b)
    if kind == "constant":
        return draw(st.sampled_from([TRUE, FALSE]))
    if kind in ("each", "some"):
        binder = each if kind == "each" else some
        return binder(draw(counts(indices)), lambda i: draw(propositions(depth - 1, (*indices, i), exponentials)))
    a, b = (draw(propositions(depth - 1, indices, exponentials)) for _ in range(2))
    return {
        "and": both(a, b),
        "or": either(a, b),
        "not": negation(a),
        "=>": implies(a, b),
        "iff": iff(a, b),
    }[kind]


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Rational values for all names of this module."""
    row = st.lists(rationals, min_size=4, max_size=4)
    return Instance(
        {
            "x": draw(rationals),
            "y": draw(rationals),
            "k": draw(st.integers(0, 3)),
            "m": draw(st.integers(0, 3)),
            "f": draw(row),
            "g": [draw(row) for _ in range(4)],
        }
    )


def plain(t: Term, values: Mapping[str, Any], indices: Mapping[Variable, int] | None = None) -> Any:
    """The value by Python's own arithmetic, all parts evaluated: an oracle that shares nothing with the package.

    Raises ZeroDivisionError where a division by 0 is met; exponentials are floats.
    """
    known = indices or {}
    match t:
        case Variable(name):
            return known[t] if t in known else values[name]
        case Binder(kind, count, index, body):
            parts = [plain(body, values, {**known, index: i}) for i in range(int(plain(count, values, known)))]
            return sum(parts, Fraction(0)) if kind == "sum" else all(parts) if kind == "each" else any(parts)
        case Operation(operator, arguments):
            xs = [plain(a, values, known) for a in arguments]
            return {
                "+": lambda: xs[0] + xs[1],
                "-": lambda: xs[0] - xs[1],
                "*": lambda: xs[0] * xs[1],
                "/": lambda: Fraction(xs[0]) / xs[1] if not isinstance(xs[1], float) else xs[0] / xs[1],
                "<": lambda: xs[0] < xs[1],
                "<=": lambda: xs[0] <= xs[1],
                "=": lambda: xs[0] == xs[1],
                "and": lambda: all(xs),
                "or": lambda: any(xs),
                "not": lambda: not xs[0],
                "=>": lambda: not xs[0] or xs[1],
                "iff": lambda: xs[0] == xs[1],
                "ite": lambda: xs[1] if xs[0] else xs[2],
                "max": lambda: max(xs),
                "min": lambda: min(xs),
            }[operator]()
    if not t.parts:
        return t.value  # type: ignore[attr-defined]
    name, xs = t.function.name, [plain(a, values, known) for a in t.parts]  # type: ignore[attr-defined]
    if name == "exp":
        return math.exp(xs[0])
    sequence = values[name]
    for x in xs:
        sequence = sequence[int(x)]
    return sequence
