"""One attention layer, defined once for every kind of number.

The layer reads token rows x_j (embedding, plus what the positions add, normalised where the family does so) and writes
to the residual stream of one *reader* position r:

    y_j   = norm(x_j)                                    the attention's input (pre-norm, or as it is)
    q_h   = scale / temperature * rot_r(qnorm(y_r W_Q^h + b_Q^h))
    s_hj  = <q_h, rot_j(knorm(y_j W_K^g + b_K^g))> + bias_h(r, j)      g = the key/value head that query head h uses
    w_hj  = e^{s_hj} / Σ_j' e^{s_hj'}                    over the positions that the reader sees
    z     = x_r + b_O + Σ_h Σ_j w_hj (y_j W_V^g + b_V^g) W_O^h

(A. Vaswani et al., "Attention is all you need", 2017; grouped heads: J. Ainslie et al., 2023; rotary positions: J. Su
et al., 2021; ALiBi: O. Press et al., 2022.)

Two rearrangements make whole vocabularies affordable, and both are exact in the real numbers: the query is folded into
W_K and rotated back instead of rotating every key, and the directions that are read out are folded into W_V W_O. What
remains per token is one score and one readout a head: its *votes*.

Main declarations: :class:`Layer` (what is stored), :class:`Computation` (a layer in one kind of number),
:class:`Reading` (that, seen from one reader position).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.errors import InputError
from tokendemo_formal.numbers.base import Array, Numbers

Weights: TypeAlias = NDArray[Any]
"""Stored numbers: float64 (from files), or objects (Fractions, SymPy expressions, Z3 reals) in built layers."""


@dataclass(frozen=True)
class Norm:
    """LayerNorm (centred, J. Ba et al. 2016) or RMSNorm (B. Zhang and R. Sennrich 2019).

    Args:
        kind: ``"layer"`` or ``"rms"``.
        gain: (d,).
        bias: (d,) or None.
        eps: added to the variance, taken at its exact float value.
    """

    kind: Literal["layer", "rms"]
    gain: Weights
    bias: Weights | None
    eps: float

    def __post_init__(self) -> None:
        if self.kind not in ("layer", "rms"):
            raise InputError(f"norm: expected the kind 'layer' or 'rms', found {self.kind!r}")
        if not 0 <= self.eps < np.inf:
            raise InputError(f"norm: expected a finite eps of at least 0, found {self.eps}")

    @property
    def centred(self) -> bool:
        return self.kind == "layer"


@dataclass(frozen=True)
class Learned:
    """A learned row for each position, added to the token's: ``table`` is (context, d)."""

    table: Weights


@dataclass(frozen=True)
class Sinusoidal:
    """The fixed rows of Vaswani et al.: coordinate 2i is sin(p base^(-2i/d)), 2i+1 is cos of the same angle."""

    base: float = 10000.0

    def __post_init__(self) -> None:
        _expect_base("sinusoidal", self.base)


@dataclass(frozen=True)
class Rotary:
    """Queries and keys rotated by position.

    Args:
        base: the angle of pair i at position p is p base^(-2i/dims).
        pairing: ``"half"``: coordinate i goes with i + dims/2 (Llama, GPT-NeoX); ``"adjacent"``: 2i with 2i+1 (GPT-J).
        dims: how many leading coordinates of each head turn; None: all.
    """

    base: float = 10000.0
    pairing: Literal["half", "adjacent"] = "half"
    dims: int | None = None

    def __post_init__(self) -> None:
        if self.pairing not in ("half", "adjacent"):
            raise InputError(f"rotary positions: expected the pairing 'half' or 'adjacent', found {self.pairing!r}")
        _expect_base("rotary", self.base)


