"""Arrays of float64 midpoints and radii: whole vocabularies at NumPy's speed, with every rounding enclosed.

An :class:`Enclosure` stands for every array ``x`` with ``|x - mid| <= rad`` elementwise. Each operation returns an
enclosure of all results over its operands' numbers. The bounds are a priori, for IEEE 754 binary64 in
round-to-nearest, with u = 2^-53:

* one operation: ``|fl(x) - x| <= u |fl(x)|``, plus 2^-1075 where the result may be subnormal (N. Higham, "Accuracy and
  Stability of Numerical Algorithms", 2nd ed., section 2.2);
* a sum or dot product of n terms in any order, fused or not: ``n u Σ|a_i b_i|`` (C.-P. Jeannerod and S. Rump,
  "Improved error bounds for inner products in floating-point arithmetic", SIAM J. Matrix Anal. Appl. 34, 2013),
  plus n 2^-1074. Σ|a_i b_i| is bounded by Cauchy and Schwarz, so that no second matrix product is needed.

Radii are computed in the same arithmetic and then enlarged by :func:`_up`, which outweighs their own rounding. What
overflows is refused: no enclosure holds an infinity or a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import flint
import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.numbers import balls
from tokendemo_formal.numbers.base import Array, Exact, Numbers

Floats: TypeAlias = NDArray[np.float64]

UNIT = 2.0**-53
"""The unit roundoff of binary64."""

TINY = 2.0**-1040
"""Far above the error of any underflow in the few operations between two calls of ``_up``, far below any radius."""


def _up(radius: Any, operations: int) -> Any:
    """At least the exact value of a sum or product of nonnegative numbers that was computed in that many operations.

    k operations lose at most the factor (1-u)^k, and (1-u)^(k+1) (1+4(k+1)u) > 1; underflow loses less than TINY.
    """
    return radius * (1.0 + 4.0 * (operations + 1) * UNIT) + TINY


class Enclosure:
    """All arrays within ``rad`` of ``mid``.

    Args:
        mid: float64, finite.
        rad: float64, nonnegative and finite, broadcasts to the shape of ``mid``.

    Raises:
        UnsupportedError: for numbers that are not finite, which is how an operation overflows.
    """

    __slots__ = ("mid", "rad")
    __array_ufunc__ = None

    def __init__(self, mid: Any, rad: Any = 0.0) -> None:
        self.mid: Floats = np.asarray(mid, dtype=np.float64)
        self.rad: Floats = np.asarray(rad, dtype=np.float64)
        if not (np.isfinite(self.mid).all() and ((self.rad >= 0) & (self.rad < np.inf)).all()):
            raise UnsupportedError("an enclosure overflowed float64, or was given NaN or infinity: use balls")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    @property
    @np.errstate(all="ignore")
    def lower(self) -> Floats:
        """Floats below every number enclosed."""
        return np.asarray(np.nextafter(self.mid - self.rad, -np.inf))

    @property
    @np.errstate(all="ignore")
    def upper(self) -> Floats:
        """Floats above every number enclosed."""
        return np.asarray(np.nextafter(self.mid + self.rad, np.inf))

    @property
    @np.errstate(all="ignore")
    def largest(self) -> Floats:
        """Floats above the absolute value of every number enclosed."""
        return np.asarray(np.nextafter(np.abs(self.mid) + self.rad, np.inf))

    def __len__(self) -> int:
        return len(self.mid)

    def __getitem__(self, key: Any) -> Enclosure:
        return Enclosure(self.mid[key], np.broadcast_to(self.rad, self.shape)[key])

    def reshape(self, *shape: Any) -> Enclosure:
        rad = self.rad if self.rad.ndim == 0 else np.broadcast_to(self.rad, self.shape).reshape(*shape)
        return Enclosure(self.mid.reshape(*shape), rad)

    @property
    def T(self) -> Enclosure:  # noqa: N802, NumPy's name
        rad = self.rad if self.rad.ndim == 0 else np.broadcast_to(self.rad, self.shape).T
        return Enclosure(self.mid.T, rad)

    @np.errstate(all="ignore")
    def sum(self, axis: int) -> Enclosure:
        n = self.shape[axis]
        rad = n * self.rad if self.rad.ndim == 0 else np.broadcast_to(self.rad, self.shape).sum(axis=axis)
        rounding = n * UNIT * np.abs(self.mid).sum(axis=axis)
        return Enclosure(self.mid.sum(axis=axis), _up(rad + rounding, n + 3))

    def __neg__(self) -> Enclosure:
        return Enclosure(-self.mid, self.rad)

    @np.errstate(all="ignore")
    def __add__(self, other: Any) -> Enclosure:
        other = _lift(other)
        mid = self.mid + other.mid
        return Enclosure(mid, _up(self.rad + other.rad + UNIT * np.abs(mid), 3))

    def __sub__(self, other: Any) -> Enclosure:
        return self + -_lift(other)

    @np.errstate(all="ignore")
    def __mul__(self, other: Any) -> Enclosure:
        other = _lift(other)
        mid = self.mid * other.mid
        rad = (np.abs(self.mid) + self.rad) * other.rad + np.abs(other.mid) * self.rad
        return Enclosure(mid, _up(rad + UNIT * np.abs(mid), 6))

    @np.errstate(all="ignore")
    def __truediv__(self, other: Any) -> Enclosure:
        other = _lift(other)
        # Smallest absolute value of the divisor, rounded down.
        least = np.nextafter(np.abs(other.mid) - other.rad, -np.inf)
        if not np.all(least > 0):
            raise ZeroDivisionError("division by an enclosure that holds 0: raise the precision, use balls")
        mid = self.mid / other.mid
        # |x/y - a/b| <= (|x-a| + |a/b| |y-b|) / |y|, and |a/b| <= |mid| (1+2u) + 2^-1074. The product may underflow,
        # and its error is divided by |y|, too.
        skew = np.where(other.rad > 0, (np.abs(mid) + TINY) * other.rad + TINY, 0.0)
        rad = (self.rad + skew) / least
        return Enclosure(mid, _up(rad + UNIT * np.abs(mid), 8))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Enclosure:
        return _lift(other) - self

    def __rtruediv__(self, other: Any) -> Enclosure:
        return _lift(other) / self

    def __repr__(self) -> str:
        return f"Enclosure(mid={self.mid!r}, rad={self.rad!r})"


def _lift(value: Any) -> Enclosure:
    return value if isinstance(value, Enclosure) else ENCLOSURES.constant(value)


def from_balls(array: NDArray[Any] | flint.arb) -> Enclosure:
    """The smallest float midpoints and radii that enclose an array of balls."""
    flat = np.asarray(array, dtype=object)
    mid = np.empty(flat.shape)
    rad = np.empty(flat.shape)
    for index, x in np.ndenumerate(flat):
        mid[index], rad[index] = _float_ball(x)
    return Enclosure(mid, rad)


def _float_ball(x: flint.arb) -> tuple[float, float]:
    centre = float(x.mid())
    if not math.isfinite(centre):
        raise UnsupportedError(f"the ball {x} is not finite, or outside the range of float64")
    off = (x - flint.arb(centre)).abs_upper()
    above = float(off.mid())
    return centre, 0.0 if above == 0 and off.is_zero() else float(np.nextafter(above, np.inf))


class Table:
    """An (n, d) array of exact floats, with its products remembered.

    Args:
        values: float64, finite; not to be changed afterwards.

    Raises:
        UnsupportedError: for values that are not finite.
    """

    def __init__(self, values: Floats) -> None:
        self.values = values
        self.rows = Enclosure(values)
        self._norms: Floats | None = None
        self._sums: tuple[Enclosure, Enclosure] | None = None
        self._products: dict[int, tuple[Enclosure, Enclosure]] = {}

    def times(self, weights: Enclosure, remember: bool = True) -> Enclosure:
        """values @ weights; remembered, by the identity of ``weights``, for as long as the table lives."""
        if self._norms is None:
            self._norms = _row_norms(self.values)
        if not remember:
            return _product(self.rows, self._norms, weights)
        known = self._products.get(id(weights))
        if known is None:
            known = (weights, _product(self.rows, self._norms, weights))
            self._products[id(weights)] = known
        return known[1]

    def forget(self) -> None:
        """Drop the remembered products."""
        self._products.clear()

    @np.errstate(all="ignore")
    def sums(self) -> tuple[Enclosure, Enclosure]:
        """(n, 1) each: the rows' sums, and their sums of squares."""
        if self._sums is None:
            d = self.values.shape[1]
            squares = np.einsum("ij,ij->i", self.values, self.values)
            self._sums = (
                self.rows.sum(1).reshape(-1, 1),
                Enclosure(squares, _up(d * UNIT * squares, d + 2)).reshape(-1, 1),
            )
        return self._sums


