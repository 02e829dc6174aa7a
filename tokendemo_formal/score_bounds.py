"""The number that bounds a head's content scores, for any content and at any depth, computed from stored weights.

It is the number of the theorems normed_states_bound_the_scores (and so layernorm_bounds_the_scores and
rmsnorm_bounds_the_scores), normed_states_bound_rotary_scores and qk_norm_bounds_the_scores, in balls, rounded up.
Biases of positions (ALiBi, ``score_bias``) come on top.

``python -m tokendemo_formal.score_bounds MODEL`` prints it for every head of a model.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import flint
import numpy as np

from tokendemo_formal.attention import Layer, Norm, Rotary, Weights
from tokendemo_formal.errors import InputError, TokenDemoError, UnsupportedError
from tokendemo_formal.numbers.balls import Balls, ball, float_bounds, precision
from tokendemo_formal.numbers.base import Array

_BITS = 128


def score_bounds(layer: Layer) -> tuple[float, ...]:
    """For each head a float that no content score exceeds in absolute value, whatever states the layer reads.

    Raises:
        InputError: for a layer without a norm before its attention, whose scores nothing bounds.
        UnsupportedError: for QK-norm with biases or rotary positions, of which no theorem of the catalogue speaks.
    """
    with precision(_BITS):
        squared = ball(layer.scale_squared) if layer.scale_squared is not None else 1 / ball(layer.wq.shape[2])
        scale = squared.sqrt() / ball(layer.temperature)
        if layer.query_norm is not None and layer.key_norm is not None:
            largest = scale * _largest_gain(layer, layer.query_norm, layer.key_norm) * layer.wq.shape[2]
            return (float_bounds(largest)[1],) * layer.heads
        norm = layer.pre_norm or layer.embedding_norm
        if norm is None:
            raise InputError("no norm stands before the attention (pre_norm, embedding_norm, or both query_norm and "
                             "key_norm), so nothing bounds its scores")  # fmt: skip
        queries, keys = _row_bounds(norm, layer.wq, layer.bq), _row_bounds(norm, layer.wk, layer.bk)
        if isinstance(layer.positions, Rotary):
            queries, keys = (_by_plane(rows, layer.positions) for rows in (queries, keys))
        return tuple(
            float_bounds(scale * sum((queries[h] * keys[layer.group_of(h)]).tolist(), flint.arb(0)))[1]
            for h in range(layer.heads)
        )


def _largest_gain(layer: Layer, query: Norm, key: Norm) -> flint.arb:
    if isinstance(layer.positions, Rotary) or query.bias is not None or key.bias is not None:
        raise UnsupportedError("score bounds know QK-norm without biases and without rotary positions only")
    products = abs(Balls().constant(query.gain) * Balls().constant(key.gain))
    result = flint.arb(0)
    for product in products.tolist():
        result = result.max(product)
    return result


def _row_bounds(norm: Norm, weights: Weights, bias: Weights | None) -> Array:
    """(H, dh): what each coordinate of queries (or keys) can be at most, the norm's gain and bias folded in."""
    numbers = Balls()
    stored = numbers.constant(weights)
    folded = stored * numbers.constant(norm.gain).reshape(1, -1, 1)
    offset = numbers.constant(np.zeros(weights.shape[::2])) if bias is None else numbers.constant(bias)
    if norm.bias is not None:
        offset = offset + numbers.sum(stored * numbers.constant(norm.bias).reshape(1, -1, 1), 1)
    lengths = numbers.sqrt(numbers.sum(folded * folded, 1))
    return ball(weights.shape[1]).sqrt() * lengths + abs(offset)


def _by_plane(rows: Array, rotary: Rotary) -> Array:
    """(H, planes + rest): the length of each pair of coordinates that turns together, then those that do not turn."""
    dims = rows.shape[1] if rotary.dims is None else rotary.dims
    turning = rows[:, :dims]
    if rotary.pairing == "half":
        first, second = turning[:, : dims // 2], turning[:, dims // 2 :]
    else:
        first, second = turning[:, ::2], turning[:, 1::2]
    lengths = Balls().sqrt(first * first + second * second)
    return np.concatenate([lengths, rows[:, dims:]], axis=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the bounds B of every layer and head, and the share e^-B / (e^-B + e^B) that as many system as adversary
    tokens keep in any case, as a power of ten."""
    from tokendemo_formal.models import load_model

    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        print("usage: python -m tokendemo_formal.score_bounds MODEL", file=sys.stderr)
        return 2
    try:
        model = load_model(given[0])
        bounds = [score_bounds(model.layer(index)) for index in range(model.layers)]
    except TokenDemoError as error:
        print(f"{given[0]}: {error}", file=sys.stderr)
        return 2
    print("layer  head  |score| at most  share at least, where k = m")
    for index, heads in enumerate(bounds):
        for head, bound in enumerate(heads):
            with precision(_BITS):
                share = -(1 + (2 * ball(bound)).exp()).log() / flint.arb(10).log()
            low = math.floor(100 * float_bounds(share)[0]) / 100
            print(f"{index:5}  {head:4}  {math.ceil(100 * bound) / 100:16.2f}  10^{low:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
