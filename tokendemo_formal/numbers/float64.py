"""NumPy float64: quick, and without any guarantee. Never the ground of a verdict."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.numbers.base import Array, Exact, Log, Numbers


def _element(value: Exact) -> float:
    return math.log(value.of) if isinstance(value, Log) else float(value)


class Float64(Numbers):
    """Plain float64 arrays."""

    name = "float64"

    def constant(self, values: Exact | NDArray[Any]) -> Array:
        if not isinstance(values, np.ndarray):
            return np.float64(_element(values))
        if values.dtype == object:
            return np.array([_element(v) for v in values.ravel()]).reshape(values.shape)
        return np.asarray(values, dtype=np.float64)

    def matmul(self, a: Array, b: Array) -> Array:
        return a @ b

    def shift(self, scores: Array) -> Array:
        return scores.max(axis=0, keepdims=True)

    def exp(self, a: Array) -> Array:
        return np.exp(a)

    def log(self, a: Array) -> Array:
        return np.log(a)

    def sqrt(self, a: Array) -> Array:
        return np.sqrt(a)

    def sin(self, a: Array) -> Array:
        return np.sin(a)

    def cos(self, a: Array) -> Array:
        return np.cos(a)


FLOAT64 = Float64()
