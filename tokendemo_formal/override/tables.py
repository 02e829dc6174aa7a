"""From a question to the numbers that the search works on, with every rounding enclosed.

With the reader fixed, the adversary's gain is

    f(t_1 … t_m) = direct + Σ_h N_h / D_h,   N_h = A_h + Σ_i a_{h,i}(t_i),   D_h = B_h + Σ_i b_{h,i}(t_i)

where b = e^(score - shift_h) > 0, a = b * readout, and A, B are the template's own sums. The shift is any number, the
same in all terms of a head: it cancels. What is stored are upper bounds ``a`` and midpoints ``b``, prepared so that the
search may compute in plain float64:

    for every |c_h| <= limit_h and L_h <= D_h <= U_h, the float64 value of  Σ_h φ_h(a_h - c_h b_h)  is at least the
    exact one, where φ_h(z) = max(z / L_h, z / U_h)                                                     (inflation)

The float evaluation is: one product and one difference a head (error below u |a| + 2.1 u |c b|), one product with a
reciprocal rounded outward (u), and a sum of H terms ((H-1) u of their absolute values). All of these are at most
(H + 4) u (|a| + |c| b) / L where the term is positive, the same with U where it is negative, and φ_h grows with slope
1/L and 1/U there: so adding (H + 8) u (|a| + limit b) to ``a`` outweighs them. The enclosure's own radii are added
likewise, b's times the limit. Underflow is outweighed by the constant TINY.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.attention import Computation, Projection, Reading, Rotary
from tokendemo_formal.numbers.balls import BALLS, precision
from tokendemo_formal.numbers.enclosures import ENCLOSURES, TINY, UNIT, Enclosure, Rows, Table, from_balls
from tokendemo_formal.override.question import Prompt, Question, Share
from tokendemo_formal.override.reading import LinearReading, share_readouts

Floats: TypeAlias = NDArray[np.float64]

FOLD_BITS = 128
"""Precision of what happens once a question: queries and directions folded into the weights."""

SLACK = 2.0**-20
"""What a count leaves where its limit is reached: less than 1, and little, for a sum with it loses that much."""

_EXPONENT_GRID = 128.0
"""Shifts are multiples of this, so that tables of different lengths can be shared; e^128 is far from overflow."""


@dataclass(frozen=True)
class SlotTable:
    """What each token does in one slot: ``a`` (H, n) inflated upper bounds, ``b`` (H, n) midpoints."""

    a: Floats
    b: Floats


@dataclass(frozen=True)
class Problem:
    """Is there an assignment with f > target? In numbers alone: nothing here knows of layers or tokens.

    Attributes:
        direct: at least the part of f that no token changes.
        template: the template's own A and B, as a table of one token.
        slots: one table a slot, all of H heads; columns are tokens.
        limit: (H,) the largest |c_h| that the inflation allows.
        relative: (H,) every true b, the template's too, is within relative * b + absolute of the b stored.
        absolute: as said.
    """

    direct: float
    template: SlotTable
    slots: tuple[SlotTable, ...]
    limit: Floats
    relative: Floats
    absolute: float

    @property
    def heads(self) -> int:
        return int(self.template.a.shape[0])


@dataclass(frozen=True)
class Terms:
    """Exponentials b and products a of n tokens, (n, H) each, enclosed."""

    a: Enclosure
    b: Enclosure


@dataclass(frozen=True)
class Enclosed:
    """All numbers of the gain of one prompt with holes: ``direct`` (scalar), the visible template tokens, each slot."""

    direct: Enclosure
    template: Terms
    slots: tuple[Terms, ...]


@dataclass(frozen=True)
class Rays:
    """The numbers of the gain for any number of slots in which places don't matter.

    With n_t slots that hold token t, the sums N_h and D_h of all heads are those of the template plus Σ_t n_t times
    those of token t. The gain has only quotients of them: each row may be scaled, and is, so that its first b is 1.

    Attributes:
        direct: scalar.
        a, b: (1 + n, H), the template's sums and each token's terms, over the row's b in the first head.
        sizes: (1 + n,) the logarithms of these, in plain floats: nothing that is proved rests on them.
    """

    direct: Enclosure
    a: Enclosure
    b: Enclosure
    sizes: Floats


class EnclosedReading(Reading):
    """A reading that was folded in balls, for rows of enclosures: only the last product then rounds in float64."""

    def __init__(self, source: Reading, computation: Computation) -> None:
        super().__init__(
            computation,
            source.position,
            from_balls(source.query),
            from_balls(source.directions),
            _enclosed_projection(source.values),
            from_balls(source.own),
        )
        self._source = source

    def keys(self, position: int) -> list[Projection]:
        kept = position if isinstance(self.computation.layer.positions, Rotary) else None
        if kept not in self._keys:
            with precision(FOLD_BITS):
                self._keys[kept] = [_enclosed_projection(p) for p in self._source.keys(position)]
        return self._keys[kept]

    def bias(self, position: int) -> Enclosure | None:
        with precision(FOLD_BITS):
            bias = self._source.bias(position)
        return None if bias is None else from_balls(bias)

    def direct(self) -> Enclosure:
        with precision(FOLD_BITS):
            return from_balls(self._source.direct())


def _enclosed_projection(projection: Projection) -> Projection:
    bias = None if projection.bias is None else from_balls(projection.bias)
    return Projection(from_balls(projection.weights), bias, projection.norm)


class TableBuilder:
    """Makes the numbers of a question, for any number of slots, and remembers what lengths have in common.

    Args:
        question: what is asked; its ``slots`` plays no part.
        reading: the linear reading of the residual stream.
        balls: the layer in balls, if there is one already.
    """

    def __init__(self, question: Question, reading: LinearReading, balls: Computation | None = None) -> None:
        self.question = question
        self.linear = reading
        self.computation = Computation(question.layer, ENCLOSURES)
        self._balls = Computation(question.layer, BALLS) if balls is None else balls
        ids = question.vocabulary_array
        rows = np.asarray(question.layer.embedding, dtype=np.float64)
        # Of most of the rows, a copy would take more memory than the rest takes time.
        most = 2 * len(ids) > len(rows)
        self._table = Table(rows if most else rows[ids])
        self._kept = ids if most and not np.array_equal(ids, np.arange(len(rows))) else slice(None)
        self._placed = question.layer.positions is not None or question.layer.score_bias is not None
        self._values: Projection | None = None
        self._readings: dict[tuple[int, int], Reading] = {}
        self._largest: dict[tuple[int, int, int], Floats] = {}
        self._terms: dict[tuple[int, int, int, bytes], Terms] = {}

    def reading(self, token: int, position: int) -> Reading:
        """The layer as seen from a reader token at a position."""
        key = (token, self._place(position))
        if key not in self._readings:
            with precision(FOLD_BITS):
                if self._values is None:
                    self._values = self._balls.value_projection(self.linear.direction)
                raw = self._balls.rows([token], [position])
                source = self._balls.reading(raw, position, self.linear.direction, self._values)
                self._readings[key] = EnclosedReading(source, self.computation)
        return self._readings[key]

    def enclosed(self, prompt: Prompt) -> Enclosed:
        """The numbers for a prompt whose reader is a fixed token.

        Args:
            prompt: with its slots empty; ``prompt.tokens[prompt.reader]`` is not None.
        """
        token = prompt.tokens[prompt.reader]
        assert token is not None, "the reader's token has to be fixed"
        reading = self.reading(token, prompt.reader)
        template, keys = self._template_votes(reading, prompt), [self._key(token, prompt, p) for p in prompt.slots]
        # Votes are made again where another shift needs them: kept, they would take as much memory as the terms.
        votes: dict[tuple[int, int, int], tuple[Enclosure, Enclosure]] = {}
        for key, position in zip(keys, prompt.slots, strict=True):
            if key not in self._largest:
                votes[key] = self._slot_votes(reading, position)
                self._largest[key] = votes[key][0].mid.max(axis=0)
        largest = np.max([template[0].mid.max(axis=0), *(self._largest[key] for key in keys)], axis=0)
        shift = np.ceil(largest / _EXPONENT_GRID) * _EXPONENT_GRID - 2 * _EXPONENT_GRID
        terms = []
        for key, position in zip(keys, prompt.slots, strict=True):
            shifted = (*key, shift.tobytes())
            if shifted not in self._terms:
                self._terms[shifted] = _exponentials(*(votes.get(key) or self._slot_votes(reading, position)), shift)
            terms.append(self._terms[shifted])
        return Enclosed(self._direct(reading), _exponentials(*template, shift), tuple(terms))

    def rays(self, prompt: Prompt) -> Rays:
        """The numbers for any number of slots, of a layer in which places don't matter.

        Args:
            prompt: with one slot; its reader is a fixed token.
        """
        token = prompt.tokens[prompt.reader]
        assert token is not None, "the reader's token has to be fixed"
        assert not self._placed, "a token's scores and readouts have to be the same in every slot"
        reading = self.reading(token, prompt.reader)
        (scores, readouts), own = self._slot_votes(reading, prompt.slots[0]), self._template_votes(reading, prompt)
        # Each head's numbers over the first head's b: e^(differences of scores), so that no size is lost.
        b = ENCLOSURES.exp(scores - scores[:, :1])
        shift = own[0].mid.max(axis=0)
        parts = _exponentials(*own, shift)
        sums = Terms(parts.a.sum(0).reshape(1, -1), parts.b.sum(0).reshape(1, -1))
        factor = ENCLOSURES.exp(Enclosure(shift.reshape(1, -1)) - Enclosure(shift[:1].reshape(1, 1)))
        first = sums.b[:, :1]
        a = _stacked(sums.a / first * factor, b * readouts)
        b = _stacked(sums.b / first * factor, b)
        mid, rad = b.mid.copy(), np.broadcast_to(b.rad, b.shape).copy()
        mid[:, 0], rad[:, 0] = 1.0, 0.0
        sizes = np.append(shift[0] + np.log(first.mid[0, 0]), scores.mid[:, 0])
        return Rays(self._direct(reading), a, Enclosure(mid, rad), sizes)

    def _direct(self, reading: Reading) -> Enclosure:
        direct: Enclosure = reading.direct()[0] + from_balls(self.linear.constant)
        return direct

    def _place(self, position: int) -> int:
        """The position, or the same number for all where the layer's numbers don't depend on it."""
        return position if self._placed else 0

    def _key(self, token: int, prompt: Prompt, position: int) -> tuple[int, int, int]:
        """What the votes in a slot depend on."""
        return token, self._place(prompt.reader), self._place(position)

    def _slot_votes(self, reading: Reading, position: int) -> tuple[Enclosure, Enclosure]:
        """The votes of the whole vocabulary at a position: scores and readouts, (n, H) each."""
        scores, readouts = reading.votes(Rows(self._table, self.computation.shift(position)), position)
        scores = scores[self._kept]
        if isinstance(self.question.readout, Share):  # whose system tokens stand in no slot
            return scores, Enclosure(np.zeros(scores.shape))
        return scores, readouts[self._kept][:, :, 0]

    def _template_votes(self, reading: Reading, prompt: Prompt) -> tuple[Enclosure, Enclosure]:
        """The votes of the fixed tokens that the reader sees."""
        raws = [
            (position, self.computation.rows([token], [position]))
            for position, token in enumerate(prompt.tokens)
            if token is not None and self.question.layer.sees(prompt.reader, position)
        ]
        votes = [reading.votes(raw, position) for position, raw in raws]
        scores = ENCLOSURES.stack([scores[0] for scores, _ in votes])
        if isinstance(self.question.readout, Share):
            readouts = share_readouts(self.question, len(prompt.tokens), [position for position, _ in raws])
            with precision(FOLD_BITS):
                return scores, ENCLOSURES.constant(readouts)
        return scores, ENCLOSURES.stack([readouts[0, :, 0] for _, readouts in votes])


def _exponentials(scores: Enclosure, readouts: Enclosure, shift: Floats) -> Terms:
    b = ENCLOSURES.exp(scores - Enclosure(shift.reshape(1, -1)))
    return Terms(b * readouts, b)


def assemble(enclosed: Enclosed) -> Problem:
    """Upper bounds for the search from enclosures; see the module's text for why they suffice."""
    direct, template, slots = enclosed.direct, enclosed.template, enclosed.slots
    own = Terms(template.a.sum(0).reshape(1, -1), template.b.sum(0).reshape(1, -1))
    everything = [template, *slots]
    # N_h / D_h is a mean of readouts a/b, so no better c_h lies outside their range.
    limit = np.max([_largest_ratio(t) for t in everything], axis=0)
    relative = np.zeros(len(limit))
    absolute = 0.0
    for terms in (own, *slots):
        normal = terms.b.mid > 2.0**-900
        rad = np.broadcast_to(terms.b.rad, terms.b.shape)
        ratio = np.where(normal, rad / np.where(normal, terms.b.mid, 1.0), 0.0)
        relative = np.maximum(relative, ratio.max(axis=0) * (1 + 8 * UNIT))
        absolute = max(absolute, float(np.where(normal, 0.0, rad).max()))
    return Problem(
        direct=float(direct.upper),
        template=_inflated(own, limit),
        slots=tuple(_inflated(t, limit) for t in slots),
        limit=limit,
        relative=relative,
        absolute=absolute,
    )


