"""Layers from arrays in memory: NumPy's, or anything that turns into them, such as PyTorch's tensors.

PyTorch is never imported: a tensor is known by its ``detach`` method.

Main declarations: :func:`from_arrays`, :func:`from_multihead_attention`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from tokendemo_formal.attention import Layer, Weights
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.models.files import close_to, not_finite
from tokendemo_formal.models.layout import join_heads, split_heads

FEATURE_ARRAYS = frozenset({"offset", "score_bias", "unembedding", "unembedding_bias"})
FEATURES = frozenset(f.name for f in fields(Layer)) - {"embedding", "wq", "wk", "wv", "wo", "bq", "bk", "bv", "bo"}


def as_array(name: str, values: Any) -> Weights:
    """Numbers as float64, exactly.

    Raises:
        InputError: for values that float64 can't hold, or that are not finite; the text names the array.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        try:
            values = values.numpy()
        except TypeError as error:
            raise InputError(f"{name}: {error}; convert it first with .double(), which is exact") from None
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise InputError(f"{name}: expected real numbers of at most 64 bits, found {array.dtype}")
    if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > 2**53:
        raise InputError(f"{name}: integers beyond 2^53 are not exact in float64")
    array = array.astype(np.float64)
    if damage := not_finite(array):
        raise InputError(f"{name}: {damage}")
    return array


def from_arrays(
    embedding: Any,
    q_proj: Any,
    k_proj: Any,
    v_proj: Any,
    o_proj: Any,
    *,
    heads: int,
    key_value_heads: int | None = None,
    q_bias: Any = None,
    k_bias: Any = None,
    v_bias: Any = None,
    o_bias: Any = None,
    **features: Any,
) -> Layer:
    """A layer from the weights of its linear maps, as ``nn.Linear`` and most files hold them: y = x Wᵀ + b.

    For arrays that are split into heads already, build a :class:`~tokendemo_formal.attention.Layer` directly.

    Args:
        embedding: (V, d) token rows.
        q_proj: (heads * dh, d); the rows of one head are neighbours.
        k_proj: (key_value_heads * dh, d).
        v_proj: (key_value_heads * dv, d).
        o_proj: (d, heads * dv).
        heads: H, the number of query heads.
        key_value_heads: G, a divisor of H; None: H.
        q_bias, k_bias, v_bias, o_bias: one number for each row of the matrix, or None.
        features: any other fields of the layer: positions, norms, scale_squared, causal, residual, unembedding, …

    Raises:
        InputError: for shapes that don't fit (the text names the array, the shape expected and found), values that are
            not finite, and features that a layer doesn't have.
    """
    for name in features:
        if name not in FEATURES:
            raise InputError(f"from_arrays: a layer has no field {name!r}{close_to(name, FEATURES)}")
    groups = heads if key_value_heads is None else key_value_heads
    if not isinstance(heads, int) or not isinstance(groups, int) or heads < 1 or groups < 1 or heads % groups:
        raise InputError(f"{heads} query heads can't share {groups} key/value heads: expected a divisor")
    rows = as_array("embedding", embedding)
    if rows.ndim != 2:
        raise InputError(f"embedding: expected (tokens, width), found shape {rows.shape}")
    d = rows.shape[1]
    q = _matrix("q_proj", q_proj, heads, d)
    k = _matrix("k_proj", k_proj, groups, d)
    v = _matrix("v_proj", v_proj, groups, d)
    dh, dv = q.shape[0] // heads, v.shape[0] // groups
    _expect("k_proj", k, (groups * dh, d))
    o = as_array("o_proj", o_proj)
    _expect("o_proj", o, (d, heads * dv))

    def bias(name: str, values: Any, size: int) -> Weights | None:
        if values is None:
            return None
        array = as_array(name, values)
        _expect(name, array, (size,))
        return array

    def split(array: Weights | None, count: int) -> Weights | None:
        return None if array is None else array.reshape(count, -1)

    for name in FEATURE_ARRAYS & features.keys():
        if features[name] is not None:
            features[name] = as_array(name, features[name])
    return Layer(
        embedding=rows,
        wq=split_heads("q_proj", q.shape, heads).arrange(q),
        wk=split_heads("k_proj", k.shape, groups).arrange(k),
        wv=split_heads("v_proj", v.shape, groups).arrange(v),
        wo=join_heads("o_proj", o.shape, heads).arrange(o),
        bq=split(bias("q_bias", q_bias, heads * dh), heads),
        bk=split(bias("k_bias", k_bias, groups * dh), groups),
        bv=split(bias("v_bias", v_bias, groups * dv), groups),
        bo=bias("o_bias", o_bias, d),
        **features,
    )