class Rows:
    """The rows ``table[i] + shift``, never added up: a token table seen from one position.

    Args:
        table: the part that all positions share.
        shift: (1, d), added to every row.
    """

    __slots__ = ("shift", "table")

    def __init__(self, table: Table, shift: Enclosure) -> None:
        self.table = table
        self.shift = shift

    @property
    def shape(self) -> tuple[int, ...]:
        return self.table.values.shape


@np.errstate(all="ignore")
def _row_norms(a: Floats) -> Floats:
    """(n,) upper bounds of the Euclidean norms of the rows."""
    return np.asarray(_up(np.sqrt(_up(np.einsum("ij,ij->i", a, a), a.shape[1])), 1))


@np.errstate(all="ignore")
def _product(a: Enclosure, a_norms: Floats, b: Enclosure) -> Enclosure:
    """a @ b, given upper bounds of the norms of the rows of ``a.mid``."""
    n = a.shape[1]
    b_norms = _row_norms(b.mid.T)
    errors = n * UNIT * b_norms
    if b.rad.ndim or b.rad:
        b_errors = _row_norms(np.broadcast_to(b.rad, b.shape).T)
        errors, b_norms = errors + b_errors, b_norms + b_errors
    rad = a_norms[:, None] * errors
    if a.rad.ndim or a.rad:
        rad = rad + _row_norms(np.broadcast_to(a.rad, a.shape))[:, None] * b_norms
    return Enclosure(a.mid @ b.mid, _up(rad, 8))