@dataclass(frozen=True)
class Alibi:
    """A bias of ``-slopes[h] * |r - j|`` on the score of head h; ``slopes`` is (H,)."""

    slopes: Weights

    @staticmethod
    def standard(heads: int) -> Alibi:
        """The slopes 2^(-8/H), 2^(-16/H), … of the paper, for a power of two of heads."""
        if heads < 1 or heads & (heads - 1):
            raise InputError(f"standard ALiBi slopes need a power of two of heads, got {heads}; give the slopes")
        return Alibi(np.array([2.0 ** (-8.0 * (h + 1) / heads) for h in range(heads)]))


Positions: TypeAlias = Learned | Sinusoidal | Rotary | Alibi | None


Normaliser: TypeAlias = Callable[[Numbers, Array], Array]
"""From the scores (n, H) that one reader sees to the weights (n, H)."""


def softmax(numbers: Numbers, scores: Array) -> Array:
    """e^s / Σ e^s down each column of (n, H)."""
    exponentials = numbers.exp(scores - numbers.shift(scores))
    return exponentials / numbers.sum(exponentials, 0).reshape(1, -1)


@dataclass(frozen=True)
class Layer:
    """One attention layer and the token rows that it reads. Immutable; arrays are not copied.

    V tokens, d model width, H query heads, G key/value heads (H a multiple of G), dh and dv head widths.

    Args:
        embedding: (V, d) token rows.
        wq, wk, wv, wo: (H, d, dh), (G, d, dh), (G, d, dv), (H, dv, d).
        bq, bk, bv, bo: (H, dh), (G, dh), (G, dv), (d,); None for zero.
        offset: (d,) added to every token row (BERT's token type), or None.
        positions: what positions do; None: nothing.
        embedding_norm: applied to token + position rows, residual included (BERT).
        pre_norm: applied to the attention's input only.
        query_norm, key_norm: applied to each head's query and key, of width dh (QK-norm), before rotation.
        scale_squared: the square of the factor on the scores; None: 1 / dh. (Its square, to be an exact rational.)
        temperature: divides the scores.
        score_bias: (H, context, context) added to the scores [head, reader, key], or None.
        causal: whether a reader sees only positions up to its own.
        normaliser: scores to weights. The search knows softmax only.
        residual: whether the reader's own row is added to the output.
        final_norm: applied to the residual stream before it is read out, or None.
        unembedding: (V, d) rows that logits are read with, and ``unembedding_bias`` (V,); None: the embedding, zero.

    Raises:
        InputError: for shapes that don't fit together, and for what is no array of float64, float32, float16 or
            objects; the text names the field.
    """

    embedding: Weights
    wq: Weights
    wk: Weights
    wv: Weights
    wo: Weights
    bq: Weights | None = None
    bk: Weights | None = None
    bv: Weights | None = None
    bo: Weights | None = None
    offset: Weights | None = None
    positions: Positions = None
    embedding_norm: Norm | None = None
    pre_norm: Norm | None = None
    query_norm: Norm | None = None
    key_norm: Norm | None = None
    scale_squared: Fraction | None = None
    temperature: float = 1.0
    score_bias: Weights | None = None
    causal: bool = True
    normaliser: Normaliser = field(default=softmax)
    residual: bool = True
    final_norm: Norm | None = None
    unembedding: Weights | None = None
    unembedding_bias: Weights | None = None

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.embedding.ndim != 2:
            raise InputError(f"embedding: expected (tokens, width), found shape {self.embedding.shape}")
        if self.wq.ndim != 3 or self.wk.ndim != 3 or self.wv.ndim != 3:
            raise InputError(
                "wq, wk, wv: expected (heads, width, head width), found shapes "
                f"{self.wq.shape}, {self.wk.shape}, {self.wv.shape}"
            )
        vocabulary, d = self.embedding.shape
        heads, groups, dh, dv = self.wq.shape[0], self.wk.shape[0], self.wq.shape[2], self.wv.shape[2]
        if groups == 0 or heads == 0 or heads % groups:
            raise InputError(f"{heads} query heads can't share {groups} key/value heads: expected a divisor")
        expected: dict[str, tuple[int, ...]] = {
            "wq": (heads, d, dh),
            "wk": (groups, d, dh),
            "wv": (groups, d, dv),
            "wo": (heads, dv, d),
            "bq": (heads, dh),
            "bk": (groups, dh),
            "bv": (groups, dv),
            "bo": (d,),
            "offset": (d,),
        }
        for name, shape in expected.items():
            _expect(name, getattr(self, name), shape)
        for name, width in (
            ("embedding_norm", d),
            ("pre_norm", d),
            ("final_norm", d),
            ("query_norm", dh),
            ("key_norm", dh),
        ):
            norm: Norm | None = getattr(self, name)
            if norm is not None:
                _expect(f"{name}.gain", norm.gain, (width,))
                _expect(f"{name}.bias", norm.bias, (width,))
        if isinstance(self.positions, Learned):
            _expect("positions.table", self.positions.table, (*self.positions.table.shape[:1], d))
        if isinstance(self.positions, Alibi):
            _expect("positions.slopes", self.positions.slopes, (heads,))
        if isinstance(self.positions, Rotary):
            dims = dh if self.positions.dims is None else self.positions.dims
            if dims % 2 or not 0 < dims <= dh:
                raise InputError(
                    f"rotary positions turn {dims} of {dh} coordinates: expected an even number up to {dh}"
                )
        if self.score_bias is not None:
            context = self.score_bias.shape[-1:]
            _expect("score_bias", self.score_bias, (heads, *context, *context))
        if self.unembedding is not None:
            _expect("unembedding", self.unembedding, (*self.unembedding.shape[:1], d))
            vocabulary = len(self.unembedding)
        _expect("unembedding_bias", self.unembedding_bias, (vocabulary,))
        if not 0 < self.temperature < np.inf:
            raise InputError(f"temperature: expected a positive number, found {self.temperature}")
        if self.scale_squared is not None and self.scale_squared < 0:
            raise InputError(f"scale_squared: expected the square of a number, found {self.scale_squared}")

    def _check_kinds(self) -> None:
        """That each field is of its kind: a mistaken one would else count as absent, or be rounded."""
        for name, kinds in (
            ("positions", (Learned, Sinusoidal, Rotary, Alibi)),
            *((name, (Norm,)) for name in NORMS),
            ("scale_squared", (Fraction, int)),
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kinds):
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise InputError(f"{name}: expected {expected} or None, found {value!r}")
        for name, array in self.arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype not in (np.float64, np.float32, np.float16, object):
                found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
                raise InputError(
                    f"{name}: expected a NumPy array of float64, float32, float16 or objects, found {found}; convert "
                    "it with numpy.asarray(…, dtype=numpy.float64)"
                )

    @property
    def arrays(self) -> dict[str, Weights]:
        """All arrays by their names; those of norms and positions as ``pre_norm.gain``, ``positions.table``, …"""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        for name in NORMS:
            norm: Norm | None = getattr(self, name)
            if norm is not None:
                arrays |= {f"{name}.gain": norm.gain, f"{name}.bias": norm.bias}
        if isinstance(self.positions, Learned):
            arrays["positions.table"] = self.positions.table
        if isinstance(self.positions, Alibi):
            arrays["positions.slopes"] = self.positions.slopes
        return {name: array for name, array in arrays.items() if array is not None}

    @property
    def heads(self) -> int:
        return int(self.wq.shape[0])

    @property
    def groups(self) -> int:
        return int(self.wk.shape[0])

    @property
    def width(self) -> int:
        return int(self.embedding.shape[1])

    @property
    def vocabulary(self) -> int:
        return int(self.embedding.shape[0])

    @property
    def context(self) -> int | None:
        """How many positions there are; None: no limit."""
        limits = []
        if isinstance(self.positions, Learned):
            limits.append(len(self.positions.table))
        if self.score_bias is not None:
            limits.append(int(self.score_bias.shape[-1]))
        return min(limits, default=None)

    def group_of(self, head: int) -> int:
        """The key/value head that a query head uses: neighbours share (Ainslie et al. 2023)."""
        return head // (self.heads // self.groups)

    def sees(self, reader: int, position: int) -> bool:
        """Whether the reader position attends to the other."""
        return position <= reader or not self.causal


