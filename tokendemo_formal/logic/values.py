"""The value of a term on an instance: exactly where it is rational, in balls of rising precision elsewhere.

An instance gives every free variable and sequence a value: a rational, the logarithm of one (:class:`Log`), or an Arb
ball. Scores that are logarithms keep softmax rational, so that an instance can be redone by hand.

Main declarations: :class:`Instance`, :func:`holds`, :func:`value`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias

import flint

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.terms import Application, Binder, Function, Number, Operation, Sort, Term, Variable
from tokendemo_formal.numbers.balls import ball, precision
from tokendemo_formal.numbers.base import Log

Value: TypeAlias = int | Fraction | Log | Any
"""A rational, a logarithm of one, or (as Any) an Arb ball."""

Sequence: TypeAlias = list[Any] | tuple[Any, ...] | Callable[..., Value]
"""Values by index (nested for several indices), or a function of the indices."""

PRECISIONS = (64, 256, 1024, 4096)
"""Bits of the balls that are tried in turn."""


class NoValueError(InputError):
    """A term has no value on an instance.

    Cause: division by 0, a logarithm or root of a negative number, or an index outside a sequence. Cure: another
    instance; a statement must have a value wherever its assumptions hold.
    """


class _NotRationalError(Exception):
    """Balls are needed."""


@dataclass(frozen=True)
class Instance:
    """Values for the free variables and sequences of a statement.

    Args:
        values: by name.
        note: what the instance shows, for people.
    """

    values: Mapping[str, Value | Sequence]
    note: str = ""

    def but(self, note: str = "", **changes: Value | Sequence) -> Instance:
        """The same with some values changed."""
        return Instance({**self.values, **changes}, note or self.note)


def holds(proposition: Term, instance: Instance) -> bool | None:
    """Whether a proposition is true on an instance; None where the highest precision can't tell (or nobody could:
    an equation between numbers that are not rational).

    Raises:
        NoValueError: where it has no value.
        InputError: for a variable that the instance lacks.
    """
    if proposition.sort is not Sort.PROPOSITION:
        raise InputError(f"expected a proposition, found the number {proposition}")
    try:
        result: bool | None = _Evaluation(instance, exact=True).of(proposition, {})
        return result
    except _NotRationalError:
        pass
    for bits in PRECISIONS:
        with precision(bits):
            result = _Evaluation(instance, exact=False).of(proposition, {})
        if result is not None:
            return result
    return None


def value(number: Term, instance: Instance, bits: int = 128) -> Value:
    """A number on an instance: a Fraction or Log where it is one, else a ball."""
    try:
        return _Evaluation(instance, exact=True).of(number, {})
    except _NotRationalError:
        with precision(bits):
            return _Evaluation(instance, exact=False).of(number, {})


def comparisons(proposition: Term, instance: Instance) -> Iterator[Operation]:
    """The comparisons that a proposition comes down to on an instance: for each index its own, of an implication those
    of its conclusion, unless the premise is false.

    Raises:
        NoValueError: where a length, or a premise, has no value.
    """
    match proposition:
        case Operation(operator=("<" | "<=" | "=")):
            yield proposition
        case Operation("=>", (premise, then)):
            if holds(premise, instance) is not False:
                yield from comparisons(then, instance)
        case Operation(arguments=arguments):
            for a in arguments:
                yield from comparisons(a, instance)
        case Binder(count=count):
            length: Any = value(count, instance)
            for i in range(int(length)):
                yield from comparisons(proposition.at(i), instance)


class _Evaluation:
    def __init__(self, instance: Instance, exact: bool) -> None:
        self.instance = instance
        self.exact = exact

    def of(self, t: Term, indices: Mapping[Variable, int]) -> Any:
        match t:
            case Number(x):
                return x
            case Variable(name):
                return indices[t] if t in indices else self.given(name, t)
            case Application(function, arguments):
                return self.application(function, [self.of(a, indices) for a in arguments])
            case Binder(kind, count, index, body):
                n = self.index(self.of(count, indices))
                inner = (self.of(body, {**indices, index: i}) for i in range(n))
                if kind == "sum":
                    return reduce(self.add, inner, Fraction(0))
                return _every(inner) if kind == "each" else _not(_every(_not(x) for x in inner))
            case Operation(name, arguments):
                return self.operation(name, arguments, indices)
        raise InputError(f"not a term: {t!r}")

    def given(self, name: str, t: Variable) -> Value:
        if name not in self.instance.values:
            raise InputError(f"the instance lacks a value for {name}; it has {', '.join(self.instance.values)}")
        return self.of_sort(t.sort, self.coerce(self.instance.values[name]), name)

    def of_sort(self, sort: Sort, x: Any, name: str) -> Any:
        if sort is Sort.NATURAL and not (isinstance(x, Fraction) and x.denominator == 1 and x >= 0):
            raise InputError(f"{name}: expected a natural number, found {x}")
        return x

    def coerce(self, x: Any) -> Any:
        if isinstance(x, int):
            return Fraction(x)
        if isinstance(x, Fraction):
            return x
        if isinstance(x, Log):
            return Fraction(0) if x.of == 1 else x
        if isinstance(x, flint.arb):
            if self.exact:
                raise _NotRationalError
            return x
        raise InputError(f"expected an int, a Fraction, a Log or a ball, found {x!r}")

    def index(self, x: Any) -> int:
        if isinstance(x, int):
            return x
        if isinstance(x, Fraction) and x.denominator == 1:
            return x.numerator
        raise InputError(f"expected a natural number as an index or length, found {x}")

    def application(self, function: Function, arguments: list[Any]) -> Any:
        name = function.name
        if name in ("exp", "log", "sqrt", "cos", "sin"):
            return self.known(name, arguments[0])
        sequence: Any = self.instance.values.get(name)
        if sequence is None:
            raise InputError(f"the instance lacks the sequence {name}; it has {', '.join(self.instance.values)}")
        indices = [self.index(a) for a in arguments]
        if callable(sequence):
            return self.of_sort(function.of, self.coerce(sequence(*indices)), name)
        for i in indices:
            if not 0 <= i < len(sequence):
                raise NoValueError(f"{name} has no element {i}: the instance gives {len(sequence)}")
            sequence = sequence[i]
        return self.of_sort(function.of, self.coerce(sequence), name)

    def known(self, name: str, x: Any) -> Any:
        if isinstance(x, Fraction):
            if name in ("exp", "cos") and x == 0:
                return Fraction(1)
            if name == "sin" and x == 0:
                return Fraction(0)
            if name == "sqrt":
                if x < 0:
                    raise NoValueError(f"the root of {x}")
                root = _root(x)
                if root is not None:
                    return root
            if name == "log":
                if x <= 0:
                    raise NoValueError(f"the logarithm of {x}")
                return self.coerce(Log(x))
        elif isinstance(x, Log) and name == "exp":
            return x.of
        if self.exact:
            raise _NotRationalError
        x = ball(x)
        if (name == "log" and not x > 0) or (name == "sqrt" and not x >= 0):
            if x <= 0:
                raise NoValueError(f"the {name} of {x}")
            return flint.arb("nan")
        return getattr(x, name)()

    def operation(self, name: str, arguments: tuple[Term, ...], indices: Mapping[Variable, int]) -> Any:
        if name == "and":
            return _every(self.of(a, indices) for a in arguments)
        if name == "or":
            return _not(_every(_not(self.of(a, indices)) for a in arguments))
        if name == "=>":
            premise = self.of(arguments[0], indices)
            # what follows from something false may have no value
            return True if premise is False else _not(_every(iter((premise, _not(self.of(arguments[1], indices))))))
        if name == "ite":
            condition = self.of(arguments[0], indices)
            if condition is None:
                raise _NotRationalError if self.exact else InputError("a choice depends on a comparison left open")
            return self.of(arguments[1 if condition else 2], indices)
        values = [self.of(a, indices) for a in arguments]
        if name == "not":
            return _not(values[0])
        if name == "iff":
            return None if None in values else values[0] is values[1]
        if name in ("<", "<=", "="):
            return self.compare(name, *values)
        if name in ("max", "min"):
            return reduce(self.larger if name == "max" else self.smaller, values)
        return {"+": self.add, "-": self.subtract, "*": self.multiply, "/": self.divide}[name](*values)

    # Logarithms add up to logarithms; anything else that is not rational needs balls.

    def add(self, x: Any, y: Any) -> Any:
        if isinstance(x, Log) and isinstance(y, Log):
            return self.coerce(Log(x.of * y.of))
        return self.rational(operator.add, x, y, x if y == 0 else y if x == 0 else None)

    def subtract(self, x: Any, y: Any) -> Any:
        return self.add(x, self.multiply(Fraction(-1), y))

    def multiply(self, x: Any, y: Any) -> Any:
        if isinstance(y, Log):
            x, y = y, x
        if isinstance(x, Log) and isinstance(y, (int, Fraction)):
            power = _power(x.of, Fraction(y))
            if power is not None:
                return self.coerce(Log(power))
        if (isinstance(x, (int, Fraction)) and x == 0) or (isinstance(y, (int, Fraction)) and y == 0):
            return Fraction(0)
        return self.rational(operator.mul, x, y)

    def divide(self, x: Any, y: Any) -> Any:
        if isinstance(y, (int, Fraction)):
            if y == 0:
                raise NoValueError("division by 0")
            return self.multiply(x, 1 / Fraction(y))
        if isinstance(x, Log) and isinstance(y, Log) and x.of == y.of:
            return Fraction(1)
        return self.rational(operator.truediv, x, y)

    def rational(self, function: Callable[[Any, Any], Any], x: Any, y: Any, known: Any = None) -> Any:
        if known is not None:
            return known
        if isinstance(x, (int, Fraction)) and isinstance(y, (int, Fraction)):
            return function(Fraction(x), Fraction(y))
        if self.exact:
            raise _NotRationalError
        return function(ball(x), ball(y))

    def compare(self, name: str, x: Any, y: Any) -> bool | None:
        function = {"<": operator.lt, "<=": operator.le, "=": operator.eq}[name]
        if isinstance(x, Log) and isinstance(y, Log):
            return bool(function(x.of, y.of))
        if isinstance(x, (int, Fraction)) and isinstance(y, (int, Fraction)):
            return bool(function(x, y))
        if isinstance(x, Log) and isinstance(y, (int, Fraction)) and y == 0:
            return bool(function(x.of, 1))
        if isinstance(y, Log) and isinstance(x, (int, Fraction)) and x == 0:
            return bool(function(1, y.of))
        if self.exact:
            raise _NotRationalError
        a, b = ball(x), ball(y)
        if name == "=":
            return False if a < b or b < a else None
        if function(a, b):
            return True
        return False if (b <= a if name == "<" else b < a) else None

    def larger(self, x: Any, y: Any) -> Any:
        return self.extreme(x, y, largest=True)

    def smaller(self, x: Any, y: Any) -> Any:
        return self.extreme(x, y, largest=False)

    def extreme(self, x: Any, y: Any, largest: bool) -> Any:
        less = self.compare("<=", x, y)
        if less is None:
            a, b = ball(x), ball(y)
            return a.max(b) if largest else a.min(b)
        return y if less == largest else x


def _not(x: bool | None) -> bool | None:
    return None if x is None else not x


def _every(values: Iterator[bool | None]) -> bool | None:
    """Their conjunction, with None for "open"; what comes after something false is not looked at."""
    result: bool | None = True
    for x in values:
        if x is False:
            return False
        if x is None:
            result = None
    return result


def _root(x: Fraction, degree: int = 2) -> Fraction | None:
    """The rational root of a number of at least 0, if there is one."""
    roots = [flint.fmpz(n).root(degree) for n in (x.numerator, x.denominator)]
    root = Fraction(int(roots[0]), int(roots[1]))
    return root if root**degree == x else None


def _power(x: Fraction, exponent: Fraction) -> Fraction | None:
    """x^exponent, if that is rational and of sensible size."""
    if abs(exponent.numerator) > 10_000:
        return None
    root = _root(x, exponent.denominator) if exponent.denominator > 1 else x
    return None if root is None else root**exponent.numerator