def _largest_ratio(terms: Terms) -> Floats:
    b = np.maximum(terms.b.mid, 2.0**-1000)
    return np.asarray((np.abs(terms.a.mid) / b).max(axis=0) * 1.001 + 2.0**-900)


def _inflated(terms: Terms, limit: Floats) -> SlotTable:
    heads = terms.a.shape[1]
    a, b = terms.a, terms.b
    size = np.abs(a.mid) + a.rad + limit * (np.abs(b.mid) + b.rad)
    extra = (a.rad + limit * b.rad + (heads + 8) * UNIT * size) * (1 + 16 * UNIT) + TINY
    upper = np.nextafter(a.mid + extra, np.inf)
    return SlotTable(np.ascontiguousarray(upper.T), np.ascontiguousarray(b.mid.T))


def counted(weights: Floats, limit: int, slots: int) -> Enclosed:
    """limit + SLACK - Σ_i weights[t_i], which is above 0 where the weights stay within the limit, as such a function.

    It has one head, whose terms b are all 1, so that D = m + 1; every number is exact.

    Args:
        weights: (n,) natural numbers, one a token.
        limit: the most that they may add up to.
        slots: m.
    """
    slot = Terms(Enclosure(-(slots + 1) * weights.reshape(-1, 1)), Enclosure(np.ones((len(weights), 1))))
    none = Terms(Enclosure(np.zeros((1, 1))), Enclosure(np.ones((1, 1))))
    return Enclosed(Enclosure(np.float64(limit + SLACK)), none, (slot,) * slots)