NORMS = ("embedding_norm", "pre_norm", "query_norm", "key_norm", "final_norm")
ARRAYS = (
    *("embedding", "wq", "wk", "wv", "wo", "bq", "bk", "bv", "bo"),
    *("offset", "score_bias", "unembedding", "unembedding_bias"),
)


def _expect_base(kind: str, base: float) -> None:
    if not 0 < base < np.inf:
        raise InputError(f"{kind} positions: expected a positive base, found {base}")


def _expect(name: str, array: Weights | None, shape: tuple[int, ...]) -> None:
    if array is not None and array.shape != shape:
        raise InputError(f"{name}: expected shape {shape}, found {array.shape}")


def deviation(numbers: Numbers, norm: Norm, x: Array) -> Array:
    """(n, 1): what the norm divides each row of (n, d) by, sqrt(variance + eps)."""
    return numbers.sqrt(numbers.variance(x, norm.centred) + numbers.constant(norm.eps))


def normalise(numbers: Numbers, norm: Norm | None, x: Array) -> Array:
    """(n, d): each row normalised, with gain and bias; ``norm`` None: the rows as they are."""
    if norm is None:
        return numbers.dense(x)
    divisor = deviation(numbers, norm, x)
    rows = numbers.dense(x)
    if norm.centred:
        rows = rows - (numbers.sum(rows, 1) / numbers.constant(int(rows.shape[1]))).reshape(-1, 1)
    y = rows / divisor * numbers.constant(norm.gain)
    return y if norm.bias is None else y + numbers.constant(norm.bias)


