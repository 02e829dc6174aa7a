"""What the soundness campaign compares answers with: every assignment, by the formulas as they stand, in balls.

This evaluation is the third of its kind: it shares no line with the package's or with the checker's. It takes from the
package what a question says, and nothing that is computed from it: prompts are laid out here, too.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import Any, NamedTuple

import flint
import numpy as np

from tokendemo_formal.attention import Alibi, Layer, Learned, Norm, Rotary, Sinusoidal
from tokendemo_formal.override.question import Question, Share, Template

PRECISIONS = (128, 512, 4096)

Balls = np.ndarray[Any, Any]
"""Arrays of ``flint.arb``."""
Assignment = tuple[int, ...]
Ends = tuple[Fraction, Fraction]
"""A real number's bounds."""

_exp = np.frompyfunc(lambda x: x.exp(), 1, 1)
_ball = np.frompyfunc(lambda x: flint.arb(float(x)), 1, 1)


def rational(x: Fraction) -> flint.arb:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


def ends(x: flint.arb) -> Ends:
    """Rational ends of a ball."""
    middle, radius = (Fraction(int(m)) * Fraction(2) ** int(e) for m, e in (x.mid().man_exp(), x.rad().man_exp()))
    return middle - radius, middle + radius


class Layout(NamedTuple):
    """A template's prompt.

    Attributes:
        tokens: by position, None in a slot.
        reader: its position.
        system: where the tokens stand whose share is read.
    """

    tokens: list[int | None]
    reader: int
    system: list[int]

    def filled(self, assignment: Assignment) -> list[int]:
        """With the assignment in the slots."""
        rest = iter(assignment)
        return [next(rest) if token is None else token for token in self.tokens]


def laid_out(question: Question, template: Template, slots: int) -> Layout:
    """A template with that many slots."""
    first, size = len(template.before), len(template.before) + len(template.after) + slots
    holes = [*range(first, first + slots)] if question.positions is None else [*question.positions[:slots]]
    fixed = [p for p in range(size) if p not in holes]
    tokens = dict(zip(fixed, template.before + template.after, strict=True))
    reader = {"first": 0, "last": size - 1}.get(template.reader, template.reader)
    of = question.readout.of if isinstance(question.readout, Share) else ()
    named = {"before": fixed[:first], "after": fixed[first:], "template": fixed}
    system = named[of] if isinstance(of, str) else [fixed[i] for i in of]
    return Layout([tokens.get(p) for p in range(size)], int(reader) % size, system)


class Option(NamedTuple):
    """A token at a position: what it adds to each head's sums.

    Attributes:
        chosen: the token, if it fills a slot.
        weights: (H,) unnormalised softmax weights.
        sums: (H, n) what is to be mixed, times the weights.
    """

    chosen: Assignment
    weights: Balls
    sums: Balls

    def and_(self, other: Option) -> Option:
        return Option(self.chosen + other.chosen, self.weights + other.weights, self.sums + other.sums)

    def times(self, count: int) -> Option:
        return Option(self.chosen * count, self.weights * count, self.sums * count)


