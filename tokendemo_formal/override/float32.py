"""How far can a float32 run of the layer be from the real-valued function that its weights define?

An a-priori forward error analysis (N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002, chapters
2 to 4): every quantity x of the layer comes with a bound on |x̂ - x| that holds for whatever x̂ a float32 run may get.
The bounds are computed in enclosures, rounded outward.

What is assumed of the run, with u = 2^-24:

* It stores every weight, bias and eps as the nearest float32, none but 0 below 2^-126 in absolute value, and computes
  the layer in the order of its formulas: rows, norms, queries, keys, values, scores, weights, outputs, residual
  stream, final norm, two logits and their difference. It rotates queries and keys, and applies the factor on the
  scores, wherever it likes.
* Each +, -, ×, ÷ and √ gives (exact result)(1 + δ) + ε with |δ| <= u and |ε| <= 2^-126: rounding to nearest, where
  results below the normal numbers may be flushed to 0. A multiplication may be fused with an addition.
* Sums and dot products are added up in any order, by any grouping. TF32, bfloat16 and float16 are no part of this.
* exp, sin, cos and powers are within 3 units in the last place; a reciprocal square root within 2.
* A norm's variance is the mean square of the centred numbers, or the mean square less the square of the mean; the
  mean is subtracted before or after the division by the deviation.
* The weights are those of scores less the largest one, in one pass, or streaming with a running largest one; the
  division by their sum comes before or after the sum of values.

With γ_k = ku / (1 - ku), a result of k roundings on terms whose absolute values add up to S is off by at most γ_k S
(Higham, lemma 3.1), however it was ordered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np

from tokendemo_formal.attention import (
    Alibi,
    Computation,
    Learned,
    Norm,
    Rotary,
    Sinusoidal,
    Weights,
    rotate,
    softmax,
)
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.numbers.enclosures import ENCLOSURES, Enclosure
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.question import Prompt, Question, Share
from tokendemo_formal.override.reading import final_norm

U = 2.0**-24
"""Unit roundoff of float32."""

FLUSHED = 2.0**-126
"""What a result may lose where it is below float32's normal numbers."""

LARGEST = 2.0**126
"""Sums of absolute values up to here can't overflow."""

FUNCTION_ROUNDINGS = 6
"""3 units in the last place, as relative errors of u each."""

_CHUNK = 2048


def float32_distance(question: Question, assignment: Sequence[int] | None = None) -> float:
    """An upper bound of |margin of a float32 run - margin|, for every run that the module's text allows.

    The threshold is no part of the run: it is compared with the difference of the logits.

    Args:
        question: what is asked.
        assignment: token ids for the slots (as many as there are to be); None: the bound holds for every assignment of
            ``question.slots`` tokens.

    Raises:
        InputError: for an id outside the vocabulary.
        UnsupportedError: where no bound is found: numbers may overflow float32, or a norm may lose all digits; and,
            over all assignments, for a readout through a final norm.
    """
    if wrong := [token for token in assignment or () if not 0 <= token < question.layer.vocabulary]:
        raise InputError(f"token id {wrong[0]} is outside the embedding's {question.layer.vocabulary} rows")
    if question.contest is not None:
        raise UnsupportedError("float32 runs are bounded for one row toward and one against")
    if isinstance(question.readout, Share):
        raise UnsupportedError("float32 runs are bounded for margins that read rows, not for shares of attention")
    if question.also:  # the margin is the least of all, so no further off than one of them
        alone = (question.with_template(index) for index in range(len(question.templates)))
        return max(float32_distance(one, assignment) for one in alone)
    slots = question.slots if assignment is None else len(assignment)
    prompt = question.with_slots(slots).prompt(slots)
    if assignment is not None:
        prompt = Prompt(prompt.filled(assignment), prompt.reader)
    if question.layer.normaliser is not softmax:
        raise UnsupportedError("float32 runs are bounded for softmax attention only")
    if prompt.tokens[prompt.reader] is not None:
        return _Run(question, prompt).distance()
    own = (
        tuple(t if p == prompt.reader else other for p, other in enumerate(prompt.tokens)) for t in question.vocabulary
    )
    return max(_Run(question, Prompt(tokens, prompt.reader)).distance() for tokens in own)