class Enclosures(Numbers):
    """Midpoint-radius float64 arrays."""

    name = "enclosure"

    def constant(self, values: Exact | NDArray[Any]) -> Array:
        if isinstance(values, np.ndarray):
            if values.dtype in (np.float64, np.float32, np.float16):
                return Enclosure(values)
            return from_balls(balls.BALLS.constant(values))  # an int64 need not be a float64
        if isinstance(values, float):
            return Enclosure(values)
        return from_balls(balls.ball(values))

    def matmul(self, a: Array, b: Array) -> Array:
        if isinstance(a, Rows):
            if not a.shift.mid.any() and not a.shift.rad.any():
                return a.table.times(b)
            return a.table.times(b) + self.matmul(a.shift, b)
        return _product(a, _row_norms(a.mid), b)

    def dense(self, x: Array) -> Array:
        return x.table.rows + x.shift if isinstance(x, Rows) else x

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return Enclosure(
            np.stack([a.mid for a in arrays], axis=axis),
            np.stack([np.broadcast_to(a.rad, a.shape) for a in arrays], axis=axis),
        )

    def variance(self, x: Array, centred: bool) -> Array:
        if not isinstance(x, Rows):
            return super().variance(x, centred)
        # |e + p|^2 = |e|^2 + 2 e.p + |p|^2: no row is ever added up
        d = float(x.shape[1])
        sums, squares = x.table.sums()
        cross = x.table.times((x.shift + x.shift).reshape(-1, 1), remember=False)
        mean_square = (squares + cross + (x.shift * x.shift).sum(1).reshape(1, 1)) / d
        if not centred:
            return mean_square
        mean = (sums + x.shift.sum(1).reshape(1, 1)) / d
        return mean_square - mean * mean

    def shift(self, scores: Array) -> Array:
        return Enclosure(scores.mid.max(axis=0, keepdims=True))

    def sqrt(self, a: Array) -> Array:
        if not np.all(a.mid - a.rad >= 0):
            raise UnsupportedError("sqrt of an enclosure that reaches below 0: use balls of higher precision")
        mid = np.sqrt(a.mid)
        # |√x - √m| = |x - m| / (√x + √m) <= rad / √m; √m is at least mid (1-u) where mid is not 0, and then rad = 0 = m
        least = np.where(mid > 0, mid * (1 - 2 * UNIT), 1.0)
        return Enclosure(mid, _up(a.rad / least + UNIT * mid, 4))

    @np.errstate(all="ignore")
    def exp(self, a: Array) -> Array:
        mid = exp_float(a.mid)
        # |e^x - e^m| <= e^m (e^rad - 1), and e^rad - 1 <= rad (1 + rad) for rad <= 1
        rad = a.rad
        if np.any(rad > 1):
            raise UnsupportedError("exp of an enclosure wider than 1: use balls of higher precision")
        grown = _up(rad * (1 + rad), 3)
        relative = grown + EXP_ERROR * (1 + grown)
        return Enclosure(mid, _up((mid + TINY) * relative, 6))

    def log(self, a: Array) -> Array:
        return _through_balls(flint.arb.log, a)

    def sin(self, a: Array) -> Array:
        return _through_balls(flint.arb.sin, a)

    def cos(self, a: Array) -> Array:
        return _through_balls(flint.arb.cos, a)