def _expect(name: str, array: Weights, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{name}: expected shape {shape}, found {array.shape}")


def _matrix(name: str, values: Any, heads: int, d: int) -> Weights:
    array = as_array(name, values)
    if array.ndim != 2 or array.shape[1] != d or array.shape[0] == 0 or array.shape[0] % heads:
        raise InputError(
            f"{name}: expected (a multiple of {heads} rows, {d} columns), found shape {array.shape}; a matrix that "
            "acts on rows (y = x W) has to be transposed first"
        )
    return array


def from_multihead_attention(
    state: Any,
    embedding: Any,
    num_heads: int,
    *,
    causal: bool,
    **features: Any,
) -> Layer:
    """A layer from the weights of a ``torch.nn.MultiheadAttention`` used as self-attention.

    The module itself has neither mask nor residual: ``causal`` has to be stated, and the layer adds the reader's own
    row, as transformer blocks do, unless ``residual=False``.

    Args:
        state: the module, or its ``state_dict()``: in_proj_weight (3d, d), or q_proj_weight, k_proj_weight and
            v_proj_weight (d, d); out_proj.weight (d, d); in_proj_bias (3d,) and out_proj.bias (d,), or neither.
        embedding: (V, d) token rows.
        num_heads: H.
        causal: whether a reader sees only positions up to its own.
        features: any other fields of the layer.

    Raises:
        UnsupportedError: for bias_k, bias_v, add_zero_attn, and keys or values of another width than d.
        InputError: for missing arrays and shapes that don't fit.
    """
    if getattr(state, "add_zero_attn", False):
        raise UnsupportedError("add_zero_attn: a position of zeros that every reader sees is not supported")
    stated = getattr(state, "num_heads", num_heads)
    if stated != num_heads:
        raise InputError(f"num_heads: expected {stated}, as the module has it, found {num_heads}")
    if hasattr(state, "state_dict"):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise InputError(f"state: expected a module or a mapping from names to arrays, found {type(state).__name__}")
    for name in ("bias_k", "bias_v"):
        if state.get(name) is not None:
            raise UnsupportedError(f"{name}: a learned position that every reader sees is not supported")
    arrays = {name: values for name, values in state.items() if values is not None}

    def required(name: str) -> Weights:
        if name not in arrays:
            raise InputError(f"state: the array {name!r} is missing{close_to(name, arrays)}")
        return as_array(name, arrays[name])

    output = required("out_proj.weight")
    d = output.shape[0]
    if "in_proj_weight" in arrays:
        joined = required("in_proj_weight")
        _expect("in_proj_weight", joined, (3 * d, d))
        q, k, v = np.split(joined, 3)
    else:
        q, k, v = (required(f"{name}_proj_weight") for name in "qkv")
        for name, array in (("kdim", k), ("vdim", v)):
            if array.shape != (d, d):
                raise UnsupportedError(f"{name} = {array.shape[-1]}: in self-attention keys and values have width {d}")
    biases: list[Weights | None] = [None, None, None]
    if "in_proj_bias" in arrays:
        bias = required("in_proj_bias")
        _expect("in_proj_bias", bias, (3 * d,))
        biases = list(np.split(bias, 3))
    return from_arrays(
        embedding,
        q,
        k,
        v,
        output,
        heads=num_heads,
        q_bias=biases[0],
        k_bias=biases[1],
        v_bias=biases[2],
        o_bias=arrays.get("out_proj.bias"),
        causal=causal,
        **features,
    )