@dataclass(frozen=True)
class Float32:
    """What is known about float32 runs of what an answer is about.

    Attributes:
        witness: whether of the witness's prompt alone; else of every assignment of the lengths that were asked.
        distance: the bound, or None.
        same_side: whether every run of the witness's prompt is on the same side of 0 as its margin; None: not known.
        why: where there is no bound, the reason.
    """

    witness: bool
    distance: float | None
    same_side: bool | None = None
    why: str = ""


def float32_runs(question: Question, answer: Answer) -> Float32:
    """Of the answer's witness; without one, of all assignments (for ``minimum``, ``any-length``: of every length)."""
    try:
        if answer.assignment is not None:
            distance = float32_distance(question, answer.assignment)
            assert answer.margin is not None
            same = answer.margin.low > Fraction(distance) or answer.margin.high < -Fraction(distance)
            return Float32(True, distance, same or None)
        most = question.longest if answer.ask == "any-length" else question.slots
        if most is None:
            raise UnsupportedError("float32 runs are bounded for a number of tokens, and this is about any")
        lengths = [most] if answer.ask in ("exists", "maximum") else range(most + 1)
        return Float32(False, max(float32_distance(question.with_slots(length)) for length in lengths))
    except UnsupportedError as error:
        return Float32(answer.assignment is not None, None, None, str(error))


# Numbers with their errors -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Approximate:
    """What a float32 run gets for ``value``: anything within ``error``."""

    value: Enclosure
    error: Enclosure

    @property
    def size(self) -> Enclosure:
        """Above the absolute value of what the run gets."""
        return absolute(self.value) + self.error

    def __getitem__(self, key: object) -> Approximate:
        return Approximate(self.value[key], self.error[key])

    def reshape(self, *shape: int) -> Approximate:
        return Approximate(self.value.reshape(*shape), self.error.reshape(*shape))


def absolute(x: Enclosure) -> Enclosure:
    """Of the absolute values."""
    return Enclosure(np.abs(x.mid), x.rad)


def gamma(k: int) -> float:
    """γ_k, rounded up."""
    if k * U >= 0.5:
        raise UnsupportedError(f"{k} float32 roundings may lose every digit: there is no bound")
    return float(np.nextafter(k * U / (1 - k * U), np.inf))


def rounding(size: Enclosure, k: int) -> Enclosure:
    """The error of k roundings on terms whose absolute values add up to ``size``."""
    if size.upper.max() >= LARGEST:
        raise UnsupportedError("a float32 run may overflow: there is no bound")
    return size * gamma(k) + 4 * k * FLUSHED


def exact(values: Weights) -> Enclosure:
    """Weights as they are; that they are rounded to float32 is counted where they are used.

    Raises:
        UnsupportedError: for weights so small that this rounding is no relative one.
    """
    value: Enclosure = ENCLOSURES.constant(values)
    size = np.abs(value.mid)
    if np.any((size < FLUSHED) & (value.largest > 2.0**-1000)):
        small = float(size[(size < FLUSHED) & (size > 0)].max(initial=0.0))
        raise UnsupportedError(f"a weight of size {small:.3g} is below float32's normal numbers: there is no bound")
    return value


def stored(values: Weights) -> Approximate:
    """Weights."""
    value = exact(values)
    return Approximate(value, Enclosure(np.zeros(value.shape)))


def plus(*terms: Approximate) -> Approximate:
    """The sum in any order, each term stored or computed."""
    value = reduce(add, (t.value for t in terms))
    size, error = reduce(add, (t.size for t in terms)), reduce(add, (t.error for t in terms))
    return Approximate(value, error + rounding(size, len(terms)))


def times(a: Approximate, b: Approximate, k: int) -> Approximate:
    """The product of arrays, element by element, with k roundings."""
    error = absolute(a.value) * b.error + absolute(b.value) * a.error + a.error * b.error
    return Approximate(a.value * b.value, error + rounding(a.size * b.size, k))


def affine(x: Approximate, weights: Weights, bias: Weights | None) -> Approximate:
    """(n, k): x @ weights + bias for rows (n, d), in any order."""
    w = exact(weights)
    value, error = ENCLOSURES.matmul(x.value, w), ENCLOSURES.matmul(x.error, absolute(w))
    size = ENCLOSURES.matmul(x.size, absolute(w))
    if bias is not None:
        b = exact(bias).reshape(1, -1)
        value, size = value + b, size + absolute(b)
    return Approximate(value, error + rounding(size, weights.shape[0] + 2))