class Evaluation:
    """A layer by its formulas, token after token, in balls of one precision; every call is made at that precision."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._tokens: dict[tuple[int, int], tuple[Balls, Balls]] = {}

    def _norm(self, norm: Norm | None, x: Balls) -> Balls:
        if norm is None:
            return x
        d = len(x)
        if norm.kind == "layer":
            x = x - x.sum() / d
        y = x / ((x * x).sum() / d + flint.arb(norm.eps)).sqrt() * _ball(norm.gain)
        return y if norm.bias is None else y + _ball(norm.bias)

    def _angle(self, base: float, i: int, dims: int, position: int) -> flint.arb:
        return flint.arb(base) ** flint.arb(flint.fmpq(-2 * i, dims)) * position

    def _row(self, token: int, position: int) -> Balls:
        layer, places = self.layer, self.layer.positions
        x: Balls = _ball(layer.embedding[token])
        if layer.offset is not None:
            x = x + _ball(layer.offset)
        if isinstance(places, Learned):
            x = x + _ball(places.table[position])
        if isinstance(places, Sinusoidal):
            angles = [self._angle(places.base, i // 2, layer.width, position) for i in range(layer.width)]
            x = x + np.array([a.cos() if i % 2 else a.sin() for i, a in enumerate(angles)], dtype=object)
        return self._norm(layer.embedding_norm, x)

    def _rotated(self, x: Balls, position: int) -> Balls:
        rotary = self.layer.positions
        if not isinstance(rotary, Rotary):
            return x
        dims = len(x) if rotary.dims is None else rotary.dims
        x = x.copy()
        for i in range(dims // 2):
            a, b = (i, i + dims // 2) if rotary.pairing == "half" else (2 * i, 2 * i + 1)
            turn = flint.acb(0, self._angle(rotary.base, i, dims, position)).exp()
            z = flint.acb(x[a], x[b]) * turn
            x[a], x[b] = z.real, z.imag
        return x

    def _affine(self, x: Balls, weights: Any, bias: Any) -> Balls:
        y: Balls = x @ _ball(weights)
        return y if bias is None else y + _ball(bias)

    def _biases(self, bias: Any, count: int) -> Sequence[Any]:
        return [None] * count if bias is None else bias

    def _token(self, token: int, position: int) -> tuple[Balls, Balls]:
        """The rotated keys (G, dh) and the outputs (H, d) of a token at a position."""
        if (token, position) not in self._tokens:
            layer = self.layer
            y = self._norm(layer.pre_norm, self._row(token, position))
            keys, values = [], []
            for g in range(layer.groups):
                key = self._affine(y, layer.wk[g], self._biases(layer.bk, layer.groups)[g])
                keys.append(self._rotated(self._norm(layer.key_norm, key), position))
                values.append(self._affine(y, layer.wv[g], self._biases(layer.bv, layer.groups)[g]))
            share = layer.heads // layer.groups
            outputs = [values[h // share] @ _ball(layer.wo[h]) for h in range(layer.heads)]
            self._tokens[token, position] = np.array(keys, dtype=object), np.array(outputs, dtype=object)
        return self._tokens[token, position]

    def queries(self, token: int, position: int) -> Balls:
        """(H, dh)"""
        layer = self.layer
        y = self._norm(layer.pre_norm, self._row(token, position))
        squared = Fraction(1, layer.wq.shape[2]) if layer.scale_squared is None else layer.scale_squared
        factor = rational(squared).sqrt() / flint.arb(layer.temperature)
        queries = []
        for h, bias in enumerate(self._biases(layer.bq, layer.heads)):
            q = self._norm(layer.query_norm, self._affine(y, layer.wq[h], bias))
            queries.append(self._rotated(q, position) * factor)
        return np.array(queries, dtype=object)

    def scores(self, queries: Balls, reader: int, token: int, position: int) -> Balls:
        """(H,)"""
        layer, (keys, _) = self.layer, self._token(token, position)
        scores = (queries * np.repeat(keys, layer.heads // layer.groups, axis=0)).sum(axis=1)
        if isinstance(layer.positions, Alibi):
            scores = scores - _ball(layer.positions.slopes) * abs(reader - position)
        if layer.score_bias is not None:
            scores = scores + _ball(layer.score_bias[:, reader, position])
        return scores

    def gains(self, question: Question, template: Template, slots: int) -> dict[Assignment, flint.arb]:
        """The gain of every assignment of one length in a template, the threshold left out."""
        layout = laid_out(question, template, slots)
        own = layout.tokens[layout.reader]
        found = {}
        for reader_token in question.vocabulary if own is None else [own]:
            positions, gain = self._reading(question, layout, reader_token)
            found |= {option.chosen: gain(option) for option in _all(positions)}
        return found

    def mixed(
        self, question: Question, template: Template, assignments: Iterable[Assignment]
    ) -> dict[Assignment, flint.arb]:
        """The same of assignments of any length, in a layer where places don't matter: tokens are only counted."""
        layout = laid_out(question, template, 1)
        reader_token = layout.tokens[layout.reader]
        assert reader_token is not None
        positions, gain = self._reading(question, layout, reader_token)
        (slot,) = [options for options in positions if options[0].chosen]
        by_token = {option.chosen[0]: option for option in slot}
        fixed = [options[0] for options in positions if not options[0].chosen]
        found = {}
        for assignment in assignments:
            chosen = [by_token[token].times(count) for token, count in Counter(assignment).items()]
            found[assignment] = gain(reduce(Option.and_, fixed + chosen))
        return found

    def _reading(
        self, question: Question, layout: Layout, reader_token: int
    ) -> tuple[list[list[Option]], Callable[[Option], flint.arb]]:
        """The options of each position that the reader sees, and what the gain is of their sum."""
        layer, readout, reader = self.layer, question.readout, layout.reader
        queries = self.queries(reader_token, reader)
        if isinstance(readout, Share):
            heads = range(layer.heads) if readout.head is None else [readout.head]

            def mixed(token: int, position: int) -> Balls:
                return _ball(np.full((layer.heads, 1), float(position in layout.system)))

            def gain(total: Option) -> flint.arb:
                return -sum((total.sums[h, 0] / total.weights[h] for h in heads), flint.arb(0)) / len(heads)

        else:
            rows, biases = self._rows(question)
            normed = readout.final_norm and layer.final_norm is not None
            own = self._row(reader_token, reader) if layer.residual else 0 * rows[0]
            own = own if layer.bo is None else own + _ball(layer.bo)

            def mixed(token: int, position: int) -> Balls:
                outputs = self._token(token, position)[1]
                return outputs if normed else outputs @ rows.T

            def gain(total: Option) -> flint.arb:
                sums = (total.sums / total.weights.reshape(-1, 1)).sum(axis=0)
                logits = rows @ self._norm(layer.final_norm, own + sums) if normed else rows @ own + sums
                return self._lead(question, logits + biases)

        positions = []
        for position, held in enumerate(layout.tokens):
            if position > reader and layer.causal:
                continue
            tokens = [reader_token] if position == reader else question.vocabulary if held is None else [held]
            options = []
            for token in tokens:
                weights = _exp(self.scores(queries, reader, token, position))
                chosen = (token,) if held is None else ()
                options.append(Option(chosen, weights, weights.reshape(-1, 1) * mixed(token, position)))
            positions.append(options)
        return positions, gain

    def _rows(self, question: Question) -> tuple[Balls, Balls]:
        """The rows (n, d) that are read, and their biases (n,): all that compete, or the difference of the only two."""
        readout, contest = question.row_readout, question.contest
        if contest is None:
            bias = _ball(readout.toward_bias) - _ball(readout.against_bias)
            return (_ball(readout.toward) - _ball(readout.against)).reshape(1, -1), np.array([bias], dtype=object)
        chosen = [*contest.toward, *contest.against]
        biases = np.zeros(len(chosen)) if contest.biases is None else contest.biases[chosen]
        return _ball(contest.rows[chosen]), _ball(biases)

    def _lead(self, question: Question, logits: Balls) -> flint.arb:
        """What the best row toward has more than the best against."""
        if question.contest is None:
            return logits[0]
        cut = len(question.contest.toward)
        toward, against = (reduce(flint.arb.max, part) for part in (logits[:cut], logits[cut:]))
        return toward - against


