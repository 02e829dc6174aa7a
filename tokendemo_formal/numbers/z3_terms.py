"""Numbers that end up in a Z3 question.

A :class:`Term` is a rational, or a Z3 real term, plus a rational combination of logarithms of primes. So ``exp`` of an
integer combination of logarithms is an exact rational; wherever ``exp``, ``sqrt``, ``sin`` or ``cos`` of a constant
leave the rationals, the term becomes a fresh Z3 real between two rational bounds (from Arb), and the bounds are
recorded in :attr:`Z3Terms.assumptions`. Whoever asks Z3 must add these: then "unsat" holds for the real numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import z3
from numpy.typing import NDArray

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.numbers import balls
from tokendemo_formal.numbers.base import Array, Exact, Log, Numbers

Logs = dict[int, Fraction]
"""Prime → coefficient of its natural logarithm."""


class Term:
    """``value`` + Σ ``logs[p]`` · log p, with ``value`` a Fraction or a Z3 real term. Immutable."""

    __slots__ = ("_kind", "logs", "value")

    def __init__(self, kind: Z3Terms, value: Fraction | z3.ArithRef, logs: Logs | None = None) -> None:
        self._kind = kind
        self.value = value
        self.logs: Logs = {p: c for p, c in (logs or {}).items() if c != 0}

    @property
    def rational(self) -> Fraction | None:
        """The exact value where the term is a rational number, else None."""
        return self.value if isinstance(self.value, Fraction) and not self.logs else None

    def to_z3(self) -> z3.ArithRef:
        """The term as a Z3 real; logarithms become a bounded fresh variable."""
        value = _literal(self.value)
        if not self.logs:
            return value
        return value + self._kind.enclosed("log", _log_ball(self.logs))

    def ball(self, operation: str) -> flint.arb:
        if not isinstance(self.value, Fraction):
            raise UnsupportedError(
                f"Z3 terms have no {operation} of a symbolic term ({self.value}); give it a constant, or compute with "
                "balls or SymPy"
            )
        return balls.ball(self.value) + _log_ball(self.logs)

    def _lift(self, other: Any) -> Term:
        return other if isinstance(other, Term) else self._kind.term(other)

    def __add__(self, other: Any) -> Term:
        if isinstance(other, np.ndarray):
            return NotImplemented
        other = self._lift(other)
        if isinstance(self.value, Fraction) and isinstance(other.value, Fraction):
            value: Fraction | z3.ArithRef = self.value + other.value
        elif other.value == 0 and isinstance(other.value, Fraction):
            value = self.value
        elif self.value == 0 and isinstance(self.value, Fraction):
            value = other.value
        else:
            value = _literal(self.value) + _literal(other.value)
        logs = dict(self.logs)
        for prime, coefficient in other.logs.items():
            logs[prime] = logs.get(prime, Fraction(0)) + coefficient
        return Term(self._kind, value, logs)

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
        for factor, rest in ((self.rational, other), (other.rational, self)):
            if factor is not None:
                if factor == 0:
                    return Term(self._kind, Fraction(0))
                value = rest.value * factor if isinstance(rest.value, Fraction) else _literal(factor) * rest.value
                if factor == 1:
                    value = rest.value
                return Term(self._kind, value, {p: c * factor for p, c in rest.logs.items()})
        return Term(self._kind, self.to_z3() * other.to_z3())

    def __truediv__(self, other: Any) -> Term:
        if isinstance(other, np.ndarray):
            return NotImplemented
        other = self._lift(other)
        divisor = other.rational
        if divisor is not None:
            if divisor == 0:
                raise ZeroDivisionError("division of a Z3 term by the exact number 0")
            return self * (1 / divisor)
        # Z3's x / 0 is an arbitrary number, so a quotient is a fresh variable with quotient * divisor = dividend,
        # and the divisor is asserted to be nonzero, as it is in every formula of the layer (sums of exponentials).
        below = other.to_z3()
        quotient = self._kind.fresh("quotient")
        self._kind.assumptions.append(below != 0)
        self._kind.assumptions.append(quotient * below == self.to_z3())
        return Term(self._kind, quotient)

    def __radd__(self, other: Any) -> Term:
        return self + other

    def __rsub__(self, other: Any) -> Term:
        return self._lift(other) - self

    def __rmul__(self, other: Any) -> Term:
        return self * other

    def __rtruediv__(self, other: Any) -> Term:
        return self._lift(other) / self

    def __repr__(self) -> str:
        logs = "".join(f" + {c}*log({p})" for p, c in sorted(self.logs.items()))
        return f"Term({self.value}{logs})"


def _literal(value: Fraction | z3.ArithRef) -> z3.ArithRef:
    return z3.Q(value.numerator, value.denominator) if isinstance(value, Fraction) else value


def _log_ball(logs: Logs) -> flint.arb:
    total = flint.arb(0)
    for prime, coefficient in logs.items():
        total += balls.ball(coefficient) * flint.arb(prime).log()
    return total


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
        if value is not None and value >= 0:
            root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
            if root * root == value:
                return Term(self, root)
        return self._irrational("sqrt", term, flint.arb.sqrt)

    def _irrational(self, name: str, term: Term, function: Callable[[flint.arb], flint.arb]) -> Term:
        with balls.precision(self.bits):
            argument = term.ball(name)
            if term.rational == 0 and name == "sin":
                return Term(self, Fraction(0))
            if term.rational == 0 and name == "cos":
                return Term(self, Fraction(1))
            return Term(self, self.enclosed(name, function(argument)))


def _prime_logs(value: Fraction) -> Logs:
    logs: Logs = {}
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, exponent in flint.fmpz(number).factor():
            logs[int(prime)] = logs.get(int(prime), Fraction(0)) + sign * int(exponent)
    return logs
