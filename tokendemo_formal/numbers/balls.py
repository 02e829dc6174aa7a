"""Balls of any precision (Arb, through python-flint): every result encloses the true value.

Arb: F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Computers 66
(2017). The precision is a context of the whole thread, so work inside ``with precision(bits):``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.numbers.base import Array, Exact, Log, Numbers


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with ``bits`` bits of working precision inside the block; the old precision returns with its end."""
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def ball(value: Exact | flint.arb) -> flint.arb:
    """The ball of one exact number: of radius 0 for ints and floats, a rounding wide for other Fractions."""
    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    if isinstance(value, (int, np.integer)):
        return flint.arb(int(value))
    if isinstance(value, flint.arb):
        return value
    if isinstance(value, Log):
        return ball(value.of).log()
    return flint.arb(float(value))


def endpoints(x: flint.arb) -> tuple[Fraction, Fraction]:
    """The exact rational ends of a ball; raises UnsupportedError for a ball that is not finite."""
    middle, radius = _dyadic(x.mid()), _dyadic(x.rad())
    return middle - radius, middle + radius


def float_bounds(x: flint.arb) -> tuple[float, float]:
    """Floats below and above every number of the ball."""
    low, high = endpoints(x)
    below, above = float(low), float(high)
    if Fraction(below) > low:
        below = float(np.nextafter(below, -np.inf))
    if Fraction(above) < high:
        above = float(np.nextafter(above, np.inf))
    return below, above


def _dyadic(x: flint.arb) -> Fraction:
    if not x.is_finite():
        raise UnsupportedError(
            f"a number of the layer is not finite ({x}): it divides by 0, as a norm with eps 0 does for a row without "
            "variance, or its weights are not finite; change the tokens, the eps or the weights"
        )
    mantissa, exponent = x.man_exp()
    shift = int(exponent)
    return Fraction(int(mantissa)) * (Fraction(2) ** shift)


_ball_array = np.frompyfunc(ball, 1, 1)
_exp = np.frompyfunc(lambda x: x.exp(), 1, 1)
_log = np.frompyfunc(lambda x: x.log(), 1, 1)
_sqrt = np.frompyfunc(lambda x: x.sqrt(), 1, 1)
_sin = np.frompyfunc(lambda x: x.sin(), 1, 1)
_cos = np.frompyfunc(lambda x: x.cos(), 1, 1)


class Balls(Numbers):
    """NumPy object arrays of ``flint.arb``, at the precision of the context."""

    name = "ball"

    def constant(self, values: Exact | NDArray[Any]) -> Array:
        if isinstance(values, np.ndarray):
            if values.dtype == np.float64:
                flat = [flint.arb(x) for x in values.ravel().tolist()]
                out = np.empty(len(flat), dtype=object)
                out[:] = flat
                return out.reshape(values.shape)
            return np.asarray(_ball_array(values), dtype=object).reshape(values.shape)
        return ball(values)

    def matmul(self, a: Array, b: Array) -> Array:
        (n, d), k = a.shape, b.shape[1]
        if n * d * k < 4096:
            return a @ b
        product = flint.arb_mat(n, d, a.ravel().tolist()) * flint.arb_mat(d, k, b.ravel().tolist())
        out = np.empty(n * k, dtype=object)
        out[:] = product.entries()
        return out.reshape(n, k)

    def shift(self, scores: Array) -> Array:
        # Any exact number will do; the largest midpoint keeps the exponentials near 1.
        largest = [max((s.mid() for s in column), key=_dyadic) for column in scores.T]
        out = np.empty((1, len(largest)), dtype=object)
        out[0, :] = largest
        return out

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


BALLS = Balls()
