"""SymPy expressions: exact and printable, for small instances."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from tokendemo_formal.numbers.base import Array, Exact, Log, Numbers


def _expanded_log(x: sympy.Expr) -> sympy.Expr:
    # Into logarithms of primes: log(6) and log(2) + log(3) are one number and shall look the same, so that they cancel.
    return sympy.expand_log(sympy.log(x), factor=True)


def _element(value: Any) -> sympy.Expr:
    if isinstance(value, sympy.Expr):
        return value
    if isinstance(value, Log):
        return _expanded_log(_element(value.of))
    exact = Fraction(value) if isinstance(value, (int, float, Fraction)) else Fraction(value.item())
    return sympy.Rational(exact.numerator, exact.denominator)


_array = np.frompyfunc(_element, 1, 1)
_exp = np.frompyfunc(lambda x: sympy.exp(x), 1, 1)
_log = np.frompyfunc(_expanded_log, 1, 1)
_sqrt = np.frompyfunc(lambda x: sympy.sqrt(x), 1, 1)
_sin = np.frompyfunc(lambda x: sympy.sin(x), 1, 1)
_cos = np.frompyfunc(lambda x: sympy.cos(x), 1, 1)


class Symbolic(Numbers):
    """NumPy object arrays of SymPy expressions. Symbols may stand in the weights."""

    name = "SymPy"

    def constant(self, values: Exact | NDArray[Any]) -> Array:
        if isinstance(values, np.ndarray):
            return np.asarray(_array(values), dtype=object).reshape(values.shape)
        return _element(values)

    def matmul(self, a: Array, b: Array) -> Array:
        return a @ b

    def exp(self, a: Array) -> Array:
        return _exp(a)

    def log(self, a: Array) -> Array:
        return _log(a)

    def sqrt(self, a: Array) -> Array:
        return _sqrt(a)

    def sin(self, a: Array) -> Array:
        return _sin(a)

    def cos(self, a: Array) -> Array:
        return _cos(a)


SYMBOLIC = Symbolic()