@dataclass(frozen=True)
class Statistics:
    """What a norm computes of each row x (n, d).

    Attributes:
        centred: x less its mean, or x.
        local: the error of the run's centred numbers, besides what x itself is off by.
        factor: 1/σ.
        relative: the relative error of the run's 1/σ.
    """

    centred: Enclosure
    local: Enclosure
    factor: Enclosure
    relative: Enclosure


def mean(x: Enclosure) -> Enclosure:
    """(n, 1): of each row."""
    return x.sum(1).reshape(-1, 1) / float(x.shape[1])


def statistics(norm: Norm, x: Approximate) -> Statistics:
    """Of rows (n, d), in either of the two ways to a variance.

    With ĉ off by E from c, the mean of ĉ² is off by at most that of 2|c|E + E², and as much holds for the variance of
    the numbers x̂. Roundings, by the first way: γ_(d+2) mean ĉ². By the second: γ_(d+2) S + 2γ_(d+3) |m| A + γ_(d+1)² S
    + 2u S for S = mean x̂², A = mean |x̂|, |m| <= A, A² <= S: below γ_k (S + 2|m| A) with the k taken here.
    """
    d = int(x.value.shape[1])
    size, square = x.size, mean(x.size * x.size)
    centred, local, spread = x.value, Enclosure(np.zeros(x.value.shape)), square
    moved = x.error
    if norm.centred:
        middle = Approximate(mean(x.value), mean(x.error) + rounding(mean(size), d + 1))
        centred = x.value - middle.value
        local = rounding(mean(size), d + 1) + rounding(size + middle.size, 3)
        moved = x.error + mean(x.error)
        spread = square + middle.size * mean(size) * 2.0
    off = moved + local
    reached = absolute(centred) + off
    k = d + 8 if (d + 3) ** 2 * U <= 0.5 else 2 * (d + 6)
    terms = Enclosure(np.maximum(spread.upper, mean(reached * reached).upper))
    lost = mean((absolute(centred) * 2.0 + off) * off) + rounding(terms, k)
    variance = ENCLOSURES.variance(x.value, norm.centred) + ENCLOSURES.constant(norm.eps)
    lost = lost + rounding(variance + lost, 2)
    if not np.all(variance.lower > 2 * lost.upper):
        raise UnsupportedError("a norm's variance may be lost to float32's rounding: there is no bound")
    # 1/√(w (1 ± ρ)) is off by at most ρ / (2 (1 - ρ)), relatively
    part = lost / variance
    slope = part / ((1.0 - part) * 2.0)
    relative = slope + (slope + 1.0) * gamma(6)
    return Statistics(centred, local, 1.0 / ENCLOSURES.sqrt(variance), relative)


def ratio(norm: Norm, x: Approximate) -> Approximate:
    """Rows (n, d) after a norm without its gain and bias."""
    found = statistics(norm, x)
    off = x.error + found.local + (mean(x.error) if norm.centred else 0.0)
    error = (off * (found.relative + 1.0) + absolute(found.centred) * found.relative) * found.factor
    value = found.centred * found.factor
    return Approximate(value, error + rounding(absolute(value) + error, 3))


def normed(norm: Norm | None, x: Approximate) -> Approximate:
    """Rows (n, d) after a norm."""
    if norm is None:
        return x
    scaled = times(ratio(norm, x), stored(norm.gain.reshape(1, -1)), 2)
    return scaled if norm.bias is None else plus(scaled, stored(norm.bias.reshape(1, -1)))


def wave_error(base: float, i: int, dims: int, position: int) -> float:
    """Of sin and cos of position · base^(-2i/dims): stored, or computed in float32.

    The frequency is a power or an exp of a product with the base's logarithm: up to 3 roundings of the exponent, which
    |ln frequency| multiplies; then come the power, a reciprocal, the product with the position. The last factor
    outweighs what this function itself, a dozen float64 operations, rounds.
    """
    logarithm = abs(math.log(base)) * 2 * i / dims
    angle = float(position * base ** (-2 * i / dims))
    return (angle * (4 * logarithm + 16) + FUNCTION_ROUNDINGS + 2) * U * (1 + 2.0**-40)


