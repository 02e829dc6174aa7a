"""One attention layer in balls, rebuilt from the files of its weights for the checker of certificates.

An implementation of its own: nothing here comes from the rest of the package, and NumPy has no part in it. Stored
numbers are exact; everything computed is a ball (Arb, through python-flint) that holds the exact real number, at the
working precision of python-flint's context, which the caller sets. Token t at position j, seen by the reader at r, has

    x = e_t + offset + p_j,   own = embedding_norm(x),   y = pre_norm(own)
    q_h = √scale_squared / temperature · rot_r(query_norm(y W_Q^h + b_Q^h)),   k_g = key_norm(y W_K^g + b_K^g)
    s_hj = ⟨q_h, rot_j k_g⟩ + bias_h(r, j),   o_hj = (y W_V^g + b_V^g) W_O^h
    z = own_r + b_O + Σ_h Σ_j softmax_j(s_h)_j o_hj

:meth:`Evaluation.stream` computes z just so. For a whole vocabulary (:class:`Reader`), the query is folded into the
keys, what z is read in into the values, and the last norm before the attention into both: where
y = P(x) / σ · gain + bias, a product y M is x M' / σ + bias M with M' = P(gain · M), and σ² = |x|²/d − mean(x)² + eps
expands to dot products of e_t and p_j, so that one product of all words serves every position.

Main declarations: :class:`Evaluation`, :class:`Reader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, reduce
from itertools import chain
from operator import add, mul
from typing import Any, TypeAlias

from flint import arb, arb_mat, fmpq

from tokendemo_formal.certificates.claim import Layer, Norm

Ball: TypeAlias = Any
Row: TypeAlias = list[Any]
"""Balls."""

CHUNK = 1024
"""Tokens multiplied at a time: what bounds the memory that is needed beside the tables."""


def dot(x: Sequence[Ball], y: Sequence[Ball]) -> Ball:
    """⟨x, y⟩."""
    return sum(map(mul, x, y), arb(0))


def centred(x: Sequence[Ball]) -> Row:
    """The row less its mean."""
    mean = sum(x, arb(0)) / len(x)
    return [value - mean for value in x]


def largest(x: Sequence[Ball]) -> Ball:
    """The maximum, as a tournament: every round loses a rounding, so few rounds are best."""
    return _tournament(arb.max, x)


def least(x: Sequence[Ball]) -> Ball:
    """The minimum."""
    return _tournament(arb.min, x)


def _tournament(better: Any, x: Sequence[Ball]) -> Ball:
    while len(x) > 1:
        odd = [x[-1]] if len(x) % 2 else []
        x = [*map(better, x[0::2], x[1::2]), *odd]
    return x[0]


def normalise(norm: Norm | None, x: Row) -> Row:
    """The row with the norm applied; None: as it is."""
    if norm is None:
        return x
    x = centred(x) if norm.centred else x
    factor = (dot(x, x) / len(x) + arb(norm.eps)).rsqrt()
    y = [value * factor * gain for value, gain in zip(x, norm.gain.balls(), strict=True)]
    return y if norm.bias is None else [*map(add, y, norm.bias.balls())]


def linear(x: Row, matrix: arb_mat) -> Row:
    """x · matrix."""
    return list((arb_mat(1, len(x), x) * matrix).entries())


class Evaluation:
    """A layer's formulas in balls. Made for one working precision: every call is to be made in that context.

    Args:
        layer: what to evaluate.
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._shifts: dict[int, Row] = {}

    def _matrices(self, role: str) -> list[arb_mat]:
        view = self.layer.tensors[role]
        return [view[i].matrix() for i in range(view.shape[0])]

    def _vectors(self, role: str, count: int, width: int) -> list[Row]:
        view = self.layer.tensors.get(role)
        return [[arb(0)] * width if view is None else view[i].balls() for i in range(count)]

    @cached_property
    def wq(self) -> list[arb_mat]:
        return self._matrices("wq")

    @cached_property
    def wk(self) -> list[arb_mat]:
        return self._matrices("wk")

    @cached_property
    def wv(self) -> list[arb_mat]:
        return self._matrices("wv")

    @cached_property
    def wo(self) -> list[arb_mat]:
        return self._matrices("wo")

    @cached_property
    def bk(self) -> list[Row]:
        return self._vectors("bk", self.layer.groups, self.layer.head_width)

    @cached_property
    def bv(self) -> list[Row]:
        return self._vectors("bv", self.layer.groups, self.layer.value_width)

    def _frequencies(self, dims: int) -> Row:
        return [(arb(self.layer.base).log() * arb(fmpq(-2 * i, dims))).exp() for i in range((dims + 1) // 2)]

    def shift(self, position: int) -> Row:
        """What a position adds to every token's row."""
        if position not in self._shifts:
            layer = self.layer
            row = layer.tensors["offset"].balls() if "offset" in layer.tensors else [arb(0)] * layer.width
            if layer.positions == "learned":
                row = [*map(add, row, layer.tensors["positions.table"][position].balls())]
            if layer.positions == "sinusoidal":
                angles = [f * position for f in self._frequencies(layer.width)]
                waves = chain.from_iterable((angle.sin(), angle.cos()) for angle in angles)
                row = [*map(add, row, waves)]
            self._shifts[position] = row
        return self._shifts[position]

    def row(self, token: int, position: int, norms: Sequence[str] = ()) -> Row:
        """x, with the norms named applied in turn."""
        row = [*map(add, self.layer.embedding[token].balls(), self.shift(position))]
        return reduce(lambda x, name: normalise(self.layer.norms.get(name), x), norms, row)

    def turn(self, x: Row, position: int) -> Row:
        """A query or key rotated by a position's angles; a negative one turns back."""
        layer, x = self.layer, list(x)
        if layer.positions == "rotary":
            for i, frequency in enumerate(self._frequencies(layer.dims)):
                a, b = (i, i + layer.dims // 2) if layer.half else (2 * i, 2 * i + 1)
                sine, cosine = (frequency * position).sin(), (frequency * position).cos()
                x[a], x[b] = x[a] * cosine - x[b] * sine, x[b] * cosine + x[a] * sine
        return x

    def queries(self, token: int, position: int) -> list[Row]:
        """Each head's query, scaled and rotated."""
        layer = self.layer
        y = self.row(token, position, ("embedding_norm", "pre_norm"))
        factor = arb(layer.scale_squared).sqrt() / arb(layer.temperature)
        rows = []
        for w, b in zip(self.wq, self._vectors("bq", layer.heads, layer.head_width), strict=True):
            q = normalise(layer.norms.get("query_norm"), [*map(add, linear(y, w), b)])
            rows.append([value * factor for value in self.turn(q, position)])
        return rows

    def bias(self, head: int, reader: int, position: int) -> Ball:
        """What is added to a score."""
        tensors, total = self.layer.tensors, arb(0)
        if self.layer.positions == "alibi":
            total -= tensors["positions.slopes"][head].balls()[0] * abs(reader - position)
        if "score_bias" in tensors:
            total += tensors["score_bias"][head][reader][position].balls()[0]
        return total

    def direct(self, token: int, position: int) -> Row:
        """What reaches the reader's z without attention."""
        row = self.row(token, position, ("embedding_norm",)) if self.layer.residual else [arb(0)] * self.layer.width
        return [*map(add, row, self.layer.tensors["bo"].balls())] if "bo" in self.layer.tensors else row

    def stream(self, tokens: Sequence[int], reader: int) -> Row:
        """z: the residual stream of the reader in a whole prompt, after attention."""
        layer, z = self.layer, self.direct(tokens[reader], reader)
        rows, exponentials = self._attention(tokens, reader)
        for head, weights in enumerate(exponentials):
            group = layer.group(head)
            mixed, total = [arb(0)] * layer.value_width, sum(weights.values(), arb(0))
            for j, y in rows.items():
                value = map(add, linear(y, self.wv[group]), self.bv[group])
                mixed = [m + weights[j] * v for m, v in zip(mixed, value, strict=True)]
            z = [*map(add, z, linear([m / total for m in mixed], self.wo[head]))]
        return z

    def shares(self, tokens: Sequence[int], reader: int, places: Sequence[int]) -> Row:
        """Each head's attention to some positions of a whole prompt, as seen by the reader."""
        _, exponentials = self._attention(tokens, reader)
        return [
            sum((weight for j, weight in weights.items() if j in places), arb(0)) / sum(weights.values(), arb(0))
            for weights in exponentials
        ]

    def _attention(self, tokens: Sequence[int], reader: int) -> tuple[dict[int, Row], list[dict[int, Ball]]]:
        """y of each position that the reader sees, and for each head e^score of each."""
        layer = self.layer
        seen = layer.visible(reader, len(tokens))
        rows = {j: self.row(tokens[j], j, ("embedding_norm", "pre_norm")) for j in seen}
        exponentials = []
        for head, query in enumerate(self.queries(tokens[reader], reader)):
            group, weights = layer.group(head), dict[int, Ball]()
            for j, y in rows.items():
                key = normalise(layer.norms.get("key_norm"), [*map(add, linear(y, self.wk[group]), self.bk[group])])
                weights[j] = (dot(query, self.turn(key, j)) + self.bias(head, reader, j)).exp()
            exponentials.append(weights)
        return rows, exponentials

    def farthest(self, held: Mapping[int, Sequence[int]], centre: bool) -> Ball:
        """Σ_h max |P o_h| over the tokens that the visible positions may hold; P centres or does nothing."""
        layer = self.layer
        columns = [[*column] for w in self.wv for column in zip(*w.tolist(), strict=True)]
        outputs = [[centred(row) if centre else row for row in w.tolist()] for w in self.wo]
        grams = [arb_mat([[dot(a, b) for b in rows] for a in rows]) for rows in outputs]  # |v W|² = v (W Wᵀ) vᵀ
        constants, every = [*chain.from_iterable(self.bv)], tuple(range(len(columns)))
        best: Row = [arb(0)] * layer.heads
        projection = Projection(self, columns, constants, dict.fromkeys(held, every))
        for tokens, places in {
            tuple(tokens): [j for j in held if held[j] == tokens] for tokens in held.values()
        }.items():
            for chunk in _chunks(tokens):
                for rows in projection.apply(chunk, places).values():
                    for head, gram in enumerate(grams):
                        start = layer.group(head) * layer.value_width
                        values = [row[start : start + layer.value_width] for row in rows]
                        products = (arb_mat(values) * gram).tolist()
                        best[head] = arb.max(best[head], largest([*map(dot, products, values)]))
        return sum((root(square) for square in best), arb(0))


def root(square: Ball) -> Ball:
    """The square root of a number that is at least 0, though its ball may reach below."""
    return arb(0).union(square.abs_upper().sqrt()) if square.contains(0) else square.sqrt()


def _chunks(tokens: Sequence[int]) -> Iterator[Sequence[int]]:
    return (tokens[i : i + CHUNK] for i in range(0, len(tokens), CHUNK))


class Projection:
    """y M + c for whole vocabularies of attention inputs y.

    Args:
        evaluation: whose inputs.
        columns: those of M.
        constants: c.
        uses: for each position the columns that it needs.
    """

    def __init__(
        self, evaluation: Evaluation, columns: Sequence[Row], constants: Row, uses: Mapping[int, Sequence[int]]
    ) -> None:
        inputs, d = evaluation.layer.inputs, evaluation.layer.width
        self._evaluation, self._uses, self._count = evaluation, uses, len(columns)
        self._norm, self._early = inputs[-1] if inputs else None, len(inputs) > 1
        if self._norm is not None:
            gain, bias = self._norm.gain.balls(), None if self._norm.bias is None else self._norm.bias.balls()
            if bias is not None:
                constants = [c + dot(bias, column) for c, column in zip(constants, columns, strict=True)]
            columns = [[*map(mul, gain, column)] for column in columns]
            columns = [centred(column) for column in columns] if self._norm.centred else columns
        # With two norms, the first is applied row by row, and no position is left to add.
        self._shifts = {j: [arb(0)] * d if self._early else evaluation.shift(j) for j in uses}
        columns = [*columns, [arb(1)] * d, *self._shifts.values()]
        self._matrix = arb_mat(d, len(columns), [*chain.from_iterable(zip(*columns, strict=True))])
        self._moved = {j: linear(shift, self._matrix) for j, shift in self._shifts.items()}
        self._constants = constants

    def apply(self, tokens: Sequence[int], places: Sequence[int]) -> dict[int, list[Row]]:
        """For each of the positions a row for each of the tokens."""
        if not self._early:
            words = self._words([self._evaluation.layer.embedding[t].floats() for t in tokens])
        rows = {}
        for order, j in enumerate(self._uses):
            if j in places:
                if self._early:
                    words = self._words([self._evaluation.row(t, j, ("embedding_norm",)) for t in tokens])
                rows[j] = [self._finish(word, square, j, order) for word, square in words]
        return rows

    def _words(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Row, Ball]]:
        """Each row's product with the matrix, and its square."""
        products = arb_mat(len(rows), len(rows[0]), [*chain.from_iterable(rows)]) * self._matrix
        squares = [dot(x, x) if self._norm else None for x in ([*map(arb, row)] for row in rows)]
        return [*zip(products.tolist(), squares, strict=True)]

    def _finish(self, word: Row, square: Ball, place: int, order: int) -> Row:
        moved, constants, norm, ones = self._moved[place], self._constants, self._norm, self._count
        if norm is None:
            return [word[i] + moved[i] + constants[i] for i in self._uses[place]]
        own = moved[ones + 1 + order]
        variance = (square + 2 * word[ones + 1 + order] + own) / self._evaluation.layer.width
        if norm.centred:
            mean = (word[ones] + moved[ones]) / self._evaluation.layer.width
            variance -= mean * mean
        factor = (variance + arb(norm.eps)).rsqrt()
        return [(word[i] + moved[i]) * factor + constants[i] for i in self._uses[place]]


class Reader:
    """What each token does as seen from one reader: b_h = e^score, and a_h = b_h · ⟨direction, o_h⟩.

    Args:
        evaluation: of the layer.
        token, position: the reader.
        direction: what z is read in.
        places: the positions of which whole vocabularies are asked.
        heads: those that are asked about.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        token: int,
        position: int,
        direction: Row,
        places: Sequence[int],
        heads: Sequence[int],
    ) -> None:
        self.evaluation, self.position, self.places, self.heads = evaluation, position, places, heads
        self.direct = dot(direction, evaluation.direct(token, position))
        queries = evaluation.queries(token, position)
        self._queries, self._direction = [queries[head] for head in heads], direction
        self._projection = self._project(places)
        self._known: dict[int, dict[int, Row]] = {place: {} for place in places}

    def _project(self, places: Sequence[int]) -> Projection:
        evaluation, layer = self.evaluation, self.evaluation.layer
        column = arb_mat(layer.width, 1, self._direction)
        reads = [evaluation.wo[head] * column for head in self.heads]
        groups = [layer.group(head) for head in self.heads]
        columns = [list((evaluation.wv[g] * read).entries()) for g, read in zip(groups, reads, strict=True)]
        constants = [dot(evaluation.bv[g], read.entries()) for g, read in zip(groups, reads, strict=True)]
        values = range(len(self.heads))
        if "key_norm" in layer.norms:  # keys themselves; their scores follow in _terms
            columns += [[*key] for w in evaluation.wk for key in zip(*w.tolist(), strict=True)]
            constants += chain.from_iterable(evaluation.bk)
            return Projection(evaluation, columns, constants, dict.fromkeys(places, tuple(range(len(columns)))))
        uses: dict[int, Sequence[int]] = {}
        for place in places:
            if not uses or layer.positions == "rotary":
                start = len(columns)
                for g, query in zip(groups, self._queries, strict=True):
                    turned = evaluation.turn(query, -place)
                    columns.append(list((evaluation.wk[g] * arb_mat(len(turned), 1, turned)).entries()))
                    constants.append(dot(evaluation.bk[g], turned))
            uses[place] = (*values, *range(start, start + len(values)))
        return Projection(evaluation, columns, constants, uses)

    def _terms(self, rows: list[Row], place: int) -> Iterator[Row]:
        """From projected rows to b and a, 2H a row."""
        layer, norm = self.evaluation.layer, self.evaluation.layer.norms.get("key_norm")
        biases = [self.evaluation.bias(head, self.position, place) for head in self.heads]
        turned = [self.evaluation.turn(query, -place) for query in self._queries]
        for row in rows:
            scores = row[len(self.heads) :]
            if norm is not None:
                keys = [
                    normalise(norm, scores[i : i + layer.head_width]) for i in range(0, len(scores), layer.head_width)
                ]
                scores = [dot(query, keys[layer.group(head)]) for head, query in zip(self.heads, turned, strict=True)]
            b = [score.exp() for score in map(add, scores, biases)]
            yield [*b, *map(mul, b, row)]

    def columns(self, place: int, tokens: Sequence[int]) -> list[tuple[Ball, ...]]:
        """b of each head, then a of each head, for these tokens in a slot at ``place``."""
        known = self._known[place]
        missing = [t for t in tokens if t not in known]
        for chunk in _chunks(missing):
            for j, rows in self._projection.apply(chunk, self.places).items():
                self._known[j].update(zip(chunk, self._terms(rows, j), strict=True))
        return [*zip(*(known[t] for t in tokens), strict=True)]

    def fixed(self, tokens: Mapping[int, int]) -> tuple[Row, Row]:
        """The sums B and A over positions that hold one token each."""
        heads, total = len(self.heads), [arb(0)] * (2 * len(self.heads))
        for place, token in tokens.items():
            rows = self._project((place,)).apply((token,), (place,))[place]
            total = [*map(add, total, next(self._terms(rows, place)))]
        return total[:heads], total[heads:]
