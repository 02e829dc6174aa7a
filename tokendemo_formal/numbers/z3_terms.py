"""Numbers that end up in a Z3 question.

A :class:`Term` is a rational, or a Z3 real term, plus a rational combination of logarithms of primes. So ``exp`` of an
integer combination of logarithms is an exact rational; wherever ``exp``, ``sqrt``, ``sin`` or ``cos`` of a constant
leave the rationals, the term becomes a fresh Z3 real between two rational bounds (from Arb), and the bounds are
recorded in :attr:`Z3Terms.assumptions`. Whoever asks Z3 must add these: then "unsat" holds for the real numbers. The
term remembers the ball, so that functions, products and quotients of such constants are bounded in the same way: a
question about constants alone stays linear, and Z3 decides it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import flint
import numpy as np
import z3
from numpy.typing import NDArray

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.numbers import balls
from tokendemo_formal.numbers.base import Array, Exact, Log, Numbers

Logs: TypeAlias = dict[int, Fraction]
"""Prime → coefficient of its natural logarithm."""

Operation: TypeAlias = Callable[[flint.arb, flint.arb], flint.arb]


class Term:
    """``value`` + Σ ``logs[p]`` · log p, with ``value`` a Fraction or a Z3 real term. Immutable.

    Args:
        kind: where the term belongs.
        value: the part without logarithms.
        logs: the logarithms' coefficients.
        near: where ``value`` is a Z3 term that stands for one real number, a ball that holds the number.
    """

    __slots__ = ("_kind", "_near", "logs", "value")

    def __init__(
        self, kind: Z3Terms, value: Fraction | z3.ArithRef, logs: Logs | None = None, near: flint.arb | None = None
    ) -> None:
        self._kind = kind
        self._near = near
        self.value = value
        self.logs: Logs = {p: c for p, c in (logs or {}).items() if c != 0}

    @property
    def rational(self) -> Fraction | None:
        """The exact value where the term is a rational number, else None."""
        return self.value if isinstance(self.value, Fraction) and not self.logs else None

    def to_z3(self) -> z3.ArithRef:
        """The term as a Z3 real; the logarithm of each prime becomes one bounded variable."""
        value = _literal(self.value)
        for prime, coefficient in self.logs.items():
            value = value + _literal(coefficient) * self._kind.log_of(prime)
        return value

    def ball(self, operation: str) -> flint.arb:
        """A ball that holds the term's number; ``operation`` is what it is needed for.

        Raises:
            UnsupportedError: for a term that stands for no particular number.
        """
        near = self._constant()
        if near is None:
            raise UnsupportedError(
                f"Z3 terms have no {operation} of a symbolic term ({self.value}); give it a constant, or compute with "
                "balls or SymPy"
            )
        return near

    def _value_ball(self) -> flint.arb | None:
        """Holds ``value`` where that is one number."""
        if not isinstance(self.value, Fraction):
            return self._near
        with balls.precision(self._kind.bits):
            return balls.ball(self.value)

    def _constant(self) -> flint.arb | None:
        """Holds the whole term where that is one number."""
        near = self._value_ball()
        if near is None or not self.logs:
            return near
        with balls.precision(self._kind.bits):
            return sum((balls.ball(c) * flint.arb(p).log() for p, c in self.logs.items()), start=near)

    def _apply(self, operation: Operation, a: flint.arb | None, b: flint.arb | None) -> flint.arb | None:
        if a is None or b is None:
            return None
        with balls.precision(self._kind.bits):
            return operation(a, b)

    def _lift(self, other: Any) -> Term:
        return other if isinstance(other, Term) else self._kind.term(other)

    def __add__(self, other: Any) -> Term:
        if isinstance(other, np.ndarray):
            return NotImplemented
        other = self._lift(other)
        logs = dict(self.logs)
        for prime, coefficient in other.logs.items():
            logs[prime] = logs.get(prime, Fraction(0)) + coefficient
        if isinstance(self.value, Fraction) and isinstance(other.value, Fraction):
            return Term(self._kind, self.value + other.value, logs)
        if isinstance(other.value, Fraction) and other.value == 0:
            return Term(self._kind, self.value, logs, self._near)
        if isinstance(self.value, Fraction) and self.value == 0:
            return Term(self._kind, other.value, logs, other._near)
        near = self._apply(operator.add, self._value_ball(), other._value_ball())
        return Term(self._kind, _literal(self.value) + _literal(other.value), logs, near)

    def __neg__(self) -> Term:
        return self * Fraction(-1)

    def __sub__(self, other: Any) -> Term:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return self + -self._lift(other)

    def __mul__(self, other: Any) -> Term:
        if isinstance(other, np.ndarray):
            return NotImplemented
        other = self._lift(other)
        for factor, rest in ((self, other), (other, self)):
            by = factor.rational
            if by is None:
                continue
            if by in (0, 1):
                return rest if by == 1 else Term(self._kind, Fraction(0))
            logs = {p: c * by for p, c in rest.logs.items()}
            if isinstance(rest.value, Fraction):
                return Term(self._kind, by * rest.value, logs)
            near = self._apply(operator.mul, factor._value_ball(), rest._near)
            return Term(self._kind, _literal(by) * rest.value, logs, near)
        near = self._apply(operator.mul, self._constant(), other._constant())
        if near is not None:
            return self._kind.bounded("product", near)
        return Term(self._kind, self.to_z3() * other.to_z3())

    def __truediv__(self, other: Any) -> Term:
        if isinstance(other, np.ndarray):
            return NotImplemented
        other = self._lift(other)
        divisor = other.rational
        if divisor is not None:
            if divisor == 0:
                raise ZeroDivisionError("division of a Z3 term by the exact number 0")
            return self * Term(self._kind, 1 / divisor)
        ball = other._constant()
        if ball is not None and ball.contains(0):
            raise ZeroDivisionError(f"division of a Z3 term by {ball}, which holds 0: raise the bits")
        near = self._apply(operator.truediv, self._constant(), ball)
        if near is not None:
            return self._kind.bounded("quotient", near)
        # Z3's x / 0 is an arbitrary number, so a quotient is a fresh variable with quotient * divisor = dividend,
        # and the divisor is asserted to be nonzero, as it is in every formula of the layer (sums of exponentials).
        below, quotient = other.to_z3(), self._kind.fresh("quotient")
        self._kind.assumptions += [below != 0, quotient * below == self.to_z3()]
        return Term(self._kind, quotient)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Term:
        return self._lift(other) - self

    def __rtruediv__(self, other: Any) -> Term:
        return self._lift(other) / self

    def __repr__(self) -> str:
        logs = "".join(f" + {c}*log({p})" for p, c in sorted(self.logs.items()))
        return f"Term({self.value}{logs})"


def _literal(value: Fraction | z3.ArithRef) -> z3.ArithRef:
    return z3.Q(value.numerator, value.denominator) if isinstance(value, Fraction) else value


class Z3Terms(Numbers):
    """NumPy object arrays of :class:`Term`.

    Args:
        bits: precision of the enclosures of irrational constants.

    Attributes:
        assumptions: Z3 formulas that the terms made so far rely on. Each is true of the real numbers that the
            fresh variables stand for.
    """

    name = "Z3"

    def __init__(self, bits: int = 200) -> None:
        self.bits = bits
        self.assumptions: list[z3.BoolRef] = []
        self._count = 0
        self._logs: dict[int, z3.ArithRef] = {}
        self._array = np.frompyfunc(self.term, 1, 1)

    def term(self, value: Any) -> Term:
        """One exact number, Z3 real or Term, as a Term."""
        if isinstance(value, Term):
            return value
        if isinstance(value, z3.ArithRef):
            return Term(self, value)
        if isinstance(value, Log):
            return Term(self, Fraction(0), _prime_logs(value.of))
        return Term(self, Fraction(value if isinstance(value, (int, float, Fraction)) else value.item()))

    def fresh(self, name: str) -> z3.ArithRef:
        """A real variable that nothing else names."""
        self._count += 1
        return z3.Real(f"{name}!{self._count}")

    def enclosed(self, name: str, value: flint.arb) -> z3.ArithRef:
        """A fresh real that is assumed to lie between the rational ends of the ball."""
        low, high = balls.endpoints(value)
        variable = self.fresh(name)
        self.assumptions += [variable >= _literal(low), variable <= _literal(high)]
        return variable

    def bounded(self, name: str, value: flint.arb) -> Term:
        """A constant of which no more is known than its ball.

        Raises:
            UnsupportedError: for a ball that is not finite.
        """
        if not value.is_finite():
            raise UnsupportedError(f"{name} can't be bounded at {self.bits} bits ({value}); raise the bits")
        return Term(self, self.enclosed(name, value), near=value)

    def log_of(self, prime: int) -> z3.ArithRef:
        """The variable that stands for the logarithm of a prime, one for each prime."""
        if prime not in self._logs:
            with balls.precision(self.bits):
                self._logs[prime] = self.enclosed("log", flint.arb(prime).log())
        return self._logs[prime]

    def constant(self, values: Exact | NDArray[Any] | z3.ArithRef) -> Array:
        if isinstance(values, np.ndarray):
            return np.asarray(self._array(values), dtype=object).reshape(values.shape)
        return self.term(values)

    def matmul(self, a: Array, b: Array) -> Array:
        return a @ b

    def exp(self, a: Array) -> Array:
        return self._each(self._exp, a)

    def log(self, a: Array) -> Array:
        return self._each(self._log, a)

    def sqrt(self, a: Array) -> Array:
        return self._each(self._sqrt, a)

    def sin(self, a: Array) -> Array:
        return self._each(lambda t: self._irrational("sin", t, flint.arb.sin), a)

    def cos(self, a: Array) -> Array:
        return self._each(lambda t: self._irrational("cos", t, flint.arb.cos), a)

    @staticmethod
    def _each(function: Callable[[Term], Term], a: Array) -> Array:
        if isinstance(a, np.ndarray):
            return np.asarray(np.frompyfunc(function, 1, 1)(a), dtype=object).reshape(a.shape)
        return function(a)

    def _exp(self, term: Term) -> Term:
        if term.value == 0 and isinstance(term.value, Fraction) and all(c.denominator == 1 for c in term.logs.values()):
            return Term(self, math.prod((Fraction(p) ** int(c) for p, c in term.logs.items()), start=Fraction(1)))
        return self._irrational("exp", term, flint.arb.exp)

    def _log(self, term: Term) -> Term:
        value = term.rational
        if value is None:
            return self._irrational("log", term, flint.arb.log)
        if value <= 0:
            raise UnsupportedError(f"log of {value}, which is not positive")
        return Term(self, Fraction(0), _prime_logs(value))

    def _sqrt(self, term: Term) -> Term:
        value = term.rational
        if value is not None and value < 0:
            raise UnsupportedError(f"sqrt of {value}, which is negative")
        if value is not None:
            root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
            if root * root == value:
                return Term(self, root)
        return self._irrational("sqrt", term, flint.arb.sqrt)

    def _irrational(self, name: str, term: Term, function: Callable[[flint.arb], flint.arb]) -> Term:
        if term.rational == 0 and name in ("sin", "cos"):
            return Term(self, Fraction(int(name == "cos")))
        with balls.precision(self.bits):
            return self.bounded(name, function(term.ball(name)))


def _prime_logs(value: Fraction) -> Logs:
    logs: Logs = {}
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, exponent in flint.fmpz(number).factor():
            logs[int(prime)] = logs.get(int(prime), Fraction(0)) + sign * int(exponent)
    return logs