def combine(parts: Sequence[tuple[Hashable, Enclosed, float]]) -> Enclosed:
    """The weighted sum of several functions of the same assignments, as one function of more heads.

    Functions of the same template have the same exponentials: their numerators are added, and the heads stay as many.

    Args:
        parts: of each function the template, its numbers, and its weight.
    """
    groups: dict[Hashable, list[tuple[Enclosed, float]]] = {}
    for template, enclosed, weight in parts:
        groups.setdefault(template, []).append((enclosed, weight))
    direct = sum((enclosed.direct * weight for _, enclosed, weight in parts), Enclosure(0.0))
    templates = [
        [(Terms(e.template.a.sum(0).reshape(1, -1), e.template.b.sum(0).reshape(1, -1)), w) for e, w in group]
        for group in groups.values()
    ]
    slots = [[[(e.slots[i], w) for e, w in group] for group in groups.values()] for i in range(len(parts[0][1].slots))]
    sums: dict[tuple[int, ...], Terms] = {}
    return Enclosed(direct, _side_by_side(templates, sums), tuple(_side_by_side(slot, sums) for slot in slots))


def _side_by_side(groups: Sequence[Sequence[tuple[Terms, float]]], sums: dict[tuple[int, ...], Terms]) -> Terms:
    """The heads of each group's weighted sum, beside those of the others; ``sums`` are those of groups seen before."""
    found = []
    for group in groups:
        key = tuple(id(terms) for terms, _ in group)
        if key not in sums:
            first = group[0][0].b
            assert all(np.array_equal(terms.b.mid, first.mid) for terms, _ in group), "one template has one b"
            sums[key] = Terms(sum((t.a * weight for t, weight in group), Enclosure(np.zeros(first.shape))), first)
        found.append(sums[key])
    return Terms(_concatenated([terms.a for terms in found]), _concatenated([terms.b for terms in found]))


def _stacked(first: Enclosure, rest: Enclosure) -> Enclosure:
    mid = np.concatenate([first.mid, rest.mid])
    return Enclosure(mid, np.concatenate([np.broadcast_to(x.rad, x.shape) for x in (first, rest)]))


def _concatenated(arrays: Sequence[Enclosure]) -> Enclosure:
    mid = np.concatenate([x.mid for x in arrays], axis=1)
    return Enclosure(mid, np.concatenate([np.broadcast_to(x.rad, x.shape) for x in arrays], axis=1))
