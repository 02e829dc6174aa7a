"""Where in the stored tensors the arrays of a layer lie, as data: what a family declares, and a certificate names.

Main declarations: :class:`TensorRef`; :func:`split_heads`, :func:`join_heads`, :func:`constant`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tokendemo_formal.attention import Alibi, Weights
from tokendemo_formal.errors import InputError
from tokendemo_formal.models.files import Tensors

CONSTANTS: Mapping[str, Callable[[int], Weights]] = {
    "ones": np.ones,
    "slopes": lambda heads: Alibi.standard(heads).slopes,
}
"""Arrays that a layer needs and no file holds, by their length: the gain of a norm whose own was folded into other
weights, and the standard slopes of ALiBi."""


@dataclass(frozen=True)
class TensorRef:
    """An array as a part of one stored tensor: kept along one axis, then reshaped, then its axes permuted.

    Args:
        name: of the tensor, or of one of :data:`CONSTANTS`.
        stored: the shape that the tensor has to have in its file.
        slice: (axis, start, stop), keeping start … stop - 1; None: all.
        shape: to reshape to, row-major; None: as it is.
        order: of the axes, as NumPy's transpose; None: as they are.

    Raises:
        InputError: for a name with a semicolon, which separates the parts of :meth:`to_string`.
    """

    name: str
    stored: tuple[int, ...]
    slice: tuple[int, int, int] | None = None
    shape: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if ";" in self.name:
            raise InputError(f"tensor {self.name!r}: expected a name without ';'; rename the tensor in its file")

    def read(self, tensors: Tensors) -> Weights:
        """The array, every value exactly as stored.

        Raises:
            ModelFileError: as :meth:`~tokendemo_formal.models.files.Tensors.read` does.
        """
        if self.name in CONSTANTS:
            return CONSTANTS[self.name](*self.stored)
        return self.arrange(tensors.read(self.name, self.stored))

    def arrange(self, values: Weights) -> Weights:
        """The array, from the values of the whole tensor."""
        if self.slice is not None:
            axis, start, stop = self.slice
            values = values.take(range(start, stop), axis)
        if self.shape is not None:
            values = values.reshape(self.shape)
        return values if self.order is None else np.ascontiguousarray(values.transpose(self.order))

    def to_string(self) -> str:
        """As certificates have it: ``TENSOR;slice=AXIS,START,STOP;shape=A,B,C;order=I,J,K``, each part optional."""
        parts = {"slice": self.slice, "shape": self.shape, "order": self.order}
        texts = [f"{key}={','.join(map(str, part))}" for key, part in parts.items() if part is not None]
        return ";".join([self.name, *texts])


def split_heads(name: str, stored: tuple[int, int], heads: int) -> TensorRef:
    """(heads, d_in, width) from a linear map's (heads * width, d_in): heads are neighbouring rows."""
    rows, d = stored
    return TensorRef(name, stored, shape=(heads, rows // heads, d), order=(0, 2, 1))


def join_heads(name: str, stored: tuple[int, int], heads: int) -> TensorRef:
    """(heads, width, d_out) from an output map's (d_out, heads * width): heads are neighbouring columns."""
    d, columns = stored
    return TensorRef(name, stored, shape=(d, heads, columns // heads), order=(1, 2, 0))


def constant(name: str, length: int) -> TensorRef:
    """One of :data:`CONSTANTS`."""
    return TensorRef(name, (length,), shape=(length,))
