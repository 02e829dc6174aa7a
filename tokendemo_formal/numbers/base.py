"""What a kind of number has to offer to the attention layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.errors import InputError, UnsupportedError

Array: TypeAlias = Any
"""An array of one kind of number: a NumPy array (of float64 or of objects) or an ``Enclosure``.

All support ``+ - * /``, indexing, ``shape``, ``reshape`` and broadcasting as NumPy does.
"""


@dataclass(frozen=True)
class Log:
    """The natural logarithm of a positive rational, as a stored number: with it, scores can be exact logarithms."""

    of: Fraction

    def __post_init__(self) -> None:
        if not self.of > 0:
            raise InputError(f"Log: expected a positive rational, found {self.of}")


Exact: TypeAlias = int | float | Fraction | Log
"""A number taken at its exact value (a float is the dyadic rational that it stores)."""


class Numbers(ABC):
    """One kind of number. Operations that a kind lacks raise :class:`UnsupportedError` by name."""

    name: ClassVar[str]

    @abstractmethod
    def constant(self, values: Exact | NDArray[Any]) -> Array:
        """These exact values (a scalar or an array of floats, ints or Fractions) in this kind, without rounding
        where the kind can hold them."""

    @abstractmethod
    def matmul(self, a: Array, b: Array) -> Array:
        """The product of an (n, d) and a (d, k) array."""

    def sum(self, a: Array, axis: int) -> Array:
        """The sum along one axis."""
        return a.sum(axis=axis)

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        """Arrays of one shape, joined along a new axis."""
        return np.stack(arrays, axis=axis)

    def dense(self, x: Array) -> Array:
        """The rows as an ordinary (n, d) array of this kind; only enclosures keep any other form."""
        return x

    def variance(self, x: Array, centred: bool) -> Array:
        """(n, 1): the mean square of each row of the (n, d) array, about the row's mean if ``centred``."""
        d = self.constant(int(x.shape[1]))
        if centred:
            x = x - (self.sum(x, 1) / d).reshape(-1, 1)
        return (self.sum(x * x, 1) / d).reshape(-1, 1)

    def shift(self, scores: Array) -> Array:
        """(1, H) numbers near the largest score of each column of (n, H), subtracted before exponentials are taken.

        The weights don't depend on it; kinds of limited exponent range need it.
        """
        return self.constant(np.zeros((1, scores.shape[1])))

    def exp(self, a: Array) -> Array:
        """e to the power of each element."""
        self._lacks("exp")

    def log(self, a: Array) -> Array:
        """The natural logarithm of each element."""
        self._lacks("log")

    def sqrt(self, a: Array) -> Array:
        """The square root of each element."""
        self._lacks("sqrt")

    def sin(self, a: Array) -> Array:
        """The sine of each element (radians)."""
        self._lacks("sin")

    def cos(self, a: Array) -> Array:
        """The cosine of each element (radians)."""
        self._lacks("cos")

    def _lacks(self, operation: str) -> NoReturn:
        raise UnsupportedError(
            f"{self.name} numbers have no {operation}; balls (tokendemo_formal.numbers.balls) have every operation"
        )