# The layer ---------------------------------------------------------------------------------------------------------


class _Seen(NamedTuple):
    """What a position may hold: the largest over all its tokens; of a single token, its own.

    Attributes:
        above, below, off: (H,) the score, the score negated, and what a run's is off by.
        value, value_off, value_size: (H, dv) v (of several tokens |v|), what it is off by, its size.
        read, read_off, read_size: (H,) |v · direction|, and the other two in that direction.
    """

    above: Enclosure
    below: Enclosure
    off: Enclosure
    value: Enclosure
    value_off: Enclosure
    value_size: Enclosure
    read: Enclosure
    read_off: Enclosure
    read_size: Enclosure


def _most(x: Enclosure) -> Enclosure:
    """The largest along the first axis, from above."""
    return Enclosure(x.upper.max(axis=0))


class _Run:
    """A float32 run on a prompt whose reader is a fixed token; its slots hold any token of the vocabulary."""

    def __init__(self, question: Question, prompt: Prompt) -> None:
        self.question, self.prompt, self.layer = question, prompt, question.layer
        self.filled = not prompt.slots
        self.norm = final_norm(question)
        if self.norm is not None and not self.filled:
            raise UnsupportedError("over all assignments, a float32 run through a final norm has no bound here")
        readout = question.row_readout
        rows = (readout.toward, readout.against)
        self.rows = [exact(row).reshape(1, -1) for row in rows]
        self.direction = self.rows[0] - self.rows[1]
        if self.norm is not None:  # what the centred stream is read in; then, the stream itself
            self.direction = self.direction * ENCLOSURES.constant(self.norm.gain).reshape(1, -1)
        folded = self.direction
        if self.norm is not None and self.norm.centred:
            folded = folded - mean(folded)
        self.folded = folded.reshape(-1, 1)
        self.reads = [ENCLOSURES.matmul(ENCLOSURES.constant(w), self.folded) for w in self.layer.wo]

    # From tokens to scores and values

    def _rows(self, tokens: Sequence[int], position: int) -> Approximate:
        layer = self.layer
        terms = [stored(layer.embedding[list(tokens)])]
        if layer.offset is not None:
            terms.append(stored(layer.offset.reshape(1, -1)))
        if isinstance(layer.positions, Learned):
            terms.append(stored(layer.positions.table[position].reshape(1, -1)))
        if isinstance(layer.positions, Sinusoidal):
            d = layer.width
            wave = Computation(replace(layer, offset=None), ENCLOSURES).shift(position)
            error = [[wave_error(layer.positions.base, i // 2, d, position) for i in range(d)]]
            terms.append(Approximate(wave, Enclosure(error)))
        return plus(*terms)

    def _inputs(self, rows: Approximate) -> Approximate:
        return normed(self.layer.pre_norm, normed(self.layer.embedding_norm, rows))

    def _turned(self, x: Approximate, position: int) -> Approximate:
        rotary = self.layer.positions
        if not isinstance(rotary, Rotary):
            return x
        width = int(x.value.shape[1])
        dims = width if rotary.dims is None else rotary.dims
        partner, waves = np.arange(width), np.zeros(width)
        for i in range(dims // 2):
            a, b = (i, i + dims // 2) if rotary.pairing == "half" else (2 * i, 2 * i + 1)
            partner[[a, b]] = b, a
            waves[[a, b]] = wave_error(rotary.base, i, dims, position)
        turned = x.error + x.error[:, partner]
        size = x.size + x.size[:, partner]
        turned = (
            turned + size * Enclosure(waves.reshape(1, -1)) + rounding(size * (Enclosure(float(waves.max())) + 1.0), 3)
        )
        return Approximate(rotate(ENCLOSURES, rotary, x.value, position), turned)

    def _queries(self, inputs: Approximate, position: int) -> list[Approximate]:
        """(1, dh) for each head."""
        layer = self.layer
        squared = (
            ENCLOSURES.constant(layer.scale_squared)
            if layer.scale_squared is not None
            else 1.0 / Enclosure(float(layer.wq.shape[2]))
        )
        factor = (ENCLOSURES.sqrt(squared) / ENCLOSURES.constant(layer.temperature)).reshape(1, 1)
        queries = []
        for head in range(layer.heads):
            q = affine(inputs, layer.wq[head], None if layer.bq is None else layer.bq[head])
            q = self._turned(normed(layer.query_norm, q), position)
            queries.append(times(q, Approximate(factor, Enclosure(np.zeros((1, 1)))), 8))
        return queries

    def _scores(self, query: Approximate, keys: Approximate, head: int, position: int) -> Approximate:
        """(n,) of keys (n, dh)."""
        layer, reader = self.layer, self.prompt.reader
        column, width = query.reshape(-1, 1), int(keys.value.shape[1])
        value = ENCLOSURES.matmul(keys.value, column.value)
        error = ENCLOSURES.matmul(keys.error, column.size) + ENCLOSURES.matmul(absolute(keys.value), column.error)
        scores = Approximate(value, error + rounding(ENCLOSURES.matmul(keys.size, column.size), width))[:, 0]
        if isinstance(layer.positions, Alibi):
            slope, distance = stored(layer.positions.slopes[head : head + 1]), float(-abs(reader - position))
            scores = plus(scores, times(slope, stored(np.array([distance])), 2))
        if layer.score_bias is not None:
            scores = plus(scores, stored(layer.score_bias[head, reader, position].reshape(1)))
        return scores

    def _seen(self, queries: Sequence[Approximate], tokens: Sequence[int], position: int) -> _Seen:
        if len(tokens) == 1:
            return _Seen(*(field[0] for field in self._votes(queries, tokens, position)))
        chunks = [self._votes(queries, tokens[i : i + _CHUNK], position) for i in range(0, len(tokens), _CHUNK)]
        chunks = [chunk._replace(value=absolute(chunk.value)) for chunk in chunks]
        return _Seen(*(_most(ENCLOSURES.stack([*map(_most, fields)])) for fields in zip(*chunks, strict=True)))

    def _votes(self, queries: Sequence[Approximate], tokens: Sequence[int], position: int) -> _Seen:
        """Of each token: a leading axis of n more."""
        layer, inputs = self.layer, self._inputs(self._rows(tokens, position))
        keys, values = [], []
        for g in range(layer.groups):
            key = affine(inputs, layer.wk[g], None if layer.bk is None else layer.bk[g])
            keys.append(self._turned(normed(layer.key_norm, key), position))
            values.append(affine(inputs, layer.wv[g], None if layer.bv is None else layer.bv[g]))
        heads = []
        for head, (query, read) in enumerate(zip(queries, self.reads, strict=True)):
            score, value = (
                self._scores(query, keys[layer.group_of(head)], head, position), values[layer.group_of(head)]
            )  # fmt: skip
            heads.append(
                _Seen(
                    score.value,
                    -score.value,
                    score.error,
                    value.value,
                    value.error,
                    value.size,
                    absolute(ENCLOSURES.matmul(value.value, read))[:, 0],
                    ENCLOSURES.matmul(value.error, absolute(read))[:, 0],
                    ENCLOSURES.matmul(value.size, absolute(read))[:, 0],
                )
            )
        return _Seen(*(ENCLOSURES.stack(fields, 1) for fields in zip(*heads, strict=True)))

    # From those to the margin

    def distance(self) -> float:
        layer, prompt, readout = self.layer, self.prompt, self.question.row_readout
        own_token = prompt.tokens[prompt.reader]
        assert own_token is not None
        rows = self._rows([own_token], prompt.reader)
        queries = self._queries(self._inputs(rows), prompt.reader)
        visible = [p for p in range(len(prompt.tokens)) if layer.sees(prompt.reader, p)]
        seen = []
        for position in visible:
            token = prompt.tokens[position]
            seen.append(self._seen(queries, self.question.vocabulary if token is None else [token], position))
        heads, width, every = (
            layer.heads,
            int(layer.wv.shape[2]),
            _Seen(*map(ENCLOSURES.stack, zip(*seen, strict=True))),
        )
        theta, count = self._weights_error(every), len(seen)
        shares = softmax(ENCLOSURES, every.above) if self.filled else None

        def mixed(parts: Enclosure) -> Enclosure:
            """The mean of (n, H, …) by attention weights; where these are open, the largest of what is not below 0."""
            if shares is None:
                return _most(parts)
            shaped: Enclosure = shares.reshape(count, heads, *[1] * (len(parts.shape) - 2))
            return (parts * shaped).sum(0)

        def mixing(sizes: Enclosure, off: Enclosure, reached: Enclosure) -> Enclosure:
            """The error of Σ_j ŵ_j v̂_j: that of the values, of the weights, of the sum, and of weights flushed to 0."""
            t = theta.reshape(heads, *[1] * (len(sizes.shape) - 2))
            error = mixed(off) * (t + 1.0) + mixed(sizes) * t + mixed(reached) * (t + 1.0) * gamma(count + 2)
            return error + _most(reached) * ((count + 2) * 2.0**-120)

        attention = mixing(every.read, every.read_off, every.read_size).sum(0)
        sizes = absolute(every.value)
        context = mixing(sizes, every.value_off, every.value_size).reshape(1, heads * width)
        largest = mixed(sizes).reshape(1, heads * width) + context

        # the residual stream: one sum of all heads' products, the output bias and the reader's own row
        wo = exact(layer.wo.reshape(heads * width, layer.width))
        zero = stored(np.zeros((1, layer.width)))
        own = normed(layer.embedding_norm, rows) if layer.residual else zero
        bias = zero if layer.bo is None else stored(layer.bo.reshape(1, -1))
        size = ENCLOSURES.matmul(largest, absolute(wo)) + own.size + absolute(bias.value)
        local = own.error + rounding(size, heads * width + 4)
        off = ENCLOSURES.matmul(context, absolute(wo)) + local
        reading = attention + ENCLOSURES.matmul(local, absolute(self.folded))[0, 0]
        if self.filled:
            means = mixed(every.value).reshape(1, heads * width)
            stream = Approximate(ENCLOSURES.matmul(means, wo) + own.value + bias.value, off)
            reached = stream.size
        else:
            reached = size + off
        if self.norm is not None:
            reading, reached = self._through_norm(self.norm, stream, reading)
        logits = reading
        for row, constant in zip(self.rows, (readout.toward_bias, readout.against_bias), strict=True):
            size = ENCLOSURES.matmul(reached, absolute(row).reshape(-1, 1))[0, 0]
            logits = logits + rounding(size + abs(constant), layer.width + 4)
        return float(logits.upper)

    def _weights_error(self, every: _Seen) -> Enclosure:
        """(H,) how far a run's attention weights may be from the exact ones, relatively.

        log of ŵ/w: the scores' errors and what rounding s - max s adds, in numerator and denominator; the rest are
        factors 1 + δ: an exp and a product for each rescaling, the sum, the division.
        """
        off, reach = _most(every.off), _most(every.above) + _most(every.below)
        power = (off + (reach + off * 2.0) * (U * (1 + 2.0**-20))) * 2.0
        if np.any(power.upper > 80):
            raise UnsupportedError("float32 rounding may change scores by more than 40: there is no bound")
        factors = gamma(4 * (FUNCTION_ROUNDINGS + 2) * (len(every.off) + 1))
        grown: Enclosure = ENCLOSURES.exp(power)
        return grown * (1 + factors) - 1.0

    def _through_norm(self, norm: Norm, stream: Approximate, off: Enclosure) -> tuple[Enclosure, Enclosure]:
        """Errors of ⟨toward - against, norm(z)⟩ but for the logits' own, and the sizes (1, d) of norm(z).

        N(z)/σ: N is linear, and ``off`` bounds how far it is off for what the stream is off by.
        """
        found = statistics(norm, stream)
        n = absolute(ENCLOSURES.matmul(stream.value, self.folded))[0, 0]
        off = off + ENCLOSURES.matmul(found.local, absolute(self.direction).reshape(-1, 1))[0, 0]
        relative = found.relative[0, 0]
        error = (off * (relative + 1.0) + n * relative) * found.factor[0, 0]
        # what rounding (centred × factor) × gain + bias adds
        gain = absolute(ENCLOSURES.constant(norm.gain)).reshape(1, -1)
        size = ratio(norm, stream).size
        local = rounding(size, 3) * gain + rounding(size * gain, 2)
        if norm.bias is not None:
            local = local + rounding(size * gain + absolute(ENCLOSURES.constant(norm.bias)).reshape(1, -1), 2)
        plain = absolute(self.rows[0] - self.rows[1]).reshape(-1, 1)
        return error + ENCLOSURES.matmul(local, plain)[0, 0], normed(norm, stream).size