def _through_balls(function: Callable[[flint.arb], flint.arb], a: Enclosure) -> Enclosure:
    """For the few numbers that positions need."""
    rad = np.broadcast_to(a.rad, a.shape)
    results = np.empty(a.shape, dtype=object)
    for index, middle in np.ndenumerate(a.mid):
        results[index] = function(flint.arb(float(middle), float(rad[index])))
    return from_balls(results)


EXP_ERROR = 9 * UNIT
"""Relative error of :func:`exp_float` where its result is normal; the proof is in its docstring."""

_LN2 = Fraction(6931471805599453094172321214581765680755001343602552, 10**52)
_LN2_HIGH = math.floor(_LN2 * 2**40) / 2.0**40
_LN2_LOW = float(_LN2 - Fraction(_LN2_HIGH))
_INVERSE_LN2 = float(1 / _LN2)
_COEFFICIENTS = [1 / math.factorial(k) for k in range(13, -1, -1)]


def exp_float(x: Floats) -> Floats:
    """e to the power of each float, with a proved error: ``|result - e^x| <= 9u result + 2^-1074``.

    No maths library promises a bound for its vectorised exp, so this uses correctly rounded operations alone.
    x = k ln 2 + r with |r| <= 0.3466, and e^r by its Taylor polynomial of degree 13.

    * Reduction: k ln2_high is exact (40 + 11 bits); two subtractions round by u·0.35 each, and k ln2_low by far less:
      at most 0.75u in r, hence in e^r relatively.
    * Truncation: r^14/14! e^0.35 < 0.06u. Coefficients: rounded by u each, at most 0.1u in all.
    * Horner: each stage's error obeys E_j <= 2u e^0.35 + 0.35 E_(j+1), so E_0 <= 4.4u, relatively (e^r >= 0.7) 6.3u.

    Together below 7.5u of e^x, hence below 9u of the result. Scaling by 2^k is exact, or rounds by 2^-1075 once where
    the result is subnormal.

    Raises:
        UnsupportedError: where the result would overflow.
    """
    if not np.all(x <= 709.0):
        raise UnsupportedError(f"exp of {np.max(x)} overflows float64: shift the scores first, or use balls")
    x = np.maximum(x, -800.0)  # below 2^-1074 from here down
    k = np.rint(x * _INVERSE_LN2)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    result = np.full_like(r, _COEFFICIENTS[0])
    for coefficient in _COEFFICIENTS[1:]:
        result = result * r + coefficient
    return np.asarray(np.ldexp(result, k.astype(np.int32)))


ENCLOSURES = Enclosures()