@dataclass(frozen=True)
class Projection:
    """x ↦ x @ weights + bias, of norm(x) where a norm was folded in: weights (d, k), bias (k,) or None."""

    weights: Array
    bias: Array | None
    norm: Norm | None


def fold(numbers: Numbers, norm: Norm | None, weights: Array, bias: Array | None) -> Projection:
    """The projection of norm(x), as one of x.

    norm(x) W = ((x - mean) / σ * gain + nbias) W = (x W') / σ + nbias W, with W' = gain * W, its columns centred where
    the norm centres, since (x - mean(x) 1) W = x (W - 1 mean(W)).
    """
    if norm is None:
        return Projection(weights, bias, None)
    if norm.bias is not None:
        extra = numbers.matmul(numbers.constant(norm.bias).reshape(1, -1), weights).reshape(-1)
        bias = extra if bias is None else bias + extra
    weights = numbers.constant(norm.gain).reshape(-1, 1) * weights
    if norm.centred:
        d = numbers.constant(int(weights.shape[0]))
        weights = weights - (numbers.sum(weights, 0) / d).reshape(1, -1)
    return Projection(weights, bias, norm)


def project(numbers: Numbers, projection: Projection, x: Array, divisor: Array | None = None) -> Array:
    """(n, k): the projection of each row of (n, d); ``divisor``: the norm's :func:`deviation` of x, if known."""
    y = numbers.matmul(x, projection.weights)
    if projection.norm is not None:
        y = y / (deviation(numbers, projection.norm, x) if divisor is None else divisor)
    return y if projection.bias is None else y + projection.bias.reshape(1, -1)


def rotate(numbers: Numbers, rotary: Rotary, x: Array, position: int) -> Array:
    """(n, dh): each row turned by the angles of the position (which may be negative: turned back)."""
    width = x.shape[1]
    dims = width if rotary.dims is None else rotary.dims
    half = dims // 2
    frequencies = _frequencies(numbers, rotary.base, dims)
    columns: list[Array] = [x[:, i] for i in range(width)]
    for i in range(half):
        a, b = (i, i + half) if rotary.pairing == "half" else (2 * i, 2 * i + 1)
        angle = frequencies[i] * numbers.constant(position)
        cos, sin = numbers.cos(angle), numbers.sin(angle)
        columns[a], columns[b] = columns[a] * cos - columns[b] * sin, columns[b] * cos + columns[a] * sin
    return numbers.stack(columns, axis=1)