def _all(positions: list[list[Option]]) -> Iterator[Option]:
    """The sums of one option a position."""
    if len(positions) == 1:
        yield from positions[0]
        return
    for rest in _all(positions[:-1]):
        for option in positions[-1]:
            yield rest.and_(option)


Gains = Mapping[Assignment, Ends]


def threshold(question: Question) -> Fraction:
    """What a gain has to exceed: for a share, which is less than a bound where less the share exceeds less the bound,
    the latter."""
    return -question.readout.below if isinstance(question.readout, Share) else question.readout.threshold


def with_threshold(question: Question, value: Fraction) -> Question:
    """The question with another threshold, in this sense."""
    readout = question.readout
    if isinstance(readout, Share):
        return replace(question, readout=replace(readout, below=-value))
    return replace(question, readout=replace(readout, threshold=value))


class Truth:
    """The gains of every assignment of a question, the threshold left out, as closely as they are wanted.

    Args:
        question: what is asked.
        fits: which assignments are asked about.
        unordered: whether places don't matter, so that one order of each assignment's tokens stands for all.
    """

    def __init__(
        self, question: Question, fits: Callable[[Assignment], bool] = lambda _: True, unordered: bool = False
    ) -> None:
        self.question, self.fits, self.unordered = question, fits, unordered
        self._evaluations = {bits: Evaluation(question.layer) for bits in PRECISIONS}
        self._gains: dict[tuple[int, int], Sequence[Gains]] = {}

    def of(self, question: Question, fits: Callable[[Assignment], bool]) -> Truth:
        """Of another question about the same layer."""
        other = Truth(question, fits, self.unordered)
        other._evaluations = self._evaluations
        return other

    def _in_templates(self, bits: int, slots: int, assignments: Iterable[Assignment] | None = None) -> list[Gains]:
        evaluation, question = self._evaluations[bits], self.question
        with flint.ctx.workprec(bits):
            if assignments is None:
                found = [evaluation.gains(question, template, slots) for template in question.templates]
            else:
                assignments = [*assignments]
                found = [evaluation.mixed(question, template, assignments) for template in question.templates]
            return [{t: ends(gain) for t, gain in gains.items()} for gains in found]

    def templates(self, slots: int, bits: int) -> Sequence[Gains]:
        """Bounds of each gain of one length in each template, whether it is asked about or not."""
        if (slots, bits) not in self._gains:
            sorted_ = itertools.combinations_with_replacement(self.question.vocabulary, slots)
            self._gains[slots, bits] = self._in_templates(bits, slots, sorted_ if self.unordered and slots else None)
        return self._gains[slots, bits]

    def every(self, slots: int, bits: int) -> Gains:
        """The least of all templates'."""
        return _least(self.templates(slots, bits))

    def gains(self, slots: int, bits: int) -> Gains:
        """Of those that are asked about."""
        return {t: gain for t, gain in self.every(slots, bits).items() if self.fits(t)}

    def best(self, slots: int, bits: int = PRECISIONS[0]) -> Ends | None:
        """Bounds of the largest gain; None: no assignment is asked about."""
        gains = self.gains(slots, bits).values()
        return (max(low for low, _ in gains), max(high for _, high in gains)) if gains else None

    def above(self, slots: int, threshold: Fraction) -> bool | None:
        """Whether some gain is above the threshold; None for a tie: 4,096 bits don't tell the largest from it."""
        for bits in PRECISIONS:
            best = self.best(slots, bits)
            if best is None or best[0] > threshold or best[1] <= threshold:
                return best is not None and best[0] > threshold
        return None

    def in_templates(self, assignment: Assignment) -> list[Ends]:
        """Close bounds of one assignment's gain in each template."""
        each = self.templates(len(assignment), PRECISIONS[-1]) if not self.unordered else self._in_templates(
            PRECISIONS[-1], len(assignment), [assignment] if assignment else None
        )  # fmt: skip
        return [gains[assignment] for gains in each]

    def gain(self, assignment: Assignment) -> Ends:
        """Close bounds of one assignment's gain."""
        return _least([{assignment: ends_} for ends_ in self.in_templates(assignment)])[assignment]

    def of_longer(self, assignments: Iterable[Assignment], bits: int = PRECISIONS[0]) -> Gains:
        """Bounds of the gains of assignments of any length; only where places don't matter."""
        return _least(self._in_templates(bits, 1, assignments))


def _least(each: Sequence[Gains]) -> Gains:
    """The least of all templates'."""
    if len(each) == 1:
        return each[0]
    return {t: (min(gains[t][0] for gains in each), min(gains[t][1] for gains in each)) for t in each[0]}