def _frequencies(numbers: Numbers, base: float, dims: int) -> list[Array]:
    """base^(-2i/dims) for each pair i, the last of an odd number of dims being half a pair."""
    log_base = numbers.log(numbers.constant(base))
    return [numbers.exp(log_base * numbers.constant(Fraction(-2 * i, dims))) for i in range((dims + 1) // 2)]


class Computation:
    """A layer in one kind of number: its weights converted once, and its formulas.

    Args:
        layer: what to compute.
        numbers: with what.
    """

    def __init__(self, layer: Layer, numbers: Numbers) -> None:
        self.layer = layer
        self.numbers = numbers

    def _heads(self, weights: Weights) -> list[Array]:
        return [self.numbers.constant(w) for w in weights]

    def _rows(self, bias: Weights | None, count: int) -> list[Array | None]:
        return [None] * count if bias is None else [self.numbers.constant(b) for b in bias]

    @cached_property
    def wq(self) -> list[Array]:
        return self._heads(self.layer.wq)

    @cached_property
    def wk(self) -> list[Array]:
        return self._heads(self.layer.wk)

    @cached_property
    def wv(self) -> list[Array]:
        return self._heads(self.layer.wv)

    @cached_property
    def wo(self) -> list[Array]:
        return self._heads(self.layer.wo)

    @cached_property
    def bq(self) -> list[Array | None]:
        return self._rows(self.layer.bq, self.layer.heads)

    @cached_property
    def bk(self) -> list[Array | None]:
        return self._rows(self.layer.bk, self.layer.groups)

    @cached_property
    def bv(self) -> list[Array | None]:
        return self._rows(self.layer.bv, self.layer.groups)

    def shift(self, position: int) -> Array:
        """(1, d): what is added to every token's row at a position (zeros where nothing is).

        Raises:
            InputError: for a position outside the context.
        """
        layer, numbers = self.layer, self.numbers
        limit = layer.context
        if position < 0 or (limit is not None and position >= limit):
            raise InputError(f"position {position} is outside the layer's context of {limit} positions")
        row = numbers.constant(np.zeros((1, layer.width)))
        if layer.offset is not None:
            row = row + numbers.constant(layer.offset.reshape(1, -1))
        if isinstance(layer.positions, Learned):
            row = row + numbers.constant(layer.positions.table[position].reshape(1, -1))
        if isinstance(layer.positions, Sinusoidal):
            row = row + self._sinusoid(layer.positions.base, position)
        return row

    def _sinusoid(self, base: float, position: int) -> Array:
        numbers, d = self.numbers, self.layer.width
        entries: list[Array] = []
        for frequency in _frequencies(numbers, base, d):
            angle = frequency * numbers.constant(position)
            entries += [numbers.sin(angle), numbers.cos(angle)]
        return numbers.stack(entries[:d], axis=0).reshape(1, d)

    def rows(self, tokens: Sequence[int], positions: Sequence[int]) -> Array:
        """(n, d): token rows plus what the positions add, before any norm."""
        table = self.layer.embedding
        for token in tokens:
            if not 0 <= token < len(table):
                raise InputError(f"token id {token} is outside the embedding's {len(table)} rows")
        shifts = self.numbers.stack([self.shift(p)[0] for p in positions])
        return self.numbers.constant(table[list(tokens)]) + shifts

    @property
    def _input_norms(self) -> list[Norm]:
        return [norm for norm in (self.layer.embedding_norm, self.layer.pre_norm) if norm is not None]

    def into_attention(self, weights: Array, bias: Array | None) -> Projection:
        """The projection of the attention's input, as one of what :meth:`inner` makes of raw rows."""
        norms = self._input_norms
        return fold(self.numbers, norms[-1] if norms else None, weights, bias)

    def inner(self, raw: Array) -> Array:
        """Raw rows with all but the last of the input norms applied; that one is folded into the projections."""
        for norm in self._input_norms[:-1]:
            raw = normalise(self.numbers, norm, raw)
        return raw

    def divisor(self, inner: Array) -> Array | None:
        """(n, 1): what the folded norm divides all projections of inner rows by; None without one."""
        norms = self._input_norms
        return deviation(self.numbers, norms[-1], inner) if norms else None

    def stream(self, raw: Array) -> Array:
        """(n, d): the residual stream that the layer adds to, from raw rows."""
        return normalise(self.numbers, self.layer.embedding_norm, raw)

    def query(self, raw: Array, position: int) -> Array:
        """(H, dh): the scaled, rotated query of one raw row (1, d) at a position."""
        layer, numbers = self.layer, self.numbers
        scale_squared = Fraction(1, layer.wq.shape[2]) if layer.scale_squared is None else layer.scale_squared
        factor = numbers.sqrt(numbers.constant(scale_squared)) / numbers.constant(layer.temperature)
        inner = self.inner(raw)
        divisor = self.divisor(inner)
        queries = []
        for head in range(layer.heads):
            q = project(numbers, self.into_attention(self.wq[head], self.bq[head]), inner, divisor)
            q = normalise(numbers, layer.query_norm, q)
            if isinstance(layer.positions, Rotary):
                q = rotate(numbers, layer.positions, q, position)
            queries.append(q[0])
        return numbers.stack(queries) * factor

    def value_projection(self, directions: Array) -> Projection:
        """From inner rows to each head's readouts in the directions (d, R): weights (d, H R), head-major."""
        numbers, layer = self.numbers, self.layer
        weights, biases = [], []
        for head in range(layer.heads):
            group = layer.group_of(head)
            read = numbers.matmul(self.wo[head], directions)
            weights.append(numbers.matmul(self.wv[group], read))
            bias = self.bv[group]
            if bias is not None:
                biases.append(numbers.matmul(bias.reshape(1, -1), read).reshape(-1))
        joined = numbers.stack(weights, axis=1)
        joined = joined.reshape(joined.shape[0], joined.shape[1] * joined.shape[2])
        bias = numbers.stack(biases).reshape(-1) if biases else None
        return self.into_attention(joined, bias)

    def reading(self, raw: Array, position: int, directions: Array, values: Projection | None = None) -> Reading:
        """The layer as seen from one reader.

        Args:
            raw: (1, d) the reader's raw row.
            position: where it stands.
            directions: (d, R) that the residual stream is read in.
            values: ``value_projection(directions)`` where it is known already.
        """
        values = self.value_projection(directions) if values is None else values
        return Reading(self, position, self.query(raw, position), directions, values, self.stream(raw))


class Reading:
    """A layer seen from one reader: each token's votes, and what they add up to.

    Attributes:
        query: (H, dh).
        directions: (d, R).
        values: inner rows to readouts.
        own: (1, d) the reader's row of the residual stream.
    """

    def __init__(
        self, computation: Computation, position: int, query: Array, directions: Array, values: Projection, own: Array
    ) -> None:
        self.computation = computation
        self.position = position
        self.query = query
        self.directions = directions
        self.values = values
        self.own = own
        self._keys: dict[int | None, list[Projection]] = {}

    def keys(self, position: int) -> list[Projection]:
        """The query folded into the keys of a position: one projection onto all H scores, or, with a key norm, for each
        head its projections onto the key and from the normed key onto the score."""
        layer, numbers, computation = self.computation.layer, self.computation.numbers, self.computation
        rotary = layer.positions if isinstance(layer.positions, Rotary) else None
        known = self._keys.get(position if rotary else None)
        if known is not None:
            return known
        # <q, rot_j k> = <rot_-j q, k>
        query = rotate(numbers, rotary, self.query, -position) if rotary else self.query
        projections: list[Projection] = []
        columns, biases = [], []
        for head in range(layer.heads):
            group = layer.group_of(head)
            q = query[head].reshape(-1, 1)
            wk, bk = computation.wk[group], computation.bk[group]
            if layer.key_norm is None:
                columns.append(numbers.matmul(wk, q)[:, 0])
                if bk is not None:
                    biases.append(numbers.matmul(bk.reshape(1, -1), q)[0, 0])
            else:
                projections += [computation.into_attention(wk, bk), fold(numbers, layer.key_norm, q, None)]
        if layer.key_norm is None:
            bias = numbers.stack(biases) if biases else None
            projections.append(computation.into_attention(numbers.stack(columns, axis=1), bias))
        self._keys[position if rotary else None] = projections
        return projections

    def votes(self, raw: Array, position: int) -> tuple[Array, Array]:
        """Scores (n, H) and readouts (n, H, R) of raw rows (n, d) that all stand at one position."""
        layer, numbers = self.computation.layer, self.computation.numbers
        inner = self.computation.inner(raw)
        divisor = self.computation.divisor(inner)
        keys = self.keys(position)
        if layer.key_norm is None:
            scores = project(numbers, keys[0], inner, divisor)
        else:
            columns = []
            for head in range(layer.heads):
                key = project(numbers, keys[2 * head], inner, divisor)
                columns.append(project(numbers, keys[2 * head + 1], key)[:, 0])
            scores = numbers.stack(columns, axis=1)
        bias = self.bias(position)
        if bias is not None:
            scores = scores + bias.reshape(1, -1)
        readouts = project(numbers, self.values, inner, divisor)
        return scores, readouts.reshape(raw.shape[0], layer.heads, -1)

    def bias(self, position: int) -> Array | None:
        """(H,) what is added to the scores of a position, or None."""
        layer, numbers = self.computation.layer, self.computation.numbers
        total: Array | None = None
        if isinstance(layer.positions, Alibi):
            distance = numbers.constant(-abs(self.position - position))
            total = numbers.constant(layer.positions.slopes) * distance
        if layer.score_bias is not None:
            stored = numbers.constant(layer.score_bias[:, self.position, position])
            total = stored if total is None else total + stored
        return total

    def direct(self) -> Array:
        """(R,): what reaches the directions without attention: the reader's own row and the output bias."""
        layer, numbers = self.computation.layer, self.computation.numbers
        rest = self.own if layer.residual else numbers.constant(np.zeros((1, layer.width)))
        if layer.bo is not None:
            rest = rest + numbers.constant(layer.bo).reshape(1, -1)
        return numbers.matmul(rest, self.directions)[0]

    def total(self, scores: Array, readouts: Array) -> Array:
        """(R,): the residual stream after attention, in the directions, from all votes that the reader sees."""
        layer, numbers = self.computation.layer, self.computation.numbers
        weights = layer.normaliser(numbers, scores)
        mixed = numbers.sum(weights.reshape(weights.shape[0], layer.heads, 1) * readouts, 0)
        return self.direct() + numbers.sum(mixed, 0)

    def attend(self, raw: Array) -> tuple[Array, Array]:
        """Weights (H, n) and residual stream (R,) over raw rows (n, d) at positions 0 … n-1.

        Positions that the reader doesn't see have no row in the weights' sum: their weight is the exact 0.
        """
        layer, numbers = self.computation.layer, self.computation.numbers
        visible = [j for j in range(raw.shape[0]) if layer.sees(self.position, j)]
        votes = [self.votes(raw[j : j + 1], j) for j in visible]
        scores = numbers.stack([s[0] for s, _ in votes])
        readouts = numbers.stack([r[0] for _, r in votes])
        weights = layer.normaliser(numbers, scores)
        zero = numbers.constant(np.zeros(layer.heads))
        columns = {j: weights[i] for i, j in enumerate(visible)}
        full = numbers.stack([columns.get(j, zero) for j in range(raw.shape[0])], axis=1)
        return full, self.total(scores, readouts)
